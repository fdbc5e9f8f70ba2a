//! coretap-app
