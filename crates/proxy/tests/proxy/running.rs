//! Starting, stopping and health.

use std::time::{Duration, SystemTime};

use coretap_proxy::{HealthReport, HealthState, Limits, Mode, RunState, StartError};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use crate::under_test::{KEY, UnderTest, quick, read_to_end, read_until, small};
use crate::upstream::{MODEL, Reply, Upstream, aicore, live, refusal, stop, text, whole};
use crate::{error, header};

#[tokio::test]
async fn stopping_lets_streams_end_and_takes_nothing_new() {
    let (events, reply) = live();
    let upstream = Upstream::start([reply]).await;
    let mut test = UnderTest::start(upstream.aicore(), quick()).await;
    let mut state = test.proxy.state();
    assert_eq!(
        test.proxy.start().await.unwrap(),
        test.address,
        "starting twice is starting once"
    );
    events.send(Ok(text("hello").into())).unwrap();
    let mut response = test.ask("/v1/messages", true).await;
    read_until(&mut response, "hello").await;

    let finish = async {
        state
            .wait_for(|state| *state == RunState::Stopping)
            .await
            .unwrap();
        let refused = async { while TcpStream::connect(test.address).await.is_ok() {} };
        refused.await;
        events
            .send(Ok((text(" and goodbye") + &stop() + "data: [DONE]\n\n").into()))
            .unwrap();
        drop(events);
        read_to_end(response).await.unwrap()
    };
    let ((), rest) = tokio::join!(test.proxy.stop(), finish);
    assert!(
        rest.contains("and goodbye") && rest.contains("message_stop"),
        "{rest}"
    );
    assert_eq!(*test.proxy.state().borrow(), RunState::Stopped);
    assert_eq!(test.exchange().await.code, None);
    test.proxy.stop().await;

    let address = test.proxy.start().await.unwrap();
    assert_eq!(*test.proxy.state().borrow(), RunState::Running { address });
}

