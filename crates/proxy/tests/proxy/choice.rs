//! Several deployments of a model, and several connections in one group: which of them answers.

use std::sync::Arc;
use std::time::Duration;

use coretap_proxy::{Connected, RunState};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::under_test::{ANSWERS, KEY, UnderTest, quick, read_to_end, read_until, small};
use crate::upstream::{
    CROWD, EMBEDDING, MODEL, Reply, Upstream, aicore, failure, hello, live, opening, refusal, text,
    throttled_bodies, whole,
};
use crate::{error, header};

async fn two(replies: impl IntoIterator<Item = Reply>) -> (Upstream, UnderTest) {
    let upstream = Upstream::start(replies).await;
    upstream.deploy_all(&["d-one", "d-two"]);
    let test = UnderTest::start(upstream.aicore(), quick()).await;
    (upstream, test)
}

/// The deployments that were asked, in order.
fn asked(upstream: &Upstream) -> Vec<String> {
    upstream.seen().into_iter().map(|(id, _)| id).collect()
}

/// What a deployment may say before its first byte for which another one is asked, and how it is called.
fn refusals() -> Vec<(Reply, &'static str)> {
    let (feed, cut) = live();
    feed.send(Ok(opening().into())).unwrap();
    // It ends there, without an end of the answer.
    drop(feed);
    vec![
        (refusal(429, &[("retry-after", "7")], "slow down"), "429"),
        (refusal(429, &[], "slow down"), "429"),
        (refusal(500, &[], "it broke"), "500"),
        (refusal(502, &[], "bad gateway"), "502"),
        (refusal(503, &[("retry-after", "600")], "overloaded"), "503"),
        (refusal(529, &[], "overloaded"), "529"),
        (Reply::Close, "UPSTREAM-BROKEN"),
        (cut, "UPSTREAM-CUT"),
    ]
}

#[tokio::test]
async fn what_refuses_or_breaks_before_the_first_byte_is_passed_over() {
    for path in ANSWERS {
        for (refusal, outcome) in refusals() {
            let (upstream, mut test) = two([refusal, hello()]).await;
            let response = test.ask(path, true).await;
            assert_eq!(response.status(), 200, "{outcome}");
            assert_eq!(header(&response, "x-coretap-deployment"), "d-two");
            let attempts = header(&response, "x-coretap-attempts");
            assert_eq!(attempts, format!("d-one={outcome},d-two=200"));
            assert_eq!(header(&response, "x-coretap-connection"), "", "there is only one");
            assert!(read_to_end(response).await.unwrap().contains("hello"));
            assert_eq!(asked(&upstream), ["d-one", "d-two"]);
            let exchange = test.exchange().await;
            assert_eq!(exchange.deployment.as_deref(), Some("d-two"));
            assert_eq!((exchange.attempts.join(","), exchange.retries), (attempts, 1));
        }
    }
}

#[tokio::test]
async fn a_stream_that_refuses_before_the_model_has_said_a_word_is_passed_over() {
    for path in ANSWERS {
        for (events, outcome) in [
            (vec![failure(429, "slow down")], "429"),
            (vec![opening(), failure(429, "slow down")], "429"),
            (vec![opening(), failure(500, "it broke")], "500"),
        ] {
            let (upstream, test) = two([Reply::Stream(events), hello()]).await;
            let response = test.ask(path, true).await;
            assert_eq!(
                header(&response, "x-coretap-attempts"),
                format!("d-one={outcome},d-two=200")
            );
            assert!(read_to_end(response).await.unwrap().contains("hello"));
            assert_eq!(asked(&upstream), ["d-one", "d-two"]);
        }
        for body in throttled_bodies() {
            let (upstream, test) = two([Reply::Status(200, &[], body.clone()), hello(), hello()]).await;
            for (attempts, what) in [
                ("d-one=429,d-two=200", "the next one is asked"),
                ("", "the throttled one rests"),
            ] {
                let response = test.ask(path, true).await;
                assert_eq!(
                    header(&response, "x-coretap-attempts"),
                    attempts,
                    "{what}: {body}"
                );
                assert!(read_to_end(response).await.unwrap().contains("hello"));
            }
            assert_eq!(asked(&upstream), ["d-one", "d-two", "d-two"]);
        }
    }
}

