//! What holds of an answer whatever the upstream sends.

use coretap_formats::{
    AgentFormat, AgentTools, AnswerOptions, AnswerStream, ModelFormat, Progress, RequestSettings, answer,
    answer_as_stream,
};

/// Takes `bytes` as a stream, whole and in pieces, and as a whole answer, for each agent's format.
pub fn check(upstream: ModelFormat, bytes: &[u8]) {
    for agent in [
        AgentFormat::Messages,
        AgentFormat::ChatCompletions,
        AgentFormat::Responses,
        AgentFormat::Gemini,
    ] {
        let options = AnswerOptions {
            agent,
            upstream,
            model: "asked-\"model\"".to_owned(),
            id: "own1".to_owned(),
            created: 1_763_000_001,
            include_usage: true,
            as_array: false,
            tools: AgentTools::default(),
            settings: RequestSettings::default(),
            has_fallbacks: true,
            estimated_input: 99,
        };
        let (written, progress) = translate(&options, [bytes]);
        // The size of the pieces comes from the input, so that the fuzzer can look for a bad one.
        let size = usize::from(bytes.len() as u8 % 31) + 1;
        assert_eq!(
            translate(&options, bytes.chunks(size)),
            (written.clone(), progress.clone())
        );
        let failed = matches!(progress, Progress::Failed(_) | Progress::Cut(_));
        assert!(
            failed || progress == Progress::Ended,
            "a finished stream is {progress:?}"
        );
        let text = String::from_utf8(written).expect("an answer is UTF-8");
        assert_eq!(has_end(agent, &text), !failed, "{progress:?}\n{text}");
        let kinds = ["event: ", "data: ", ": "];
        assert!(
            text.lines()
                .all(|line| line.is_empty() || kinds.iter().any(|kind| line.starts_with(kind))),
            "{text}"
        );
        // Pieces of content between two that speak Messages are looked at only for their end (`claude::answer::is_content`).
        let copies = agent == AgentFormat::Messages && upstream == ModelFormat::Claude;
        for data in text.lines().filter_map(|line| line.strip_prefix("data: ")) {
            assert!(
                copies && data.contains("\"content_block_delta\"")
                    || data == "[DONE]"
                    || serde_json::from_str::<serde_json::Value>(data).is_ok(),
                "{data}"
            );
        }
        let whole = answer(&options, bytes);
        if let Ok(whole) = &whole {
            serde_json::from_slice::<serde_json::Value>(&whole.body).expect("an answer is JSON");
        }
        assert!(whole.is_err() || answer_as_stream(&options, bytes).is_ok());
    }
}

/// Whether an agent would take the stream for a whole answer.
fn has_end(agent: AgentFormat, text: &str) -> bool {
    text.lines().any(|line| match agent {
        AgentFormat::Messages => line == "event: message_stop",
        AgentFormat::ChatCompletions => line == "data: [DONE]",
        AgentFormat::Responses => ["event: response.completed", "event: response.incomplete"].contains(&line),
        // Within a text its quotes would be escaped.
        AgentFormat::Gemini => line.contains("\"finishReason\":"),
    })
}

fn translate<'a>(options: &AnswerOptions, pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, Progress) {
    let mut stream = AnswerStream::new(options.clone());
    let mut out = Vec::new();
    for piece in pieces {
        stream.push(piece, &mut out);
    }
    let progress = stream.finish(&mut out);
    let mut late = Vec::new();
    stream.push(
        b"data: [DONE]\n\ndata: {\"type\":\"message_stop\"}\n\n",
        &mut late,
    );
    stream.finish(&mut late);
    stream.keep_alive(&mut late);
    assert_eq!(late, b"", "nothing is written after the end or a failure");
    (out, progress)
}
