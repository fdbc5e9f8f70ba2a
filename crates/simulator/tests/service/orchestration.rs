use serde_json::{Value, json};

use crate::client::Running;

const PNG: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAgAAAAIAQMAAAD+wSzIAAAABlBMVEX/AAD///9BHTQRAAAAC0lEQVQI12NgQAUAABAAAVygnjEAAAAASUVORK5CYII=";

fn request(model: &str, template: &Value) -> Value {
    json!({"config": {"modules": {"prompt_templating": {
        "prompt": {"template": template},
        "model": {"name": model}
    }}}})
}

fn ask(model: &str, text: &str) -> Value {
    request(model, &json!([{"role": "user", "content": text}]))
}

fn with(mut body: Value, pointer: &str, key: &str, value: Value) -> Value {
    body.pointer_mut(pointer).unwrap()[key] = value;
    body
}

fn params(model: &str, params: Value) -> Value {
    with(
        ask(model, "hello"),
        "/config/modules/prompt_templating/model",
        "params",
        params,
    )
}

fn tool(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name, "parameters": {
        "type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]
    }}})
}

fn with_tools(body: Value, tools: Value) -> Value {
    with(body, "/config/modules/prompt_templating/prompt", "tools", tools)
}

fn streamed(body: Value, chunk_size: u64) -> Value {
    with(
        body,
        "/config",
        "stream",
        json!({"enabled": true, "chunk_size": chunk_size}),
    )
}

fn called(id: &str) -> Value {
    json!({"role": "assistant", "tool_calls": [
        {"id": id, "type": "function", "function": {"name": "read_file", "arguments": "{\"path\":\"a.txt\"}"}}
    ]})
}

fn result(id: &str) -> Value {
    json!({"role": "tool", "tool_call_id": id, "content": "plum"})
}

const CLAUDE: &str = "anthropic--claude-4.5-sonnet";
const OPUS: &str = "anthropic--claude-4.8-opus";

#[tokio::test]
async fn history_comes_first_then_the_filled_template() {
    let running = Running::start().await;
    let body = ask("gpt-4o", "{{?p}} and {{ ?q }}");
    let body = with(
        body,
        "",
        "placeholder_values",
        json!({"p": "{{?x}} {% raw %}", "q": "ö"}),
    );
    let history = json!([
        {"role": "system", "content": "{{?not templated}}"},
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"}
    ]);
    let body = with(body, "", "messages_history", history);
    let reply = running.complete(&body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let answer = reply.json();
    assert_eq!(
        answer["final_result"]["choices"][0]["message"]["content"],
        "You said: {{?x}} {% raw %} and ö"
    );
    assert_eq!(answer["final_result"], answer["intermediate_results"]["llm"]);
    let rendered = json!([
        {"role": "system", "content": "{{?not templated}}"},
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "{{?x}} {% raw %} and ö"}
    ]);
    assert_eq!(answer["intermediate_results"]["templating"], rendered);
    let record = running.control("GET", "requests", &json!(null)).await;
    let last = record.as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["rendered"], &last["route"], &last["refused"]),
        (&rendered, &json!("completion"), &json!(null))
    );
}

