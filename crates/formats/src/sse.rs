//! Server-sent events: lines out of bytes that are cut anywhere.
