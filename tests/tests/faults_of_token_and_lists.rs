//! What an agent sees when the way to its model can't be found: SAP's OAuth server and its lists of deployments and models
//! fail in every way of sap-wire.md §1.4, §1.5 and §2.4, and recover.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "A panic is how a test fails."
)]

use coretap_tests::checks::{check, check_refusal, question};
use coretap_tests::faults::{Dialect, Expected};
use coretap_tests::formats::Format;
use coretap_tests::http::Answer;
use coretap_tests::process::{Coretap, Simulator};
use serde_json::{Value, json};

/// A fault, the status and code that an agent is told, and what the message holds.
struct Case {
    fault: Value,
    status: u16,
    codes: &'static [&'static str],
    says: &'static str,
}

fn case(fault: Value, status: u16, codes: &'static [&'static str], says: &'static str) -> Case {
    Case {
        fault,
        status,
        codes,
        says,
    }
}

fn worded(status: u16, text: &str) -> Value {
    json!({"fault": "status", "status": status, "text": text})
}

fn of_the_token() -> Vec<Case> {
    const NOT_OAUTH: &[&str] = &["AUTH-URL-NOT-OAUTH"];
    const REFUSED: &[&str] = &["AUTH-TOKEN-REFUSED"];
    const UNAVAILABLE: &[&str] = &["AUTH-UNAVAILABLE"];
    const BROKEN: &[&str] = &["UPSTREAM-BROKEN", "UPSTREAM-UNREADABLE"];
    let page = "<html><head><title>404 Not Found</title></head></html>";
    vec![
        case(
            worded(
                401,
                r#"{"error":"unauthorized","error_description":"Bad credentials"}"#,
            ),
            403,
            REFUSED,
            "Bad credentials",
        ),
        case(
            worded(
                401,
                r#"{"error":"invalid_client","error_description":"Client authentication failed"}"#,
            ),
            403,
            REFUSED,
            "Client authentication failed",
        ),
        case(
            worded(
                401,
                r#"{"error":"invalid_client","error_description":"Client with requested ID does not exist"}"#,
            ),
            403,
            &["AUTH-KEY-REVOKED"],
            "does not exist",
        ),
        case(
            worded(
                400,
                r#"{"error":"unsupported_grant_type","error_description":"Unsupported plum"}"#,
            ),
            403,
            REFUSED,
            "Unsupported plum",
        ),
        case(worded(404, page), 403, NOT_OAUTH, "404"),
        case(worded(200, page), 403, NOT_OAUTH, "200"),
        case(worded(200, ""), 403, NOT_OAUTH, "200"),
        case(worded(200, "plum"), 403, NOT_OAUTH, "200"),
        case(worded(200, r#"{"access_token":"eyJ"#), 403, NOT_OAUTH, "200"),
        case(json!({"fault": "invalid_utf8"}), 403, NOT_OAUTH, "200"),
        case(json!({"fault": "status", "status": 429}), 529, UNAVAILABLE, "429"),
        case(json!({"fault": "status", "status": 500}), 529, UNAVAILABLE, "500"),
        case(json!({"fault": "status", "status": 503}), 529, UNAVAILABLE, "503"),
        case(json!({"fault": "refuse_connection"}), 502, BROKEN, "broke"),
        case(json!({"fault": "cut"}), 502, BROKEN, ""),
    ]
}

fn of_the_deployments() -> Vec<Case> {
    const PERMISSION: &[&str] = &["AUTH-PERMISSION"];
    const NOT_AI_CORE: &[&str] = &["UPSTREAM-NOT-AI-CORE"];
    const LIST: &[&str] = &["UPSTREAM-LIST"];
    vec![
        case(
            json!({"fault": "status", "status": 403}),
            403,
            PERMISSION,
            "RBAC: access denied",
        ),
        case(
            worded(401, "Authentication Failed. Issuer Is Invalid"),
            403,
            PERMISSION,
            "Issuer Is Invalid",
        ),
        case(
            json!({"fault": "status", "status": 500}),
            502,
            LIST,
            "Internal server error",
        ),
        case(
            json!({"fault": "status", "status": 503}),
            502,
            LIST,
            "upstream connect error",
        ),
        case(
            worded(503, "no healthy upstream"),
            502,
            LIST,
            "no healthy upstream",
        ),
        case(
            json!({"fault": "status", "status": 429}),
            502,
            LIST,
            "Too many requests",
        ),
        case(
            worded(
                400,
                r#"{"error":{"code":"01510003","message":"Invalid plum","requestId":"r","target":"/api/v2/deployments"}}"#,
            ),
            502,
            LIST,
            "Invalid plum",
        ),
        case(worded(404, ""), 502, NOT_AI_CORE, "404"),
        case(
            worded(200, "<html><title>Sign in</title></html>"),
            502,
            NOT_AI_CORE,
            "200",
        ),
        case(worded(200, "plum"), 502, NOT_AI_CORE, "200"),
        case(worded(200, ""), 502, NOT_AI_CORE, "200"),
        case(
            worded(200, r#"{"count":1,"resources":[{"id":"d1"#),
            502,
            &["UPSTREAM-UNREADABLE"],
            "deployments",
        ),
        case(
            json!({"fault": "invalid_utf8"}),
            502,
            &["UPSTREAM-UNREADABLE"],
            "deployments",
        ),
        case(
            json!({"fault": "refuse_connection"}),
            502,
            &["UPSTREAM-BROKEN"],
            "broke",
        ),
        case(
            json!({"fault": "cut"}),
            502,
            &["UPSTREAM-BROKEN", "UPSTREAM-UNREADABLE"],
            "",
        ),
    ]
}

/// Lists that can be read and hold nothing of use; they are kept, so each takes a process of its own.
fn of_empty_lists() -> Vec<Case> {
    let nothing_runs: &[&str] = &["ROUTE-NO-DEPLOYMENT", "ROUTE-NO-ORCHESTRATION"];
    vec![
        case(
            worded(200, r#"{"count":0,"resources":[]}"#),
            404,
            nothing_runs,
            "running",
        ),
        case(
            worded(200, r#"{"count":2,"resources":[{"id":7},{"plum":true}]}"#),
            404,
            nothing_runs,
            "running",
        ),
    ]
}

async fn ask(coretap: &Coretap, dialect: Dialect, format: Format, stream: bool) -> Answer {
    let body = format.ask(dialect.model(), &question("plum-0"), stream);
    coretap.post(&format.path(dialect.model(), stream), &body).await
}

/// The fault of a case, for every request of a route.
fn lasting(case: &Case, route: &str) -> Value {
    let mut fault = case.fault.clone();
    fault["route"] = json!(route);
    fault["times"] = json!(999);
    fault
}

/// Coretap, which looks for a token and the deployments by itself at its start: the first fault is there before.
async fn start_into(simulator: &Simulator, dialect: Dialect, route: &str, cases: &[Case]) -> Coretap {
    let first: Vec<_> = cases
        .first()
        .map(|case| lasting(case, route))
        .into_iter()
        .collect();
    simulator.faults(&json!(first)).await;
    Coretap::start(
        simulator,
        dialect.mode(),
        &[("CORETAP_DEPLOYMENT", dialect.deployment())],
    )
    .await
}

/// Each fault for each format and kind of answer, one after the other.
async fn refused(simulator: &Simulator, coretap: &Coretap, dialect: Dialect, route: &str, cases: Vec<Case>) {
    for one in cases {
        let fault = lasting(&one, route);
        simulator.faults(&json!([fault])).await;
        let ask = |format, stream| {
            let (one, fault) = (&one, &fault);
            async move {
                let answer = ask(coretap, dialect, format, stream).await;
                let context = format!("{fault}: {format:?}, stream {stream}, {dialect:?}");
                let message = check_refusal(one.status, one.codes, format, &answer, &context);
                assert!(message.contains(one.says), "{context}: {message}");
                let waits = one.status == 529;
                assert_eq!(
                    !answer.header("retry-after").is_empty(),
                    waits,
                    "{context}: {answer:?}"
                );
            }
        };
        tokio::join!(
            ask(Format::Messages, false),
            ask(Format::Messages, true),
            ask(Format::Chat, false),
            ask(Format::Chat, true),
        );
    }
    assert_eq!(
        simulator.inference().await.len(),
        0,
        "{dialect:?}: nothing was to be sent"
    );
}

/// The same, and at the end all is well again. Nothing that failed is kept, so all of them may befall one process.
async fn refused_until_it_is_over(dialect: Dialect, route: &str, cases: Vec<Case>) {
    let simulator = Simulator::start().await;
    let coretap = start_into(&simulator, dialect, route, &cases).await;
    refused(&simulator, &coretap, dialect, route, cases).await;
    simulator.faults(&json!([])).await;
    for format in Format::ALL {
        for stream in [false, true] {
            let context = format!("after all: {format:?}, stream {stream}, {dialect:?}");
            let answer = ask(&coretap, dialect, format, stream).await;
            check(&Expected::Answered, format, stream, "plum-0", &answer, &context);
        }
    }
}

#[tokio::test]
async fn no_token_is_told_with_its_reason() {
    for dialect in [Dialect::Orchestration, Dialect::Azure] {
        refused_until_it_is_over(dialect, "token", of_the_token()).await;
    }
}

#[tokio::test]
async fn no_deployments_are_told_with_their_reason() {
    for dialect in [Dialect::Orchestration, Dialect::Azure] {
        refused_until_it_is_over(dialect, "deployments", of_the_deployments()).await;
        for case in of_empty_lists() {
            let simulator = Simulator::start().await;
            let cases = vec![case];
            let coretap = start_into(&simulator, dialect, "deployments", &cases).await;
            refused(&simulator, &coretap, dialect, "deployments", cases).await;
        }
    }
}

/// Whoever names a model as SAP does needs no catalogue.
#[tokio::test]
async fn without_the_catalogue_names_are_taken_at_their_word() {
    for dialect in Dialect::ALL {
        let simulator = Simulator::start().await;
        let coretap = Coretap::start(
            &simulator,
            dialect.mode(),
            &[("CORETAP_DEPLOYMENT", dialect.deployment())],
        )
        .await;
        for case in of_the_deployments() {
            let mut fault = case.fault;
            fault["route"] = json!("models");
            fault["times"] = json!(999);
            simulator.faults(&json!([fault])).await;
            for format in Format::ALL {
                let context = format!("{fault}: {format:?}, {dialect:?}");
                let answer = ask(&coretap, dialect, format, true).await;
                check(&Expected::Answered, format, true, "plum-0", &answer, &context);
            }
        }
    }
}
