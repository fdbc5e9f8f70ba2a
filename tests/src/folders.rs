//! The folders a suite reads: shared specifications and captures, installed clients, the repository itself.

use std::io::Write as _;
use std::path::PathBuf;

/// The repository's root.
pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

/// `$CORETAP_SHARED` (default `../shared` beside the repository) with `part` in it.
/// Where it is absent, `suite` is reported as skipped and there is nothing.
pub fn shared(suite: &str, part: &str) -> Option<PathBuf> {
    let root =
        std::env::var_os("CORETAP_SHARED").map_or_else(|| repository().join("../shared"), PathBuf::from);
    present(suite, root.join(part))
}

/// `part` of the folder where `./dev` installs the clients: `$CORETAP_CACHE`, by default `~/.cache/coretap`.
/// Where it is absent, `suite` is reported as skipped and there is nothing.
pub fn installed(suite: &str, part: &str) -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let cache = variable("CORETAP_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|cache| cache.join("coretap")))
        .or_else(|| variable("HOME").map(|home| home.join(".cache/coretap")))?;
    present(suite, cache.join(part))
}

fn present(suite: &str, path: PathBuf) -> Option<PathBuf> {
    if path.exists() {
        return Some(path);
    }
    skipped(
        suite,
        &format!("no {}; `./dev test` installs what it can", path.display()),
    );
    None
}

/// Says that `suite` could not be run, and why.
pub fn skipped(suite: &str, why: &str) {
    report(&format!("SKIPPED {suite}: {why}"));
}

/// Writes a line to stderr and to the file that `./dev` prints at its end: a test that passes is not heard otherwise.
pub fn report(line: &str) {
    let line = format!("{line}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(file) = std::env::var_os("CORETAP_REPORT") {
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(file)
            .unwrap();
        file.write_all(line.as_bytes()).unwrap();
    }
}