/// Every path that streams, its body, and what stands in its streams' last words and at their regular end.
fn streams() -> [(&'static str, String, &'static str, &'static str); 5] {
    let responses = json!({"model": MODEL, "input": "Hi", "stream": true}).to_string();
    let gemini = || json!({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}).to_string();
    [
        ("/v1/messages", small(true), "event: error", "message_stop"),
        ("/v1/chat/completions", small(true), "\"error\"", "[DONE]"),
        ("/v1/responses", responses, "\"error\"", "response.completed"),
        (
            "/v1beta/models/claude-sonnet-4-5:streamGenerateContent?alt=sse",
            gemini(),
            "\"error\"",
            "finishReason",
        ),
        (
            "/v1beta/models/claude-sonnet-4-5:streamGenerateContent",
            gemini(),
            "\"error\"",
            "finishReason",
        ),
    ]
}

#[tokio::test]
async fn a_stream_that_does_not_end_is_told_so_when_its_time_is_over() {
    for (path, body, error, end) in streams() {
        let (events, reply) = live();
        let upstream = Upstream::start([reply]).await;
        let limits = Limits {
            drain: Duration::from_millis(50),
            ..quick()
        };
        let mut test = UnderTest::start(upstream.aicore(), limits).await;
        events.send(Ok(text("hello").into())).unwrap();
        let mut response = test.post(path, body).send().await.unwrap();
        read_until(&mut response, "hello").await;
        test.proxy.stop().await;
        let rest = read_to_end(response).await;
        // Gemini CLI dies of a connection that breaks, so there the last object says it.
        assert_eq!(rest.is_ok(), path.starts_with("/v1beta"), "{path}: {rest:?}");
        let rest = rest.unwrap_or_else(|read| read);
        assert!(
            rest.contains(error) && rest.contains("Coretap was stopped") && !rest.contains(end),
            "{path}: {rest}"
        );
        if path.ends_with("streamGenerateContent") {
            assert!(
                rest.trim_end().ends_with("}\n]"),
                "a list that has an end: {rest}"
            );
        }
        events.closed().await;
        let exchange = test.exchange().await;
        assert_eq!((exchange.status, exchange.code), (200, Some("PROXY-STOPPED")));
        // It was nobody's failure, and the next start knows nothing of it.
        let address = test.proxy.start().await.unwrap();
        assert_eq!(*test.proxy.state().borrow(), RunState::Running { address });
    }
}

#[tokio::test]
async fn a_request_that_is_not_answered_in_time_is_told_so() {
    let (held, not_begun) = live();
    let upstream = Upstream::start([Reply::Silence, not_begun]).await;
    let limits = Limits {
        drain: Duration::from_millis(50),
        ..quick()
    };
    let mut test = UnderTest::start(upstream.aicore(), limits).await;
    let asking = [(1, false), (2, true)].map(|(number, stream)| {
        let request = test.post("/v1/messages", small(stream)).send();
        (number, tokio::spawn(request))
    });
    upstream.until_seen(2).await;
    test.proxy.stop().await;
    for (number, asked) in asking {
        let response = asked.await.unwrap().unwrap();
        assert_eq!(response.status(), 503, "{number}");
        assert_eq!(header(&response, "x-coretap-code"), "PROXY-STOPPED");
        assert_eq!(header(&response, "connection"), "close");
        assert!(error(response).await.contains("Coretap was stopped"));
        let exchange = test.exchange().await;
        assert_eq!((exchange.status, exchange.code), (503, Some("PROXY-STOPPED")));
    }
    held.closed().await;
}

#[tokio::test]
async fn an_agent_that_takes_nothing_does_not_hold_up_the_end() {
    let (events, reply) = live();
    let upstream = Upstream::start([reply]).await;
    let limits = Limits {
        drain: Duration::from_millis(50),
        ..quick()
    };
    let mut test = UnderTest::start(upstream.aicore(), limits).await;
    // More than all buffers on the way hold.
    let much = text(&"x".repeat(1024 * 1024));
    for _ in 0..32 {
        events.send(Ok(much.clone().into())).unwrap();
    }
    let response = test.ask("/v1/messages", true).await;
    test.proxy.stop().await;
    assert_eq!(test.exchange().await.code, Some("PROXY-STOPPED"));
    assert!(read_to_end(response).await.is_err(), "it must not look whole");
}

#[tokio::test]
async fn health_follows_the_last_exchange() {
    let nobody = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let test = UnderTest::start(aicore(&format!("http://{nobody}")), quick()).await;
    let response = test.ask("/v1/messages", false).await;
    assert_eq!(
        (
            response.status().as_u16(),
            header(&response, "x-coretap-code").as_str()
        ),
        (502, "UPSTREAM-CONNECT")
    );
    let degraded = |test: &UnderTest| matches!(&*test.proxy.state().borrow(), RunState::Degraded { .. });
    assert!(degraded(&test));

    let upstream = Upstream::start([
        refusal(400, &[], "yours"),
        refusal(500, &[], "ours"),
        Reply::Status(200, &[], whole("hello")),
    ])
    .await;
    let test = UnderTest::start(upstream.aicore(), quick()).await;
    for expected in [false, true, false] {
        test.ask("/v1/messages", false).await;
        assert_eq!(degraded(&test), expected);
    }
}

/// The state when it is one that `holds`.
async fn until(test: &UnderTest, holds: impl Fn(&RunState) -> bool) -> RunState {
    let mut states = test.proxy.state();
    let found = tokio::time::timeout(Duration::from_secs(30), states.wait_for(|state| holds(state))).await;
    found
        .unwrap_or_else(|_| panic!("{:?}", test.proxy.state().borrow()))
        .unwrap()
        .clone()
}

fn is_degraded(state: &RunState, by: &str) -> bool {
    matches!(state, RunState::Degraded { problem, .. } if problem.code == by)
}

async fn report(test: &UnderTest) -> HealthReport {
    let response = test.get("/health").send().await.unwrap();
    assert_eq!(response.status(), 200);
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

#[tokio::test]
async fn a_connection_that_does_not_work_is_known_and_found_again_without_a_request() {
    let upstream = Upstream::start([]).await;
    upstream.set_down(true);
    let test = UnderTest::start(upstream.aicore(), quick()).await;
    let state = until(&test, |state| is_degraded(state, "UPSTREAM-LIST")).await;
    let RunState::Degraded { since, .. } = state else {
        panic!("{state:?}")
    };
    let health = report(&test).await;
    assert_eq!((health.state, health.last_success), (HealthState::Degraded, None));
    let problem = health.problem.unwrap();
    assert_eq!(problem.code, "UPSTREAM-LIST");
    assert!(!problem.hint.is_empty());
    let seconds = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(problem.since.unix_timestamp().unsigned_abs(), seconds(since));

    upstream.set_down(false);
    let address = test.address;
    until(&test, |state| *state == RunState::Running { address }).await;
    let health = report(&test).await;
    assert_eq!((health.state, health.problem), (HealthState::Running, None));
    assert!(health.last_success.is_some());
    assert!(upstream.seen().is_empty(), "no model was asked");
    assert!(upstream.lists() >= 2);

    // Whoever knows that the network is another one need not wait.
    let before = upstream.lists();
    upstream.set_down(true);
    test.proxy.probe().await;
    assert!(is_degraded(&test.proxy.state().borrow(), "UPSTREAM-LIST"));
    upstream.set_down(false);
    test.proxy.probe().await;
    // It may have joined one that was under way before.
    until(&test, |state| *state == RunState::Running { address }).await;
    assert!(upstream.lists() >= before + 2);
}

#[tokio::test]
async fn a_model_that_fails_is_not_hidden_by_a_list_that_works() {
    let upstream = Upstream::start([
        refusal(500, &[], "a secret plan of the prompt's"),
        Reply::Status(200, &[], whole("hello")),
    ])
    .await;
    let mut test = UnderTest::start(upstream.aicore(), quick()).await;
    test.ask("/v1/messages", false).await;
    test.exchange().await;
    test.proxy.probe().await;
    assert!(is_degraded(&test.proxy.state().borrow(), "UPSTREAM-FAILED"));
    let told = test.get("/health").send().await.unwrap().text().await.unwrap();
    assert!(
        told.contains("UPSTREAM-FAILED") && !told.contains("secret plan"),
        "{told}"
    );

    test.ask("/v1/messages", false).await;
    test.exchange().await;
    let health = report(&test).await;
    assert_eq!((health.state, health.problem), (HealthState::Running, None));
    assert_eq!(
        (health.mode, health.resource_group.as_str(), health.model),
        (Mode::Orchestration, "default", None)
    );
    assert_eq!(
        (
            health.requests.running,
            health.requests.answered,
            health.requests.failed
        ),
        (0, 1, 1)
    );
    assert_eq!(health.connections, 1, "it is kept for the next request");
    assert_eq!(health.pid, std::process::id());
}

#[tokio::test]
async fn who_has_not_the_key_learns_nothing_of_the_tenant() {
    let upstream = Upstream::start([]).await;
    let test = UnderTest::start(upstream.aicore(), quick()).await;
    let open = format!(r#"{{"status":"ok","version":"{}"}}"#, env!("CARGO_PKG_VERSION"));
    let without = test.request(http::Method::GET, "/health");
    let wrong = test.request(http::Method::GET, "/health").bearer_auth("sk-wrong");
    for request in [without, wrong] {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.text().await.unwrap(), open);
    }
    let told = test.get("/health").send().await.unwrap().text().await.unwrap();
    assert!(told.contains("resource_group"), "{told}");
    for hidden in [KEY, "secret"] {
        assert!(!told.contains(hidden), "{told}");
    }
}

#[tokio::test]
async fn a_taken_port_names_who_has_it() {
    let upstream = Upstream::start([]).await;
    let test = UnderTest::start(upstream.aicore(), quick()).await;
    let port = test.address.port();
    let configuration = coretap_proxy::Configuration {
        port,
        local_key: coretap_proxy::LocalKey::new(KEY.to_owned()).unwrap(),
        allowed_hosts: Vec::new(),
        selected: upstream.aicore().into(),
        others: Vec::new(),
        limits: quick(),
    };
    let (_, receiver) = tokio::sync::watch::channel(std::sync::Arc::new(configuration));
    let proxy = coretap_proxy::Proxy::new(receiver, std::sync::Arc::default(), None);
    let error = proxy.start().await.unwrap_err();
    let StartError::PortTaken { port: taken, owner } = &error else {
        panic!("{error}")
    };
    assert_eq!(*taken, port);
    if cfg!(target_os = "linux") {
        assert_eq!(owner.as_ref().unwrap().pid, std::process::id());
    }
    assert!(matches!(
        &*proxy.state().borrow(),
        RunState::Failed {
            code: "START-PORT-TAKEN",
            ..
        }
    ));
}
