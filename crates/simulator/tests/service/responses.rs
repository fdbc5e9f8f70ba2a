use serde_json::{Value, json};

use crate::client::{CODEX, GPT_4O, GPT_5, GPT_5_5, Running};

/// A picture of 8 × 8 pixels, up to the header that says so.
const PNG: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAYAAADED76L";

fn with(mut body: Value, key: &str, value: Value) -> Value {
    body[key] = value;
    body
}

pub(crate) fn weather() -> Value {
    json!({"type": "function", "name": "get_weather", "strict": false, "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]
    }})
}

pub(crate) fn kinds(output: &Value) -> Vec<&str> {
    let items = output.as_array().unwrap();
    items.iter().map(|item| item["type"].as_str().unwrap()).collect()
}

/// Holds a stream against the grammar of the API and gives its last event.
fn grammar(events: &[Value]) -> Value {
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number, "{event}");
    }
    let kind = |at: usize| events[at]["type"].as_str().unwrap();
    assert_eq!((kind(0), kind(1)), ("response.created", "response.in_progress"));
    assert_eq!(events[0]["response"]["status"], "in_progress");
    assert_eq!(events[0]["response"]["output"], json!([]));
    let last = events.last().unwrap();
    let mut done = Vec::new();
    let mut at = 2;
    while at + 1 < events.len() {
        let (index, added) = (done.len(), &events[at]);
        assert_eq!(added["type"], "response.output_item.added");
        assert_eq!(added["output_index"], index);
        let end = at
            + events[at..]
                .iter()
                .position(|event| event["type"] == "response.output_item.done")
                .unwrap();
        let item = events[end]["item"].clone();
        assert_eq!(item["id"], added["item"]["id"]);
        let inner = &events[at + 1..end];
        for event in inner {
            assert_eq!(
                (&event["output_index"], &event["item_id"]),
                (&json!(index), &item["id"])
            );
        }
        let (prefix, whole, opening) = match item["type"].as_str().unwrap() {
            "message" => (
                "response.output_text",
                item.pointer("/content/0/text").cloned(),
                Some("response.content_part"),
            ),
            "function_call" => (
                "response.function_call_arguments",
                item.get("arguments").cloned(),
                None,
            ),
            _ => (
                "response.reasoning_summary_text",
                item.pointer("/summary/0/text").cloned(),
                Some("response.reasoning_summary_part"),
            ),
        };
        if let Some(whole) = whole {
            check_deltas(inner, prefix, &whole, opening);
        } else {
            assert!(inner.is_empty(), "{inner:?}");
        }
        done.push(item);
        at = end + 1;
    }
    assert_eq!(last["response"]["output"], json!(done));
    assert!(["response.completed", "response.incomplete"].contains(&last["type"].as_str().unwrap()));
    last.clone()
}

/// The part begins, its pieces come, and both say at their end what they were.
fn check_deltas(inner: &[Value], prefix: &str, whole: &Value, opening: Option<&str>) {
    let mut rest = inner;
    if let Some(opening) = opening {
        assert_eq!(rest[0]["type"], format!("{opening}.added"));
        assert_eq!(rest[0]["part"]["text"], "");
        assert_eq!(rest[rest.len() - 1]["type"], format!("{opening}.done"));
        assert_eq!(rest[rest.len() - 1]["part"]["text"], *whole);
        rest = &rest[1..rest.len() - 1];
    }
    let (end, deltas) = rest.split_last().unwrap();
    assert_eq!(end["type"], format!("{prefix}.done"));
    assert_eq!(end.get("text").or(end.get("arguments")), Some(whole));
    let mut said = String::new();
    for delta in deltas {
        assert_eq!(delta["type"], format!("{prefix}.delta"));
        let piece = delta["delta"].as_str().unwrap();
        let hidden = delta["obfuscation"].as_str().unwrap();
        assert_eq!((piece.chars().count() + hidden.len()) % 16, 0, "{delta}");
        said.push_str(piece);
    }
    assert_eq!(json!(said), *whole);
}

