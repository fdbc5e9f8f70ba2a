//! Several tenants at once, as `settings.toml` and the keychain have them: each with its own secret, one answering for another
//! of its group. Every simulator is a tenant that refuses the credentials and tokens of any other one.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "A panic is how a test fails."
)]

use coretap_tests::desktop::keychain::{self, Keychain};
use coretap_tests::desktop::session::{Services, Session};
use coretap_tests::desktop::settings::Settings;
use coretap_tests::formats::Format;
use coretap_tests::http::Answer;
use coretap_tests::process::{Coretap, KEY, Simulator};
use serde_json::json;

const MODEL: &str = "gpt-4o";

/// A session with a keychain, and what the command needs to know of it.
struct Desk {
    session: Session,
    _keychain: Keychain,
}

impl Desk {
    async fn start(suite: &str) -> Option<Self> {
        let session = Session::start_with(suite, Services::None, false).await?;
        let keychain = Keychain::start(&session).await;
        Some(Self {
            session,
            _keychain: keychain,
        })
    }

    /// Saves connections as the app does: what is public in the file, the secrets in the keychain.
    async fn save(&self, connections: &[(&Simulator, &str)]) {
        let mut settings = Settings::on(0);
        for (tenant, lines) in connections {
            keychain::store_client_secret(&self.session, &tenant.service_key).await;
            settings = settings.with_one_of_many(&tenant.service_key, lines);
        }
        settings.write(&self.session);
    }

    async fn serve(&self) -> Coretap {
        let (home, runtime) = (self.session.coretap_home(), self.session.runtime());
        let environment = [
            ("CORETAP_HOME", home.to_str().unwrap()),
            ("CORETAP_API_KEY", KEY),
            ("DBUS_SESSION_BUS_ADDRESS", &self.session.bus),
            ("XDG_RUNTIME_DIR", runtime.to_str().unwrap()),
        ];
        Coretap::serve(&["--port", "0"], &environment).await
    }
}

/// Asks in this format, and gives the answer of whichever tenant has answered.
async fn ask(coretap: &Coretap, format: Format, stream: bool) -> Answer {
    let answer = coretap
        .post(
            &format.path(MODEL, stream),
            &format.ask(MODEL, "Repeat the words plum-4711", stream),
        )
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let text = if stream {
        format.streamed_text(&answer.events())
    } else {
        format.text(&answer.json())
    };
    assert!(text.contains("plum-4711"), "{answer:?}");
    answer
}

fn by(answer: &Answer) -> &str {
    answer.header("x-coretap-connection")
}

/// A tenant that was sent another one's secret or token would have refused it, and nothing secret is logged.
async fn kept_to_themselves(tenants: &[&Simulator], log: &str) {
    for tenant in tenants {
        tenant.refused_nothing().await;
        assert!(tenant.count("token").await > 0);
        let key: serde_json::Value = serde_json::from_str(&tenant.service_key).unwrap();
        let secret = key["clientsecret"].as_str().unwrap();
        assert!(!log.contains(secret), "{log}");
    }
}

#[tokio::test]
async fn one_tenant_answers_for_another_and_each_has_its_own_secret() {
    let Some(desk) = Desk::start("several tenants").await else {
        return;
    };
    let first = Simulator::of_tenant("first").await;
    let second = Simulator::of_tenant("second").await;
    let apart = Simulator::of_tenant("apart").await;
    desk.save(&[
        (
            &first,
            "name = \"first\"\ngroup = \"team\"\norchestration = true\n",
        ),
        (
            &second,
            "name = \"second\"\ngroup = \"team\"\norchestration = false\n",
        ),
        (&apart, "name = \"apart\"\norchestration = true\n"),
    ])
    .await;
    let coretap = desk.serve().await;
    for format in Format::ALL {
        assert_eq!(by(&ask(&coretap, format, false).await), "first", "{format:?}");
    }
    assert!(second.inference().await.is_empty(), "the selected one has room");

    // All of the first one's deployments have no room: the other tenant answers, in its own mode, and nobody waits.
    for (format, stream) in [
        (Format::Messages, true),
        (Format::Chat, false),
        (Format::Responses, true),
    ] {
        let coretap = desk.serve().await;
        let no_room = json!({"route": "inference", "fault": "status", "status": 429, "times": 3});
        first.faults(&json!([no_room])).await;
        let answer = ask(&coretap, format, stream).await;
        assert_eq!(by(&answer), "second", "{answer:?}");
        let attempts = answer.header("x-coretap-attempts");
        assert!(
            attempts.starts_with("first/d")
                && attempts.contains("=429,second/d")
                && attempts.ends_with("=200"),
            "{attempts}"
        );
        let log = coretap.stop("TERM").await.stderr;
        assert!(
            log.contains("connection=\"second\"") && log.contains(attempts),
            "{log}"
        );
    }

    // A tenant that is away altogether, its tokens and lists too.
    let everything = json!({"route": "any", "fault": "status", "status": 503, "times": 1000});
    first.faults(&json!([everything])).await;
    let alone = desk.serve().await;
    for stream in [false, true] {
        assert_eq!(by(&ask(&alone, Format::Messages, stream).await), "second");
    }
    first.faults(&json!([])).await;

    let log = coretap.stop("TERM").await.stderr;
    kept_to_themselves(&[&first, &second], &log).await;
    assert!(
        apart.requests().await.is_empty(),
        "a connection of no group was asked: {:?}",
        apart.requests().await
    );
}

#[tokio::test]
async fn a_connection_without_its_secret_is_left_out_and_the_others_answer() {
    let Some(desk) = Desk::start("a tenant without its secret").await else {
        return;
    };
    let here = Simulator::of_tenant("here").await;
    let lost = Simulator::of_tenant("lost").await;
    keychain::store_client_secret(&desk.session, &here.service_key).await;
    let lines = |name: &str| format!("name = \"{name}\"\ngroup = \"team\"\norchestration = true\n");
    Settings::on(0)
        .with_one_of_many(&here.service_key, &lines("here"))
        .with_one_of_many(&lost.service_key, &lines("lost"))
        .write(&desk.session);
    let coretap = desk.serve().await;
    ask(&coretap, Format::Chat, false).await;
    let log = coretap.stop("TERM").await.stderr;
    assert!(
        log.contains("code=\"SECRET-MISSING\"") && log.contains("connection=\"lost\""),
        "{log}"
    );
    kept_to_themselves(&[&here], &log).await;
    assert!(lost.requests().await.is_empty());
}