#[tokio::test]
async fn a_whole_tool_turn_is_finished() {
    let running = Running::start().await;
    let body = with_tools(ask(CLAUDE, "Read a.txt and b.txt"), json!([tool("read_file")]));
    let answer = running.complete(&body).await.json();
    let choice = &answer["final_result"]["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    let calls = choice["message"]["tool_calls"].as_array().unwrap();
    assert_eq!(calls.len(), 2);
    assert!(calls[0]["id"].as_str().unwrap().starts_with("toolu_bdrk_"));
    assert_eq!(calls[1]["function"]["arguments"], "{\"path\":\"b.txt\"}");

    let turn = json!([
        choice["message"],
        {"role": "tool", "tool_call_id": calls[0]["id"], "content": "plum é"},
        {"role": "tool", "tool_call_id": calls[1]["id"], "content": "pear"}
    ]);
    let body = with_tools(request(CLAUDE, &turn), json!([tool("read_file")]));
    let body = with(
        body,
        "",
        "messages_history",
        json!([{"role": "user", "content": "Read a.txt and b.txt"}]),
    );
    let answer = running.complete(&body).await.json();
    let choice = &answer["final_result"]["choices"][0];
    assert_eq!(choice["message"]["content"], "The result is:\nplum é\npear");
    assert_eq!(choice["finish_reason"], "stop");
}

#[tokio::test]
async fn a_stream_opens_empty_and_holds_everything_twice() {
    let running = Running::start().await;
    let body = with_tools(ask(CLAUDE, "Read a.txt"), json!([tool("read_file")]));
    let body = with(
        body,
        "/config/modules/prompt_templating/model",
        "params",
        json!({"reasoning_effort": "low"}),
    );
    let events = running.complete(&streamed(body, 10)).await.events();
    assert_eq!(events.last().unwrap(), "[DONE]");
    let first = &events[0];
    assert_eq!(first["final_result"]["id"], "");
    assert_eq!(
        first["final_result"]["choices"][0],
        json!({"index": 0, "delta": {"content": ""}})
    );
    assert_eq!(first["intermediate_results"]["templating"][0]["role"], "user");
    let (mut arguments, mut thought, mut signature) = (String::new(), String::new(), String::new());
    for event in &events[1..events.len() - 1] {
        assert_eq!(event["final_result"], event["intermediate_results"]["llm"]);
        let delta = &event["final_result"]["choices"][0]["delta"];
        arguments += delta
            .pointer("/tool_calls/0/function/arguments")
            .and_then(Value::as_str)
            .unwrap_or("");
        thought += delta
            .pointer("/reasoning_content/0/content")
            .and_then(Value::as_str)
            .unwrap_or("");
        signature += delta
            .pointer("/reasoning_content/0/signature")
            .and_then(Value::as_str)
            .unwrap_or("");
    }
    assert_eq!(arguments, "{\"path\":\"a.txt\"}");
    assert!(thought.contains("Read a.txt") && !signature.is_empty());
    let last = &events[events.len() - 2]["final_result"];
    assert_eq!(last["choices"][0]["finish_reason"], "tool_calls");
    assert!(
        last["usage"]["completion_tokens_details"]["reasoning_tokens"]
            .as_u64()
            .unwrap()
            > 0
    );
}

#[tokio::test]
async fn chunks_have_at_least_their_size_and_the_old_finish_reason_is_empty() {
    let running = Running::start().await;
    running
        .control("POST", "settings", &json!({"finish_reason_mode": "empty"}))
        .await;
    let text = "one two three four five six seven eight nine ten eleven twelve";
    let events = running
        .complete(&streamed(ask("gpt-4o", text), 20))
        .await
        .events();
    assert_eq!(events[0]["final_result"]["choices"][0]["finish_reason"], "");
    assert_eq!(events[0]["final_result"]["choices"][0]["delta"]["role"], "");
    let pieces: Vec<&str> = events
        .iter()
        .filter_map(|event| event.pointer("/final_result/choices/0/delta/content")?.as_str())
        .filter(|piece| !piece.is_empty())
        .collect();
    assert_eq!(pieces.concat(), format!("You said: {text}"));
    assert!(
        pieces[..pieces.len() - 1].iter().all(|piece| piece.len() >= 20),
        "{pieces:?}"
    );
}

#[tokio::test]
async fn the_answer_keeps_to_its_form_its_length_and_its_stops() {
    let running = Running::start().await;
    let schema = json!({"type": "object", "properties": {"word": {"type": "string"}, "kind": {"enum": ["a", "b"]}},
        "required": ["word", "kind"], "additionalProperties": false});
    let format =
        json!({"type": "json_schema", "json_schema": {"name": "W", "schema": schema, "strict": true}});
    let body = with(
        ask("gpt-4o", "plum"),
        "/config/modules/prompt_templating/prompt",
        "response_format",
        format,
    );
    let answer = running.complete(&body).await.json();
    let text = answer["final_result"]["choices"][0]["message"]["content"]
        .as_str()
        .unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(text).unwrap(),
        json!({"word": "plum", "kind": "a"})
    );

    let short = running
        .complete(&params("gpt-4o", json!({"max_completion_tokens": 2})))
        .await
        .json();
    let choice = &short["final_result"]["choices"][0];
    assert_eq!(
        (&choice["finish_reason"], &choice["message"]["content"]),
        (&json!("length"), &json!("You said"))
    );
    assert_eq!(short["final_result"]["usage"]["completion_tokens"], 2);

    let stopped = running
        .complete(&params("gpt-4o", json!({"stop": ["said"]})))
        .await
        .json();
    assert_eq!(
        stopped["final_result"]["choices"][0]["message"]["content"],
        "You "
    );

    let image = json!([{"role": "user", "content": [
        {"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": PNG}}
    ]}]);
    let seen = running.complete(&request("gpt-4o", &image)).await.json();
    assert_eq!(
        seen["final_result"]["choices"][0]["message"]["content"],
        "You said: What?\nI see image/png 8x8."
    );
}

