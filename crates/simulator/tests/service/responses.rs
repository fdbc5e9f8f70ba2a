use serde_json::{Value, json};

use crate::client::{CODEX, GPT_4O, GPT_5, GPT_5_5, Running};

/// A picture of 8 × 8 pixels, up to the header that says so.
const PNG: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAYAAADED76L";

fn with(mut body: Value, key: &str, value: Value) -> Value {
    body[key] = value;
    body
}

fn weather() -> Value {
    json!({"type": "function", "name": "get_weather", "strict": false, "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]
    }})
}

fn kinds(output: &Value) -> Vec<&str> {
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

#[tokio::test]
async fn an_answer_is_kept_unless_that_is_switched_off() {
    let running = Running::start().await;
    let first = running
        .respond(GPT_5, &json!({"input": "plum", "tools": [weather()]}))
        .await
        .json();
    let id = first["id"].as_str().unwrap();
    let again = running.kept("GET", GPT_5, id).await;
    let mut expected = first.clone();
    expected["content_filters"] = json!([]);
    assert_eq!((again.status, again.json()), (200, expected));
    assert_eq!(
        running.kept("GET", GPT_5_5, id).await.status,
        404,
        "another deployment does not know it"
    );

    let ask =
        json!({"input": "What's the weather in Paris?", "tools": [weather()], "previous_response_id": id});
    let called = running.respond(GPT_5, &ask).await.json();
    assert_eq!(called["previous_response_id"], id);
    let call = called["output"].as_array().unwrap().last().unwrap();
    let ask = json!({"input": [{"type": "function_call_output", "call_id": call["call_id"], "output": "18 °C"}],
        "tools": [weather()], "previous_response_id": called["id"]});
    let told = running.respond(GPT_5, &ask).await.json();
    assert_eq!(told["output"][1]["content"][0]["text"], "The result is:\n18 °C");
    let tokens = |response: &Value| response["usage"]["input_tokens"].as_u64().unwrap();
    assert!(tokens(&told) > tokens(&called) && tokens(&called) > tokens(&first));

    let list = running
        .kept("GET", GPT_5, &format!("{id}/input_items"))
        .await
        .json();
    assert_eq!(
        (&list["object"], &list["has_more"]),
        (&json!("list"), &json!(false))
    );
    assert_eq!(
        list["data"][0]["content"],
        json!([{"type": "input_text", "text": "plum"}])
    );
    assert_eq!(list["first_id"], list["data"][0]["id"]);

    let deleted = running.kept("DELETE", GPT_5, id).await;
    assert_eq!(
        (deleted.status, deleted.json()),
        (
            200,
            json!({"deleted": true, "id": id, "object": "response.deleted"})
        )
    );
    for (method, path) in [
        ("GET", id.to_owned()),
        ("DELETE", id.to_owned()),
        ("POST", format!("{id}/cancel")),
    ] {
        let gone = running.kept(method, GPT_5, &path).await;
        assert_eq!(gone.status, 404);
        assert_eq!(
            gone.json()["error"]["message"],
            format!("Response with id '{id}' not found.")
        );
    }

    let unkept = running
        .respond(GPT_5, &json!({"input": "x", "store": false}))
        .await
        .json();
    assert_eq!(unkept["store"], false);
    assert_eq!(
        running
            .kept("GET", GPT_5, unkept["id"].as_str().unwrap())
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn input_items_come_in_pages() {
    let running = Running::start().await;
    let said: Vec<Value> = (0..3)
        .map(|number| json!({"role": "user", "content": format!("n{number}")}))
        .collect();
    let response = running.respond(GPT_5, &json!({ "input": said })).await.json();
    let id = response["id"].as_str().unwrap();
    let page = async |query: &str| {
        let list = running
            .kept("GET", GPT_5, &format!("{id}/input_items?{query}"))
            .await
            .json();
        let texts: Vec<String> = list["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["content"][0]["text"].as_str().unwrap().to_owned())
            .collect();
        (texts, list)
    };
    assert_eq!(page("").await.0, ["n2", "n1", "n0"]);
    let (texts, list) = page("order=asc&limit=2").await;
    assert_eq!(
        (texts, &list["has_more"]),
        (vec!["n0".to_owned(), "n1".to_owned()], &json!(true))
    );
    let after = format!("order=asc&after={}", list["last_id"].as_str().unwrap());
    assert_eq!(page(&after).await.0, ["n2"]);
}

#[tokio::test]
async fn an_answer_in_the_background_can_be_called_off_until_it_is_there() {
    let running = Running::start().await;
    let ask = json!({"input": "hello", "background": true});
    let queued = running.respond(GPT_5, &ask).await.json();
    assert_eq!(
        (&queued["status"], &queued["output"], &queued["usage"]),
        (&json!("queued"), &json!([]), &json!(null))
    );
    let id = queued["id"].as_str().unwrap();
    let early = running
        .respond(GPT_5, &json!({"input": "x", "previous_response_id": id}))
        .await;
    assert_eq!(early.status, 400);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let seen = running.kept("GET", GPT_5, id).await.json();
        statuses.push(seen["status"].as_str().unwrap().to_owned());
    }
    assert_eq!(statuses, ["in_progress", "completed", "completed"]);
    let late = running.kept("POST", GPT_5, &format!("{id}/cancel")).await;
    assert_eq!(
        (late.status, &late.json()["error"]["message"]),
        (400, &json!("Cannot cancel a completed response."))
    );

    let second = running.respond(GPT_5, &ask).await.json();
    let id = second["id"].as_str().unwrap();
    for _ in 0..2 {
        let cancelled = running.kept("POST", GPT_5, &format!("{id}/cancel")).await;
        assert_eq!(
            (cancelled.status, &cancelled.json()["status"]),
            (200, &json!("cancelled"))
        );
    }
    assert_eq!(running.kept("GET", GPT_5, id).await.json()["status"], "cancelled");

    let at_once = running.respond(GPT_5, &json!({"input": "x"})).await.json();
    let refused = running
        .kept(
            "POST",
            GPT_5,
            &format!("{}/cancel", at_once["id"].as_str().unwrap()),
        )
        .await;
    assert_eq!(
        (refused.status, &refused.json()["error"]["message"]),
        (400, &json!("Cannot cancel a synchronous response."))
    );
}

#[tokio::test]
async fn a_conversation_is_compacted_and_goes_on_from_there() {
    let running = Running::start().await;
    let input = json!([
        {"role": "user", "content": "remember plum"},
        {"role": "assistant", "content": "I do."},
        {"role": "user", "content": "and pear"},
    ]);
    let compacted = running
        .call(GPT_5, "/responses/compact", &json!({ "input": input }))
        .await;
    assert_eq!(compacted.status, 200, "{}", compacted.text());
    let compacted = compacted.json();
    assert_eq!(compacted["object"], "response.compaction");
    assert_eq!(kinds(&compacted["output"]), ["message", "message", "compaction"]);
    let mut input = compacted["output"].as_array().unwrap().clone();
    input.push(json!({"role": "user", "content": "go on"}));
    let reply = running.respond(GPT_5, &json!({ "input": input })).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let elsewhere = running.respond(GPT_5_5, &json!({ "input": input })).await;
    assert_eq!(elsewhere.json()["error"]["code"], "invalid_encrypted_content");
}

#[tokio::test]
async fn what_is_kept_can_be_referred_to() {
    let running = Running::start().await;
    let first = running.respond(GPT_5, &json!({"input": "plum"})).await.json();
    let [reasoning, message] = [0, 1].map(|at| first["output"][at]["id"].clone());
    let reference = |id: &Value| json!({"type": "item_reference", "id": id});
    let user = json!({"role": "user", "content": "x"});
    let good = json!({"store": false, "input": [user, reference(&reasoning), reference(&message), user]});
    assert_eq!(running.respond(GPT_5, &good).await.status, 200);
    let kept_reasoning = json!({"type": "reasoning", "id": reasoning, "summary": []});
    let good = json!({"input": [user, kept_reasoning, reference(&message), user]});
    assert_eq!(running.respond(GPT_5, &good).await.status, 200);
    let lone = json!({"input": [user, reference(&message), user]});
    let refused = running.respond(GPT_5, &lone).await.json();
    assert_eq!(
        refused["error"]["message"].as_str().unwrap(),
        format!(
            "Item '{}' of type 'message' was provided without its required 'reasoning' item: '{}'.",
            message.as_str().unwrap(),
            reasoning.as_str().unwrap()
        )
    );
}
