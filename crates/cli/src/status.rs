//! `coretap status`: what the Coretap that runs on this machine says of itself.

use std::fmt::Write as _;
use std::process::ExitCode;

use coretap_app::health::{HealthReport, HealthState, Mode};
use coretap_app::{Error, Listener, LocalKey, listener, local_key, port};
use serde_json::json;
use time::OffsetDateTime;
use time::macros::format_description;

use crate::{environment, print};

/// A Coretap runs, but tells its state to somebody else.
const OTHER_KEY: u8 = 6;
const OTHER_PROGRAM: u8 = 4;
const NOT_RUNNING: u8 = 5;

/// Asks the proxy on the port, prints what it says, and gives the exit code for its state.
pub(crate) async fn status(flag: Option<u16>, json: bool) -> Result<ExitCode, Error> {
    let port = match flag {
        Some(port) => port,
        None => port(&environment)?,
    };
    if port == 0 {
        return Err(Error::PortUnknown);
    }
    let key = key().await?;
    let listener = listener(port, key.as_ref()).await;
    let text = if json {
        format!("{:#}\n", as_json(port, &listener))
    } else {
        in_words(port, &listener, key.is_some(), OffsetDateTime::now_utc())
    };
    print::out(&text);
    Ok(ExitCode::from(exit_code(&listener)))
}

/// The local key, if there is one. Without it the port can be asked all the same.
async fn key() -> Result<Option<LocalKey>, Error> {
    match local_key(&environment).await {
        Err(error @ (Error::Secret(_) | Error::SettingsFile { .. })) => {
            print::note(&format!(
                "warning: the local key can't be read: {error} ({})",
                error.code()
            ));
            Ok(None)
        }
        key => key,
    }
}

fn exit_code(listener: &Listener) -> u8 {
    match listener {
        Listener::Coretap(report) => u8::from(report.state != HealthState::Running),
        Listener::OtherKey { .. } => OTHER_KEY,
        Listener::Other { .. } => OTHER_PROGRAM,
        Listener::Nobody => NOT_RUNNING,
    }
}

fn as_json(port: u16, listener: &Listener) -> serde_json::Value {
    let address = format!("http://127.0.0.1:{port}");
    match listener {
        Listener::Coretap(report) => {
            let mut told = serde_json::to_value(report).unwrap_or_default();
            if let Some(told) = told.as_object_mut() {
                told.remove("status");
                told.insert("address".to_owned(), address.into());
            }
            told
        }
        Listener::OtherKey { version } => {
            json!({"state": "other_key", "address": address, "version": version})
        }
        Listener::Other { problem } => {
            let problem =
                json!({"code": problem.code(), "sentence": problem.to_string(), "hint": problem.hint()});
            json!({"state": "other_program", "address": address, "problem": problem})
        }
        Listener::Nobody => json!({"state": "not_running", "address": address}),
    }
}

fn in_words(port: u16, listener: &Listener, has_key: bool, now: OffsetDateTime) -> String {
    match listener {
        Listener::Coretap(report) => report_in_words(port, report, now),
        Listener::OtherKey { version } => {
            let why = if has_key {
                "It has another local key than yours, so it tells no more."
            } else {
                "It tells more to whoever has its local key."
            };
            format!(
                "Coretap {version} runs on http://127.0.0.1:{port}. {why}\n\
                 hint: Set CORETAP_API_KEY to the key that it runs with: the same variable, or the 'local key' it printed.\n"
            )
        }
        Listener::Other { problem } => {
            format!(
                "No Coretap runs on port {port}. {problem} ({})\nhint: {}\n",
                problem.code(),
                problem.hint()
            )
        }
        Listener::Nobody => format!(
            "No Coretap runs on port {port}.\nhint: Start the desktop app, or 'coretap serve'; --port or CORETAP_PORT names another port.\n"
        ),
    }
}

