//! Starting, stopping and health.

use std::time::Duration;

use coretap_proxy::{Limits, RunState, StartError};
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

#[tokio::test]
async fn a_taken_port_names_who_has_it() {
    let upstream = Upstream::start([]).await;
    let test = UnderTest::start(upstream.aicore(), quick()).await;
    let port = test.address.port();
    let configuration = coretap_proxy::Configuration {
        port,
        local_key: coretap_proxy::LocalKey::new(KEY.to_owned()).unwrap(),
        allowed_hosts: Vec::new(),
        aicore: upstream.aicore(),
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
