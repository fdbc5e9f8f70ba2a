use coretap_formats::{AgentFormat, AnswerOptions, AnswerStream, ModelFormat};
fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let count: usize = arguments[2].parse().unwrap();
    let (upstream, agent) = match arguments[1].as_str() {
        "om" => (ModelFormat::Orchestration, AgentFormat::Messages),
        "oc" => (ModelFormat::Orchestration, AgentFormat::ChatCompletions),
        "cm" => (ModelFormat::Claude, AgentFormat::Messages),
        "cc" => (ModelFormat::Claude, AgentFormat::ChatCompletions),
        "ac" => (ModelFormat::AzureChat, AgentFormat::ChatCompletions),
        _ => (ModelFormat::AzureChat, AgentFormat::Messages),
    };
    let result = r#"{"id":"chatcmpl-AfnDZfYvuE4SDplaLGF9v0PJjB0wp","object":"chat.completion.chunk","created":1734524005,"model":"gpt-4o-2024-08-06","system_fingerprint":"fp_4e924a4b48","choices":[{"index":0,"delta":{"role":"assistant","content":" the next words"},"finish_reason":""}]}"#;
    let event = match upstream {
        ModelFormat::Orchestration => format!("data: {{\"request_id\":\"66172762-8c47-4438-89e7-2689be8f370b\",\"intermediate_results\":{{\"llm\":{result}}},\"final_result\":{result}}}\n\n"),
        ModelFormat::Claude => "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" the next words\"}}\n\n".to_owned(),
        ModelFormat::AzureChat => "data: {\"choices\":[{\"content_filter_results\":{\"hate\":{\"filtered\":false,\"severity\":\"safe\"},\"self_harm\":{\"filtered\":false,\"severity\":\"safe\"},\"sexual\":{\"filtered\":false,\"severity\":\"safe\"},\"violence\":{\"filtered\":false,\"severity\":\"safe\"}},\"delta\":{\"content\":\" the next words\"},\"finish_reason\":null,\"index\":0,\"logprobs\":null}],\"created\":1734524005,\"id\":\"chatcmpl-AfnDZfYvuE4SDplaLGF9v0PJjB0wp\",\"model\":\"gpt-4o-2024-08-06\",\"object\":\"chat.completion.chunk\",\"system_fingerprint\":\"fp_4e924a4b48\",\"usage\":null}\n\n".to_owned(),
    };
    let mut stream = AnswerStream::new(AnswerOptions {
        agent,
        upstream,
        model: "claude-sonnet-4-5".into(),
        id: "0123456789abcdef".into(),
        created: 1,
        include_usage: true,
        estimated_input: 9,
    });
    let mut out = Vec::with_capacity(4096);
    for _ in 0..count {
        out.clear();
        stream.push(event.as_bytes(), &mut out);
    }
    eprintln!("{} bytes in, {} out", event.len(), out.len());
}
