//! The modules around the prompt: filtering, masking, fallbacks.

use serde_json::{Value, json};

use crate::client::Running;
use crate::orchestration::{CLAUDE, ask, params, streamed, tool, with, with_tools};

fn filtered(text: &str, side: &str, filters: &Value) -> Value {
    let filtering = json!({side: {"filters": filters}});
    with(ask("gpt-4o", text), "/config/modules", "filtering", filtering)
}

fn masked(text: &str, method: &str, entities: &[&str]) -> Value {
    let entities: Vec<Value> = entities.iter().map(|entity| json!({"type": entity})).collect();
    let provider = json!({"type": "sap_data_privacy_integration", "method": method, "entities": entities});
    with(
        ask("gpt-4o", text),
        "/config/modules",
        "masking",
        json!({"providers": [provider]}),
    )
}

fn content(answer: &Value) -> &Value {
    &answer["final_result"]["choices"][0]["message"]["content"]
}

#[tokio::test]
async fn a_stream_that_is_translated_says_where_it_may_be_cut() {
    let running = Running::start().await;
    let translation =
        json!({"output": {"type": "sap_document_translation", "config": {"target_language": "de-DE"}}});
    let body = with(ask("gpt-4o", "x"), "/config/modules", "translation", translation);
    assert_eq!(running.complete(&body).await.status, 200);
    let streamed = streamed(body, 10);
    let reply = running.complete(&streamed).await;
    assert_eq!(reply.status, 400, "{}", reply.text());
    assert!(
        reply.text().contains("'delimiters' is a required property"),
        "{}",
        reply.text()
    );
    let cut = with(streamed, "/config/stream", "delimiters", json!(["."]));
    assert_eq!(running.complete(&cut).await.status, 200);
}

#[tokio::test]
async fn the_input_filter_refuses_as_saps_fixture_does() {
    let running = Running::start().await;
    let filters = json!([
        {"type": "azure_content_safety", "config": {"hate": 4, "prompt_shield": true}},
        {"type": "llama_guard_3_8b", "config": {"violent_crimes": true}}
    ]);
    for (text, refused) in [
        ("severity:hate=6", true),
        ("severity:hate=4", false),
        ("severity:violence=6", false),
        ("attack-on-instructions", true),
        ("category:violent_crimes", true),
        ("category:privacy", false),
    ] {
        for stream in [false, true] {
            let body = filtered(text, "input", &filters);
            let body = if stream { streamed(body, 10) } else { body };
            let reply = running.complete(&body).await;
            assert_eq!(reply.status == 400, refused, "{text}: {}", reply.text());
            if refused {
                let error = &reply.json()["error"];
                assert_eq!(
                    error["message"],
                    "400 - Filtering Module - Input Filter: Prompt filtered due to safety violations. Please modify the prompt and try again."
                );
                assert_eq!(error["location"], "Filtering Module - Input Filter");
                let results = &error["intermediate_results"];
                assert_eq!(results["templating"][0]["content"], text);
                let data = &results["input_filtering"]["data"];
                assert!(data["azure_content_safety"]["userPromptAnalysis"]["attackDetected"].is_boolean());
                assert!(data["llama_guard_3_8b"]["violent_crimes"].is_boolean());
            }
        }
    }
}

#[tokio::test]
async fn the_output_filter_empties_the_answer() {
    let running = Running::start().await;
    let filters =
        json!([{"type": "azure_content_safety", "config": {"violence": 0, "protected_material_code": true}}]);
    let answer = running
        .complete(&filtered("severity:violence=6", "output", &filters))
        .await
        .json();
    let choice = &answer["final_result"]["choices"][0];
    assert_eq!(
        (&choice["finish_reason"], &choice["message"]["content"]),
        (&json!("content_filter"), &json!(""))
    );
    let results = &answer["intermediate_results"];
    assert_eq!(
        results["llm"]["choices"][0]["message"]["content"],
        "You said: severity:violence=6"
    );
    assert_eq!(
        results["output_filtering"]["message"],
        "1 of 1 choices failed the output filter."
    );

    // What was let through before stays, and the end is regular.
    let long = format!("{} protected-code and more", "word ".repeat(30));
    let mut body = filtered(&long, "output", &filters);
    body["config"]["modules"]["filtering"]["output"]["stream_options"] = json!({"overlap": 40});
    let events = running.complete(&streamed(body, 40)).await.events();
    assert_eq!(events.last().unwrap(), "[DONE]");
    let last = &events[events.len() - 2]["final_result"]["choices"][0];
    assert_eq!(last["finish_reason"], "content_filter");
    let said: String = events
        .iter()
        .filter_map(|event| event.pointer("/final_result/choices/0/delta/content")?.as_str())
        .collect();
    assert!(
        said.starts_with("You said: word") && !said.contains("protected-code"),
        "{said}"
    );
}

#[tokio::test]
async fn what_a_cut_parts_is_found_with_an_overlap() {
    let running = Running::start().await;
    let filters = json!([{"type": "llama_guard_3_8b", "config": {"violent_crimes": true}}]);
    let reason = async |overlap: u64| {
        let filtering = json!({"output": {"filters": filters, "stream_options": {"overlap": overlap}}});
        let body = with(
            ask("gpt-4o", "a category:violent_crimes b"),
            "/config/modules",
            "filtering",
            filtering,
        );
        let events = running.complete(&streamed(body, 1)).await.events();
        events[events.len() - 2]["final_result"]["choices"][0]["finish_reason"].clone()
    };
    assert_eq!(reason(0).await, "stop");
    assert_eq!(reason(100).await, "content_filter");
}

