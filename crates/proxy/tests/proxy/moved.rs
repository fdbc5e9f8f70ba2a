//! A deployment that is gone: 404, and one look at what there is now.

use serde_json::{Value, json};

use crate::under_test::{UnderTest, quick, read_to_end, small};
use crate::upstream::{CROWD, EMBEDDING, MODEL, Reply, Upstream, hello};

fn gone() -> Reply {
    Reply::Status(404, &[], "Not Found".into())
}

fn deployments(upstream: &Upstream) -> Vec<String> {
    upstream.seen().into_iter().map(|(id, _)| id).collect()
}

#[tokio::test]
async fn a_deployment_that_moved_is_found_again_once() {
    let upstream = Upstream::start([hello(), gone(), hello(), gone()]).await;
    let mut test = UnderTest::start(upstream.aicore(), quick()).await;
    assert_eq!(test.ask("/v1/messages", true).await.status(), 200);
    upstream.deploy("d-second");
    assert_eq!(test.ask("/v1/messages", true).await.status(), 200);
    assert_eq!(deployments(&upstream), ["d-first", "d-first", "d-second"]);
    // Nothing else is deployed: the 404 is the answer, and nobody is asked twice.
    let response = test.ask("/v1/messages", true).await;
    assert_eq!((response.status().as_u16(), upstream.seen().len()), (404, 4));
    let codes: Vec<_> = [
        test.exchange().await.code,
        test.exchange().await.code,
        test.exchange().await.code,
    ]
    .into();
    assert_eq!(codes, [None, None, Some("UPSTREAM-NOT-FOUND")]);
}

#[tokio::test]
async fn a_model_of_its_own_that_moved_is_found_again_once() {
    let said = || {
        let body = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": MODEL, "stop_reason": "end_turn",
            "content": [{"type": "text", "text": "hello"}], "usage": {"input_tokens": 7, "output_tokens": 3}});
        Reply::Status(200, &[], body.to_string())
    };
    let vectors = || {
        let body = json!({"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
            "model": "x", "usage": {"prompt_tokens": 1, "total_tokens": 1}});
        Reply::Status(200, &[], body.to_string())
    };
    let question = json!({"model": EMBEDDING, "input": "a"}).to_string();
    for (path, body, answer, suffix) in [
        ("/v1/messages", small(false), &said as &dyn Fn() -> Reply, "model"),
        ("/v1/embeddings", question, &vectors, "vectors"),
    ] {
        let upstream = Upstream::start([answer(), gone(), answer(), gone()]).await;
        let test = UnderTest::start(upstream.foundation(), quick()).await;
        let ask = async || test.post(path, body.clone()).send().await.unwrap();
        assert_eq!(ask().await.status(), 200);
        upstream.deploy("d-second");
        let found = ask().await;
        assert_eq!(found.status(), 200);
        let found: Value = serde_json::from_str(&read_to_end(found).await.unwrap()).unwrap();
        assert!(found.get("error").is_none(), "{found}");
        // Nothing else is deployed: the 404 is the answer, and nobody is asked twice.
        assert_eq!(ask().await.status(), 404);
        let [first, second] = ["first", "second"].map(|name| format!("d-{name}-{suffix}"));
        assert_eq!(
            deployments(&upstream),
            [first.clone(), first, second.clone(), second]
        );
    }
}

#[tokio::test]
async fn two_hundred_requests_that_find_it_gone_list_the_deployments_once() {
    let upstream = Upstream::start([]).await;
    upstream.answer_by_itself();
    let test = UnderTest::start(upstream.aicore(), quick()).await;
    assert_eq!(test.ask("/v1/messages", true).await.status(), 200);
    assert_eq!(upstream.lists(), 1);
    upstream.deploy("d-second");
    let asked = futures_util::future::join_all((0..CROWD).map(|_| test.ask("/v1/messages", true))).await;
    assert!(asked.iter().all(|response| response.status() == 200));
    assert_eq!(upstream.lists(), 2);
    let old = deployments(&upstream)
        .iter()
        .filter(|id| *id == "d-first")
        .count();
    assert_eq!(old, 1 + CROWD, "each of them had asked the old one");
}
