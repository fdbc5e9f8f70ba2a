//! The token: how it is asked for, how long it is used, and what refusals become.

use std::sync::Arc;
use std::time::Duration;

use coretap_aicore::{AiCore, Connection, Endpoint, Error, InferenceRequest, ServiceKey, Timeouts};
use http::StatusCode;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::stand_in::{
    DEPLOYMENTS, SECRET, StandIn, TOKEN, html, json, list, model_row, pass, redirect, text, within_10_seconds,
};

/// Reads the deployments anew, which needs a token.
async fn use_token(core: &AiCore) -> Result<(), Error> {
    core.forget_deployments();
    core.deployments().await.map(drop)
}

fn last_token(stand_in: &StandIn) -> String {
    stand_in
        .seen(DEPLOYMENTS)
        .last()
        .unwrap()
        .header("authorization")
        .to_owned()
}

#[tokio::test]
async fn fifty_callers_at_once_make_one_token_call_with_a_form() {
    let stand_in = StandIn::start().await;
    let core = stand_in.foundation();
    let mut calls = JoinSet::new();
    for _ in 0..25 {
        let (one, other) = (core.clone(), core.clone());
        calls.spawn(async move { one.deployments().await.map(drop) });
        calls.spawn(async move { other.models().await.map(drop) });
    }
    assert!(calls.join_all().await.into_iter().all(|outcome| outcome.is_ok()));
    assert_eq!(stand_in.count(TOKEN), 1);
    assert_eq!(stand_in.count(DEPLOYMENTS), 1);

    let call = stand_in.seen(TOKEN).remove(0);
    assert_eq!(call.method, "POST");
    assert_eq!(call.header("content-type"), "application/x-www-form-urlencoded");
    assert_eq!(
        std::str::from_utf8(&call.body).unwrap(),
        "grant_type=client_credentials&client_id=sb-1%21b12%7Caicore%21b540&client_secret=s%24cr%2Bt%3D%2F+%C3%BC"
    );
    assert_eq!(last_token(&stand_in), "Bearer token-1");
}

