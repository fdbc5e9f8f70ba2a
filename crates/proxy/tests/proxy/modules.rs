//! Orchestration's modules: which were on for a request, which model of a list answered, what a filter's refusal says.

use coretap_formats::{
    InputFilter, LlamaGuardCategory, MaskedEntity, Masking, MaskingMethod, OrchestrationModules,
};
use serde_json::{Value, json};

use crate::under_test::{ANSWERS, UnderTest, quick, read_to_end};
use crate::upstream::{MODEL, Reply, Upstream, hello, stop, text, whole};
use crate::{error, header};

fn filtered_and_masked() -> OrchestrationModules {
    OrchestrationModules {
        input_filter: Some(InputFilter {
            llama_guard: vec![LlamaGuardCategory::Privacy],
            ..InputFilter::default()
        }),
        masking: Some(Masking {
            method: MaskingMethod::Pseudonymization,
            entities: vec![MaskedEntity::Email],
            allowlist: Vec::new(),
        }),
        ..OrchestrationModules::default()
    }
}

fn with_fallback() -> OrchestrationModules {
    OrchestrationModules {
        fallbacks: vec!["gpt-5".to_owned()],
        ..OrchestrationModules::default()
    }
}

async fn start(
    replies: impl IntoIterator<Item = Reply>,
    modules: OrchestrationModules,
) -> (Upstream, UnderTest) {
    let upstream = Upstream::start(replies).await;
    let test = UnderTest::start_with(upstream.aicore(), quick(), std::sync::Arc::default(), modules).await;
    (upstream, test)
}

async fn health(test: &UnderTest) -> Value {
    let response = test.get("/health").send().await.unwrap();
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

/// Orchestration's refusal of a prompt, as SAP's fixtures have it.
fn filter_refusal() -> Reply {
    let words = "Prompt filtered due to safety violations. Please modify the prompt and try again.";
    let body = json!({"error": {"request_id": "r", "code": 400,
        "message": format!("400 - Filtering Module - Input Filter: {words}"), "location": "Filtering Module - Input Filter",
        "intermediate_results": {"templating": [{"role": "user", "content": "TOPSECRETPROMPT"}],
            "input_filtering": {"message": words, "data": {"llama_guard_3_8b": {"privacy": true}}}}}});
    Reply::Status(400, &[], body.to_string())
}

#[tokio::test]
async fn what_is_on_is_sent_and_said_and_follows_the_configuration() {
    let (upstream, mut test) = start(std::iter::repeat_with(hello).take(6), filtered_and_masked()).await;
    for path in ANSWERS {
        let response = test.ask(path, true).await;
        assert_eq!(header(&response, "x-coretap-orchestration"), "filtering,masking");
        read_to_end(response).await.unwrap();
        assert_eq!(test.exchange().await.orchestration, ["filtering", "masking"]);
    }
    test.set_modules(OrchestrationModules::default());
    let response = test.ask("/v1/messages", true).await;
    assert_eq!(header(&response, "x-coretap-orchestration"), "");
    read_to_end(response).await.unwrap();
    assert!(test.exchange().await.orchestration.is_empty());
    test.set_modules(OrchestrationModules {
        timeout: Some(60),
        ..OrchestrationModules::default()
    });
    let response = test.ask("/v1/messages", true).await;
    assert_eq!(header(&response, "x-coretap-orchestration"), "timeout");
    read_to_end(response).await.unwrap();

    let seen: Vec<Value> = upstream.seen().into_iter().map(|(_, body)| body).collect();
    let modules = |at: usize| &seen[at]["config"]["modules"];
    assert_eq!(
        modules(0)["masking"]["providers"][0]["entities"],
        json!([{"type": "profile-email"}])
    );
    assert!(modules(2).get("masking").is_none() && modules(2).get("filtering").is_none());
    assert_eq!(modules(3)["prompt_templating"]["model"]["timeout"], 60);
}

#[tokio::test]
async fn foundation_mode_has_none_of_it() {
    let answer = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "hello"}], "usage": {"input_tokens": 1, "output_tokens": 1}});
    let upstream = Upstream::start([Reply::Status(200, &[], answer.to_string())]).await;
    let modules = filtered_and_masked();
    let test =
        UnderTest::start_with(upstream.foundation(), quick(), std::sync::Arc::default(), modules).await;
    let response = test.ask("/v1/messages", false).await;
    assert_eq!(
        (response.status(), header(&response, "x-coretap-orchestration")),
        (reqwest::StatusCode::OK, String::new())
    );
    let health = health(&test).await;
    assert_eq!(
        (&health["mode"], &health["orchestration"]),
        (&json!("foundation"), &json!([]))
    );
}

