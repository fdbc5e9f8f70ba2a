//! Starting, stopping and health.

use std::time::{Duration, SystemTime};

use coretap_proxy::{HealthReport, HealthState, Limits, Mode, RunState, StartError};
use tokio::net::{TcpListener, TcpStream};

use crate::header;
use crate::upstream::{
    KEY, Reply, UnderTest, Upstream, aicore, live, quick, read_to_end, read_until, refusal, stop, text, whole,
};

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

#[tokio::test]
async fn a_stream_that_does_not_end_is_closed_when_its_time_is_over() {
    let (events, reply) = live();
    let upstream = Upstream::start([reply]).await;
    let limits = Limits {
        drain: Duration::from_millis(50),
        ..quick()
    };
    let mut test = UnderTest::start(upstream.aicore(), limits).await;
    events.send(Ok(text("hello").into())).unwrap();
    let mut response = test.ask("/v1/messages", true).await;
    read_until(&mut response, "hello").await;
    test.proxy.stop().await;
    assert!(read_to_end(response).await.is_err(), "it must not look whole");
    events.closed().await;
    assert_eq!(test.exchange().await.code, Some("PROXY-STOPPED"));
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
