//! How many files and connections this process may have open.

/// Enough for thousands of connections. More is not asked for: a desktop's child processes inherit the limit, and some
/// programs walk through all of it.
const WANTED: u64 = 65_536;

/// Raises the limit to what the system allows, as the limits of many systems (1,024, on macOS 256) are for programs that
/// open files, not connections. Does nothing on Windows, which has no such limit.
pub(crate) fn raise_limit() {
    match rlimit::increase_nofile_limit(WANTED) {
        Ok(limit) => tracing::debug!(limit, "open files"),
        Err(error) => tracing::warn!(%error, "the limit of open files can't be raised"),
    }
}
