//! Claude's answers on Bedrock: a message, or a stream of events without `event:` lines, or AWS's binary event
//! stream where the client asks for it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::{BufMut as _, Bytes, BytesMut};
use http::header;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::cache::CacheUse;
use crate::catalogue::Model;
use crate::json::quoted;
use crate::model::{End, Reply};
use crate::server::Asked;
use crate::tokens;

/// A reply and what is needed to write it.
pub(super) struct Answered<'a> {
    pub(super) asked: &'a Asked<'a>,
    pub(super) model: &'static Model,
    pub(super) prompt_tokens: u64,
    pub(super) reply: &'a Reply,
    pub(super) cache: CacheUse,
}

impl Answered<'_> {
    /// The message in one piece.
    pub(super) fn whole(&self) -> Answer {
        let reply = self.reply;
        let mut content = Vec::new();
        if let Some((thought, signature)) = &reply.thinking {
            content.push(json!({"type": "thinking", "thinking": thought, "signature": signature}));
        }
        if !reply.text.is_empty() {
            content.push(json!({"type": "text", "text": reply.text}));
        }
        for (id, name, arguments) in &reply.calls {
            let input: Value = serde_json::from_str(arguments).unwrap_or_default();
            content.push(json!({"type": "tool_use", "id": id, "name": name, "input": input}));
        }
        let (reason, sequence) = self.stop();
        let body = json!({
            "id": self.model.answer_id(self.asked.number),
            "type": "message",
            "role": "assistant",
            "model": self.model.vendor,
            "content": content,
            "stop_reason": reason,
            "stop_sequence": sequence,
            "usage": self.usage(reply.tokens),
        });
        self.asked.with_headers(Answer::json(200, body.to_string()))
    }

    /// The same as a stream, in the framing that the client takes.
    pub(super) fn stream(&self) -> Answer {
        let binary = self.asked.headers.get_all(header::ACCEPT).iter().any(|accept| {
            accept
                .to_str()
                .is_ok_and(|accept| accept.contains("application/vnd.amazon.eventstream"))
        });
        let events = self.events();
        let answer = if binary {
            Answer::aws_events(events.iter().map(|event| aws_chunk(event)).collect())
        } else {
            Answer::events(
                events
                    .iter()
                    .map(|event| Bytes::from(format!("data: {event}\n\n")))
                    .collect(),
            )
        };
        self.asked.with_headers(answer)
    }

    fn events(&self) -> Vec<String> {
        let reply = self.reply;
        let mut events = vec![format!(
            r#"{{"type":"message_start","message":{{"id":"{}","type":"message","role":"assistant","model":"{}","content":[],"stop_reason":null,"stop_sequence":null,"usage":{}}}}}"#,
            self.model.answer_id(self.asked.number),
            self.model.vendor,
            self.usage(1),
        )];
        let mut index = 0;
        if let Some((thought, signature)) = &reply.thinking {
            let deltas = tokens::pieces(thought)
                .map(|piece| format!(r#"{{"type":"thinking_delta","thinking":{}}}"#, quoted(piece)))
                .chain([format!(
                    r#"{{"type":"signature_delta","signature":{}}}"#,
                    quoted(signature)
                )]);
            block(
                &mut events,
                &mut index,
                r#"{"type":"thinking","thinking":"","signature":""}"#,
                deltas,
            );
        }
        if !reply.text.is_empty() {
            let deltas = tokens::pieces(&reply.text)
                .map(|piece| format!(r#"{{"type":"text_delta","text":{}}}"#, quoted(piece)));
            block(&mut events, &mut index, r#"{"type":"text","text":""}"#, deltas);
        }
        for (id, name, arguments) in &reply.calls {
            let start = format!(
                r#"{{"type":"tool_use","id":"{id}","name":{},"input":{{}}}}"#,
                quoted(name)
            );
            // Claude begins with an empty piece.
            let deltas = std::iter::once("").chain(tokens::pieces(arguments)).map(|piece| {
                format!(
                    r#"{{"type":"input_json_delta","partial_json":{}}}"#,
                    quoted(piece)
                )
            });
            block(&mut events, &mut index, &start, deltas);
        }
        let (reason, sequence) = self.stop();
        events.push(format!(
            r#"{{"type":"message_delta","delta":{{"stop_reason":"{reason}","stop_sequence":{}}},"usage":{{"output_tokens":{}}}}}"#,
            sequence.map_or_else(|| "null".to_owned(), quoted),
            reply.tokens
        ));
        let CacheUse {
            read,
            written,
            written_hour,
        } = self.cache;
        events.push(format!(
            r#"{{"type":"message_stop","amazon-bedrock-invocationMetrics":{{"inputTokenCount":{},"outputTokenCount":{},"invocationLatency":976,"firstByteLatency":636,"cacheReadInputTokenCount":{read},"cacheWriteInputTokenCount":{}}}}}"#,
            self.fresh_tokens(),
            reply.tokens,
            written + written_hour,
        ));
        events
    }

    fn stop(&self) -> (&'static str, Option<&str>) {
        match &self.reply.end {
            End::Said => ("end_turn", None),
            End::Called => ("tool_use", None),
            End::Stopped(sequence) => ("stop_sequence", Some(sequence)),
            End::Length => ("max_tokens", None),
            End::Filtered => ("refusal", None),
        }
    }

    /// Anthropic counts cached tokens apart.
    fn fresh_tokens(&self) -> u64 {
        self.prompt_tokens - self.cache.read - self.cache.written - self.cache.written_hour
    }

    fn usage(&self, output: u64) -> Value {
        let CacheUse {
            read,
            written,
            written_hour,
        } = self.cache;
        json!({
            "input_tokens": self.fresh_tokens(),
            "cache_creation_input_tokens": written + written_hour,
            "cache_read_input_tokens": read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": written,
                "ephemeral_1h_input_tokens": written_hour,
            },
            "output_tokens": output,
        })
    }
}

/// The events of one content block.
fn block(events: &mut Vec<String>, index: &mut usize, start: &str, deltas: impl Iterator<Item = String>) {
    events.push(format!(
        r#"{{"type":"content_block_start","index":{index},"content_block":{start}}}"#
    ));
    events.extend(
        deltas.map(|delta| format!(r#"{{"type":"content_block_delta","index":{index},"delta":{delta}}}"#)),
    );
    events.push(format!(r#"{{"type":"content_block_stop","index":{index}}}"#));
    *index += 1;
}

/// One event in AWS's binary framing: the JSON, base64, in `bytes`.
fn aws_chunk(event: &str) -> Bytes {
    let payload = format!(r#"{{"bytes":"{}"}}"#, BASE64_STANDARD.encode(event));
    aws_event("chunk", payload.as_bytes())
}

/// An event of a type in AWS's binary framing.
pub(crate) fn aws_event(kind: &str, payload: &[u8]) -> Bytes {
    aws_message(
        &[
            (":event-type", kind),
            (":content-type", "application/json"),
            (":message-type", "event"),
        ],
        payload,
    )
}

/// An exception in AWS's binary framing.
pub(crate) fn aws_exception(kind: &str, message: &str) -> Bytes {
    let payload = json!({ "message": message }).to_string();
    aws_message(
        &[
            (":exception-type", kind),
            (":content-type", "application/json"),
            (":message-type", "exception"),
        ],
        payload.as_bytes(),
    )
}

/// Length, length of the headers, their checksum, headers, payload, checksum of all before it.
fn aws_message(headers: &[(&str, &str)], payload: &[u8]) -> Bytes {
    /// The type of a string header.
    const STRING: u8 = 7;
    let length = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
    let mut head = BytesMut::new();
    for (name, value) in headers {
        head.put_u8(u8::try_from(name.len()).unwrap_or(u8::MAX));
        head.put_slice(name.as_bytes());
        head.put_u8(STRING);
        head.put_u16(u16::try_from(value.len()).unwrap_or(u16::MAX));
        head.put_slice(value.as_bytes());
    }
    let mut message = BytesMut::new();
    message.put_u32(length(head.len() + payload.len() + 16));
    message.put_u32(length(head.len()));
    message.put_u32(crc32(&message));
    message.put_slice(&head);
    message.put_slice(payload);
    message.put_u32(crc32(&message));
    message.freeze()
}

/// The checksum of IEEE 802.3.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| {
            if sum & 1 == 1 {
                (sum >> 1) ^ 0xedb8_8320
            } else {
                sum >> 1
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binary_framing_has_its_checksums() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        let message = aws_chunk("{}");
        let number = |at: usize| u32::from_be_bytes(message[at..at + 4].try_into().unwrap());
        assert_eq!(number(0) as usize, message.len());
        assert_eq!(number(8), crc32(&message[..8]));
        assert_eq!(number(message.len() - 4), crc32(&message[..message.len() - 4]));
    }
}
