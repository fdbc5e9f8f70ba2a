//! Several answers to one request, where the vendor gives several.

use serde_json::{Value, json};

use super::orchestration::{CLAUDE, params, streamed};
use crate::client::{GEMINI_2_5_PRO, GPT_4O, HUB_ORCHESTRATION, Running};

fn ask(count: i64, stream: bool) -> Value {
    json!({
        "messages": [{"role": "user", "content": "hello"}],
        "n": count,
        "stream": stream,
        "stream_options": stream.then(|| json!({"include_usage": true})),
    })
}

/// What each choice of a stream says, and why it ended; all chunks of `pointer` are looked at.
fn said(events: &[Value], pointer: &str) -> Vec<(String, Vec<Value>)> {
    let mut said = vec![(String::new(), Vec::new()); 2];
    for choice in events.iter().filter_map(|event| event.pointer(pointer)) {
        let index = usize::try_from(choice["index"].as_u64().unwrap()).unwrap();
        let text = choice.pointer("/delta/content").and_then(Value::as_str);
        said[index].0.push_str(text.unwrap_or_default());
        let reason = choice.get("finish_reason").filter(|reason| reason.is_string());
        said[index].1.extend(reason.cloned());
    }
    said
}

fn both() -> Vec<(String, Vec<Value>)> {
    vec![
        ("You said: hello".to_owned(), vec![json!("stop")]),
        ("2. You said: hello".to_owned(), vec![json!("stop")]),
    ]
}

#[tokio::test]
async fn openai_gives_several_choices_whole_and_in_turn_in_a_stream() {
    let running = Running::start().await;
    let answer = running.chat(GPT_4O, &ask(2, false)).await.json();
    let choices = answer["choices"].as_array().unwrap();
    let texts: Vec<&Value> = choices
        .iter()
        .map(|choice| &choice["message"]["content"])
        .collect();
    assert_eq!(texts, ["You said: hello", "2. You said: hello"]);
    assert_eq!(
        (&choices[0]["index"], &choices[1]["index"]),
        (&json!(0), &json!(1))
    );
    let one = running.chat(GPT_4O, &ask(1, false)).await.json();
    let spent = |answer: &Value| answer["usage"]["completion_tokens"].as_u64().unwrap();
    assert!(spent(&answer) > spent(&one));

    let events = running.chat(GPT_4O, &ask(2, true)).await.events();
    assert_eq!(said(&events, "/choices/0"), both());
    let indexes: Vec<&Value> = events
        .iter()
        .filter_map(|event| event.pointer("/choices/0/index"))
        .collect();
    assert_eq!(indexes[..4], [&json!(0), &json!(1), &json!(0), &json!(1)]);
}

#[tokio::test]
async fn there_are_1_to_128_choices() {
    let running = Running::start().await;
    let most = running.chat(GPT_4O, &ask(128, false)).await.json();
    assert_eq!(most["choices"].as_array().unwrap().len(), 128);
    for count in [0, 129] {
        let reply = running.chat(GPT_4O, &ask(count, false)).await;
        assert_eq!(
            (reply.status, &reply.json()["error"]["param"]),
            (400, &json!("n"))
        );
    }
}

#[tokio::test]
async fn orchestration_gives_several_where_the_vendor_does() {
    let running = Running::start().await;
    let answer = running.complete(&params("gpt-4o", json!({"n": 2}))).await.json();
    let choices = answer["final_result"]["choices"].as_array().unwrap();
    assert_eq!(choices.len(), 2);
    assert_eq!(choices[1]["message"]["content"], "2. You said: hello");
    let events = running
        .complete(&streamed(params("gpt-4o", json!({"n": 2})), 1))
        .await
        .events();
    assert_eq!(said(&events, "/final_result/choices/0"), both());
    let with_usage = events
        .iter()
        .filter(|event| event.pointer("/final_result/usage").is_some());
    assert_eq!(with_usage.count(), 1);
    for model in [CLAUDE, "gemini-2.5-pro", "mistralai--mistral-small", "sonar"] {
        let body = params(model, json!({"n": 2}));
        let reply = running.call(HUB_ORCHESTRATION, "/v2/completion", &body).await;
        assert_eq!(reply.status, 400, "{model}: {}", reply.text());
        assert!(reply.text().contains("Unknown field for"), "{}", reply.text());
    }
}

#[tokio::test]
async fn gemini_gives_up_to_eight_candidates_but_not_in_a_stream() {
    let running = Running::start().await;
    let ask = |count: i64| {
        json!({
            "contents": [{"role": "user", "parts": [{"text": "hello"}]}],
            "generationConfig": {"candidateCount": count},
        })
    };
    let generate = "/models/gemini-2.5-pro:generateContent";
    let answer = running.call(GEMINI_2_5_PRO, generate, &ask(2)).await.json();
    let candidates = answer["candidates"].as_array().unwrap();
    let texts: Vec<&Value> = candidates
        .iter()
        .map(|one| &one["content"]["parts"][0]["text"])
        .collect();
    assert_eq!(texts, ["You said: hello", "2. You said: hello"]);
    assert_eq!(
        (candidates[0].get("index"), candidates[1].get("index")),
        (None, Some(&json!(1)))
    );
    let stream = "/models/gemini-2.5-pro:streamGenerateContent?alt=sse";
    for (path, count) in [(generate, 0), (generate, 9), (stream, 2)] {
        let reply = running.call(GEMINI_2_5_PRO, path, &ask(count)).await;
        assert_eq!(reply.status, 400, "{path} {count}: {}", reply.text());
    }
}
