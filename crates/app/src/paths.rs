//! Paths as people write them.

use std::path::PathBuf;

/// A variable that is set to something.
pub(crate) fn set(environment: &impl Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    environment(name).filter(|value| !value.trim().is_empty())
}

/// The person's home folder; `None` where the system names none.
pub(crate) fn home(environment: &impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let name = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
    set(environment, name).map(PathBuf::from)
}

/// A path whose `~` at the beginning means the home folder: where no shell has replaced it, in a file or in quotes. Without
/// a home folder it stays as it is.
pub(crate) fn expand(home: Option<&PathBuf>, text: &str) -> PathBuf {
    let text = text.trim();
    let below = text
        .strip_prefix('~')
        .filter(|rest| rest.is_empty() || rest.starts_with(std::path::is_separator));
    match (below, home) {
        (Some(below), Some(home)) => home.join(below.trim_start_matches(std::path::is_separator)),
        _ => PathBuf::from(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tilde_is_the_home_folder_at_the_beginning_only() {
        let home = PathBuf::from("/home/jane");
        for (text, expected) in [
            ("~/ca.pem", "/home/jane/ca.pem"),
            (" ~ ", "/home/jane"),
            ("~jane/ca.pem", "~jane/ca.pem"),
            ("/etc/~/ca.pem", "/etc/~/ca.pem"),
            ("ca.pem", "ca.pem"),
        ] {
            assert_eq!(expand(Some(&home), text), PathBuf::from(expected), "{text}");
        }
        assert_eq!(expand(None, "~/ca.pem"), PathBuf::from("~/ca.pem"));
    }
}