#[tokio::test]
async fn what_the_model_has_begun_to_say_is_never_asked_for_again() {
    let (feed, reply) = live();
    feed.send(Ok((opening() + &text("half a")).into())).unwrap();
    let (upstream, test) = two([reply]).await;
    let response = test.ask("/v1/messages", true).await;
    assert_eq!(response.status(), 200);
    feed.send(Ok(failure(429, "slow down").into())).unwrap();
    let said = read_to_end(response).await.unwrap_err();
    assert!(said.contains("half a") && said.contains("event: error"), "{said}");
    assert_eq!(asked(&upstream), ["d-one"]);
}

#[tokio::test]
async fn what_is_wrong_with_the_request_itself_is_the_answer() {
    for status in [400, 413, 422] {
        let (upstream, test) = two([refusal(status, &[], "It is yours.")]).await;
        let response = test.ask("/v1/messages", false).await;
        assert_eq!(response.status(), status);
        assert_eq!(header(&response, "x-coretap-attempts"), "");
        assert_eq!(header(&response, "x-coretap-deployment"), "d-one");
        assert!(error(response).await.contains("It is yours."));
        assert_eq!(asked(&upstream), ["d-one"]);
    }
}

#[tokio::test]
async fn where_none_has_room_the_agent_learns_when_the_first_one_has() {
    let at_30 = refusal(429, &[("retry-after", "30")], "come back in 30");
    let at_20 = refusal(429, &[("retry-after", "20")], "come back in 20");
    let (upstream, test) = two([at_30, at_20, Reply::Status(200, &[], whole("hello"))]).await;
    let response = test.ask("/v1/messages", false).await;
    assert_eq!(
        (
            response.status().as_u16(),
            header(&response, "retry-after").as_str()
        ),
        (429, "20")
    );
    assert_eq!(header(&response, "x-coretap-attempts"), "d-one=429,d-two=429");
    assert!(error(response).await.contains("come back in 20"));
    // Who comes all the same is sent to that one, and the other is not bothered.
    assert_eq!(test.ask("/v1/messages", false).await.status(), 200);
    assert_eq!(asked(&upstream), ["d-one", "d-two", "d-two"]);
}

#[tokio::test]
async fn one_that_rests_is_asked_once_the_others_have_failed() {
    let (upstream, test) = two([
        refusal(429, &[("retry-after", "30")], "come back in 30"),
        hello(),
        refusal(500, &[], "it broke"),
        hello(),
    ])
    .await;
    for attempts in ["d-one=429,d-two=200", "d-two=500,d-one=200"] {
        let response = test.ask("/v1/messages", true).await;
        assert_eq!(response.status(), 200);
        assert_eq!(header(&response, "x-coretap-attempts"), attempts);
        read_to_end(response).await.unwrap();
    }
    assert_eq!(asked(&upstream), ["d-one", "d-two", "d-two", "d-one"]);
}

#[tokio::test]
async fn of_several_that_rest_the_one_that_is_ready_first_is_asked_first() {
    let after = |seconds: &'static [(&'static str, &'static str)]| refusal(429, seconds, "slow down");
    let upstream = Upstream::start([
        after(&[("retry-after", "50")]),
        after(&[("retry-after", "20")]),
        hello(),
        refusal(500, &[], "it broke"),
        after(&[("retry-after", "19")]),
        after(&[("retry-after", "49")]),
    ])
    .await;
    upstream.deploy_all(&["d-one", "d-two", "d-three"]);
    let test = UnderTest::start(upstream.aicore(), quick()).await;
    read_to_end(test.ask("/v1/messages", true).await).await.unwrap();
    let response = test.ask("/v1/messages", true).await;
    assert_eq!(
        header(&response, "x-coretap-attempts"),
        "d-three=500,d-two=429,d-one=429"
    );
    assert_eq!(
        (
            response.status().as_u16(),
            header(&response, "retry-after").as_str()
        ),
        (429, "19")
    );
    assert_eq!(asked(&upstream).len(), 6);
}

