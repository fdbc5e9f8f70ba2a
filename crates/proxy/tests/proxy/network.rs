//! What lies between Coretap and SAP AI Core: a computer that sleeps, and pages of networks that want a sign-in.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use coretap_aicore::{AiCore, ExtraRoots, Machine, Timeouts};
use coretap_proxy::RunState;
use hyper_util::client::proxy::matcher::Matcher;

use crate::under_test::{ANSWERS, UnderTest, quick, read_to_end, read_until};
use crate::upstream::{Reply, Upstream, connection, live, refusal, stop, text};
use crate::{ends, error, header};

/// A machine whose clock shows what the test says.
struct Clock(Mutex<SystemTime>);

impl Machine for Clock {
    fn wall_clock(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }

    fn addresses(&self) -> BTreeSet<IpAddr> {
        BTreeSet::new()
    }

    fn proxies(&self) -> Matcher {
        Matcher::builder().build()
    }
}

#[tokio::test]
async fn after_a_sleep_health_is_found_out_and_streams_go_on() {
    let (events, reply) = live();
    let upstream = Upstream::start([reply, refusal(500, &[], "asleep")]).await;
    let clock = Arc::new(Clock(Mutex::new(SystemTime::now())));
    let machine = Arc::clone(&clock) as Arc<dyn Machine>;
    let base = format!("http://{}", upstream.address);
    let aicore = AiCore::on(
        machine,
        connection(&base),
        Timeouts::default(),
        &ExtraRoots::default(),
    )
    .unwrap();
    let test = UnderTest::start(aicore, quick()).await;

    events.send(Ok(text("hello").into())).unwrap();
    let mut running = test.ask("/v1/messages", true).await;
    read_until(&mut running, "hello").await;
    assert_eq!(test.ask("/v1/messages", false).await.status(), 500);
    let mut state = test.proxy.state();
    assert!(matches!(*state.borrow(), RunState::Degraded { .. }));

    *clock.0.lock().unwrap() += Duration::from_secs(3600);
    let healthy = tokio::spawn(async move {
        let is_running = |state: &RunState| matches!(state, RunState::Running { .. });
        state.wait_for(is_running).await.unwrap();
    });
    let mut turns = 0;
    while !healthy.is_finished() {
        turns += 1;
        assert!(
            turns < 100_000,
            "nobody looked whether SAP AI Core is there again"
        );
        tokio::time::pause();
        tokio::time::advance(Duration::from_millis(100)).await;
        tokio::time::resume();
        *clock.0.lock().unwrap() += Duration::from_millis(100);
    }
    events
        .send(Ok((text(" and goodbye") + &stop() + "data: [DONE]\n\n").into()))
        .unwrap();
    drop(events);
    let rest = read_to_end(running).await.unwrap();
    assert!(
        rest.contains("and goodbye") && ends("/v1/messages", &rest),
        "{rest}"
    );
}

#[tokio::test]
async fn a_web_page_is_told_as_one_and_not_asked_for_again() {
    let page = "<html><head><title>Airport Wi-Fi</title></head></html>";
    let upstream = Upstream::start((0..4).map(|_| Reply::Status(200, &[], page.to_owned()))).await;
    let test = UnderTest::start(upstream.aicore(), quick()).await;
    for path in ANSWERS {
        for stream in [false, true] {
            let response = test.ask(path, stream).await;
            assert_eq!(response.status(), 502);
            assert_eq!(header(&response, "x-coretap-code"), "UPSTREAM-WEB-PAGE");
            assert_eq!(header(&response, "x-should-retry"), "false");
            let error = error(response).await;
            assert!(
                error.starts_with("127.0.0.1 answered with a web page (\"Airport Wi-Fi\") instead"),
                "{error}"
            );
        }
    }
    assert_eq!(upstream.seen().len(), 4);
}
