//! Pictures and documents that a model cannot read, or that agents label otherwise than vendors do.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use coretap_formats::rules::Rules;
use coretap_formats::{AgentFormat, ModelFormat, Target, write_compaction};
use serde_json::{Value, json};

const PNG: &str = "iVBORw0KGgoAAAANSUhEUg==";
/// `<svg/>`
const SVG: &str = "PHN2Zy8+";
/// `print(1)`
const SCRIPT: &str = "cHJpbnQoMSk=";

const ROUTES: [(ModelFormat, &str); 6] = [
    (ModelFormat::Claude, "anthropic--claude-4.5-sonnet"),
    (ModelFormat::AzureChat, "gpt-4o"),
    (ModelFormat::AzureResponses, "gpt-5.3-codex"),
    (ModelFormat::Vertex, "gemini-2.5-pro"),
    (ModelFormat::Orchestration, "anthropic--claude-4.5-sonnet"),
    (ModelFormat::Converse, "amazon--nova-pro"),
];

const AGENTS: [AgentFormat; 4] = [
    AgentFormat::Messages,
    AgentFormat::ChatCompletions,
    AgentFormat::Responses,
    AgentFormat::Gemini,
];

/// A request with one attachment between two texts.
fn request(agent: AgentFormat, is_picture: bool, media_type: &str, data: &str) -> Value {
    let url = format!("data:{media_type};base64,{data}");
    match agent {
        AgentFormat::Messages => {
            let kind = if is_picture { "image" } else { "document" };
            json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": [
                {"type": "text", "text": "Look"},
                {"type": kind, "source": {"type": "base64", "media_type": media_type, "data": data}},
                {"type": "text", "text": "Well?"}]}]})
        }
        AgentFormat::ChatCompletions => {
            let attachment = if is_picture {
                json!({"type": "image_url", "image_url": {"url": url}})
            } else {
                json!({"type": "file", "file": {"filename": "a.py", "file_data": url}})
            };
            json!({"model": "m", "messages": [{"role": "user", "content": [
                {"type": "text", "text": "Look"}, attachment, {"type": "text", "text": "Well?"}]}]})
        }
        AgentFormat::Responses => {
            let attachment = if is_picture {
                json!({"type": "input_image", "image_url": url})
            } else {
                json!({"type": "input_file", "filename": "a.py", "file_data": url})
            };
            json!({"model": "m", "store": false, "input": [{"type": "message", "role": "user", "content": [
                {"type": "input_text", "text": "Look"}, attachment, {"type": "input_text", "text": "Well?"}]}]})
        }
        AgentFormat::Gemini => json!({"model": "m", "contents": [{"role": "user", "parts": [
            {"text": "Look"}, {"inlineData": {"mimeType": media_type, "data": data}}, {"text": "Well?"}]}]}),
    }
}

/// The body that is sent, and what is reported.
fn send(agent: AgentFormat, body: &Value, format: ModelFormat, model: &str) -> (String, Vec<String>) {
    let request = common::write(agent, body, format, model).unwrap();
    let reported = request.dropped.into_iter().map(Into::into).collect();
    (String::from_utf8(request.body).unwrap(), reported)
}

/// The body without the order of its members, which differs between what is copied and what is written.
fn members(body: &str) -> Value {
    serde_json::from_str(body).unwrap()
}

/// Every agent's request with one attachment, as every route gets it.
fn everywhere(is_picture: bool, media_type: &str, data: &str) -> Vec<(String, String, Vec<String>)> {
    let mut sent = Vec::new();
    for agent in AGENTS {
        for (format, model) in ROUTES {
            let (body, reported) = send(
                agent,
                &request(agent, is_picture, media_type, data),
                format,
                model,
            );
            sent.push((format!("{agent:?} to {format:?}"), body, reported));
        }
    }
    sent
}

#[test]
fn a_picture_that_nobody_sees_is_told_by_name() {
    for (pair, body, reported) in everywhere(true, "image/tiff", "SUkqAA==") {
        assert!(!body.contains("SUkqAA"), "{pair}: {body}");
        // Converse has its own words, and leaves it out.
        if pair.ends_with("Converse") {
            assert_eq!(reported, ["image of type image/tiff"], "{pair}");
        } else {
            assert_eq!(reported, ["picture of type image/tiff"], "{pair}");
            let told = "A picture of type image/tiff, which this model cannot read.";
            assert!(body.contains(told), "{pair}: {body}");
        }
    }
}

#[test]
fn a_document_that_nobody_reads_is_told_by_name() {
    for (pair, body, reported) in everywhere(false, "application/zip", "UEsDBA==") {
        assert!(!body.contains("UEsDBA"), "{pair}: {body}");
        assert_eq!(reported, ["document of type application/zip"], "{pair}");
    }
}

#[test]
fn a_drawing_is_text() {
    for (pair, body, reported) in everywhere(true, "image/svg+xml", SVG) {
        assert!(body.contains("<svg/>"), "{pair}: {body}");
        assert!(!body.contains("image/svg"), "{pair}: {body}");
        assert_eq!(reported, Vec::<String>::new(), "{pair}");
    }
}

