//! Responses: which of Azure's two APIs is asked, and answers that a deployment keeps.

use std::sync::Arc;

use coretap_formats::ModelFormat;
use coretap_formats::limitation::Limitation;
use coretap_proxy::Knowledge;
use serde_json::{Value, json};

use crate::error;
use crate::under_test::{UnderTest, quick};
use crate::upstream::{OPENAI, Reply, Upstream};

const CHAT: &str = "/v1/chat/completions";
const RESPONSES: &str = "/v1/responses";

async fn start(replies: impl IntoIterator<Item = Reply>) -> (Upstream, UnderTest, Arc<Knowledge>) {
    let upstream = Upstream::start(replies).await;
    let knowledge = Arc::new(Knowledge::default());
    let test = UnderTest::start_knowing(upstream.foundation(), quick(), Arc::clone(&knowledge)).await;
    (upstream, test, knowledge)
}

fn response(id: &str) -> Reply {
    let body = json!({"id": id, "object": "response", "created_at": 1, "status": "completed", "error": null,
        "model": "gpt-5.5-2026-01-01-dz-std", "output": [{"type": "message", "id": "msg_1", "role": "assistant",
        "status": "completed", "content": [{"type": "output_text", "text": "hello", "annotations": []}]}],
        "usage": {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}});
    Reply::Status(200, &[], body.to_string())
}

fn completion() -> Reply {
    let body = json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}]});
    Reply::Status(200, &[], body.to_string())
}

fn refused(status: u16, code: &str, message: &str) -> Reply {
    let body = json!({"error": {"code": code, "message": message}});
    Reply::Status(status, &[], body.to_string())
}

fn question(members: &Value) -> String {
    let mut body = json!({"model": OPENAI, "input": "Hi", "messages": [{"role": "user", "content": "Hi"}]});
    let members = members.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(members);
    body.to_string()
}

async fn ask(test: &UnderTest, path: &str, members: &Value) -> reqwest::Response {
    test.post(path, question(members)).send().await.unwrap()
}

