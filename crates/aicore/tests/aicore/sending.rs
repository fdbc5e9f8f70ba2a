//! Requests to a route: path, head and body as they arrive, and what failures become.

use std::time::Duration;

use coretap_aicore::{
    AiCore, Aliases, Connection, Endpoint, Error, InferenceRequest, Response, ServiceKey, Timeouts,
};
use http::StatusCode;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::stand_in::{
    DEPLOYMENTS, SECRET, StandIn, TOKEN, json, list, model_row, orchestration_row, pass, redirect, text,
};

const AT: &str = "/v2/inference/deployments";

fn request(stream: bool) -> InferenceRequest {
    InferenceRequest {
        stream,
        endpoint: Endpoint::Own,
        body: "{\"ü\":\n 1}".into(),
    }
}

async fn text_of(response: Response) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

async fn with_all_families() -> StandIn {
    let stand_in = StandIn::start().await;
    let rows = [
        orchestration_row("d0000"),
        model_row("d1111", "gpt-4o", "azure-openai"),
        model_row("d2222", "anthropic--claude-4.5-sonnet", "aws-bedrock"),
    ];
    stand_in.always(DEPLOYMENTS, json(200, list(&rows)));
    stand_in
}

#[tokio::test]
async fn each_family_has_its_paths() {
    let stand_in = with_all_families().await;
    let azure = format!("{AT}/d1111/chat/completions?api-version=2024-12-01-preview");
    for (core, model, stream, uri) in [
        (
            stand_in.orchestration(),
            "gpt-4o",
            false,
            format!("{AT}/d0000/v2/completion"),
        ),
        (
            stand_in.orchestration(),
            "gpt-4o",
            true,
            format!("{AT}/d0000/v2/completion"),
        ),
        (stand_in.foundation(), "gpt-4o", false, azure.clone()),
        (stand_in.foundation(), "gpt-4o", true, azure),
        (
            stand_in.foundation(),
            "claude-sonnet-4-5",
            false,
            format!("{AT}/d2222/invoke"),
        ),
        (
            stand_in.foundation(),
            "claude-sonnet-4-5",
            true,
            format!("{AT}/d2222/invoke-with-response-stream"),
        ),
    ] {
        let route = core.route(model).await.unwrap();
        let response = core.send(&route, request(stream)).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let seen = stand_in.seen(uri.split('?').next().unwrap()).pop().unwrap();
        assert_eq!((seen.method.as_str(), seen.uri.as_str()), ("POST", uri.as_str()));
        assert_eq!(
            seen.header("accept"),
            if stream {
                "text/event-stream"
            } else {
                "application/json"
            }
        );
        assert_eq!(seen.header("content-type"), "application/json");
        assert_eq!(seen.header("ai-resource-group"), "team");
        assert_eq!(seen.header("ai-client-type"), "Coretap");
        assert_eq!(format!("http://{}", seen.header("host")), stand_in.url);
        assert_eq!(
            seen.header("content-length"),
            request(stream).body.len().to_string()
        );
        assert!(seen.header("authorization").starts_with("Bearer token-"));
        assert_eq!(seen.body, request(stream).body);
    }
}

#[tokio::test]
async fn answers_are_given_as_they_are_and_only_refusals_are_tried_again() {
    let stand_in = with_all_families().await;
    let core = stand_in.foundation();
    let route = core.route("claude-sonnet-4-5").await.unwrap();
    let path = format!("{AT}/d2222/invoke");
    for status in [200, 400, 404, 413, 429, 500, 502, 503, 504] {
        stand_in.once(&path, text(status, "as it is"));
        let response = core.send(&route, request(false)).await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(text_of(response).await, "as it is");
    }
    assert_eq!(stand_in.count(&path), 9);
    assert_eq!(stand_in.count(TOKEN), 1);

    // Refused once: another token, the same body.
    stand_in.once(&path, text(401, "Jwt is expired"));
    assert_eq!(
        core.send(&route, request(false)).await.unwrap().status(),
        StatusCode::OK
    );
    assert_eq!((stand_in.count(TOKEN), stand_in.count(&path)), (2, 11));
    assert_eq!(stand_in.seen(&path).pop().unwrap().body, request(false).body);

    // From behind the gateway a refusal is JSON and says something to the agent; the gateway's own is ours to explain.
    stand_in.once(&path, json(403, r#"{"error":{"message":"model is restricted"}}"#));
    let response = core.send(&route, request(false)).await.unwrap();
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert!(text_of(response).await.contains("restricted"));
    stand_in.once(&path, text(403, "RBAC: access denied"));
    let error = core.send(&route, request(false)).await.unwrap_err();
    assert_eq!(error.code(), "AUTH-PERMISSION");
    assert!(!error.is_connect());
    assert_eq!(
        stand_in.count(&path),
        13,
        "within 30 s of the last refresh nothing is sent twice"
    );
}

#[tokio::test]
async fn a_redirect_does_not_take_the_request_elsewhere() {
    let (stand_in, elsewhere) = (with_all_families().await, StandIn::start().await);
    let core = stand_in.foundation();
    let route = core.route("claude-sonnet-4-5").await.unwrap();
    stand_in.once(
        &format!("{AT}/d2222/invoke"),
        redirect(&format!("{}/evil", elsewhere.url)),
    );
    let response = core.send(&route, request(false)).await.unwrap();
    assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(elsewhere.count("/evil"), 0);
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

#[tokio::test]
async fn each_way_of_not_reaching_it_has_its_own_problem() {
    let stand_in = StandIn::start().await;
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let breaking = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let breaks = format!("http://{}", breaking.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = breaking.accept().await {
            let mut head = [0; 16];
            socket.read_exact(&mut head).await.unwrap();
            socket.write_all(b"HTTP/1.1 2").await.unwrap();
        }
    });
    for (auth_url, base_url, code, is_connect) in [
        (nobody.clone(), stand_in.url.clone(), "UPSTREAM-CONNECT", true),
        (stand_in.url.clone(), nobody, "UPSTREAM-CONNECT", true),
        (stand_in.url.clone(), breaks, "UPSTREAM-BROKEN", true),
        (
            stand_in.url.replace("http:", "https:"),
            stand_in.url.clone(),
            "UPSTREAM-TLS",
            false,
        ),
    ] {
        let error = reaching(&auth_url, &base_url).deployments().await.unwrap_err();
        assert_eq!(
            (error.code(), error.is_connect()),
            (code, is_connect),
            "{error:?}"
        );
        assert!(matches!(error, Error::Unreachable { .. }));
    }
}

#[tokio::test]
async fn a_list_that_does_not_come_is_given_up_after_15_seconds() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let core = reaching(
        &format!("http://{}", silent.local_addr().unwrap()),
        "http://127.0.0.1:1",
    );
    let asking = tokio::spawn(async move { core.deployments().await });
    let (mut socket, _) = silent.accept().await.unwrap();
    let mut head = [0; 16];
    socket.read_exact(&mut head).await.unwrap();
    pass(Duration::from_secs(15)).await;
    let error = asking.await.unwrap().unwrap_err();
    assert_eq!(error.code(), "UPSTREAM-TIMEOUT");
    assert_eq!(error.to_string(), "127.0.0.1 did not answer in time.");
}
