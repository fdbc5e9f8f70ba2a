//! What SAP's own SDKs were tested with: every recorded answer is read without a failure, every recorded error as one.

use std::path::{Path, PathBuf};

use coretap_formats::{ModelFormat, Progress, answer, answer_as_stream, read_upstream_error};

use crate::{AGENTS, files_below, grammar, options, translate};

/// The folder of SAP's fixtures, from `$CORETAP_SHARED` or beside the repository.
fn fixtures() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("CORETAP_SHARED").map_or_else(beside, PathBuf::from);
    let folder = shared.join("spec/fixtures");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: SAP's fixtures, {} is not there", folder.display());
    None
}

fn format_of(path: &Path) -> ModelFormat {
    if path
        .components()
        .any(|folder| folder.as_os_str() == "orchestration")
    {
        ModelFormat::Orchestration
    } else {
        ModelFormat::AzureChat
    }
}

#[test]
fn every_recorded_stream_is_read() {
    let Some(folder) = fixtures() else { return };
    let mut read = 0;
    for path in files_below(&folder, "txt") {
        let text = std::fs::read_to_string(&path).unwrap();
        for (agent, _) in AGENTS {
            let translated = translate(&options(format_of(&path), agent), [text.as_bytes()]);
            grammar::check(agent, &translated);
            let ends = text.trim_end().ends_with("[DONE]");
            let holds_error = text.contains("\ndata: {\"error\"");
            match &translated.progress {
                Progress::Ended => assert!(ends && !holds_error, "{}", path.display()),
                Progress::Failed(failure) if holds_error => {
                    assert!(
                        failure.status == 400 || failure.status == 429,
                        "{}: {failure:?}",
                        path.display()
                    );
                }
                other => assert!(!ends, "{}: {other:?}", path.display()),
            }
            read += 1;
        }
    }
    assert!(read >= 16, "{read} translations");
}

#[test]
fn every_recorded_body_is_read() {
    let Some(folder) = fixtures() else { return };
    let (mut answers, mut errors) = (0, 0);
    for path in files_below(&folder, "json") {
        let body = std::fs::read(&path).unwrap();
        let Ok(value) = serde_json::from_slice::<serde_json::Value>(&body) else {
            continue;
        };
        let format = format_of(&path);
        let completion = if format == ModelFormat::Orchestration {
            &value["final_result"]
        } else {
            &value
        };
        if completion["object"] == "chat.completion" {
            for (agent, _) in AGENTS {
                let options = options(format, agent);
                let translated = answer(&options, &body)
                    .unwrap_or_else(|failure| panic!("{}: {failure:?}", path.display()));
                assert!(
                    translated.outcome.stop_reason.is_some() && translated.outcome.usage.output.is_some()
                );
                let streamed = answer_as_stream(&options, &body).unwrap();
                grammar::check_events(agent, &String::from_utf8(streamed.body).unwrap());
                answers += 1;
            }
        } else if value["error"]["message"].is_string() || value["code"].is_u64() {
            let message = value["error"]["message"]
                .as_str()
                .or(value["message"].as_str())
                .unwrap();
            assert_eq!(read_upstream_error(&body).message, message, "{}", path.display());
            assert!(
                answer(&options(format, AGENTS[0].0), &body).is_err(),
                "{}",
                path.display()
            );
            errors += 1;
        }
    }
    assert!(answers >= 20 && errors >= 4, "{answers} answers, {errors} errors");
}
