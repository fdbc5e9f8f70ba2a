//! What lies on disk: where a test looks for what must not be there.

use std::path::{Path, PathBuf};

/// All files in a folder and below it that hold this text.
pub fn files_with(folder: &Path, text: &str) -> Vec<PathBuf> {
    assert!(!text.is_empty(), "every file holds nothing");
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        // Programs that run may remove what was listed a moment ago.
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() && holds(&entry.path(), text) {
                found.push(entry.path());
            }
        }
    }
    found
}

fn holds(file: &Path, text: &str) -> bool {
    let bytes = std::fs::read(file).unwrap_or_default();
    bytes.windows(text.len()).any(|piece| piece == text.as_bytes())
}