fn report_in_words(port: u16, report: &HealthReport, now: OffsetDateTime) -> String {
    let state = match report.state {
        HealthState::Running => "running",
        HealthState::Degraded => "degraded",
        HealthState::Stopping => "stopping",
    };
    let mut text = format!("{state} on http://127.0.0.1:{port}\n");
    // Writing into a String can't fail.
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<15} {value}");
    };
    if let Some(problem) = &report.problem {
        line("problem", &format!("{} ({})", problem.sentence, problem.code));
        if !problem.hint.is_empty() {
            line("hint", &problem.hint);
        }
        line("since", &ago(problem.since, now));
    }
    let last_success = report.last_success.map(|at| ago(at, now));
    line(
        "last success",
        last_success.as_deref().unwrap_or("nothing was measured yet"),
    );
    line("running since", &ago(report.running_since, now));
    line(
        "mode",
        match report.mode {
            Mode::Orchestration => "orchestration",
            Mode::Foundation => "foundation models",
        },
    );
    if !report.orchestration.is_empty() {
        line("modules", &report.orchestration.join(", "));
    }
    line("resource group", &report.resource_group);
    line(
        "model",
        report.model.as_deref().unwrap_or("none for unknown names"),
    );
    let counts = report.requests;
    line(
        "requests",
        &format!(
            "{} running, {} answered, {} failed",
            counts.running, counts.answered, counts.failed
        ),
    );
    line("connections", &format!("{} to SAP AI Core", report.connections));
    line(
        "program",
        &format!("Coretap {}, process {}", report.version, report.pid),
    );
    text
}

/// A time and how long ago that was. In UTC, because no crate finds this machine's time zone out safely beside threads.
fn ago(at: OffsetDateTime, now: OffsetDateTime) -> String {
    let written = at.format(format_description!(
        "[year]-[month]-[day] [hour]:[minute]:[second] UTC"
    ));
    let seconds = (now - at).whole_seconds().max(0);
    let ago = match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    };
    format!("{} ({ago} ago)", written.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use coretap_app::health::{HealthProblem, RequestCounts};
    use time::macros::datetime;

    use super::*;

    fn degraded() -> HealthReport {
        HealthReport {
            status: "ok".to_owned(),
            version: "0.1.0".to_owned(),
            pid: 4711,
            state: HealthState::Degraded,
            mode: Mode::Orchestration,
            orchestration: vec!["filtering".to_owned(), "masking".to_owned()],
            resource_group: "default".to_owned(),
            model: Some("gpt-4o".to_owned()),
            running_since: datetime!(2026-11-20 10:00:00 UTC),
            last_success: None,
            problem: Some(HealthProblem {
                code: "UPSTREAM-DNS".to_owned(),
                sentence: "The name 'api.example' can't be resolved.".to_owned(),
                hint: "Check the network.".to_owned(),
                since: datetime!(2026-11-22 10:42:07 UTC),
            }),
            requests: RequestCounts {
                running: 1,
                answered: 10,
                failed: 2,
            },
            connections: 3,
        }
    }

    #[test]
    fn a_report_is_told_with_what_is_wrong_first() {
        let now = datetime!(2026-11-22 10:45:30 UTC);
        let expected = "\
degraded on http://127.0.0.1:4000
  problem         The name 'api.example' can't be resolved. (UPSTREAM-DNS)
  hint            Check the network.
  since           2026-11-22 10:42:07 UTC (3 min ago)
  last success    nothing was measured yet
  running since   2026-11-20 10:00:00 UTC (2 days ago)
  mode            orchestration
  modules         filtering, masking
  resource group  default
  model           gpt-4o
  requests        1 running, 10 answered, 2 failed
  connections     3 to SAP AI Core
  program         Coretap 0.1.0, process 4711
";
        assert_eq!(report_in_words(4000, &degraded(), now), expected);
    }

    #[test]
    fn each_state_has_an_exit_code_and_json() {
        let coretap = |state| {
            let problem = degraded().problem.filter(|_| state == HealthState::Degraded);
            Listener::Coretap(Box::new(HealthReport {
                state,
                problem,
                ..degraded()
            }))
        };
        let other_key = Listener::OtherKey {
            version: "0.1.0".to_owned(),
        };
        for (listener, code, state) in [
            (coretap(HealthState::Running), 0, "running"),
            (coretap(HealthState::Degraded), 1, "degraded"),
            (coretap(HealthState::Stopping), 1, "stopping"),
            (other_key, 6, "other_key"),
            (Listener::Nobody, 5, "not_running"),
        ] {
            assert_eq!(exit_code(&listener), code, "{listener:?}");
            let json = as_json(4000, &listener);
            assert_eq!(
                (&json["state"], &json["address"]),
                (&state.into(), &"http://127.0.0.1:4000".into())
            );
        }
    }
}