#[tokio::test]
async fn one_that_may_not_be_used_is_passed_over() {
    for status in [401, 403] {
        let no = || refusal(status, &[], "This key may not.");
        // The first refusal may be the token's fault, so the same deployment is asked with a new one.
        let (upstream, test) = two([no(), no(), hello(), no(), no()]).await;
        let response = test.ask("/v1/messages", true).await;
        assert_eq!(response.status(), 200);
        let attempts = format!("d-one={status},d-two=200");
        assert_eq!(header(&response, "x-coretap-attempts"), attempts);
        read_to_end(response).await.unwrap();
        // Where none may be, that is the answer.
        let response = test.ask("/v1/messages", true).await;
        assert_eq!(header(&response, "x-coretap-code"), "UPSTREAM-FORBIDDEN");
        assert_eq!(asked(&upstream), ["d-one", "d-one", "d-two", "d-two", "d-one"]);
    }
}

#[tokio::test]
async fn after_all_have_failed_comes_the_pause_and_then_all_again() {
    let broken = || refusal(503, &[], "overloaded");
    let (upstream, mut test) = two([broken(), broken(), broken(), hello()]).await;
    let response = test.ask("/v1/messages", true).await;
    assert_eq!(response.status(), 200);
    assert_eq!(
        header(&response, "x-coretap-attempts"),
        "d-one=503,d-two=503,d-one=503,d-two=200"
    );
    assert_eq!(asked(&upstream), ["d-one", "d-two", "d-one", "d-two"]);
    drop(response);
    assert_eq!(test.exchange().await.retries, 3);
}

#[tokio::test]
async fn a_refusal_for_good_is_no_reason_to_ask_another_one_again() {
    let (upstream, test) = two([
        refusal(429, &[("retry-after", "30")], "come back in 30"),
        refusal(400, &[], "It is yours."),
    ])
    .await;
    let response = test.ask("/v1/messages", false).await;
    assert_eq!(response.status(), 400);
    assert_eq!(asked(&upstream), ["d-one", "d-two"]);
}

#[tokio::test]
async fn two_hundred_at_once_are_shared_out_evenly() {
    let (upstream, test) = two([]).await;
    upstream.gather();
    let asked_at_once = (0..CROWD).map(|number| {
        let body = json!({"model": MODEL, "max_tokens": 100, "stream": true,
            "messages": [{"role": "user", "content": format!("Number {number}")}]});
        test.post("/v1/messages", body.to_string()).send()
    });
    for response in futures_util::future::join_all(asked_at_once).await {
        let response = response.unwrap();
        assert_eq!(response.status(), 200);
        assert!(read_to_end(response).await.unwrap().contains("hello"));
    }
    let first = asked(&upstream).iter().filter(|id| *id == "d-one").count();
    assert_eq!((first, upstream.seen().len()), (CROWD / 2, CROWD));
}