#[tokio::test]
async fn masked_values_reach_no_model_and_come_back_if_they_are_pseudonyms() {
    let running = Running::start().await;
    let text =
        "Write to ann@example.com or bob@example.com, call +49 170 1234567, and ann@example.com again.";
    let entities = ["profile-email", "profile-phone"];
    let answer = running
        .complete(&masked(text, "pseudonymization", &entities))
        .await
        .json();
    assert_eq!(content(&answer), &json!(format!("You said: {text}")));
    let results = &answer["intermediate_results"];
    let model_said = results["llm"]["choices"][0]["message"]["content"]
        .as_str()
        .unwrap();
    assert!(
        model_said.contains("MASKED_PHONE_1") && !model_said.contains("example.com"),
        "{model_said}"
    );
    assert_eq!(
        model_said.matches("MASKED_EMAIL_1").count(),
        2,
        "one value, one stand-in: {model_said}"
    );
    assert_eq!(
        results["output_unmasking"][0]["message"]["content"],
        content(&answer).clone()
    );
    assert!(
        !results["input_masking"]["data"]["masked_template"]
            .as_str()
            .unwrap()
            .contains("ann@")
    );

    let answer = running
        .complete(&masked(text, "anonymization", &entities))
        .await
        .json();
    assert_eq!(
        content(&answer),
        "You said: Write to MASKED_EMAIL or MASKED_EMAIL, call MASKED_PHONE, and MASKED_EMAIL again."
    );
    let answer = running
        .complete(&masked(text, "anonymization", &["profile-gender"]))
        .await
        .json();
    assert_eq!(content(&answer), &json!(format!("You said: {text}")));

    let mut allowed = masked(text, "anonymization", &["profile-email"]);
    allowed["config"]["modules"]["masking"]["providers"][0]["allowlist"] = json!(["ann@example.com"]);
    let said = running.complete(&allowed).await.json();
    assert!(
        content(&said)
            .as_str()
            .unwrap()
            .starts_with("You said: Write to ann@example.com or MASKED_EMAIL")
    );
}

#[tokio::test]
async fn a_stream_and_its_calls_are_unmasked_too() {
    let running = Running::start().await;
    let body = masked(
        "call read_file with {\"path\":\"ann@example.com\"}",
        "pseudonymization",
        &["profile-email"],
    );
    let body = streamed(with_tools(body, json!([tool("read_file")])), 10);
    let events = running.complete(&body).await.events();
    let (mut arguments, mut model_said) = (String::new(), String::new());
    for event in &events {
        let of = |place: &str| {
            let piece = event.pointer(&format!(
                "/{place}/choices/0/delta/tool_calls/0/function/arguments"
            ));
            piece.and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        arguments += &of("final_result");
        model_said += &of("intermediate_results/llm");
    }
    assert!(arguments.contains("ann@example.com"), "{arguments}");
    assert!(!model_said.contains("ann@example.com"), "{model_said}");
    assert!(events[0]["intermediate_results"]["input_masking"].is_object());
}

#[tokio::test]
async fn a_file_needs_a_word_on_how_it_is_masked() {
    let running = Running::start().await;
    let mut body = masked("x", "anonymization", &["profile-email"]);
    body["config"]["modules"]["prompt_templating"]["prompt"]["template"][0]["content"] = json!([
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0xLjQKJUVPRgo="}}]);
    let reply = running.complete(&body).await;
    assert_eq!(reply.status, 400);
    assert!(
        reply.text().contains("mask_file_input_method"),
        "{}",
        reply.text()
    );
    body["config"]["modules"]["masking"]["providers"][0]["mask_file_input_method"] = json!("anonymization");
    assert_eq!(running.complete(&body).await.status, 200);
}

#[tokio::test]
async fn the_next_model_is_tried_where_the_service_does() {
    let running = Running::start().await;
    let modules = |body: Value| body["config"]["modules"].clone();
    let of = |first: Value| json!({"config": {"modules": [first, modules(ask("gpt-4o", "x"))]}});
    let busy = json!({"refuses": [{"busy_model": "gpt-5"}]});
    running.control("POST", "settings", &busy).await;
    for (first, stream, answered) in [
        (ask("gpt-9", "x"), false, true),
        (ask("gpt-9", "x"), true, true),
        (ask("gpt-5", "x"), false, true),
        (ask("gpt-5", "x"), true, false),
        // What the vendor refuses is the request's own mistake.
        (params(CLAUDE, json!({"nonsense": 1})), false, false),
    ] {
        let body = of(modules(first));
        let body = if stream { streamed(body, 10) } else { body };
        let reply = running.complete(&body).await;
        assert_eq!(reply.status == 200, answered, "{}", reply.text());
        if !answered {
            assert_eq!(
                reply.json()["error"].as_array().unwrap().len(),
                1,
                "a list, because a list was asked"
            );
        } else if stream {
            assert_eq!(
                reply.events()[0]["intermediate_failures"]
                    .as_array()
                    .unwrap()
                    .len(),
                1
            );
        } else {
            assert_eq!(reply.json()["intermediate_failures"].as_array().unwrap().len(), 1);
        }
    }
}
