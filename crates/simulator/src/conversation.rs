//! A request in no dialect: what the deterministic model answers.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::catalogue::Model;
use crate::json::text;
use crate::tokens;

/// What is asked of the model.
pub(crate) struct Conversation {
    /// Who answers.
    pub(crate) model: &'static Model,
    /// The turns in the order the model sees them.
    pub(crate) turns: Vec<Turn>,
    /// The tools it may call.
    pub(crate) tools: Vec<Tool>,
    /// Whether it may, must or must not call one.
    pub(crate) choice: Choice,
    /// Whether it may call several at once.
    pub(crate) parallel: bool,
    /// Texts that end the answer.
    pub(crate) stops: Vec<String>,
    /// The most tokens of the answer, thinking included.
    pub(crate) most_tokens: Option<u64>,
    /// Whether it is to think first.
    pub(crate) thinking: bool,
    /// The form of the answer.
    pub(crate) form: Form,
    /// The prompt's tokens.
    pub(crate) prompt: Prompt,
}

/// One message.
pub(crate) struct Turn {
    /// Whose it is.
    pub(crate) role: Role,
    /// What it holds.
    pub(crate) parts: Vec<Part>,
}

/// Whose message it is. Tool results stand in turns of the user.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// Instructions.
    System,
    /// The user, and the results of tools.
    User,
    /// The model.
    Assistant,
}

/// A piece of a message.
pub(crate) enum Part {
    /// Text.
    Text(String),
    /// An image or a document.
    Media(Media),
    /// A call of a tool.
    Call(Call),
    /// The result of a call.
    Answer(Vec<Part>),
}

/// A tool call in the conversation.
pub(crate) struct Call {
    /// The tool.
    pub(crate) name: String,
    /// What it is called with.
    pub(crate) arguments: Value,
}

impl Call {
    /// Reads an entry of OpenAI's `tool_calls` and counts it.
    pub(crate) fn openai(call: &Value, prompt: &mut Prompt) -> Self {
        let function = call.get("function").unwrap_or(&Value::Null);
        let name = text(function, "name");
        let arguments = text(function, "arguments");
        prompt.text(name);
        prompt.text(arguments);
        Self {
            name: name.to_owned(),
            arguments: serde_json::from_str(arguments).unwrap_or(Value::Null),
        }
    }
}

/// A tool on offer.
pub(crate) struct Tool {
    /// Its name.
    pub(crate) name: String,
    /// What it is for.
    pub(crate) description: String,
    /// The JSON Schema of its arguments.
    pub(crate) schema: Value,
}

impl Tool {
    /// Reads an entry of OpenAI's `tools` and counts it.
    pub(crate) fn openai(tool: &Value, prompt: &mut Prompt) -> Self {
        let function = tool.get("function").unwrap_or(&Value::Null);
        let read = Self {
            name: text(function, "name").to_owned(),
            description: text(function, "description").to_owned(),
            schema: function
                .get("parameters")
                .cloned()
                .unwrap_or_else(|| json!({"type": "object"})),
        };
        prompt.text(&read.name);
        prompt.text(&read.description);
        prompt.text(&read.schema.to_string());
        read
    }
}

/// Whether a tool may, must or must not be called.
pub(crate) enum Choice {
    /// As the model likes.
    Auto,
    /// None.
    None,
    /// Any, but one.
    Required,
    /// This one.
    Named(String),
}

/// The form of the answer.
pub(crate) enum Form {
    /// Text.
    Text,
    /// Some JSON object.
    JsonObject,
    /// JSON valid for a schema.
    Schema(Value),
}

/// An image or a document.
pub(crate) struct Media {
    /// As declared, `image/png` for instance.
    pub(crate) media_type: String,
    /// Width and height in pixels, where the header tells (PNG only).
    pub(crate) size: Option<(u32, u32)>,
}

impl Media {
    /// Reads base64 data; refuses what is not base64 or not what it is declared to be.
    pub(crate) fn decode(media_type: &str, data: &str) -> Result<Self, String> {
        let bytes = BASE64_STANDARD
            .decode(data)
            .map_err(|_| "Invalid base64 data".to_owned())?;
        let start: &[u8] = match media_type {
            "image/png" => b"\x89PNG\r\n\x1a\n",
            "image/jpeg" => b"\xff\xd8\xff",
            "image/gif" => b"GIF8",
            "image/webp" => b"RIFF",
            "application/pdf" => b"%PDF-",
            _ => b"",
        };
        if !bytes.starts_with(start) {
            return Err(format!(
                "The data does not match the provided media type {media_type}"
            ));
        }
        let size = (media_type == "image/png").then(|| png_size(&bytes)).flatten();
        Ok(Self {
            media_type: media_type.to_owned(),
            size,
        })
    }

    /// Reads a `data:` URL.
    pub(crate) fn from_data_url(url: &str) -> Result<Self, String> {
        let (media_type, data) = url
            .strip_prefix("data:")
            .and_then(|rest| rest.split_once(";base64,"))
            .ok_or_else(|| "Expected a base64-encoded data URL with a media type".to_owned())?;
        Self::decode(media_type, data)
    }

    /// What it costs: Anthropic's width × height / 750, and a flat figure where the size is not known.
    fn tokens(&self) -> u64 {
        self.size.map_or(1_500, |(width, height)| {
            u64::from(width) * u64::from(height) / 750 + 1
        })
    }
}

fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let number = |from: usize| Some(u32::from_be_bytes(bytes.get(from..from + 4)?.try_into().ok()?));
    Some((number(16)?, number(20)?))
}

/// The prompt's tokens, and the prefixes that a `cache_control` marks.
#[derive(Default)]
pub(crate) struct Prompt {
    /// All tokens.
    pub(crate) tokens: u64,
    /// The marked prefixes, in order.
    pub(crate) marks: Vec<Mark>,
    hasher: DefaultHasher,
}

/// A prefix to be cached.
pub(crate) struct Mark {
    /// What the prefix holds.
    pub(crate) hash: u64,
    /// How many tokens it has.
    pub(crate) tokens: u64,
    /// Whether it is kept an hour instead of five minutes.
    pub(crate) hour: bool,
}

impl Prompt {
    /// Adds a text.
    pub(crate) fn text(&mut self, text: &str) {
        text.hash(&mut self.hasher);
        self.tokens += tokens::count(text);
    }

    /// Adds what a message costs by being one.
    pub(crate) fn message(&mut self, role: Role) {
        (role as u8).hash(&mut self.hasher);
        self.tokens += 3;
    }

    /// Adds an image or a document.
    pub(crate) fn media(&mut self, media: &Media, data: &str) {
        data.hash(&mut self.hasher);
        self.tokens += media.tokens();
    }

    /// Marks what has been added so far, if `cache_control` is there.
    pub(crate) fn mark(&mut self, cache_control: Option<&Value>) {
        if let Some(control) = cache_control.filter(|control| control.is_object()) {
            let hour = control.get("ttl").and_then(Value::as_str) == Some("1h");
            self.marks.push(Mark {
                hash: self.hasher.clone().finish(),
                tokens: self.tokens,
                hour,
            });
        }
    }
}