#[test]
fn a_file_of_unknown_type_is_text_where_it_is_utf_8() {
    for (pair, body, reported) in everywhere(false, "application/octet-stream", SCRIPT) {
        assert!(body.contains("print(1)"), "{pair}: {body}");
        assert_eq!(reported, Vec::<String>::new(), "{pair}");
    }
    for binary in ["/////w==", "AAAAAA=="] {
        for (pair, body, reported) in everywhere(false, "application/octet-stream", binary) {
            assert!(!body.contains(binary), "{pair}: {body}");
            assert_eq!(reported, ["document of type application/octet-stream"], "{pair}");
        }
    }
}

#[test]
fn pictures_are_sent_where_they_are_seen() {
    for (media_type, data, is_seen_by_gemini, is_seen_by_others) in [
        ("image/png", PNG, true, true),
        ("image/jpeg", "/9j/4AAQ", true, true),
        ("image/webp", "UklGRiIA", true, true),
        ("image/gif", "R0lGODlh", false, true),
        ("image/heic", "AAAAGGZ0", true, false),
    ] {
        for (pair, body, reported) in everywhere(true, media_type, data) {
            let is_seen = if pair.ends_with("Vertex") {
                is_seen_by_gemini
            } else {
                is_seen_by_others
            };
            assert_eq!(body.contains(data), is_seen, "{pair}: {body}");
            assert_eq!(reported.is_empty(), is_seen, "{pair}: {reported:?}");
        }
    }
}

#[test]
fn a_pdf_is_sent_as_it_is() {
    for (pair, body, reported) in everywhere(false, "application/pdf", "JVBERi0xLjc=") {
        assert!(body.contains("JVBERi0xLjc="), "{pair}: {body}");
        assert_eq!(reported, Vec::<String>::new(), "{pair}");
    }
}

#[test]
fn a_label_is_spelled_plainly_and_says_what_the_picture_is() {
    for label in ["image/PNG", "Image/Png; x=1", "image/jpeg", "image/svg+xml"] {
        let right: Vec<_> = everywhere(true, "image/png", PNG);
        for ((pair, body, reported), (_, expected, _)) in everywhere(true, label, PNG).into_iter().zip(right)
        {
            assert_eq!(members(&body), members(&expected), "{pair} {label}");
            assert_eq!(reported, Vec::<String>::new(), "{pair} {label}");
        }
    }
}

#[test]
fn base64_is_sent_in_one_line() {
    let broken = format!(" {}\r\n{}\n", PNG.split_at(8).0, PNG.split_at(8).1);
    let right = everywhere(true, "image/png", PNG);
    for ((pair, body, _), (_, expected, _)) in everywhere(true, "image/png", &broken).into_iter().zip(right) {
        assert_eq!(members(&body), members(&expected), "{pair}");
    }
}

#[test]
fn a_picture_in_a_result_is_told_too() {
    let body = json!({"model": "m", "messages": [
        {"role": "user", "content": "Look"},
        {"role": "assistant", "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": [
            {"type": "image_url", "image_url": {"url": "data:image/tiff;base64,SUkqAA=="}}]},
    ], "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]});
    for (format, model) in ROUTES {
        let (body, _) = send(AgentFormat::ChatCompletions, &body, format, model);
        assert!(!body.contains("SUkqAA"), "{format:?}: {body}");
    }
}

#[test]
fn the_original_resolution_is_the_highest() {
    let url = format!("data:image/png;base64,{PNG}");
    let body = json!({"model": "m", "messages": [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": url, "detail": "original"}}]}]});
    for (format, model) in [
        (ModelFormat::AzureChat, "gpt-4o"),
        (ModelFormat::AzureResponses, "gpt-5.5"),
        (ModelFormat::Orchestration, "gpt-4o"),
    ] {
        let (body, reported) = send(AgentFormat::ChatCompletions, &body, format, model);
        assert!(body.contains(r#""detail":"high""#), "{format:?}: {body}");
        assert_eq!(reported, Vec::<String>::new(), "{format:?}");
    }
}

#[test]
fn a_conversation_to_compact_is_tidied_too() {
    let (format, model) = (ModelFormat::AzureResponses, "gpt-5.5");
    let rules = Rules::embedded().for_model(format, model);
    let target = Target {
        format,
        model,
        long_context: false,
        rules: &rules,
        responses: None,
    };
    let body = request(AgentFormat::Responses, true, "image/tiff", "SUkqAA==");
    let request = write_compaction(body.to_string().as_bytes(), &target).unwrap();
    let sent: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(
        sent["input"][0]["content"],
        json!([
            {"type": "input_text", "text": "Look"},
            {"type": "input_text", "text": "A picture of type image/tiff, which this model cannot read."},
            {"type": "input_text", "text": "Well?"},
        ])
    );
    assert_eq!(request.dropped, ["picture of type image/tiff"]);
}

/// Vertex takes `text/plain` and no other text as a file.
#[test]
fn geminis_own_agents_send_texts_of_other_types_as_texts() {
    for (media_type, is_file) in [("text/x-python", false), ("text/plain", true)] {
        let body = request(AgentFormat::Gemini, false, media_type, SCRIPT);
        let (body, reported) = send(AgentFormat::Gemini, &body, ModelFormat::Vertex, "gemini-2.5-pro");
        assert_eq!(body.contains(SCRIPT), is_file, "{media_type}: {body}");
        assert_eq!(body.contains("print(1)"), !is_file, "{media_type}: {body}");
        assert_eq!(reported, Vec::<String>::new(), "{media_type}");
    }
}
