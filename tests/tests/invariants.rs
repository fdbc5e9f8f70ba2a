//! What must stay true of the crates themselves: who depends on whom, who names what, and that every problem has its page.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "A panic is how a test fails."
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};
use coretap_tests::folders::repository;

fn metadata() -> Metadata {
    let manifest = repository().join("Cargo.toml");
    MetadataCommand::new()
        .manifest_path(manifest)
        .other_options(["--locked".to_owned()])
        .exec()
        .unwrap()
}

/// Everything that a crate of the workspace is built from, tests aside, by name.
fn built_from(metadata: &Metadata, name: &str) -> BTreeSet<String> {
    let nodes: BTreeMap<&PackageId, _> = metadata
        .resolve
        .as_ref()
        .unwrap()
        .nodes
        .iter()
        .map(|node| (&node.id, node))
        .collect();
    let package = metadata
        .workspace_packages()
        .into_iter()
        .find(|package| package.name.as_str() == name);
    let mut wanted = vec![&package.unwrap_or_else(|| panic!("no crate {name}")).id];
    let mut all = BTreeSet::new();
    while let Some(id) = wanted.pop() {
        for dependency in &nodes[id].deps {
            let normal = dependency
                .dep_kinds
                .iter()
                .any(|kind| kind.kind == DependencyKind::Normal);
            if normal && all.insert(metadata[&dependency.pkg].name.to_string()) {
                wanted.push(&dependency.pkg);
            }
        }
    }
    all
}

/// The Rust files below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
    {
        if entry.is_dir() {
            files.extend(sources(&entry));
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            files.push(entry);
        }
    }
    files
}

/// A file's text without the tests that stand at its end, which other files' tests may use.
fn without_unit_tests(text: &str) -> &str {
    let end = text.find("#[cfg(test)]\nmod tests");
    let end = end.or_else(|| text.find("#[cfg(test)]\npub(crate) mod tests"));
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

/// Each room's name and the text of its sources, without the tests that stand at a file's end.
fn rooms() -> Vec<(String, Vec<(PathBuf, String)>)> {
    let crates = std::fs::read_dir(repository().join("crates")).unwrap();
    let crates = crates
        .map(|entry| entry.unwrap().path())
        .chain([repository().join("src-tauri")]);
    let text = |file: PathBuf| {
        let text = std::fs::read_to_string(&file).unwrap();
        (file, without_unit_tests(&text).to_owned())
    };
    crates
        .map(|room| {
            let name = room.file_name().unwrap().to_string_lossy().into_owned();
            (name, sources(&room.join("src")).into_iter().map(text).collect())
        })
        .collect()
}

#[test]
fn formats_is_pure() {
    let built_from = built_from(&metadata(), "coretap-formats");
    for outside in [
        "tokio",
        "mio",
        "socket2",
        "hyper",
        "reqwest",
        "rustls",
        "time",
        "http",
        "getrandom",
        "fastrand",
    ] {
        assert!(
            !built_from.contains(outside),
            "formats knows no I/O, HTTP or clock, but is built from {outside}"
        );
    }
    for (room, files) in rooms().into_iter().filter(|(room, _)| room == "formats") {
        for (file, text) in files {
            for outside in [
                "std::fs",
                "std::net",
                "std::env",
                "std::io",
                "std::time",
                "std::process",
                "std::thread",
            ] {
                assert!(
                    !text.contains(outside),
                    "{room}: {} names {outside}",
                    file.display()
                );
            }
        }
    }
}

/// A bug must not cancel itself out.
#[test]
fn the_simulator_shares_no_code_with_what_it_tests() {
    let metadata = metadata();
    let built_from = built_from(&metadata, "coretap-simulator");
    assert!(
        !built_from.iter().any(|name| name.starts_with("coretap")),
        "{built_from:?}"
    );
    for name in ["coretap-formats", "coretap-aicore", "coretap-proxy"] {
        assert!(
            !self::built_from(&metadata, name).contains("coretap-simulator"),
            "{name} is built from the simulator"
        );
    }
}

#[test]
fn only_the_desktop_names_tauri_and_the_command_needs_no_window() {
    let metadata = metadata();
    for package in metadata
        .workspace_packages()
        .iter()
        .filter(|package| package.name.as_str() != "coretap-desktop")
    {
        let tauri = package
            .dependencies
            .iter()
            .find(|dependency| dependency.name.starts_with("tauri"));
        assert!(
            tauri.is_none(),
            "{} depends on {}",
            package.name,
            tauri.unwrap().name
        );
    }
    let command = built_from(&metadata, "coretap");
    for window in [
        "tauri",
        "wry",
        "gtk",
        "webkit2gtk",
        "winit",
        "openssl-sys",
        "native-tls",
    ] {
        assert!(!command.contains(window), "the command is built from {window}");
    }
}

/// What a build without a word about features is, which is how everything is bundled.
#[test]
fn no_release_panics_on_demand() {
    let mut found = 0;
    for package in metadata().workspace_packages() {
        found += usize::from(package.features.contains_key("panic-injection"));
        let default = package.features.get("default");
        assert!(default.is_none_or(Vec::is_empty), "{}: {default:?}", package.name);
    }
    assert!(found >= 2, "the search finds nothing");
    let script = std::fs::read_to_string(repository().join("dev")).unwrap();
    let released = script.lines().filter(|line| line.contains("--release"));
    assert!(released.into_iter().all(|line| !line.contains("panic-injection")));
}

#[test]
fn the_rooms_keep_to_themselves() {
    let metadata = metadata();
    let may_not = [
        (
            "coretap-aicore",
            &["coretap-formats", "coretap-proxy", "coretap-app", "clap"][..],
        ),
        ("coretap-proxy", &["coretap-app", "clap", "toml_edit"]),
        ("coretap-app", &["clap"]),
    ];
    for (name, others) in may_not {
        let built_from = built_from(&metadata, name);
        for other in others {
            assert!(!built_from.contains(*other), "{name} is built from {other}");
        }
    }
}

#[test]
fn only_aicore_and_the_simulator_name_sap_paths_and_headers() {
    let mut found = BTreeSet::new();
    for (room, files) in rooms() {
        for (file, text) in files {
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let code: String = code.collect::<Vec<_>>().join("\n").to_lowercase();
            for name in [
                "ai-resource-group",
                "/v2/lm",
                "/lm/deployments",
                "inference/deployments",
                "/v2/completion",
                "/oauth/token",
            ] {
                if !code.contains(name) {
                    continue;
                }
                found.insert(room.clone());
                let allowed = room == "aicore" || room == "simulator";
                assert!(allowed, "{} names {name}", file.display());
            }
        }
    }
    assert_eq!(
        found,
        BTreeSet::from(["aicore".to_owned(), "simulator".to_owned()]),
        "the search finds nothing"
    );
}

/// The window's one door to Rust is its backend, and only the app's twin of it knows Tauri.
#[test]
fn only_the_twin_of_the_backend_names_tauri_in_the_window() {
    let mut folders = vec![repository().join("ui/src")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read(&path)
                .is_ok_and(|text| String::from_utf8_lossy(&text).contains("@tauri-apps/"))
            {
                found.push(path.file_name().unwrap().to_string_lossy().into_owned());
            }
        }
    }
    assert_eq!(found, ["tauri.ts"]);
}

