//! The types that window and app share are in `ui/src/backend/types` as they are in Rust.
#![allow(clippy::unwrap_used, reason = "A panic is how a test fails.")]

use std::collections::BTreeMap;
use std::path::Path;

use coretap_app::view;
use ts_rs::{Config, TS};

/// Every file of a folder by its name.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect()
}

fn write(folder: &Path) {
    let config = Config::new().with_out_dir(folder);
    view::Snapshot::export_all(&config).unwrap();
    view::Offer::export_all(&config).unwrap();
    view::ServiceKeyFields::export_all(&config).unwrap();
    view::ConnectionDraft::export_all(&config).unwrap();
    view::Keep::export_all(&config).unwrap();
    view::AgentView::export_all(&config).unwrap();
}

#[test]
fn the_window_has_the_types_of_the_app() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui/src/backend/types");
    if std::env::var_os("CORETAP_WRITE_TYPES").is_some() {
        std::fs::remove_dir_all(&kept).unwrap();
        write(&kept);
    }
    let fresh = tempfile::tempdir().unwrap();
    write(fresh.path());
    assert!(
        files(fresh.path()) == files(&kept),
        "the types of ui/src/backend/types are old: run ./dev types"
    );
    assert!(
        files(&kept).values().all(|text| !text.contains("bigint")),
        "JSON has no bigint: u64 needs #[ts(type = \"number\")]"
    );
}
