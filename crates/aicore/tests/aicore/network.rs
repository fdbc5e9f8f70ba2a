//! Proxies of the environment.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread;

use coretap_aicore::{AiCore, Connection, ServiceKey, Timeouts};

use crate::stand_in::{SECRET, StandIn};

/// Set in the process that this test starts anew: proxies are read from the environment when a process begins.
const UNDER_A_PROXY: &str = "CORETAP_TEST_UNDER_A_PROXY";

#[test]
fn the_environments_proxy_is_used_except_for_this_machine() {
    if std::env::var_os(UNDER_A_PROXY).is_some() {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(under_a_proxy());
        return;
    }
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = proxy.local_addr().unwrap();
    let url = format!("http://{address}");
    let asked = thread::spawn(move || {
        let mut asked = Vec::new();
        for mut socket in proxy.incoming().map(Result::unwrap) {
            let mut bytes = [0; 1024];
            let length = socket.read(&mut bytes).unwrap();
            let line = String::from_utf8_lossy(&bytes[..length])
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned();
            if line == "end" {
                break;
            }
            asked.push(line);
            socket
                .write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n")
                .unwrap();
        }
        asked
    });

    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        "network::the_environments_proxy_is_used_except_for_this_machine",
        "--nocapture",
    ]);
    for name in ["NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"] {
        command.env_remove(name);
    }
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"] {
        command.env(name, &url);
    }
    let output = command.env(UNDER_A_PROXY, "1").output().unwrap();
    TcpStream::connect(address).unwrap().write_all(b"end").unwrap();

    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    assert_eq!(
        asked.join().unwrap(),
        ["CONNECT api.ai.example.invalid:443 HTTP/1.1"]
    );
}

async fn under_a_proxy() {
    let stand_in = StandIn::start().await;
    // Token and list of this machine do not go through the proxy,
    for host in ["127.0.0.1", "localhost"] {
        let url = stand_in.url.replace("127.0.0.1", host);
        reaching(&url, &url).deployments().await.unwrap();
    }
    // a Base URL elsewhere does, although the Auth URL is on this machine.
    let error = reaching(&stand_in.url, "https://api.ai.example.invalid")
        .deployments()
        .await
        .unwrap_err();
    assert_eq!(error.code(), "UPSTREAM-CONNECT", "{error:?}");
}

fn reaching(auth_url: &str, base_url: &str) -> AiCore {
    let connection = Connection {
        service_key: ServiceKey::from_parts("id", &SECRET.into(), auth_url, base_url).unwrap(),
        resource_group: "default".to_owned(),
        orchestration: false,
        selected_model: None,
    };
    AiCore::new(connection, Timeouts::default()).unwrap()
}
