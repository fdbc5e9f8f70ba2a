//! coretap-formats
