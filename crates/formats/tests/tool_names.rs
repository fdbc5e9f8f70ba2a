//! A tool whose name other vendors refuse: the model knows another one, and the agent reads its own again.

mod common;

use coretap_formats::{
    AgentFormat, AnswerOptions, AnswerStream, ModelFormat, Progress, RequestSettings, answer,
};
use serde_json::{Value, json};

#[test]
fn a_changed_name_comes_back_as_the_agent_gave_it() {
    let own = "mcp__".to_owned() + &"a_long_name_of_a_server_".repeat(3) + "tool";
    let body = json!({
        "model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "Look"}],
        "tools": [{"name": own, "description": "Looks", "input_schema": {"type": "object"}}],
    });
    let request = common::write(AgentFormat::Messages, &body, ModelFormat::AzureChat, "gpt-4o").unwrap();
    let sent: Value = serde_json::from_slice(&request.body).unwrap();
    let offered = sent.pointer("/tools/0/function/name").unwrap().as_str().unwrap();
    assert!(offered.len() <= 64 && offered != own, "{offered}");

    let options = AnswerOptions {
        agent: AgentFormat::Messages,
        upstream: ModelFormat::AzureChat,
        model: "m".to_owned(),
        id: "1".to_owned(),
        created: 0,
        include_usage: false,
        has_fallbacks: false,
        as_array: false,
        tools: request.tools.clone(),
        settings: RequestSettings::default(),
        estimated_input: 0,
    };
    let call = json!({"id": "call_1", "type": "function", "index": 0, "function": {"name": offered, "arguments": "{}"}});
    let whole = json!({"id": "c", "object": "chat.completion", "created": 0, "model": "gpt-4o", "choices": [
        {"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "content": null, "tool_calls": [call]}},
    ]});
    let told = String::from_utf8(answer(&options, whole.to_string().as_bytes()).unwrap().body).unwrap();
    assert!(told.contains(&own) && !told.contains(offered), "{told}");

    let chunk = json!({"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "gpt-4o", "choices": [
        {"index": 0, "finish_reason": "tool_calls", "delta": {"role": "assistant", "tool_calls": [call]}},
    ]});
    let mut stream = AnswerStream::new(options);
    let mut out = Vec::new();
    stream.push(format!("data: {chunk}\n\ndata: [DONE]\n\n").as_bytes(), &mut out);
    assert_eq!(stream.finish(&mut out), Progress::Ended);
    let told = String::from_utf8(out).unwrap();
    assert!(told.contains(&own) && !told.contains(offered), "{told}");
}
