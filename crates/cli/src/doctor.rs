//! `coretap doctor`: every check on the way from the settings to a model's answer.

use std::fmt::Write as _;
use std::process::ExitCode;

use coretap_app::Flags;
use coretap_app::doctor::{Check, Diagnosis, Finding, Verdict, doctor as check_all};
use serde_json::json;

use crate::{environment, print};

/// Does the checks, prints each as it is done, and gives the exit code for what they come to.
pub(crate) async fn doctor(json: bool, connection: Option<String>) -> ExitCode {
    let flags = Flags {
        connection,
        ..Flags::default()
    };
    let mut findings = Vec::new();
    let mut has_warning = false;
    let diagnosis = check_all(&flags, &environment, |finding| {
        has_warning |= finding.verdict == Verdict::Warning;
        if json {
            findings.push(finding);
        } else {
            print::out(&in_words(&finding));
        }
    })
    .await;
    if json {
        let text = json!({"well": diagnosis == Diagnosis::Well, "checks": findings});
        print::out(&format!("{text:#}\n"));
    } else {
        print::out(match diagnosis {
            Diagnosis::Well if has_warning => "\nIt works; the warnings say what may be in the way.\n",
            Diagnosis::Well => "\nAll is well.\n",
            Diagnosis::Failed => "\nSomething is wrong: the failed check says what to do.\n",
            Diagnosis::Incomplete => {
                "\nThe configuration is not complete: the failed check says what to do.\n"
            }
        });
    }
    match diagnosis {
        Diagnosis::Well => ExitCode::SUCCESS,
        Diagnosis::Failed => ExitCode::from(1),
        Diagnosis::Incomplete => ExitCode::from(3),
    }
}

/// A mark and a word, so that neither colour nor a font is needed to tell them apart.
fn in_words(finding: &Finding) -> String {
    let (mark, word) = match finding.verdict {
        Verdict::Ok => ("✓", "ok"),
        Verdict::Warning => ("!", "warning"),
        Verdict::Failed => ("✗", "failed"),
        Verdict::Skipped => ("-", "skipped"),
    };
    let name = match finding.check {
        Check::Configuration => "configuration",
        Check::Token => "token",
        Check::ResourceGroup => "resource group",
        Check::Deployments => "deployments",
        Check::Models => "models",
        Check::Answer => "answer",
        Check::Clock => "clock",
        Check::Port => "port",
        Check::ProxyVariables => "proxy variables",
    };
    let mut text = format!("{mark} {word:<7}  {name:<15}  {}", finding.found);
    // Writing into a String can't fail.
    if let Some(problem) = &finding.problem {
        if !finding.found.is_empty() {
            text.push(' ');
        }
        let _ = write!(text, "{} ({})", problem.sentence, problem.code);
    }
    if let Some(milliseconds) = finding.milliseconds {
        let _ = write!(text, " [{milliseconds} ms]");
    }
    text.push('\n');
    for detail in &finding.details {
        let _ = writeln!(text, "{:28}{detail}", "");
    }
    if let Some(problem) = &finding.problem {
        if !problem.hint.is_empty() {
            let _ = writeln!(text, "{:28}hint: {}", "", problem.hint);
        }
        let _ = writeln!(
            text,
            "{:28}more: docs/problems.md#{}",
            "",
            problem.code.to_lowercase()
        );
    }
    text
}
