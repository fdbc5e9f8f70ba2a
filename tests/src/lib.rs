//! coretap-tests
