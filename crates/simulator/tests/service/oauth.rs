use bytes::Bytes;
use serde_json::json;

use crate::client::Running;

#[tokio::test]
async fn a_token_is_given_for_credentials_in_the_body_as_basic_and_in_the_query() {
    let running = Running::start().await;
    let in_body = running.token_request(&[], "", &running.grant()).await;
    assert_eq!(in_body.status, 200, "{}", in_body.text());
    assert_eq!(in_body.json()["expires_in"], 43_199);
    assert_eq!(in_body.json()["token_type"], "bearer");

    // base64 of the client id, a colon and the secret.
    let basic = "Basic c2ItNmFlMmI3YjktMTIzNC00NTY3LTg5YWItMDEyMzQ1Njc4OWFiIWIxMjM0NXxhaWNvcmUhYjU0MDpzaW0kRWZHaElqS2xNbk9wUXJTdFV2V3hZej0=";
    let as_basic = running
        .token_request(&[("authorization", basic)], "", "grant_type=client_credentials")
        .await;
    assert_eq!(as_basic.status, 200, "{}", as_basic.text());

    let in_query = running
        .token_request(&[("authorization", basic)], "?grant_type=client_credentials", "")
        .await;
    assert_eq!(in_query.status, 200, "{}", in_query.text());
}

#[tokio::test]
async fn wrong_credentials_are_refused_as_json() {
    let running = Running::start().await;
    let grant = running.grant();
    let cases = [
        (
            grant.replace("EfGh", "xxxx"),
            401,
            "unauthorized",
            "Bad credentials",
        ),
        (
            grant.replace("6ae2b7b9", "0"),
            401,
            "invalid_client",
            "Client with requested ID does not exist",
        ),
        (
            "grant_type=client_credentials".to_owned(),
            401,
            "invalid_client",
            "Client authentication failed",
        ),
        (
            grant.replace("client_credentials", "password"),
            400,
            "unsupported_grant_type",
            "Unsupported grant type: password",
        ),
        (
            grant.replace("grant_type", "x"),
            400,
            "invalid_request",
            "Missing grant type",
        ),
    ];
    for (form, status, error, description) in cases {
        let reply = running.token_request(&[], "", &form).await;
        assert_eq!(reply.status, status);
        assert_eq!(
            reply.json(),
            json!({"error": error, "error_description": description})
        );
    }
}

#[tokio::test]
async fn a_tenant_of_its_own_takes_no_other_ones_credentials() {
    let running = Running::start().await;
    let grant = running.grant();
    running
        .control("POST", "settings", &json!({"tenant": "other"}))
        .await;
    let key = running.control("GET", "service-key", &json!(null)).await;
    let own_id = grant.replace("0123456789ab", "0123456789abother");
    let own_secret = own_id.replace("UvWxYz", "UvWxYzother");
    assert_eq!(key["clientsecret"], "sim$EfGhIjKlMnOpQrStUvWxYzother=");
    for (form, status) in [(&grant, 401), (&own_id, 401), (&own_secret, 200)] {
        let reply = running.token_request(&[], "", form).await;
        assert_eq!(reply.status, status, "{}", reply.text());
    }
}

#[tokio::test]
async fn a_request_without_a_good_bearer_is_refused_as_envoy_does() {
    let running = Running::start().await;
    let path = "/v2/lm/deployments";
    for headers in [
        vec![],
        vec![("authorization", "Bearer forged")],
        vec![("authorization", "Basic x")],
    ] {
        let reply = running.send("GET", path, &headers, Bytes::new()).await;
        assert_eq!((reply.status, reply.text()), (401, "RBAC: access denied"));
        assert_eq!(reply.headers["content-type"], "text/plain");
    }
}

#[tokio::test]
async fn a_token_expires_after_its_lifetime() {
    let mut running = Running::start().await;
    running
        .control("POST", "settings", &json!({"token_lifetime_s": 0}))
        .await;
    running.renew().await;
    let reply = running.get("/v2/lm/deployments").await;
    assert_eq!((reply.status, reply.text()), (401, "Jwt is expired"));
    running.control("DELETE", "settings", &json!(null)).await;
    running.renew().await;
    assert_eq!(running.get("/v2/lm/deployments").await.status, 200);
}

#[tokio::test]
async fn neither_the_secret_nor_a_token_is_recorded() {
    let running = Running::start().await;
    running.get("/v2/lm/deployments").await;
    let grant = running.grant();
    running.token_request(&[], &format!("?{grant}"), "").await;
    let record = running.control("GET", "requests", &json!(null)).await.to_string();
    assert!(!record.contains("EfGhIjKl"));
    assert!(!record.contains(running.token()));
    assert!(record.contains("<redacted>"));
}
