use serde_json::{Value, json};

use crate::client::{HUB_SONNET, NOVA_PRO, Reply, Running, TITAN};

pub(super) fn user(text: &str) -> Value {
    json!({"role": "user", "content": [{"text": text}]})
}

pub(super) fn said(text: &str) -> Value {
    json!({"messages": [user(text)]})
}

pub(super) fn with(mut body: Value, key: &str, value: Value) -> Value {
    body[key] = value;
    body
}

pub(super) fn blocks(blocks: Value) -> Value {
    json!({"messages": [{"role": "user", "content": blocks}]})
}

pub(super) fn weather() -> Value {
    json!({"tools": [{"toolSpec": {"name": "get_weather", "inputSchema": {"json": {
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]
    }}}}]})
}

pub(super) async fn ask(running: &Running, deployment: &str, body: &Value) -> Reply {
    running.call(deployment, "/converse", body).await
}

async fn stream(running: &Running, body: &Value) -> Reply {
    running.call(NOVA_PRO, "/converse-stream", body).await
}

/// The events of a stream, read as Python reads them.
fn events(reply: &Reply) -> Vec<Value> {
    let lines = reply.text().lines().filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let literal = line.strip_prefix("data: ").unwrap();
            let mut letters = literal.chars().peekable();
            let value = read(&mut letters);
            assert!(letters.next().is_none(), "{line}");
            value
        })
        .collect()
}

type Letters<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn read(letters: &mut Letters<'_>) -> Value {
    let next = *letters.peek().unwrap();
    match next {
        '{' | '[' => {
            letters.next();
            let (mut object, mut list) = (serde_json::Map::new(), Vec::new());
            while !matches!(letters.peek().unwrap(), '}' | ']') {
                let value = read(letters);
                if letters.next_if_eq(&':').is_some() {
                    assert_eq!(letters.next(), Some(' '));
                    object.insert(value.as_str().unwrap().to_owned(), read(letters));
                } else {
                    list.push(value);
                }
                if letters.next_if_eq(&',').is_some() {
                    assert_eq!(letters.next(), Some(' '));
                }
            }
            letters.next();
            if next == '{' {
                Value::Object(object)
            } else {
                Value::Array(list)
            }
        }
        '\'' | '"' => {
            letters.next();
            let mut text = String::new();
            loop {
                match letters.next().unwrap() {
                    end if end == next => return Value::String(text),
                    '\\' => text.push(escaped(letters)),
                    letter => text.push(letter),
                }
            }
        }
        _ => {
            let mut word = String::new();
            while let Some(letter) = letters.next_if(|letter| letter.is_alphanumeric() || *letter == '.') {
                word.push(letter);
            }
            match word.as_str() {
                "True" => json!(true),
                "False" => json!(false),
                "None" => Value::Null,
                number => number.parse::<i64>().unwrap().into(),
            }
        }
    }
}

fn escaped(letters: &mut Letters<'_>) -> char {
    let length = match letters.next().unwrap() {
        'n' => return '\n',
        'r' => return '\r',
        't' => return '\t',
        'x' => 2,
        'u' => 4,
        'U' => 8,
        letter => return letter,
    };
    let digits: String = letters.take(length).collect();
    char::from_u32(u32::from_str_radix(&digits, 16).unwrap()).unwrap()
}

#[tokio::test]
async fn a_whole_answer_has_bedrocks_form() {
    let running = Running::start().await;
    let body = with(
        said("hello"),
        "system",
        json!([{"text": "Be brief."}, {"cachePoint": {"type": "default"}}]),
    );
    let first = ask(&running, NOVA_PRO, &body).await.json();
    assert_eq!(
        first["output"],
        json!({"message": {"role": "assistant", "content": [{"text": "You said: hello"}]}})
    );
    assert_eq!(first["stopReason"], "end_turn");
    let second = ask(&running, NOVA_PRO, &body).await.json();
    let usage = |answer: &Value, name: &str| answer["usage"][name].as_u64().unwrap();
    let cached = usage(&first, "cacheWriteInputTokens");
    assert!(cached > 0);
    assert_eq!(usage(&second, "cacheReadInputTokens"), cached);
    assert_eq!(
        usage(&second, "totalTokens"),
        usage(&second, "inputTokens") + cached + usage(&second, "outputTokens")
    );
}

