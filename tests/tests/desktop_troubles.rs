//! What can be wrong with a connection (Kilo Code's list of troubles), each case on the real window: the test of the
//! connection names the step, the code, and what to do.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "A panic is how a test fails."
)]

use coretap_tests::desktop::hosts::{Host, Reply};
use coretap_tests::desktop::keychain::Keychain;
use coretap_tests::desktop::session::{Session, free_port};
use coretap_tests::desktop::settings::Settings;
use coretap_tests::desktop::window::Window;
use coretap_tests::process::Simulator;
use serde_json::{Value, json};

/// One way in which a connection is wrong.
struct Case {
    name: &'static str,
    service_key: String,
    resource_group: &'static str,
    orchestration: bool,
    /// What the simulator does for as long as the case lasts.
    faults: Value,
    step: &'static str,
    code: &'static str,
}

/// The simulator's service key with one value changed.
fn with(service_key: &str, pointer: &str, value: &str) -> String {
    let mut key: Value = serde_json::from_str(service_key).unwrap();
    *key.pointer_mut(pointer).unwrap() = json!(value);
    key.to_string()
}

/// A fault that stays: the form asks for its lists beside the test.
fn fault(route: &str, status: u16, text: &str) -> Value {
    json!({"route": route, "fault": "status", "status": status, "text": text, "times": 1000})
}

fn cases(good: &str, page: &str) -> Vec<Case> {
    let case = |name, service_key: String, step, code| Case {
        name,
        service_key,
        resource_group: "default",
        orchestration: true,
        faults: json!([]),
        step,
        code,
    };
    let revoked = json!({"error": "invalid_client", "error_description": "The service key has been revoked"});
    vec![
        case(
            "wrong secret",
            with(good, "/clientsecret", "not-the-secret"),
            "token",
            "AUTH-TOKEN-REFUSED",
        ),
        case(
            // The server says that there is no such client, as it does of a key that was deleted.
            "wrong id",
            with(good, "/clientid", "sb-nobody!b1|aicore!b540"),
            "token",
            "AUTH-KEY-REVOKED",
        ),
        case(
            "an Auth URL with a page for people",
            with(good, "/url", page),
            "token",
            "AUTH-URL-NOT-OAUTH",
        ),
        case(
            "an Auth URL that does not exist",
            with(good, "/url", "https://no-such-tenant.authentication.invalid"),
            "token",
            "UPSTREAM-DNS",
        ),
        Case {
            faults: json!([fault("token", 401, &revoked.to_string())]),
            ..case("revoked key", good.to_owned(), "token", "AUTH-KEY-REVOKED")
        },
        Case {
            faults: json!([
                fault("other", 403, "RBAC: access denied"),
                fault("deployments", 403, "RBAC: access denied"),
            ]),
            ..case(
                "no permission",
                good.to_owned(),
                "resource_group",
                "AUTH-PERMISSION",
            )
        },
        case(
            "a Base URL with a page for people",
            with(good, "/serviceurls/AI_API_URL", page),
            "resource_group",
            "UPSTREAM-NOT-AI-CORE",
        ),
        case(
            "a Base URL that does not exist",
            with(
                good,
                "/serviceurls/AI_API_URL",
                "https://api.ai.no-such-region.invalid",
            ),
            "resource_group",
            "UPSTREAM-DNS",
        ),
        Case {
            resource_group: "nowhere",
            ..case(
                "wrong resource group",
                good.to_owned(),
                "resource_group",
                "AUTH-RESOURCE-GROUP",
            )
        },
        Case {
            resource_group: "empty",
            orchestration: false,
            ..case(
                "no running deployment",
                good.to_owned(),
                "models",
                "ROUTE-NO-DEPLOYMENT",
            )
        },
        Case {
            resource_group: "empty",
            ..case(
                "no orchestration",
                good.to_owned(),
                "models",
                "ROUTE-NO-ORCHESTRATION",
            )
        },
    ]
}

/// The window with the form of a connection, in which the simulator's service key has been pasted.
struct Pasted {
    window: Window,
    _simulator: Simulator,
    _keychain: Keychain,
    _session: Session,
}

