//! A machine that sleeps, moves to another network, or gets another proxy.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use coretap_aicore::{
    AiCore, Change, Connection, Endpoint, ExtraRoots, InferenceRequest, Machine, Route, ServiceKey, Timeouts,
};
use http_body_util::BodyExt;
use hyper_util::client::proxy::matcher::Matcher;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::stand_in::{DEPLOYMENTS, SECRET, StandIn, TOKEN, json, list, model_row};

const EVERY: Duration = Duration::from_secs(5);

/// A machine as the test says it is.
struct Pretended(Mutex<State>);

struct State {
    wall_clock: SystemTime,
    addresses: BTreeSet<IpAddr>,
    proxy: String,
}

impl Pretended {
    fn new() -> Arc<Self> {
        Arc::new(Pretended(Mutex::new(State {
            wall_clock: SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
            addresses: [IpAddr::from([192, 168, 1, 7])].into(),
            proxy: String::new(),
        })))
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.lock().unwrap());
    }
}

impl Machine for Pretended {
    fn wall_clock(&self) -> SystemTime {
        self.0.lock().unwrap().wall_clock
    }

    fn addresses(&self) -> BTreeSet<IpAddr> {
        self.0.lock().unwrap().addresses.clone()
    }

    fn proxies(&self) -> Matcher {
        Matcher::builder()
            .all(self.0.lock().unwrap().proxy.clone())
            .build()
    }
}

fn on(machine: &Arc<Pretended>, connection: Connection) -> AiCore {
    AiCore::on(
        Arc::clone(machine) as Arc<dyn Machine>,
        connection,
        Timeouts::default(),
        &ExtraRoots::default(),
    )
    .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_sleep_and_another_network_are_noticed() {
    let stand_in = StandIn::start().await;
    let machine = Pretended::new();
    let mut watched = on(&machine, stand_in.connection()).machine(EVERY);
    let seconds = Duration::from_secs;
    for (monotonic, wall, expected) in [
        (5, 5, None),
        // A busy machine is late, and clocks are set right by a little.
        (20, 20, None),
        (5, 34, None),
        (5, 36, Some(Change::Woke)),
        (5, 5, None),
        // The monotonic clock of some systems goes on.
        (3600, 3600, Some(Change::Woke)),
        (5, 3605, Some(Change::Woke)),
    ] {
        tokio::time::advance(seconds(monotonic)).await;
        machine.set(|state| state.wall_clock += seconds(wall));
        assert_eq!(watched.look(), expected, "{monotonic} {wall}");
    }
    machine.set(|state| state.wall_clock -= seconds(31));
    assert_eq!(watched.look(), Some(Change::Woke), "it was set back");

    let vpn = IpAddr::from(Ipv4Addr::new(10, 8, 0, 2));
    machine.set(|state| assert!(state.addresses.insert(vpn)));
    assert_eq!(watched.look(), Some(Change::Addresses));
    assert_eq!(watched.look(), None);
    machine.set(|state| assert!(state.addresses.remove(&vpn)));
    assert_eq!(watched.look(), Some(Change::Addresses));
}

async fn ask(core: &AiCore, route: &Route) {
    let request = InferenceRequest {
        stream: false,
        endpoint: Endpoint::Own,
        body: "{}".into(),
    };
    let response = core.send(route, request).await.unwrap();
    response.into_body().collect().await.unwrap();
}

#[tokio::test]
async fn connections_are_made_anew_and_what_runs_ends_on_the_old_ones() {
    let stand_in = StandIn::start().await;
    let row = model_row("d2222", "anthropic--claude-4.5-sonnet", "aws-bedrock");
    stand_in.always(DEPLOYMENTS, json(200, list(&[row])));
    let core = on(&Pretended::new(), stand_in.connection());
    let route = core.route("claude-sonnet-4-5").await.unwrap();
    let path = "/v2/inference/deployments/d2222/invoke";
    let last = |path: &str| stand_in.seen(path).pop().unwrap();

    ask(&core, &route).await;
    let first = last(path).peer;
    let lists = last(DEPLOYMENTS).peer;
    while last(path).peer != first || stand_in.count(path) < 2 {
        // Until the connection is free again, a second one may be made.
        ask(&core, &route).await;
    }
    assert!(!core.follow(None), "nothing has changed");

    let gate = Arc::new(Semaphore::new(0));
    stand_in.once(path, json(200, "{}").behind(&gate));
    let before = stand_in.count(path);
    let running = tokio::spawn({
        let (core, route) = (core.clone(), Arc::clone(&route));
        async move { ask(&core, &route).await }
    });
    stand_in.asked(path, before + 1).await;
    let old: BTreeSet<_> = stand_in.seen(path).into_iter().map(|seen| seen.peer).collect();
    assert!(core.follow(Some(Change::Addresses)));
    ask(&core, &route).await;
    assert!(!old.contains(&last(path).peer));
    gate.add_permits(1);
    running.await.unwrap();

    core.probe().await.unwrap();
    assert_ne!(last(DEPLOYMENTS).peer, lists);
    assert_eq!(stand_in.count(TOKEN), 1, "the token is as good as before");
}

/// Its lifetime was counted by a clock that stood still.
#[tokio::test]
async fn after_a_sleep_the_token_is_another_one() {
    let stand_in = StandIn::start().await;
    let core = on(&Pretended::new(), stand_in.connection());
    core.probe().await.unwrap();
    core.follow(Some(Change::Woke));
    core.probe().await.unwrap();
    assert_eq!(stand_in.count(TOKEN), 2);
    assert_eq!(
        stand_in.seen(DEPLOYMENTS).pop().unwrap().header("authorization"),
        "Bearer token-2"
    );
}

/// Refuses whatever it is asked for; gives its address and the first lines of the requests.
async fn refusing_proxy() -> (String, UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (seen, seeing) = unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut head = [0; 4096];
            let length = socket.read(&mut head).await.unwrap();
            let head = String::from_utf8_lossy(&head[..length]);
            drop(seen.send(head.lines().next().unwrap().to_owned()));
            socket
                .write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
                .await
                .unwrap();
        }
    });
    (address, seeing)
}

#[tokio::test]
async fn another_proxy_of_the_system_is_used_from_then_on() {
    let stand_in = StandIn::start().await;
    let (one, mut asked_one) = refusing_proxy().await;
    let (other, mut asked_other) = refusing_proxy().await;
    let machine = Pretended::new();
    machine.set(|state| state.proxy = one);
    let elsewhere = Connection {
        service_key: ServiceKey::from_parts(
            "id",
            &SECRET.into(),
            "https://auth.ai.example.invalid",
            "https://api.ai.example.invalid",
        )
        .unwrap(),
        ..stand_in.connection()
    };
    let core = on(&machine, elsewhere);
    // This machine is reached without any proxy.
    let here = on(&machine, stand_in.connection());
    here.probe().await.unwrap();

    let connect = "CONNECT auth.ai.example.invalid:443 HTTP/1.1";
    assert_eq!(core.token().await.unwrap_err().code(), "UPSTREAM-CONNECT");
    assert_eq!(asked_one.recv().await.unwrap(), connect);
    assert!(!core.follow(None));

    machine.set(|state| state.proxy = other);
    assert!(core.follow(None) && !core.follow(None));
    assert!(!here.follow(None), "it goes the same way as before");
    assert_eq!(core.token().await.unwrap_err().code(), "UPSTREAM-CONNECT");
    assert_eq!(asked_other.recv().await.unwrap(), connect);
    assert!(asked_one.try_recv().is_err());

    machine.set(|state| state.proxy.clear());
    assert!(core.follow(None));
}