#[tokio::test]
async fn what_the_service_refuses_is_refused_in_its_words() {
    let running = Running::start().await;
    let history = |body: Value, messages: Value| with(body, "", "messages_history", messages);
    let template = |messages: Value| request(CLAUDE, &messages);
    let tools = |names: &[&str]| Value::Array(names.iter().map(|name| tool(name)).collect());
    let marked = json!({"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}});
    let no_prompt = json!({"config": {"modules": {"prompt_templating": {"model": {"name": CLAUDE}}}},
        "messages_history": [{"role": "user", "content": "x"}]});
    let broken = json!({"role": "assistant", "tool_calls": [
        {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"a\":"}}
    ]});
    let user = json!({"role": "user", "content": "x"});
    let image = json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": PNG}}]}]);
    let cases: Vec<(Value, u16, &str)> = vec![
        (
            json!({}),
            400,
            "400 - Request Body: 'config' is a required property",
        ),
        (
            with(ask(CLAUDE, "x"), "/config", "stream", json!(true)),
            400,
            "True is not of type 'object' - 'config.stream'",
        ),
        (
            with(ask(CLAUDE, "x"), "", "stream", json!(true)),
            400,
            "('stream' was unexpected)",
        ),
        (
            no_prompt,
            400,
            "Either a prompt template or messages must be defined",
        ),
        (
            ask(CLAUDE, "{{?x}}"),
            400,
            "400 - Input Parameters: Error validating parameters. Unused parameters: ['x'].",
        ),
        (
            with(ask(CLAUDE, "x"), "", "placeholder_values", json!({"y": "1"})),
            400,
            "Unknown parameters: ['y']",
        ),
        (ask(CLAUDE, "{% if %}"), 400, "unexpected '{%'"),
        (
            with_tools(
                ask(CLAUDE, "x"),
                json!([{"type": "function", "function": {"name": "f", "description": "use {{x}}"}}]),
            ),
            400,
            "unexpected '{{'",
        ),
        (
            ask("gpt-9", "x"),
            400,
            "400 - LLM Module: Model gpt-9 in version latest not found.",
        ),
        (
            with(
                ask("gpt-5", "x"),
                "/config/modules/prompt_templating/model",
                "version",
                json!("wrong-version"),
            ),
            400,
            "400 - LLM Module: Model gpt-5 in version wrong-version not found.",
        ),
        (
            streamed(ask("o3-mini", "x"), 1),
            400,
            "400 - LLM Module: Streaming is not supported for this model",
        ),
        (
            with_tools(ask(CLAUDE, "x"), tools(&["f", "f"])),
            400,
            "400 - LLM Module: tools: Tool names must be unique.",
        ),
        (
            template(
                json!([user, called("c"), {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "x"}]}]),
            ),
            400,
            "Tool message content must be a string for Anthropic harmonization. Received: list.",
        ),
        (
            template(json!([user, broken, result("c")])),
            500,
            "Internal Server Error",
        ),
        (
            template(json!([user, {"role": "assistant", "content": ""}, user])),
            400,
            "Assistant message has neither text nor tool_use blocks.",
        ),
        (
            template(json!([{"role": "user", "content": " "}])),
            400,
            "text content blocks must be non-empty",
        ),
        (
            template(json!([{"role": "user", "content": [{"type": "text", "text": ""}]}])),
            400,
            "text content blocks must be non-empty",
        ),
        (
            history(template(json!([result("c")])), json!([user, called("c")])),
            400,
            "must follow its tool call there",
        ),
        (
            template(json!([user, result("c")])),
            400,
            "must be a response to a preceding message with 'tool_calls'",
        ),
        (
            template(json!([user, called("c"), user])),
            400,
            "did not have response messages: c",
        ),
        (
            template(json!([user, called("c")])),
            400,
            "did not have response messages: c",
        ),
        (
            history(
                ask(CLAUDE, "x"),
                json!([user, {"role": "system", "content": "s"}]),
            ),
            400,
            "a system message is only taken before",
        ),
        (
            template(json!([{"role": "user", "content": [marked, marked, marked, marked, marked]}])),
            400,
            "A maximum of 4 blocks with cache_control may be provided. Found 5.",
        ),
        (
            template(
                json!([user, {"role": "assistant", "content": "a", "reasoning_content": [{"content": "t"}]}, user]),
            ),
            400,
            "thinking.signature: Field required",
        ),
        (
            request(OPUS, &json!([user, {"role": "assistant", "content": "Sure:"}])),
            400,
            "does not support assistant message prefill",
        ),
        (
            request("o3-mini", &image),
            400,
            "does not support image_url input",
        ),
        (
            params("gpt-5", json!({"temperature": 0.1})),
            400,
            "'temperature' is not supported with this model",
        ),
        (
            params("gpt-5", json!({"max_tokens": 5})),
            400,
            "Use 'max_completion_tokens' instead",
        ),
        (
            params(OPUS, json!({"top_p": 0.5})),
            400,
            "'top_p' is not supported with this model",
        ),
        (
            params(OPUS, json!({"temperature": 1})),
            400,
            "'temperature' is not supported with this model",
        ),
        (
            params("gpt-4o", json!({"max_tokens": 32_000})),
            400,
            "supports at most 16384 completion tokens",
        ),
        (
            params(CLAUDE, json!({"max_tokens": 64_001})),
            400,
            "max_tokens: 64001 > 64000, which is the maximum",
        ),
        (
            params("gemini-2.5-pro", json!({"tools": []})),
            400,
            "400 - LLM Module: Unknown field for GenerationConfig: tools",
        ),
        (
            params(CLAUDE, json!({"resource_group": "default"})),
            400,
            "Unknown field for AnthropicMessagesRequest: resource_group",
        ),
        (params(CLAUDE, json!({"topK": 3})), 400, "Unknown field"),
        (
            params(CLAUDE, json!({"tool_choice": "auto"})),
            400,
            "only allowed when 'tools' are specified",
        ),
        (
            with_tools(
                params(CLAUDE, json!({"tool_choice": {"type": "tool", "name": "f"}})),
                tools(&["f"]),
            ),
            400,
            "Invalid value for tool_choice",
        ),
        (
            params(CLAUDE, json!({"reasoning_effort": "max"})),
            400,
            "Invalid value for reasoning_effort",
        ),
        (
            params(CLAUDE, json!({"reasoning_effort": "low", "temperature": 0.2})),
            400,
            "may only be set to 1 when thinking",
        ),
        (
            params(
                CLAUDE,
                json!({"thinking": {"type": "enabled", "budget_tokens": 5}}),
            ),
            400,
            "greater than or equal to 1024",
        ),
        (
            params(
                OPUS,
                json!({"thinking": {"type": "enabled", "budget_tokens": 2048}}),
            ),
            400,
            "not supported for this model",
        ),
    ];
    for (body, status, words) in cases {
        let reply = running.complete(&body).await;
        assert_eq!(reply.status, status, "{body} {}", reply.text());
        let error = reply.json()["error"].clone();
        assert!(
            error["message"].as_str().unwrap().contains(words),
            "{} for {body}",
            reply.text()
        );
        assert_eq!(error["code"], status);
        assert!(error["location"].is_string() && error["request_id"].is_string());
    }
    let twice = running
        .send("POST", "/__simulator/requests", &[], bytes::Bytes::new())
        .await;
    assert_eq!(twice.status, 404);
    let record = running.control("GET", "requests", &json!(null)).await;
    let completions = record
        .as_array()
        .unwrap()
        .iter()
        .filter(|request| request["route"] == "completion");
    assert!(completions.clone().all(|request| request["refused"].is_string()));
}

