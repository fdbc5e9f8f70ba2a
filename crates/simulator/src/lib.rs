//! coretap-simulator