/// Asks as an agent with this session, or none, and these words of the person.
async fn converse(test: &UnderTest, session: Option<(&'static str, &str)>, words: &str) -> reqwest::Response {
    let body = json!({"model": MODEL, "max_tokens": 100, "stream": true,
        "messages": [{"role": "user", "content": words}]});
    let mut request = test.post("/v1/messages", body.to_string());
    if let Some((name, value)) = session {
        request = request.header(name, value);
    }
    request.send().await.unwrap()
}

#[tokio::test]
async fn a_conversation_stays_at_its_deployment() {
    let sessions = [
        "x-claude-code-session-id",
        "thread-id",
        "session-id",
        "x-session-id",
        "x-session-affinity",
    ];
    let sessions = sessions.map(|name| Some((name, "4711")));
    for session in sessions.into_iter().chain([None]) {
        let (feed, held) = live();
        let (upstream, test) = two([held, hello(), hello(), hello()]).await;
        let busy = tokio::spawn({
            let request = test.post("/v1/messages", small(true));
            request.send()
        });
        feed.send(Ok((opening() + &text("busy")).into())).unwrap();
        let mut busy = busy.await.unwrap().unwrap();
        read_until(&mut busy, "busy").await;
        // The first one has a request under way, so the conversation begins at the second …
        let begun = converse(&test, session, "Where am I?").await;
        assert_eq!(header(&begun, "x-coretap-deployment"), "d-two", "{session:?}");
        read_to_end(begun).await.unwrap();
        drop(feed);
        read_to_end(busy).await.unwrap_err();
        // … and stays there when both are free; another one does not.
        let later = converse(&test, session, "Where am I?").await;
        assert_eq!(header(&later, "x-coretap-deployment"), "d-two", "{session:?}");
        read_to_end(later).await.unwrap();
        let other = session.map(|(name, _)| (name, "4712"));
        let other = converse(&test, other, "And who are you?").await;
        assert_eq!(header(&other, "x-coretap-deployment"), "d-one", "{session:?}");
        assert_eq!(asked(&upstream), ["d-one", "d-two", "d-two", "d-one"]);
    }
}

/// A request of each format in which somebody says these words.
fn in_each_format(words: &str) -> [(&'static str, String); 4] {
    let messages = json!([{"role": "user", "content": words}]);
    let turns = json!({"model": MODEL, "max_tokens": 100, "stream": true, "messages": messages}).to_string();
    let responses = json!({"model": MODEL, "stream": true, "input": words}).to_string();
    let gemini = json!({"contents": [{"role": "user", "parts": [{"text": words}]}]}).to_string();
    [
        ("/v1/messages", turns.clone()),
        ("/v1/chat/completions", turns),
        ("/v1/responses", responses),
        (
            "/v1beta/models/claude-sonnet-4-5:streamGenerateContent?alt=sse",
            gemini,
        ),
    ]
}

#[tokio::test]
async fn a_session_is_known_by_its_id_in_each_format() {
    for number in 0..4 {
        let (feed, held) = live();
        let (upstream, test) = two([held, hello(), hello()]).await;
        feed.send(Ok((opening() + &text("busy")).into())).unwrap();
        let mut busy = test.ask("/v1/messages", true).await;
        read_until(&mut busy, "busy").await;
        for words in ["Where am I?", "Something else entirely"] {
            let (path, body) = &in_each_format(words)[number];
            let request = test.post(path, body.clone()).header("x-session-id", "4711");
            let response = request.send().await.unwrap();
            assert_eq!(
                header(&response, "x-coretap-deployment"),
                "d-two",
                "{path} {words}"
            );
            read_to_end(response).await.unwrap();
            // From here on the first one is free.
            busy = test.get("/health").send().await.unwrap();
        }
        drop((feed, busy));
        assert_eq!(asked(&upstream), ["d-one", "d-two", "d-two"]);
    }
}

#[tokio::test]
async fn embeddings_are_passed_on_too() {
    let vectors = json!({"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
        "model": "x", "usage": {"prompt_tokens": 1, "total_tokens": 1}});
    let upstream = Upstream::start([
        refusal(429, &[], "slow down"),
        Reply::Status(200, &[], vectors.to_string()),
    ])
    .await;
    upstream.deploy_all(&["d-one", "d-two"]);
    let test = UnderTest::start(upstream.foundation(), quick()).await;
    let question = json!({"model": EMBEDDING, "input": "a"}).to_string();
    let response = test.post("/v1/embeddings", question).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(asked(&upstream), ["d-one-vectors", "d-two-vectors"]);
}

#[tokio::test]
async fn embeddings_are_passed_on_to_another_tenant() {
    let vectors = json!({"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
        "model": "x", "usage": {"prompt_tokens": 1, "total_tokens": 1}});
    let first = Upstream::start([refusal(503, &[], "overloaded")]).await;
    let second = Upstream::start([Reply::Status(200, &[], vectors.to_string())]).await;
    let connected = |name: &str, upstream: &Upstream| Connected {
        name: Arc::from(name),
        ..upstream.foundation().into()
    };
    let others = vec![connected("second", &second)];
    let test = UnderTest::start_group(connected("first", &first), others, quick(), Arc::default()).await;
    let question = json!({"model": EMBEDDING, "input": "a"}).to_string();
    let response = test.post("/v1/embeddings", question).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(
        header(&response, "x-coretap-attempts"),
        "first/d-first-vectors=503,second/d-first-vectors=200"
    );
}

#[tokio::test]
async fn a_deployment_that_is_gone_is_left_for_another_that_is_there() {
    let gone = || Reply::Status(404, &[], "Not Found".into());
    let (upstream, test) = two([hello(), gone(), hello(), gone()]).await;
    read_to_end(test.ask("/v1/messages", true).await).await.unwrap();
    upstream.deploy_all(&["d-two", "d-three"]);
    let response = test.ask("/v1/messages", true).await;
    assert_eq!(response.status(), 200);
    read_to_end(response).await.unwrap();
    assert_eq!(asked(&upstream), ["d-one", "d-one", "d-two"]);
    // It is still there: then the 404 is the model's own word.
    assert_eq!(test.ask("/v1/messages", true).await.status(), 404);
    assert_eq!(asked(&upstream).len(), 4);
}

/// Two tenants in one group, the first one selected, each with one deployment of the same id.
async fn group(
    first: impl IntoIterator<Item = Reply>,
    second: impl IntoIterator<Item = Reply>,
) -> (Upstream, Upstream, UnderTest) {
    let (first, second) = (Upstream::start(first).await, Upstream::start(second).await);
    let test = in_one_group(&first, &second).await;
    (first, second, test)
}

async fn in_one_group(first: &Upstream, second: &Upstream) -> UnderTest {
    let connected = |name: &str, upstream: &Upstream| Connected {
        name: Arc::from(name),
        ..upstream.aicore().into()
    };
    let others = vec![connected("Zweiter Ängström", second)];
    UnderTest::start_group(connected("first", first), others, quick(), Arc::default()).await
}

#[tokio::test]
async fn one_tenant_answers_for_another() {
    let (first, second, mut test) = group([refusal(429, &[], "slow down"), hello()], [hello()]).await;
    let response = test.ask("/v1/messages", true).await;
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "x-coretap-connection"), "Zweiter ?ngstr?m");
    assert_eq!(
        header(&response, "x-coretap-attempts"),
        "first/d-first=429,Zweiter ?ngstr?m/d-first=200"
    );
    read_to_end(response).await.unwrap();
    assert_eq!((first.seen().len(), second.seen().len()), (1, 1));
    let exchange = test.exchange().await;
    assert_eq!(exchange.connection.as_deref(), Some("Zweiter Ängström"));
    assert_eq!(
        exchange.attempts,
        ["first/d-first=429", "Zweiter Ängström/d-first=200"]
    );
    // Both are in the proxy's own words, and neither has more than its own token and group.
    let health = test.get("/health").send().await.unwrap().text().await.unwrap();
    let health: Value = serde_json::from_str(&health).unwrap();
    assert_eq!(health["connections"], 2, "{health}");
    assert!(!health.to_string().contains(KEY));
}

