//! The deterministic model: one for all dialects. It calls the tools it is offered when the user names
//! something to be done, and otherwise answers with what it was given, word for word.

use serde_json::{Value, json};

use crate::calls::{next_calls, numbers};
use crate::catalogue::{Family, Model};
use crate::conversation::{Call, Choice, Conversation, Form, Media, Part, Role, Turn};
use crate::fill::Filling;
use crate::tokens;
use crate::wants::spoken;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// The most bytes of tool results that an answer quotes.
const QUOTED: usize = 8 * 1024;
/// The most bytes of the user's text that an answer quotes.
const ECHOED: usize = 4 * 1024;

/// How every signature of a thought begins.
const SIGNED: &str = "coretap-simulator ";

/// Whether this model has signed a thought so.
pub(crate) fn is_signature(signature: &str) -> bool {
    BASE64_STANDARD
        .decode(signature)
        .is_ok_and(|signed| signed.starts_with(SIGNED.as_bytes()))
}

/// An answer in no dialect.
#[derive(Debug, PartialEq)]
pub(crate) struct Reply {
    /// What it thought, and the signature.
    pub(crate) thinking: Option<(String, String)>,
    /// What it says; may be empty.
    pub(crate) text: String,
    /// The tools it calls: id, name, arguments as JSON text.
    pub(crate) calls: Vec<(String, String, String)>,
    /// Why it ended.
    pub(crate) end: End,
    /// The tokens of thinking.
    pub(crate) thinking_tokens: u64,
    /// All tokens of the answer.
    pub(crate) tokens: u64,
}

impl Reply {
    /// The tool calls as OpenAI spells them.
    pub(crate) fn tool_calls(&self) -> Value {
        self.calls
            .iter()
            .map(|(id, name, arguments)| {
                json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
            })
            .collect()
    }
}

/// Why an answer ended.
#[derive(Debug, PartialEq)]
pub(crate) enum End {
    /// It was said.
    Said,
    /// A tool is called.
    Called,
    /// A stop sequence came.
    Stopped(String),
    /// The tokens ran out.
    Length,
    /// A content filter cut it off.
    Filtered,
}

/// Answers, and again where several choices are asked for: `choice` is 0 for the first. `number` makes the ids of its calls
/// unlike those of other answers.
pub(crate) fn answer(conversation: &Conversation, number: u64, choice: usize) -> Reply {
    let open = open_turn(&conversation.turns);
    let done = calls_of(open);
    let calls = next_calls(conversation, open, &done);
    let (text, end) = if calls.is_empty() {
        let mut words = closing_words(conversation, open);
        // Choices differ, or else nobody would see that they are mixed up.
        if choice > 0 && matches!(conversation.form, Form::Text) {
            words.insert_str(0, &format!("{}. ", choice + 1));
        }
        (words, End::Said)
    } else {
        let forced = matches!(conversation.choice, Choice::Required | Choice::Named(_));
        (
            if forced {
                String::new()
            } else {
                announcement(&calls)
            },
            End::Called,
        )
    };
    let thinking = conversation.thinking.then(|| {
        let words: String = last_spoken(open).chars().take(120).collect();
        let thought = format!("The user says: {words}\nI answer with what I was given.");
        let signature = BASE64_STANDARD.encode(format!("{SIGNED}{number} {}", thought.len()));
        (thought, signature)
    });
    let calls = calls
        .into_iter()
        .enumerate()
        .map(|(index, (name, arguments))| {
            (
                call_id(conversation.model, number, 10 * choice + index),
                name,
                arguments.to_string(),
            )
        })
        .collect();
    within_limits(conversation, thinking, text, calls, end)
}

/// Cuts an answer at its stop sequences and its most tokens.
fn within_limits(
    conversation: &Conversation,
    thinking: Option<(String, String)>,
    mut text: String,
    mut calls: Vec<(String, String, String)>,
    mut end: End,
) -> Reply {
    let stop = conversation
        .stops
        .iter()
        .filter(|stop| !stop.is_empty())
        .filter_map(|stop| text.find(stop.as_str()).map(|at| (at, stop)))
        .min_by_key(|(at, _)| *at);
    if let Some((at, stop)) = stop {
        text.truncate(at);
        calls.clear();
        end = End::Stopped(stop.clone());
    }
    let thinking_tokens = thinking.as_ref().map_or(0, |(thought, _)| tokens::count(thought));
    let mut left = conversation
        .most_tokens
        .unwrap_or(u64::MAX)
        .saturating_sub(thinking_tokens);
    let said = tokens::count(&text);
    let mut used = thinking_tokens + said;
    if said > left {
        let kept = usize::try_from(left).unwrap_or(usize::MAX);
        text = tokens::pieces(&text).take(kept).collect();
        used = thinking_tokens + left;
        calls.clear();
        end = End::Length;
    } else {
        left -= said;
        let called = calls
            .iter()
            .map(|(_, name, arguments)| tokens::count(name) + tokens::count(arguments) + 8);
        let called: u64 = called.sum();
        if called > left {
            calls.clear();
            end = End::Length;
        } else {
            used += called;
        }
    }
    Reply {
        thinking,
        text,
        calls,
        end,
        thinking_tokens,
        tokens: used.max(1),
    }
}