#[tokio::test]
async fn a_file_by_its_address_needs_no_name() {
    let running = Running::start().await;
    let ask = |part: Value| json!({"input": [{"role": "user", "content": [part]}]});
    let address = "https://example.com/a.pdf";
    let taken = json!({"type": "input_file", "file_url": address});
    let reply = running.respond(GPT_5, &ask(taken)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(
        reply.text().contains("I see a file by its address"),
        "{}",
        reply.text()
    );
    for refused in [
        json!({"type": "input_file"}),
        json!({"type": "input_file", "file_url": "a.pdf"}),
        json!({"type": "input_file", "file_url": address, "file_data": "data:application/pdf;base64,JVBERi0="}),
        json!({"type": "input_file", "file_data": "data:application/pdf;base64,JVBERi0="}),
    ] {
        assert_eq!(
            running.respond(GPT_5, &ask(refused.clone())).await.status,
            400,
            "{refused}"
        );
    }
}

#[tokio::test]
async fn a_text_is_answered_with_and_without_a_version_of_the_api() {
    let running = Running::start().await;
    for path in ["/responses", "/responses?api-version=2025-04-01-preview"] {
        let body = json!({"input": "hello", "instructions": "Be brief"});
        let reply = running.call(GPT_5, path, &body).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(reply.headers.contains_key("x-request-id"));
        let response = reply.json();
        assert_eq!(
            (&response["status"], &response["object"]),
            (&json!("completed"), &json!("response"))
        );
        assert_eq!(response["model"], "gpt-5-2025-08-07");
        assert_eq!(response["instructions"], "Be brief");
        assert_eq!(kinds(&response["output"]), ["reasoning", "message"]);
        assert_eq!(response["output"][0]["summary"], json!([]));
        assert!(response["output"][0].get("encrypted_content").is_none());
        assert_eq!(response["output"][1]["content"][0]["text"], "You said: hello");
        let usage = &response["usage"];
        assert!(
            usage["output_tokens_details"]["reasoning_tokens"]
                .as_u64()
                .unwrap()
                > 0
        );
        assert_eq!(
            usage["total_tokens"].as_u64().unwrap(),
            usage["input_tokens"].as_u64().unwrap() + usage["output_tokens"].as_u64().unwrap()
        );
    }
    let requests = running.control("GET", "requests", &json!(null)).await;
    let requests = requests.as_array().unwrap();
    let made = requests.iter().filter(|request| request["route"] == "responses");
    assert!(made.clone().all(|request| request["body"]["input"] == "hello"));
    assert_eq!(made.count(), 2);
}

#[tokio::test]
async fn a_stream_has_every_event_in_its_place() {
    let running = Running::start().await;
    let tools = json!([weather()]);
    let asks = [
        json!({"input": "héllo wörld"}),
        json!({"input": "hello", "reasoning": {"summary": "auto"}, "include": ["reasoning.encrypted_content"]}),
        json!({"input": "What's the weather in Paris and in Toulouse?", "tools": tools, "store": false}),
        json!({"input": "x", "tools": tools, "tool_choice": "required", "reasoning": {"effort": "none"}}),
        json!({"input": "a longer text than fits", "reasoning": {"effort": "none"}, "max_output_tokens": 16}),
        json!({"input": "a text of many more words than may be given back here: one two three four five six seven \
            eight nine ten", "reasoning": {"effort": "none"}, "max_output_tokens": 16}),
    ];
    for ask in asks {
        let whole = running.respond(GPT_5_5, &ask).await.json();
        let reply = running
            .respond(GPT_5_5, &with(ask.clone(), "stream", json!(true)))
            .await;
        assert_eq!(reply.headers["content-type"], "text/event-stream");
        assert!(!reply.text().contains("event:") && !reply.text().contains("[DONE]"));
        assert!(reply.text().starts_with("data: {\"type\":\"response.created\","));
        let last = grammar(&reply.events());
        let response = &last["response"];
        assert_eq!(response["status"], whole["status"]);
        assert_eq!(
            last["type"],
            format!("response.{}", whole["status"].as_str().unwrap())
        );
        assert_eq!(kinds(&response["output"]), kinds(&whole["output"]), "{ask}");
        assert_eq!(
            response["usage"]["output_tokens"],
            whole["usage"]["output_tokens"]
        );
    }
    let plain = json!({"input": "hello", "stream": true, "stream_options": {"include_obfuscation": false}});
    let reply = running.respond(GPT_5_5, &plain).await;
    assert!(!reply.text().contains("obfuscation"));
}

#[tokio::test]
async fn an_answer_that_is_cut_off_is_incomplete_and_says_why() {
    let running = Running::start().await;
    let ask = json!({"input": "one two three four five six seven eight nine ten eleven twelve thirteen fourteen",
        "max_output_tokens": 16});
    let short = running.respond(GPT_4O, &ask).await.json();
    assert_eq!(short["status"], "incomplete");
    assert_eq!(
        short["incomplete_details"],
        json!({"reason": "max_output_tokens"})
    );
    assert_eq!(short["output"][0]["status"], "incomplete");
    assert_eq!(short["usage"]["output_tokens"], 16);
    // What is thought counts too, and nothing may be left to say.
    let thought = running.respond(GPT_5, &ask).await.json();
    assert_eq!(
        (thought["status"].as_str(), kinds(&thought["output"])),
        (Some("incomplete"), vec!["reasoning"])
    );

    running
        .fault(&json!({"route": "responses", "fault": "content_filter"}))
        .await;
    let refused = running.respond(GPT_5, &ask).await;
    assert_eq!(
        (refused.status, &refused.json()["error"]["code"]),
        (400, &json!("content_filter"))
    );
    running
        .fault(&json!({"route": "responses", "fault": "output_filter"}))
        .await;
    let events = running
        .respond(GPT_5, &with(json!({"input": "x"}), "stream", json!(true)))
        .await
        .events();
    let filtered = grammar(&events);
    assert_eq!(filtered["type"], "response.incomplete");
    assert_eq!(
        filtered["response"]["incomplete_details"]["reason"],
        "content_filter"
    );
}

#[tokio::test]
async fn tools_are_called_in_parallel_and_their_results_are_answered() {
    let running = Running::start().await;
    let question = json!({"role": "user", "content": "What's the weather in Paris and in Toulouse?"});
    let ask = json!({"input": [question], "tools": [weather()], "store": false,
        "include": ["reasoning.encrypted_content"]});
    let answer = running.respond(CODEX, &ask).await.json();
    let output = answer["output"].as_array().unwrap().clone();
    assert_eq!(
        kinds(&answer["output"]),
        ["reasoning", "message", "function_call", "function_call"]
    );
    let one = running
        .respond(CODEX, &with(ask.clone(), "parallel_tool_calls", json!(false)))
        .await
        .json();
    assert_eq!(kinds(&one["output"]), ["reasoning", "message", "function_call"]);

    let mut input = vec![question];
    input.extend(output.iter().cloned());
    for call in &output[2..] {
        let city = call["arguments"].as_str().unwrap().to_owned();
        input.push(json!({"type": "function_call_output", "id": format!("fco_{}", input.len()),
            "call_id": call["call_id"], "output": [{"type": "input_text", "text": format!("18 °C for {city}")}]}));
    }
    let told = running
        .respond(CODEX, &with(ask.clone(), "input", json!(input)))
        .await;
    assert_eq!(told.status, 200, "{}", told.text());
    let told = told.json();
    assert_eq!(
        told["output"][1]["content"][0]["text"],
        "The result is:\n18 °C for {\"city\":\"Paris\"}\n18 °C for {\"city\":\"Toulouse\"}"
    );
    let (before, now) = (&answer["usage"], &told["usage"]);
    let cached = now["input_tokens_details"]["cached_tokens"].as_u64().unwrap();
    assert_eq!(
        cached,
        before["input_tokens"].as_u64().unwrap(),
        "what both begin with is cached"
    );

    // Some clients leave the ids out, and the text's place in a list.
    let bare: Vec<Value> = input
        .iter()
        .map(|item| {
            let mut item = item.clone();
            item.as_object_mut().unwrap().remove("id");
            if item["role"] == "assistant" {
                item = json!({"role": "assistant", "content": item["content"][0]["text"]});
            }
            item
        })
        .collect();
    assert_eq!(
        running
            .respond(CODEX, &with(ask, "input", json!(bare)))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn images_files_and_forms_of_the_answer_are_understood() {
    let running = Running::start().await;
    let pdf = "data:application/pdf;base64,JVBERi0xLjQK";
    let input = json!([{"type": "message", "role": "user", "content": [
        {"type": "input_text", "text": "What is it?"},
        {"type": "input_image", "image_url": PNG, "detail": "auto"},
        {"type": "input_file", "filename": "a.pdf", "file_data": pdf},
    ]}]);
    let seen = running.respond(GPT_4O, &json!({"input": input})).await.json();
    assert_eq!(
        seen["output"][0]["content"][0]["text"],
        "You said: What is it?\nI see image/png 8x8.\nI see application/pdf."
    );
    let schema = json!({"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"],
        "additionalProperties": false});
    let format = json!({"type": "json_schema", "name": "W", "strict": true, "schema": schema});
    let ask = json!({"input": "plum", "text": {"format": format}});
    let told = running.respond(GPT_4O, &ask).await.json();
    assert_eq!(told["text"]["format"], format);
    let text = told["output"][0]["content"][0]["text"].as_str().unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(text).unwrap(),
        json!({"word": "plum"})
    );
}