#[tokio::test]
async fn a_tenant_that_can_not_be_reached_holds_nobody_up() {
    let (first, second) = (
        Upstream::start([]).await,
        Upstream::start([hello(), hello()]).await,
    );
    first.set_down(true);
    let test = in_one_group(&first, &second).await;
    for _ in 0..2 {
        let response = test.ask("/v1/messages", true).await;
        assert_eq!(response.status(), 200);
        assert_eq!(header(&response, "x-coretap-connection"), "Zweiter ?ngstr?m");
        assert_eq!(header(&response, "x-coretap-attempts"), "");
        read_to_end(response).await.unwrap();
    }
    // The group answers, so nothing is wrong with the proxy.
    let mut states = test.proxy.state();
    let is_running = |state: &RunState| matches!(state, RunState::Running { .. });
    states.wait_for(is_running).await.unwrap();
}

#[tokio::test]
async fn a_tenant_that_says_nothing_is_waited_for_once_a_minute() {
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mute = format!("http://{}", mute.local_addr().unwrap());
    let second = Upstream::start([hello(), hello(), hello()]).await;
    let connected = |name: &str, aicore| Connected {
        name: Arc::from(name),
        ..Connected::from(aicore)
    };
    let first = connected("first", aicore(&mute));
    let others = vec![connected("second", second.aicore())];
    let test = UnderTest::start_group(first, others, quick(), Arc::default()).await;
    for waits in [true, false, false] {
        let began = std::time::Instant::now();
        let response = test.ask("/v1/messages", true).await;
        assert_eq!(header(&response, "x-coretap-connection"), "second");
        read_to_end(response).await.unwrap();
        assert_eq!(
            began.elapsed() >= Duration::from_secs(2),
            waits,
            "{:?}",
            began.elapsed()
        );
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(20)).await;
        tokio::time::resume();
    }
}

