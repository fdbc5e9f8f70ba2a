//! Proxies of the environment.

use std::process::Command;
use std::sync::{Arc, Mutex};

use coretap_aicore::{AiCore, Aliases, Connection, Endpoint, InferenceRequest, ServiceKey, Timeouts};
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::stand_in::{DEPLOYMENTS, SECRET, StandIn, json, list, model_row};

/// Set in the process that this test starts anew: proxies are read from the environment when a process begins.
const UNDER_A_PROXY: &str = "CORETAP_TEST_UNDER_A_PROXY";

/// Reached through the proxy.
const HOST: &str = "api.ai.example.invalid";
/// Refused by the proxy.
const REFUSED: &str = "refused.ai.example.invalid";

#[tokio::test]
async fn the_environments_proxy_is_used_except_for_this_machine() {
    if std::env::var_os(UNDER_A_PROXY).is_some() {
        under_a_proxy().await;
        return;
    }
    let stand_in = StandIn::start().await;
    let row = model_row("d2222", "anthropic--claude-4.5-sonnet", "aws-bedrock");
    stand_in.always(DEPLOYMENTS, json(200, list(&[row])));
    let identity = rcgen::generate_simple_self_signed([HOST.to_owned()]).unwrap();
    let trusted = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(trusted.path(), identity.cert.pem()).unwrap();
    let behind_tls = before(&stand_in, identity).await;
    let asked = Arc::new(Mutex::new(Vec::new()));
    let proxy = proxy_to(behind_tls, Arc::clone(&asked)).await;

    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        "network::the_environments_proxy_is_used_except_for_this_machine",
        "--nocapture",
    ]);
    for name in ["NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy", "SSL_CERT_DIR"] {
        command.env_remove(name);
    }
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"] {
        command.env(name, format!("http://user:pass@{proxy}"));
    }
    command
        .env(UNDER_A_PROXY, "1")
        .env("SSL_CERT_FILE", trusted.path());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();

    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    let mut expected = vec![REFUSED];
    if cfg!(target_os = "linux") {
        // One connection for lists, one for inference.
        expected.extend([HOST, HOST]);
    } else {
        eprintln!("SKIPPED: requests through a proxy; only on Linux can a test bring its own certificate");
    }
    let expected: Vec<_> = expected
        .into_iter()
        .map(|host| (format!("CONNECT {host}:443 HTTP/1.1"), true))
        .collect();
    assert_eq!(*asked.lock().unwrap(), expected);
}

async fn under_a_proxy() {
    let stand_in = StandIn::start().await;
    // Token, list and inference of this machine do not go through the proxy,
    let row = model_row("d2222", "anthropic--claude-4.5-sonnet", "aws-bedrock");
    stand_in.always(DEPLOYMENTS, json(200, list(&[row])));
    for host in ["127.0.0.1", "localhost"] {
        let url = stand_in.url.replace("127.0.0.1", host);
        ask(&reaching(&url, &url)).await;
    }
    // a Base URL elsewhere does, although the Auth URL is on this machine.
    let core = reaching(&stand_in.url, &format!("https://{REFUSED}"));
    let error = core.deployments().await.unwrap_err();
    assert_eq!(error.code(), "UPSTREAM-CONNECT", "{error:?}");
    if cfg!(target_os = "linux") {
        ask(&reaching(&stand_in.url, &format!("https://{HOST}"))).await;
    }
}

async fn ask(core: &AiCore) {
    let route = core.route("claude-sonnet-4-5").await.unwrap();
    let request = InferenceRequest {
        stream: false,
        endpoint: Endpoint::Own,
        body: "{}".into(),
    };
    assert_eq!(core.send(&route, request).await.unwrap().status(), 200);
}

fn reaching(auth_url: &str, base_url: &str) -> AiCore {
    let connection = Connection {
        service_key: ServiceKey::from_parts("id", &SECRET.into(), auth_url, base_url).unwrap(),
        resource_group: "default".to_owned(),
        orchestration: false,
        selected_model: None,
        selected_deployment: None,
        aliases: Aliases::default(),
    };
    AiCore::new(connection, Timeouts::default()).unwrap()
}

/// TLS before a stand-in; gives the address.
async fn before(stand_in: &StandIn, identity: rcgen::CertifiedKey<rcgen::KeyPair>) -> String {
    let key = identity.signing_key.serialize_der().try_into().unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![identity.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let behind = stand_in.url.replace("http://", "");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (acceptor, behind) = (acceptor.clone(), behind.clone());
            tokio::spawn(async move {
                let mut here = acceptor.accept(socket).await.unwrap();
                let mut there = TcpStream::connect(behind).await.unwrap();
                drop(copy_bidirectional(&mut here, &mut there).await);
            });
        }
    });
    address
}

/// A proxy that leads [`HOST`] to `behind` and refuses all others; gives its address. `asked` gets the first line of each
/// request and whether it had the right password.
async fn proxy_to(behind: String, asked: Arc<Mutex<Vec<(String, bool)>>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                head.push(char::from(socket.read_u8().await.unwrap()));
            }
            let line = head.lines().next().unwrap().to_owned();
            let known = line.contains(&format!(" {HOST}:443 "));
            // user:pass
            let password = head
                .to_ascii_lowercase()
                .contains("proxy-authorization: basic dxnlcjpwyxnz\r\n");
            asked.lock().unwrap().push((line, password));
            let answer = if known { "200 OK" } else { "502 Bad Gateway" };
            let answer = format!("HTTP/1.1 {answer}\r\n\r\n");
            socket.write_all(answer.as_bytes()).await.unwrap();
            if known {
                let mut there = TcpStream::connect(&behind).await.unwrap();
                tokio::spawn(async move { drop(copy_bidirectional(&mut socket, &mut there).await) });
            }
        }
    });
    address
}