#[tokio::test]
async fn health_names_what_is_on() {
    let (_upstream, test) = start([], filtered_and_masked()).await;
    let health = health(&test).await;
    assert_eq!(health["orchestration"], json!(["filtering", "masking"]));
}

#[tokio::test]
async fn the_model_that_answered_is_named() {
    let failures = json!([{"request_id": "r", "code": 429, "message": "m", "location": "LLM Module"}]);
    let mut fallen_back: Value = serde_json::from_str(&whole("hello")).unwrap();
    fallen_back["intermediate_failures"] = failures.clone();
    let opening = json!({"request_id": "r", "intermediate_failures": failures, "final_result":
        {"id": "", "object": "", "created": 0, "model": "", "choices": [{"index": 0, "delta": {"content": ""}}]}});
    let replies = [
        Reply::Status(200, &[], fallen_back.to_string()),
        Reply::Stream(vec![format!("data: {opening}\n\n"), text("hello"), stop()]),
        Reply::Status(200, &[], whole("hello")),
    ];
    let (upstream, mut test) = start(replies, with_fallback()).await;
    for (stream, answered) in [(false, "gpt-5"), (true, "gpt-5"), (false, MODEL)] {
        let response = test.ask("/v1/chat/completions", stream).await;
        assert_eq!(header(&response, "x-coretap-model"), answered, "stream: {stream}");
        assert_eq!(header(&response, "x-coretap-orchestration"), "fallbacks");
        read_to_end(response).await.unwrap();
        assert_eq!(test.exchange().await.model.as_deref(), Some(answered));
    }
    let (_, body) = upstream.seen().remove(0);
    assert_eq!(
        body["config"]["modules"][1]["prompt_templating"]["model"]["name"],
        "gpt-5"
    );
}

#[tokio::test]
async fn a_list_that_failed_is_told_as_a_whole() {
    let body = json!({"error": [
        {"request_id": "r", "code": 429, "message": "429 - LLM Module: one", "location": "LLM Module"},
        {"request_id": "r", "code": 400, "message": "400 - LLM Module: two", "location": "LLM Module"}]});
    let (_upstream, test) = start([Reply::Status(400, &[], body.to_string())], with_fallback()).await;
    let response = test.ask("/v1/messages", false).await;
    assert_eq!(response.status(), 400);
    assert_eq!(
        error(response).await,
        "429 - LLM Module: one\n400 - LLM Module: two"
    );
}

#[tokio::test]
async fn a_filters_refusal_is_told_once_with_what_it_found() {
    for path in ANSWERS {
        for stream in [false, true] {
            let (upstream, mut test) = start([filter_refusal()], filtered_and_masked()).await;
            let response = test.ask(path, stream).await;
            assert_eq!(response.status(), 400);
            for (name, value) in [
                ("x-coretap-code", "UPSTREAM-FILTERED"),
                ("x-should-retry", "false"),
                ("x-coretap-orchestration", "filtering,masking"),
            ] {
                assert_eq!(header(&response, name), value, "{path}");
            }
            let message = error(response).await;
            assert!(
                message.starts_with(
                    "400 - Filtering Module - Input Filter: Prompt filtered due to safety violations."
                ),
                "{message}"
            );
            assert!(message.contains("(Llama Guard: privacy)"), "{message}");
            assert!(!message.contains("TOPSECRETPROMPT"), "{message}");
            assert_eq!(upstream.seen().len(), 1, "it is not sent again");
            let exchange = test.exchange().await;
            assert_eq!((exchange.code, exchange.retries), (Some("UPSTREAM-FILTERED"), 0));
            let health = health(&test).await;
            assert_eq!(health["problem"], Value::Null, "SAP AI Core is well");
        }
    }
}