#[tokio::test]
async fn a_tenant_whose_secret_is_wrong_holds_nobody_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let refusing = format!("http://{}", listener.local_addr().unwrap());
    let body = r#"{"error":"unauthorized","error_description":"Bad credentials"}"#;
    let router = axum::Router::new().fallback(move || async move { (StatusCode::UNAUTHORIZED, body) });
    tokio::spawn(async move { axum::serve(listener, router).await });
    let second = Upstream::start([hello(), hello()]).await;
    let connected = |name: &str, aicore| Connected {
        name: Arc::from(name),
        ..Connected::from(aicore)
    };
    let wrong = connected("first", aicore(&refusing));
    let others = vec![connected("second", second.aicore())];
    let test = UnderTest::start_group(wrong.clone(), others, quick(), Arc::default()).await;
    for _ in 0..2 {
        let response = test.ask("/v1/messages", true).await;
        assert_eq!(response.status(), 200);
        assert_eq!(header(&response, "x-coretap-connection"), "second");
        read_to_end(response).await.unwrap();
    }
    // Alone it is the problem.
    let alone = UnderTest::start_group(wrong, Vec::new(), quick(), Arc::default()).await;
    let response = alone.ask("/v1/messages", true).await;
    assert_eq!(response.status(), 403);
    assert_eq!(header(&response, "x-coretap-code"), "AUTH-TOKEN-REFUSED");
}

#[tokio::test]
async fn what_only_a_resting_tenant_has_is_asked_for_there() {
    let (first, second, test) = group([hello()], []).await;
    first.set_down(true);
    second.deploy_all(&[]);
    let response = test.ask("/v1/messages", true).await;
    assert_eq!(header(&response, "x-coretap-code"), "UPSTREAM-LIST");
    // It rests now, and nobody else has the model.
    first.set_down(false);
    let response = test.ask("/v1/messages", true).await;
    assert_eq!(header(&response, "x-coretap-connection"), "first");
    read_to_end(response).await.unwrap();
}

#[tokio::test]
async fn another_tenants_trouble_is_none_of_the_proxys() {
    let (first, second) = (Upstream::start([hello()]).await, Upstream::start([]).await);
    second.set_down(true);
    let test = in_one_group(&first, &second).await;
    let states = test.proxy.state();
    test.proxy.probe().await;
    let response = test.ask("/v1/messages", true).await;
    assert_eq!(header(&response, "x-coretap-connection"), "first");
    read_to_end(response).await.unwrap();
    assert!(
        matches!(&*states.borrow(), RunState::Running { .. }),
        "{states:?}"
    );
    assert_eq!(test.get("/v1/models").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn what_only_another_tenant_has_is_found_there() {
    let (first, second) = (Upstream::start([]).await, Upstream::start([hello()]).await);
    first.deploy_all(&[]);
    let test = in_one_group(&first, &second).await;
    let response = test.ask("/v1/messages", true).await;
    assert_eq!(header(&response, "x-coretap-connection"), "Zweiter ?ngstr?m");
    read_to_end(response).await.unwrap();
    // Where none has it, the selected connection says so.
    second.deploy_all(&[]);
    let nobody = in_one_group(&first, &second).await;
    let response = nobody.ask("/v1/messages", true).await;
    assert_eq!(header(&response, "x-coretap-code"), "ROUTE-NO-ORCHESTRATION");
}