#[tokio::test]
async fn a_token_near_its_end_is_used_while_the_next_one_is_fetched() {
    let stand_in = StandIn::start().await;
    stand_in.token_lifetime(600);
    let core = stand_in.foundation();
    use_token(&core).await.unwrap();
    pass(Duration::from_secs(535)).await;
    use_token(&core).await.unwrap();
    assert_eq!(stand_in.count(TOKEN), 1, "more than a minute is left");

    pass(Duration::from_secs(10)).await;
    let gate = Arc::new(Semaphore::new(0));
    stand_in.once(
        TOKEN,
        json(200, r#"{"access_token":"next","expires_in":600}"#).behind(&gate),
    );
    use_token(&core).await.unwrap();
    use_token(&core).await.unwrap();
    assert_eq!(
        last_token(&stand_in),
        "Bearer token-1",
        "nobody waits for the next one"
    );
    stand_in.asked(TOKEN, 2).await;
    gate.add_permits(1);
    within_10_seconds(async {
        while last_token(&stand_in) == "Bearer token-1" {
            use_token(&core).await.unwrap();
        }
    })
    .await;
    assert_eq!(last_token(&stand_in), "Bearer next");
    assert_eq!(stand_in.count(TOKEN), 2);

    pass(Duration::from_secs(600)).await;
    use_token(&core).await.unwrap();
    assert_ne!(
        last_token(&stand_in),
        "Bearer next",
        "a token past its end is never used"
    );
}

/// Its time runs from when the server gave it, not from when it came, and a request must still arrive with it.
#[tokio::test]
async fn a_token_is_not_used_up_to_its_last_moment() {
    let stand_in = StandIn::start().await;
    let gate = Arc::new(Semaphore::new(0));
    stand_in.once(
        TOKEN,
        json(200, r#"{"access_token":"late","expires_in":600}"#).behind(&gate),
    );
    let core = stand_in.foundation();
    let waiting = tokio::spawn({
        let core = core.clone();
        async move { use_token(&core).await }
    });
    stand_in.asked(TOKEN, 1).await;
    pass(Duration::from_secs(5)).await;
    gate.add_permits(1);
    waiting.await.unwrap().unwrap();
    assert_eq!(last_token(&stand_in), "Bearer late");

    // 600 seconds less 5 on the way and less 30 before the end.
    pass(Duration::from_secs(566)).await;
    use_token(&core).await.unwrap();
    assert_ne!(last_token(&stand_in), "Bearer late");
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_in_thirty_seconds() {
    let stand_in = StandIn::start().await;
    let core = stand_in.foundation();
    use_token(&core).await.unwrap();

    stand_in.once(DEPLOYMENTS, text(401, "Jwt is expired"));
    use_token(&core).await.unwrap();
    assert_eq!((stand_in.count(TOKEN), stand_in.count(DEPLOYMENTS)), (2, 3));
    assert_eq!(last_token(&stand_in), "Bearer token-2");

    stand_in.always(DEPLOYMENTS, text(403, "RBAC: access denied"));
    pass(Duration::from_secs(25)).await;
    let error = use_token(&core).await.unwrap_err();
    assert_eq!(error.code(), "AUTH-PERMISSION");
    assert_eq!(
        error.to_string(),
        "SAP AI Core refused the list of deployments (status 403): RBAC: access denied"
    );
    assert_eq!(
        (stand_in.count(TOKEN), stand_in.count(DEPLOYMENTS)),
        (2, 4),
        "no second refresh within 30 s, no retry"
    );

    pass(Duration::from_secs(6)).await;
    use_token(&core).await.unwrap_err();
    assert_eq!(
        (stand_in.count(TOKEN), stand_in.count(DEPLOYMENTS)),
        (3, 6),
        "one refresh, one retry"
    );
}

/// A token that SAP AI Core revokes again and again is no missing permission.
#[tokio::test]
async fn a_token_that_is_no_good_is_replaced_again_after_a_pause() {
    let stand_in = StandIn::start().await;
    let core = stand_in.foundation();
    use_token(&core).await.unwrap();
    let path = "/v2/inference/deployments/d1234/invoke";
    let row = model_row("d1234", "anthropic--claude-4.5-sonnet", "aws-bedrock");
    stand_in.always(DEPLOYMENTS, json(200, list(&[row])));
    core.forget_deployments();
    let route = core.route("claude-sonnet-4-5").await.unwrap();
    let asked = |core: &AiCore| {
        let (core, route) = (core.clone(), Arc::clone(&route));
        tokio::spawn(async move {
            let request = InferenceRequest {
                stream: false,
                endpoint: Endpoint::Own,
                body: "{}".into(),
            };
            core.send(&route, request).await.map(|response| response.status())
        })
    };
    for words in ["Jwt is expired", "Jwt verification fails", "Jwt is expired"] {
        stand_in.once(path, text(401, words));
    }
    let answer = asked(&core);
    let mut seconds = 0;
    while !answer.is_finished() {
        pass(Duration::from_secs(1)).await;
        seconds += 1;
        assert!(seconds < 100_000, "there is no answer");
    }
    assert_eq!(answer.await.unwrap().unwrap(), StatusCode::OK);
    assert!(seconds >= 5, "{seconds}");
    assert_eq!((stand_in.count(TOKEN), stand_in.count(path)), (4, 4));

    // More than three in half a minute are not asked for, whatever SAP AI Core says.
    stand_in.always(path, text(401, "Jwt is expired"));
    let error = asked(&core).await.unwrap().unwrap_err();
    assert_eq!(error.code(), "AUTH-PERMISSION");
    assert!(
        error.to_string().ends_with("(status 401): Jwt is expired"),
        "{error}"
    );
    assert_eq!(stand_in.count(TOKEN), 4);
}

#[tokio::test]
async fn many_refusals_of_one_token_make_one_new_token() {
    let stand_in = StandIn::start().await;
    let core = stand_in.foundation();
    core.deployments().await.unwrap();
    let gate = Arc::new(Semaphore::new(0));
    let path = "/v2/inference/deployments/d1234/invoke";
    stand_in.always(
        DEPLOYMENTS,
        json(
            200,
            list(&[model_row("d1234", "anthropic--claude-4.5-sonnet", "aws-bedrock")]),
        ),
    );
    core.forget_deployments();
    let route = core.route("claude-sonnet-4-5").await.unwrap();
    for _ in 0..20 {
        stand_in.once(path, text(401, "Jwt is expired").behind(&gate));
    }
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let (core, route) = (core.clone(), Arc::clone(&route));
        calls.spawn(async move {
            let request = InferenceRequest {
                stream: false,
                endpoint: Endpoint::Own,
                body: "{}".into(),
            };
            core.send(&route, request).await.unwrap().status()
        });
    }
    stand_in.asked(path, 20).await;
    // The first one fetches another token and is done before the others hear of their refusal.
    gate.add_permits(1);
    stand_in.asked(path, 21).await;
    gate.add_permits(19);
    assert!(
        calls
            .join_all()
            .await
            .into_iter()
            .all(|status| status == StatusCode::OK)
    );
    assert_eq!((stand_in.count(TOKEN), stand_in.count(path)), (2, 40));
}

#[tokio::test]
async fn each_way_of_getting_no_token_has_its_own_problem() {
    let stand_in = StandIn::start().await;
    let core = stand_in.foundation();
    let long = format!(r#"{{"access_token":"{}"}}"#, "x".repeat(300_000));
    for (answer, code) in [
        (
            json(
                401,
                r#"{"error":"unauthorized","error_description":"Bad credentials"}"#,
            ),
            "AUTH-TOKEN-REFUSED",
        ),
        (json(400, r#"{"error":"invalid_client"}"#), "AUTH-TOKEN-REFUSED"),
        (text(401, ""), "AUTH-TOKEN-REFUSED"),
        (
            json(
                401,
                r#"{"error":"invalid_client","error_description":"Client with requested ID does not exist"}"#,
            ),
            "AUTH-KEY-REVOKED",
        ),
        (html(404), "AUTH-URL-NOT-OAUTH"),
        (html(200), "AUTH-URL-NOT-OAUTH"),
        (json(200, "{}"), "AUTH-URL-NOT-OAUTH"),
        (json(200, "[1]"), "AUTH-URL-NOT-OAUTH"),
        (text(503, "no healthy upstream"), "AUTH-UNAVAILABLE"),
        (json(429, "{}"), "AUTH-UNAVAILABLE"),
        (json(200, long), "UPSTREAM-UNREADABLE"),
        (json(200, r#"{"access_token":"a\nb"}"#), "UPSTREAM-UNREADABLE"),
    ] {
        stand_in.once(TOKEN, answer);
        let error = core.deployments().await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    }
    // None of them stays: the next token is taken.
    core.deployments().await.unwrap();
}

#[tokio::test]
async fn credentials_that_were_taken_once_and_are_refused_now_were_taken_away() {
    let stand_in = StandIn::start().await;
    let core = stand_in.foundation();
    core.token().await.unwrap();
    let bad = r#"{"error":"unauthorized","error_description":"Bad credentials"}"#;
    stand_in.always(TOKEN, json(401, bad));
    stand_in.always(DEPLOYMENTS, text(401, "Jwt is expired"));
    assert_eq!(core.deployments().await.unwrap_err().code(), "AUTH-KEY-REVOKED");
}

#[tokio::test]
async fn a_server_that_repeats_the_secret_does_not_bring_it_into_an_error() {
    let stand_in = StandIn::start().await;
    stand_in.once(
        TOKEN,
        json(
            401,
            format!(r#"{{"error":"x","error_description":"Bad secret {SECRET}\nfor you"}}"#),
        ),
    );
    let error = stand_in.foundation().deployments().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "The client id or the client secret was refused: Bad secret <redacted> for you"
    );
    assert!(!format!("{error:?}").contains(SECRET));
}

#[tokio::test]
async fn a_redirect_does_not_take_the_secret_elsewhere() {
    let (stand_in, elsewhere) = (StandIn::start().await, StandIn::start().await);
    stand_in.always(TOKEN, redirect(&format!("{}{TOKEN}", elsewhere.url)));
    let error = stand_in.foundation().deployments().await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::NotOAuth {
                status: StatusCode::TEMPORARY_REDIRECT,
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(elsewhere.count(TOKEN), 0);
}

#[tokio::test]
async fn tokens_come_from_the_auth_url_and_go_to_the_base_url() {
    let (auth, base) = (StandIn::start().await, StandIn::start().await);
    let service_key = ServiceKey::from_parts(
        "id",
        &SECRET.into(),
        &format!("{}/uaa/oauth/token", auth.url),
        &format!("{}/v2/", base.url),
    )
    .unwrap();
    auth.always(
        "/uaa/oauth/token",
        json(200, r#"{"access_token":"t","expires_in":"7199"}"#),
    );
    let core = AiCore::new(
        Connection {
            service_key,
            ..base.connection()
        },
        Timeouts::default(),
    )
    .unwrap();
    core.deployments().await.unwrap();
    assert_eq!(
        (
            auth.count("/uaa/oauth/token"),
            base.count(TOKEN),
            auth.count(DEPLOYMENTS)
        ),
        (1, 0, 0)
    );
    assert_eq!(last_token(&base), "Bearer t");
}