async fn json_of(response: reqwest::Response) -> Value {
    assert_eq!(response.status(), 200);
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

fn limitations(knowledge: &Knowledge) -> Vec<(ModelFormat, Limitation)> {
    let lessons = knowledge.lessons().into_iter();
    lessons.map(|lesson| (lesson.format, lesson.limitation)).collect()
}

#[tokio::test]
async fn an_agent_that_speaks_responses_is_given_them() {
    for prefix in ["", "/openai"] {
        let (upstream, test, _) = start([response("resp_1")]).await;
        let told = json_of(ask(&test, &format!("{prefix}{RESPONSES}"), &json!({})).await).await;
        assert_eq!((&told["id"], &told["model"]), (&json!("resp_1"), &json!(OPENAI)));
        assert_eq!(upstream.calls(), ["POST d-first-openai/responses"]);
    }
}

#[tokio::test]
async fn a_deployment_without_responses_is_asked_through_chat_from_then_on() {
    let gone = refused(404, "404", "Resource not found");
    let unknown = refused(400, "unknown_parameter", "Unknown parameter: 'user'.");
    let (upstream, test, knowledge) = start([gone, unknown, completion(), completion()]).await;
    for _ in 0..2 {
        let told = json_of(ask(&test, RESPONSES, &json!({"user": "me"})).await).await;
        assert_eq!(told["output"][0]["content"][0]["text"], "hello");
        assert_eq!(told["store"], false, "nothing is kept");
    }
    let chat = "POST d-first-openai/chat/completions?api-version=2024-12-01-preview";
    assert_eq!(
        upstream.calls(),
        ["POST d-first-openai/responses", chat, chat, chat]
    );
    assert_eq!(
        limitations(&knowledge),
        [
            (ModelFormat::AzureResponses, Limitation::Responses),
            (ModelFormat::AzureChat, Limitation::Field("user".to_owned()))
        ]
    );
}

#[tokio::test]
async fn a_deployment_for_responses_only_is_asked_so_from_then_on() {
    for words in [
        "The chatCompletion operation does not work with the specified model, gpt-5.5.",
        "This model is only supported in v1/responses and not in v1/chat/completions.",
    ] {
        let refusal = refused(400, "OperationNotSupported", words);
        let (upstream, test, knowledge) = start([refusal, response("resp_1"), response("resp_2")]).await;
        for _ in 0..2 {
            let told = json_of(ask(&test, CHAT, &json!({})).await).await;
            assert_eq!(told["choices"][0]["message"]["content"], "hello");
        }
        assert_eq!(upstream.calls()[1..], ["POST d-first-openai/responses"; 2]);
        let lesson = (ModelFormat::AzureChat, Limitation::ChatCompletions);
        assert_eq!(limitations(&knowledge), [lesson]);
        assert_eq!(upstream.seen()[1].1["store"], false);
    }
}

#[tokio::test]
async fn a_kept_answer_is_asked_for_where_it_is() {
    let deleted = json!({"id": "resp_1", "object": "response.deleted", "deleted": true}).to_string();
    let items = json!({"object": "list", "data": []}).to_string();
    let (upstream, test, _) = start([
        response("resp_1"),
        response("resp_1"),
        Reply::Status(200, &[], items),
        response("resp_1"),
        response("resp_2"),
        Reply::Status(200, &[], deleted),
    ])
    .await;
    ask(&test, RESPONSES, &json!({})).await;
    upstream.deploy("d-second");
    let one = format!("{RESPONSES}/resp_1");
    let kept = json_of(test.get(&one).send().await.unwrap()).await;
    assert_eq!(kept["model"], OPENAI);
    let input = format!("{one}/input_items?limit=2");
    assert_eq!(
        json_of(test.get(&input).send().await.unwrap()).await["object"],
        "list"
    );
    json_of(test.post(&format!("{one}/cancel"), "").send().await.unwrap()).await;
    json_of(ask(&test, RESPONSES, &json!({"previous_response_id": "resp_1"})).await).await;
    let delete = test.request(http::Method::DELETE, &one);
    let deleted = delete.bearer_auth(crate::under_test::KEY).send().await.unwrap();
    assert_eq!(json_of(deleted).await["deleted"], true);
    assert_eq!(
        upstream.calls(),
        [
            "POST d-first-openai/responses",
            "GET d-first-openai/responses/resp_1",
            "GET d-first-openai/responses/resp_1/input_items?limit=2",
            "POST d-first-openai/responses/resp_1/cancel",
            "POST d-first-openai/responses",
            "DELETE d-first-openai/responses/resp_1",
        ]
    );
    assert_eq!(upstream.seen()[4].1["previous_response_id"], "resp_1");
}

#[tokio::test]
async fn an_answer_that_nobody_keeps_is_not_found() {
    let (upstream, test, _) = start([response("resp_1")]).await;
    ask(&test, RESPONSES, &json!({"store": false})).await;
    for id in ["resp_1", "resp_2", "..%2Fmodels"] {
        let response = test.get(&format!("{RESPONSES}/{id}")).send().await.unwrap();
        assert_eq!(response.status(), 404, "{id}");
        assert_eq!(response.headers()["x-coretap-code"], "REQUEST-ANSWER");
    }
    assert_eq!(upstream.calls().len(), 1, "nothing was asked for them");
}

#[tokio::test]
async fn a_route_that_keeps_nothing_says_so() {
    let upstream = Upstream::start([]).await;
    let test = UnderTest::start(upstream.aicore(), quick()).await;
    for (members, named) in [
        (json!({"previous_response_id": "resp_1"}), "previous_response_id"),
        (json!({"background": true}), "background"),
        (json!({"conversation": "conv_1"}), "conversation"),
        (json!({"prompt": {"id": "pmpt_1"}}), "prompt"),
        (
            json!({"input": [{"type": "item_reference", "id": "msg_1"}]}),
            "input",
        ),
        (
            json!({"input": [{"type": "compaction", "encrypted_content": "x"}]}),
            "input",
        ),
    ] {
        let mut body: Value = serde_json::from_str(&question(&members)).unwrap();
        body["model"] = json!("claude-sonnet-4-5");
        let response = test.post(RESPONSES, body.to_string()).send().await.unwrap();
        assert_eq!(response.status(), 400, "{named}");
        let sentence = error(response).await;
        assert!(sentence.starts_with(&format!("{named}: ")), "{sentence}");
    }
    assert_eq!(upstream.calls().len(), 0);
}

#[tokio::test]
async fn a_conversation_is_compacted_where_the_route_can() {
    let compaction = json!({"id": "resp_c", "object": "response.compaction", "created_at": 1,
        "output": [{"type": "compaction", "id": "cmp_1", "encrypted_content": "x"}],
        "usage": {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}});
    let (upstream, test, _) = start([Reply::Status(200, &[], compaction.to_string())]).await;
    let path = format!("{RESPONSES}/compact");
    let told = json_of(
        ask(
            &test,
            &path,
            &json!({"instructions": "Be brief.", "text": {"verbosity": "low"}}),
        )
        .await,
    )
    .await;
    assert_eq!(told, compaction);
    assert_eq!(upstream.calls(), ["POST d-first-openai/responses/compact"]);
    let mut members: Vec<String> = upstream.seen()[0]
        .1
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    members.sort();
    assert_eq!(members, ["input", "instructions", "model"]);

    let mut body: Value = serde_json::from_str(&question(&json!({}))).unwrap();
    body["model"] = json!("anthropic--claude-4.5-sonnet");
    let response = test.post(&path, body.to_string()).send().await.unwrap();
    assert_eq!(response.status(), 400);
    assert!(error(response).await.starts_with("model: "));
}

#[tokio::test]
async fn one_model_does_not_go_on_from_anothers_answer() {
    let (upstream, test, _) = start([response("resp_1")]).await;
    json_of(ask(&test, RESPONSES, &json!({})).await).await;
    let members = json!({"previous_response_id": "resp_1", "model": "anthropic--claude-4.5-sonnet"});
    let refused = ask(&test, RESPONSES, &members).await;
    assert_eq!(refused.status(), 400);
    assert_eq!(refused.headers()["x-coretap-code"], "REQUEST-ANSWER");
    assert!(error(refused).await.contains(OPENAI));
    assert_eq!(upstream.calls().len(), 1);
}

#[tokio::test]
async fn a_request_goes_on_from_an_answer_only_where_that_is_kept() {
    let limited = refused(429, "429", "slow down");
    let upstream = Upstream::start([response("resp_1"), limited, response("resp_2")]).await;
    upstream.deploy_all(&["d-first", "d-second"]);
    let test = UnderTest::start(upstream.foundation(), quick()).await;
    json_of(ask(&test, RESPONSES, &json!({})).await).await;
    let goes_on = ask(&test, RESPONSES, &json!({"previous_response_id": "resp_1"})).await;
    assert_eq!(goes_on.status(), 429, "the other deployment knows nothing of it");
    let begun_anew = ask(&test, RESPONSES, &json!({"input": "Something else"})).await;
    json_of(begun_anew).await;
    let asked: Vec<_> = upstream.seen().into_iter().map(|(id, _)| id).collect();
    assert_eq!(asked[..2], ["d-first-openai", "d-first-openai"]);
}