/// An id in the vendor's fashion.
fn call_id(model: &Model, number: u64, index: usize) -> String {
    let mixed =
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (index as u64).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    match (model.family, model.executable) {
        (Family::Claude, _) => format!("toolu_bdrk_01{mixed:016x}{index:02}"),
        (_, "aws-bedrock") => format!("tooluse_{mixed:016x}{index:06}"),
        // Mistral takes no other ids than these: nine letters and digits.
        (_, "aicore-mistralai") => format!("{:07x}{index:02}", mixed >> 36),
        _ => format!("call_{mixed:016x}{index:02}"),
    }
}

/// The turns since the model last finished an answer.
fn open_turn(turns: &[Turn]) -> &[Turn] {
    let finished = turns.iter().rposition(|turn| {
        turn.role == Role::Assistant && !turn.parts.iter().any(|part| matches!(part, Part::Call(_)))
    });
    let prefilled = finished.is_some_and(|at| at + 1 == turns.len());
    let from = if prefilled {
        0
    } else {
        finished.map_or(0, |at| at + 1)
    };
    turns.get(from..).unwrap_or_default()
}

fn calls_of(turns: &[Turn]) -> Vec<&Call> {
    let parts = turns.iter().flat_map(|turn| &turn.parts);
    parts
        .filter_map(|part| {
            if let Part::Call(call) = part {
                Some(call)
            } else {
                None
            }
        })
        .collect()
}

/// What the user says in some turns.
pub(crate) fn user_texts(turns: &[Turn]) -> impl DoubleEndedIterator<Item = String> {
    let parts = turns
        .iter()
        .filter(|turn| turn.role == Role::User)
        .flat_map(|turn| &turn.parts);
    parts
        .filter_map(|part| {
            if let Part::Text(text) = part {
                Some(spoken(text))
            } else {
                None
            }
        })
        .filter(|text| !text.is_empty())
}

fn last_spoken(turns: &[Turn]) -> String {
    user_texts(turns).next_back().unwrap_or_default()
}

fn announcement(calls: &[(String, Value)]) -> String {
    let names: Vec<&str> = calls.iter().map(|(name, _)| name.as_str()).collect();
    format!("I use {}.", names.join(" and "))
}

/// What is said when no tool is to be called.
fn closing_words(conversation: &Conversation, open: &[Turn]) -> String {
    let asked = last_spoken(open);
    match &conversation.form {
        Form::Schema(schema) => {
            let text: String = asked.chars().take(200).collect();
            return Filling {
                text: &text,
                numbers: numbers(&asked),
                all: true,
            }
            .instance(schema)
            .to_string();
        }
        Form::JsonObject => {
            let text: String = asked.chars().take(200).collect();
            return serde_json::json!({ "answer": text }).to_string();
        }
        Form::Text => {}
    }
    let results: Vec<&Vec<Part>> = open
        .iter()
        .flat_map(|turn| &turn.parts)
        .filter_map(|part| {
            if let Part::Answer(parts) = part {
                Some(parts)
            } else {
                None
            }
        })
        .collect();
    let quoted = results.iter().flat_map(|parts| parts.iter());
    let quoted: Vec<&str> = quoted
        .filter_map(|part| {
            if let Part::Text(text) = part {
                Some(text.as_str())
            } else {
                None
            }
        })
        .collect();
    let mut said = if results.is_empty() {
        format!("You said: {}", bounded(&asked, ECHOED))
    } else {
        format!("The result is:\n{}", bounded(&quoted.join("\n"), QUOTED))
    };
    for media in media_of(open) {
        said.push_str("\nI see ");
        said.push_str(&media.media_type);
        if let Some((width, height)) = media.size {
            said.extend([" ", &width.to_string(), "x", &height.to_string()]);
        }
        said.push('.');
    }
    said
}

fn media_of(turns: &[Turn]) -> Vec<&Media> {
    fn collect<'a>(parts: &'a [Part], into: &mut Vec<&'a Media>) {
        for part in parts {
            match part {
                Part::Media(media) => into.push(media),
                Part::Answer(inner) => collect(inner, into),
                Part::Text(_) | Part::Call(_) => {}
            }
        }
    }
    let mut found = Vec::new();
    for turn in turns {
        collect(&turn.parts, &mut found);
    }
    found
}

/// The beginning of a text, cut between characters.
fn bounded(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len()))
        .rev()
        .find(|&at| text.is_char_boundary(at))
        .unwrap_or(0);
    text.get(..end).unwrap_or(text)
}