#[tokio::test]
async fn a_stream_is_pythons_dictionaries_however_it_is_cut() {
    let running = Running::start().await;
    let text = "It's \"quoted\"\n\u{1b}[0m\u{2028} wörld 漢字 😀\u{e0001}";
    for chunking in ["event", "byte", "random"] {
        running
            .control("POST", "settings", &json!({"chunking": chunking, "seed": 7}))
            .await;
        let reply = stream(&running, &said(text)).await;
        assert_eq!(reply.headers["content-type"], "text/event-stream");
        assert!(
            reply
                .text()
                .starts_with("data: {'messageStart': {'role': 'assistant'}}\n\n")
        );
        for escaped in [r#""'s""#, r"\x1b", r"\u2028", r"\U000e0001", "漢", "😀"] {
            assert!(reply.text().contains(escaped), "{escaped}: {}", reply.text());
        }
        let events = events(&reply);
        let said: String = events
            .iter()
            .filter_map(|event| event.pointer("/contentBlockDelta/delta/text")?.as_str())
            .collect();
        assert_eq!(said, format!("You said: {text}"));
        let names: Vec<&str> = events
            .iter()
            .map(|event| event.as_object().unwrap().keys().next().unwrap().as_str())
            .collect();
        assert_eq!(
            names[names.len() - 3..],
            ["contentBlockStop", "messageStop", "metadata"]
        );
        let metadata = &events.last().unwrap()["metadata"];
        assert!(metadata["usage"]["outputTokens"].as_u64().unwrap() > 0);
    }
}

