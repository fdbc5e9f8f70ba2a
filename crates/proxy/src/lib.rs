//! coretap-proxy