#[tokio::test]
async fn what_the_model_refuses_comes_inside_a_stream_that_has_begun() {
    let running = Running::start().await;
    let reply = running
        .complete(&streamed(params(CLAUDE, json!({"beta": 1})), 1))
        .await;
    assert_eq!(reply.status, 200);
    let events = reply.events();
    assert_eq!(events.len(), 2);
    assert_eq!(events[1]["error"]["location"], "LLM Module");
}

#[tokio::test]
async fn the_first_configuration_that_succeeds_answers_and_all_failures_are_a_list() {
    let running = Running::start().await;
    let modules = |model: &str| ask(model, "x")["config"]["modules"].clone();
    let body = json!({"config": {"modules": [modules("gpt-9"), modules("gpt-4o")]}});
    let answer = running.complete(&body).await.json();
    assert_eq!(answer["intermediate_failures"][0]["location"], "LLM Module");
    assert_eq!(answer["final_result"]["model"], "gpt-4o-2024-08-06");
    let body = json!({"config": {"modules": [modules("gpt-9"), modules("gpt-8")]}});
    let reply = running.complete(&body).await;
    assert_eq!(reply.status, 400);
    assert_eq!(reply.json()["error"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_marked_prefix_is_written_once_and_read_again() {
    let running = Running::start().await;
    let turn = |last: &str| {
        json!([{"role": "user", "content": [
            {"type": "text", "text": "a long and stable beginning", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            {"type": "text", "text": last}
        ]}])
    };
    let details = |answer: &Value| answer["final_result"]["usage"]["prompt_tokens_details"].clone();
    let first = details(&running.complete(&request(CLAUDE, &turn("one"))).await.json());
    let written = first["cache_creation_token_details"]["ephemeral_1h_input_tokens"]
        .as_u64()
        .unwrap();
    assert!(written > 0 && first["cached_tokens"] == 0, "{first}");
    let second = details(&running.complete(&request(CLAUDE, &turn("two"))).await.json());
    assert_eq!(
        (&second["cached_tokens"], &second["cache_creation_tokens"]),
        (&json!(written), &json!(0))
    );
}