impl Pasted {
    async fn open(suite: &str) -> Option<Self> {
        let mut session = Session::start(suite).await?;
        let keychain = Keychain::start(&session).await;
        let simulator = Simulator::start().await;
        Settings::on(free_port()).write(&session);
        let window = Window::open(&session).await;
        window.go_to_form().await;
        window
            .paste_service_key(&mut session, &simulator.service_key)
            .await;
        Some(Self {
            window,
            _simulator: simulator,
            _keychain: keychain,
            _session: session,
        })
    }
}

#[tokio::test]
async fn each_trouble_is_named_with_its_step_and_what_to_do() {
    let Some(mut session) = Session::start("desktop: troubles").await else {
        return;
    };
    let _keychain = Keychain::start(&session).await;
    let simulator = Simulator::start().await;
    let page = Host::always(Reply::html(404)).await;
    Settings::on(free_port()).write(&session);
    let window = Window::open(&session).await;
    window.go_to_form().await;
    let mut wrong = Vec::new();
    for case in cases(&simulator.service_key, &page.url()) {
        simulator.faults(&case.faults).await;
        window.paste_service_key(&mut session, &case.service_key).await;
        window.choose("#resource-group", case.resource_group).await;
        window.use_orchestration(case.orchestration).await;
        if let Err(why) = window.test_fails(case.step, case.code).await {
            wrong.push(format!("{}: {why}", case.name));
        }
        if case.name == "wrong secret" {
            window.screenshot("connection-wrong-secret").await;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // After all of these the same form still works.
    simulator.faults(&json!([])).await;
    window.choose("#resource-group", "default").await;
    let said = window.test_result().await;
    assert_eq!(window.status("#test-step-answer").await, "done", "{said}");
    window.end().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_field_is_said_at_the_field() {
    let Some(form) = Pasted::open("desktop: fields").await else {
        return;
    };
    let window = form.window;
    for (field, problem, wrong, code) in [
        ("#auth-url", "#problem-authUrl", "no address", "CONFIG-URL"),
        (
            "#base-url",
            "#problem-baseUrl",
            "http://api.example.com",
            "CONFIG-URL",
        ),
    ] {
        let right = window.value(field).await;
        window.type_into(field, wrong).await;
        window.text_with(problem, code).await;
        assert!(
            !window.enabled("#save-connection").await,
            "it can be saved with {field} {wrong}"
        );
        window.type_into(field, &right).await;
        window.wait_for_no(problem).await;
    }
    window.end().await;
}

#[tokio::test]
async fn models_of_no_use_to_an_agent_are_counted_and_explained() {
    let Some(form) = Pasted::open("desktop: hidden models").await else {
        return;
    };
    let window = form.window;
    window.use_orchestration(true).await;
    let count = window.models_offered().await;
    let offered = window.choices("#model").await;
    let names: Vec<&str> = offered.iter().map(|choice| choice.text.as_str()).collect();
    assert_eq!(count, format!("{} models", names.len()));
    assert!(
        names.contains(&"gpt-4o") && names.contains(&"anthropic--claude-4.5-sonnet"),
        "{names:?}"
    );
    // gpt-4 takes 8,192 tokens, o3-mini does not stream.
    assert!(
        !names.contains(&"gpt-4") && !names.contains(&"o3-mini"),
        "{names:?}"
    );
    window.text_with("#hidden-models", "2 models").await;
    window
        .script("find('#hidden-models').collapsed = false", vec![])
        .await;
    let reasons = window.text_with("#hidden-models", "gpt-4").await;
    for wanted in ["MODEL-HIDDEN-CONTEXT", "MODEL-HIDDEN-STREAMING", "o3-mini"] {
        assert!(reasons.contains(wanted), "no {wanted} in {reasons}");
    }
    let said = window.test_result().await;
    assert_eq!(window.status("#test-step-models").await, "done", "{said}");
    let step = window.text("#test-step-models").await;
    assert!(step.contains("2 more"), "{step}");
    window.screenshot("connection-hidden-models").await;
    window.end().await;
}
