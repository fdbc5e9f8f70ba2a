//! coretap-aicore