/// The strings between quotes in a piece of source.
fn strings(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').skip(1).step_by(2)
}

#[test]
fn every_problem_has_its_page_and_every_page_its_problem() {
    let rooms = rooms();
    let codes: BTreeSet<String> = [coretap_aicore::CODES, coretap_app::CODES, coretap_proxy::CODES]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect();
    assert!(codes.len() > 20, "{codes:?}");

    let page = std::fs::read_to_string(repository().join("docs/problems.md")).unwrap();
    let words =
        page.split(|letter: char| !(letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '-'));
    let described: BTreeSet<String> = words.filter(|word| is_code(word)).map(str::to_owned).collect();
    let families: BTreeSet<&str> = codes.iter().filter_map(|code| code.split('-').next()).collect();
    let of_ours = |code: &&String| families.contains(code.split('-').next().unwrap());

    // A mention in another code's text explains nothing.
    let headings: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("### ").map(str::to_owned))
        .collect();
    let missing: Vec<_> = codes.difference(&headings).collect();
    assert!(
        missing.is_empty(),
        "docs/problems.md does not explain {missing:?}"
    );
    let gone: Vec<_> = described.difference(&codes).filter(of_ours).collect();
    assert!(
        gone.is_empty(),
        "docs/problems.md explains what no crate lists in CODES: {gone:?}"
    );

    for (room, files) in rooms.iter().filter(|(room, _)| room != "simulator") {
        for (file, text) in files {
            let used: BTreeSet<String> = strings(text)
                .filter(|word| is_code(word))
                .map(str::to_owned)
                .collect();
            let unlisted: Vec<_> = used.difference(&codes).filter(of_ours).collect();
            assert!(
                unlisted.is_empty(),
                "{room}: {} uses codes that stand in no CODES: {unlisted:?}",
                file.display()
            );
        }
    }
}

/// `AUTH-TOKEN-REFUSED`: upper-case words joined by hyphens.
fn is_code(word: &str) -> bool {
    let parts: Vec<&str> = word.split('-').collect();
    let upper =
        |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    parts.len() > 1 && parts[0].len() > 2 && parts.iter().all(upper)
}