#[tokio::test]
async fn tools_are_called_in_parallel_and_their_results_are_read() {
    let running = Running::start().await;
    let question = user("What's the weather in Paris and in Toulouse?");
    let body = json!({"messages": [question], "toolConfig": weather()});
    let answer = ask(&running, NOVA_PRO, &body).await.json();
    assert_eq!(answer["stopReason"], "tool_use");
    let content = answer["output"]["message"]["content"].as_array().unwrap();
    let calls: Vec<&Value> = content.iter().filter_map(|block| block.get("toolUse")).collect();
    let cities: Vec<&Value> = calls.iter().map(|call| &call["input"]["city"]).collect();
    assert_eq!(cities, ["Paris", "Toulouse"]);

    let streamed = events(&stream(&running, &body).await);
    let starts: Vec<&Value> = streamed
        .iter()
        .filter_map(|event| event.pointer("/contentBlockStart/start/toolUse"))
        .collect();
    assert_eq!(starts.len(), 2);
    assert!(starts[0]["toolUseId"].as_str().unwrap().starts_with("tooluse_"));
    let pieces: String = streamed
        .iter()
        .filter_map(|event| event.pointer("/contentBlockDelta/delta/toolUse/input")?.as_str())
        .collect();
    assert_eq!(pieces, r#"{"city":"Paris"}{"city":"Toulouse"}"#);

    let results: Vec<Value> = calls
        .iter()
        .map(|call| {
            json!({"toolResult": {"toolUseId": call["toolUseId"], "status": "success", "content": [
                {"text": format!("Rain in {}.", call["input"]["city"].as_str().unwrap())},
            ]}})
        })
        .collect();
    let body = json!({"messages": [question, {"role": "assistant", "content": content},
                                   {"role": "user", "content": results}], "toolConfig": weather()});
    let answer = ask(&running, NOVA_PRO, &body).await.json();
    assert_eq!(
        answer["output"]["message"]["content"][0]["text"],
        "The result is:\nRain in Paris.\nRain in Toulouse."
    );

    let forced = json!({"tools": weather()["tools"], "toolChoice": {"tool": {"name": "get_weather"}}});
    let answer = ask(&running, NOVA_PRO, &with(said("hello"), "toolConfig", forced))
        .await
        .json();
    assert_eq!(
        answer["output"]["message"]["content"][0]["toolUse"]["name"],
        "get_weather"
    );
}

#[tokio::test]
async fn claude_thinks_and_nova_does_not() {
    let running = Running::start().await;
    let body = with(
        with(said("hello"), "inferenceConfig", json!({"maxTokens": 4_000})),
        "additionalModelRequestFields",
        json!({"thinking": {"type": "enabled", "budget_tokens": 2_048}}),
    );
    let answer = ask(&running, HUB_SONNET, &body).await.json();
    let thought = &answer["output"]["message"]["content"][0]["reasoningContent"]["reasoningText"];
    assert!(
        thought["text"]
            .as_str()
            .unwrap()
            .starts_with("The user says: hello"),
        "{answer}"
    );
    let streamed = events(&running.call(HUB_SONNET, "/converse-stream", &body).await);
    let signature = streamed
        .iter()
        .find_map(|event| event.pointer("/contentBlockDelta/delta/reasoningContent/signature"));
    assert!(signature.is_some());
    let replayed = |signature: &str| {
        let thought = json!({"reasoningContent": {"reasoningText": {"text": "t", "signature": signature}}});
        let messages =
            json!([user("x"), {"role": "assistant", "content": [thought, {"text": "y"}]}, user("z")]);
        with(body.clone(), "messages", messages)
    };
    let known = replayed(thought["signature"].as_str().unwrap());
    assert_eq!(ask(&running, HUB_SONNET, &known).await.status, 200);
    for (deployment, body, words) in [
        (
            HUB_SONNET,
            replayed("QUJD"),
            "Invalid `signature` in `thinking` block",
        ),
        (
            NOVA_PRO,
            body.clone(),
            "extraneous key [thinking] is not permitted",
        ),
        (
            NOVA_PRO,
            with(known.clone(), "additionalModelRequestFields", json!({})),
            "doesn't support the reasoningContent block",
        ),
        (
            HUB_SONNET,
            with(body.clone(), "inferenceConfig", json!({"maxTokens": 2_000})),
            "must be greater than `thinking.budget_tokens`",
        ),
    ] {
        let reply = ask(&running, deployment, &body).await;
        assert!(
            reply.status == 400 && reply.text().contains(words),
            "{}",
            reply.text()
        );
    }
}

#[tokio::test]
async fn faults_come_in_the_streams_own_form() {
    let running = Running::start().await;
    for (fault, name) in [
        ("error_event", "modelStreamErrorException"),
        ("throttled_event", "throttlingException"),
    ] {
        running
            .fault(&json!({"route": "converse_stream", "fault": fault, "after_events": 2}))
            .await;
        let events = events(&stream(&running, &said("x")).await);
        assert_eq!(events.len(), 3);
        assert!(events[2][name]["message"].is_string(), "{}", events[2]);
    }
    running
        .fault(&json!({"route": "inference", "fault": "status", "status": 429}))
        .await;
    let throttled = ask(&running, NOVA_PRO, &said("x")).await;
    assert_eq!(
        (throttled.status, throttled.json()),
        (
            429,
            json!({"message": "Too many tokens, please wait before trying again."})
        )
    );
    running
        .fault(&json!({"route": "converse", "fault": "output_filter"}))
        .await;
    assert_eq!(
        ask(&running, NOVA_PRO, &said("x")).await.json()["stopReason"],
        "content_filtered"
    );
    running
        .fault(&json!({"route": "converse_stream", "fault": "cut", "after_events": 2, "and_bytes": 9}))
        .await;
    let cut = stream(&running, &said("x")).await;
    assert!(cut.broken && cut.text().matches("\n\n").count() == 2);
}

#[tokio::test]
async fn a_client_of_amazon_gets_its_binary_stream() {
    let running = Running::start().await;
    let accept = [("accept", "application/vnd.amazon.eventstream")];
    let reply = running
        .call_with(NOVA_PRO, "/converse-stream", &said("x"), &accept)
        .await;
    assert_eq!(
        reply.headers["content-type"],
        "application/vnd.amazon.eventstream"
    );
    let mut rest = &reply.body[..];
    let mut messages = Vec::new();
    while !rest.is_empty() {
        let length = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
        let headers = u32::from_be_bytes(rest[4..8].try_into().unwrap()) as usize;
        let payload: Value = serde_json::from_slice(&rest[12 + headers..length - 4]).unwrap();
        messages.push((
            String::from_utf8_lossy(&rest[12..12 + headers]).into_owned(),
            payload,
        ));
        rest = &rest[length..];
    }
    assert!(messages[0].0.contains("messageStart") && messages[0].1["role"] == "assistant");
    let (headers, metadata) = messages.last().unwrap();
    assert!(headers.contains("metadata") && metadata["usage"]["outputTokens"].is_u64());
}

#[tokio::test]
async fn titan_embeds_one_text_a_call() {
    let running = Running::start().await;
    let body = json!({"inputText": "hello world", "dimensions": 256, "normalize": true});
    let answer = running.call(TITAN, "/invoke", &body).await.json();
    assert_eq!(answer["embedding"].as_array().unwrap().len(), 256);
    assert_eq!(answer["inputTextTokenCount"], 2);
    let binary = json!({"inputText": "hello", "embeddingTypes": ["binary"]});
    let answer = running.call(TITAN, "/invoke", &binary).await.json();
    assert!(answer.get("embedding").is_none());
    assert_eq!(
        answer["embeddingsByType"]["binary"].as_array().unwrap().len(),
        1_024
    );
    for (body, words) in [
        (json!({}), "required key [inputText] not found"),
        (
            json!({"inputText": ["a", "b"]}),
            "#/inputText: expected type: string",
        ),
        (json!({"inputText": ""}), "#/inputText: expected minimum count: 1"),
        (
            json!({"inputText": "a", "dimensions": 300}),
            "300 is not a valid enum value",
        ),
        (
            json!({"inputText": "a", "model": "titan"}),
            "extraneous key [model]",
        ),
        (
            json!({"inputText": "word ".repeat(9_000)}),
            "Too many input tokens",
        ),
    ] {
        let reply = running.call(TITAN, "/invoke", &body).await;
        assert!(
            reply.status == 400 && reply.text().contains(words),
            "{}",
            reply.text()
        );
    }
    assert_eq!(
        running
            .call(TITAN, "/invoke-with-response-stream", &body)
            .await
            .status,
        400
    );
}
