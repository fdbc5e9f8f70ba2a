//! What any agent can ask, borrowed from its request. A reader of an agent's format gives a [`Conversation`], a
//! writer of a model's format takes it. It never lives across an await.

use std::borrow::Cow;

use crate::error::Path;
use crate::json::{Object, Text, Value};
use crate::{AgentFormat, AgentTools, ReadError};

/// A whole request in no vendor's spelling.
#[derive(Clone, Debug)]
pub struct Conversation<'a> {
    /// The format it was read from. A writer of the same format copies what no rule edits from the raw members that
    /// turns, parts and tools keep; any other writer ignores those.
    pub origin: AgentFormat,
    /// The request's own members, unread.
    pub members: Object<'a>,
    /// System texts that stand before everything.
    pub system: Vec<Part<'a>>,
    /// The turns, oldest first.
    pub turns: Vec<Turn<'a>>,
    /// The tools on offer.
    pub tools: Vec<Tool<'a>>,
    /// How the model may choose among them; absent is the vendor's default.
    pub tool_choice: Option<ToolChoice<'a>>,
    /// Whether several calls in one turn are allowed; absent is the vendor's default.
    pub parallel_tool_calls: Option<bool>,
    /// The limit of output tokens.
    pub max_tokens: Option<u64>,
    /// Sampling and other plain parameters, under the name that Chat Completions and Messages share.
    pub parameters: Vec<(&'static str, Value<'a>)>,
    /// Stop sequences.
    pub stop: Vec<Text<'a>>,
    /// Whether and how the model shall think; absent is the vendor's default.
    pub thinking: Option<Thinking>,
    /// How hard it shall work (`output_config.effort`, `reasoning_effort`).
    pub effort: Option<Effort>,
    /// The shape that the answer must have.
    pub response_format: Option<ResponseFormat<'a>>,
    /// Whether the answer shall stream.
    pub stream: bool,
    /// The tools whose calls the agent expects in another form than the model makes them.
    pub agent_tools: AgentTools,
    /// What was left out on the way, by name: it goes into the `x-coretap-dropped` header.
    pub dropped: Vec<Cow<'static, str>>,
}

impl<'a> Conversation<'a> {
    /// A conversation in which nothing stands yet.
    pub fn new(origin: AgentFormat, members: Object<'a>) -> Self {
        Conversation {
            origin,
            members,
            system: Vec::new(),
            turns: Vec::new(),
            tools: Vec::new(),
            tool_choice: None,
            parallel_tool_calls: None,
            max_tokens: None,
            parameters: Vec::new(),
            stop: Vec::new(),
            thinking: None,
            effort: None,
            response_format: None,
            stream: false,
            agent_tools: AgentTools::default(),
            dropped: Vec::new(),
        }
    }

    /// Notes that something of the request is not sent on. A name stands once, however often it occurred.
    pub fn drop_reported(&mut self, name: impl Into<Cow<'static, str>>) {
        let name = name.into();
        if !self.dropped.contains(&name) {
            self.dropped.push(name);
        }
    }
}

/// One turn of one side.
#[derive(Clone, Debug)]
pub struct Turn<'a> {
    /// Whose turn it is.
    pub role: Role,
    /// What it holds, in order.
    pub parts: Vec<Part<'a>>,
    /// The agent's own message, where one message is one turn (Chat Completions).
    pub raw: Option<Object<'a>>,
}

/// Whose turn it is. Tool results are parts of a user turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A system or developer message in the middle of the conversation.
    System,
    /// The person, and what their tools gave.
    User,
    /// The model.
    Assistant,
}

/// One piece of a turn.
#[derive(Clone, Debug)]
pub struct Part<'a> {
    /// What it is.
    pub content: Content<'a>,
    /// Whether the prompt up to here shall be cached.
    pub cache: Option<Cache<'a>>,
    /// The agent's own block, from which a writer of the same format copies the members that it does not edit.
    pub raw: Option<Object<'a>>,
}

impl<'a> Part<'a> {
    /// Reads a string, or a list whose entries `read` takes one by one with their paths.
    ///
    /// # Errors
    ///
    /// The first of `read`; for anything else than a string or a list, that `expected` was expected at `path`.
    pub(crate) fn read_all(
        value: Value<'a>,
        path: &Path<'_>,
        expected: &'static str,
        read: impl Fn(Value<'a>, &Path<'_>) -> Result<Self, ReadError>,
    ) -> Result<Vec<Self>, ReadError> {
        if let Some(text) = value.text() {
            return Ok(vec![Part::text(text)]);
        }
        let entries = value.list().ok_or_else(|| ReadError::expected(path, expected))?;
        entries
            .enumerate()
            .map(|(position, entry)| read(entry, &path.entry(position)))
            .collect()
    }

    /// A part that the agent did not send in this form.
    pub fn made(content: Content<'a>) -> Self {
        Part {
            content,
            cache: None,
            raw: None,
        }
    }

    /// A text that the agent did not send in this form.
    pub fn text(text: Text<'a>) -> Self {
        Part::made(Content::Text(text))
    }
}

/// What a part is.
#[derive(Clone, Debug)]
pub enum Content<'a> {
    /// Text.
    Text(Text<'a>),
    /// A picture.
    Image(Attachment<'a>),
    /// A document, mostly a PDF.
    File(Attachment<'a>),
    /// The model calls a tool.
    ToolCall(ToolCall<'a>),
    /// What a tool gave.
    ToolResult(ToolResult<'a>),
    /// The model's thinking with the signature that proves it.
    Thinking {
        /// The thinking; may be empty where the agent asked not to see it.
        text: Text<'a>,
        /// The vendor's signature, absent in formats that have none. Which vendor's is told by `signature::Signer`.
        signature: Option<Text<'a>>,
    },
    /// Thinking that only the vendor can read, and whatever else only the agent's own format has. It is copied to a
    /// model of the same format and reported as dropped on every other way.
    Other {
        /// The block's type.
        kind: Text<'a>,
    },
}

/// A mark that the prompt up to here shall be cached (Anthropic's `cache_control`, always `ephemeral`).
#[derive(Clone, Debug)]
pub struct Cache<'a> {
    /// `"5m"` or `"1h"`; absent is the vendor's default.
    pub ttl: Option<Text<'a>>,
}

impl<'a> Cache<'a> {
    /// The mark on a block, in the spelling that all agents share. Only what SAP takes of it is kept.
    ///
    /// # Errors
    /// When it is no object, or its `ttl` no string.
    pub(crate) fn read(block: Object<'a>, path: &Path<'_>) -> Result<Option<Self>, ReadError> {
        let Some(mark) = block.object("cache_control", path)? else {
            return Ok(None);
        };
        let ttl = mark.text("ttl", &path.member("cache_control"))?;
        Ok(Some(Cache {
            ttl: ttl.filter(|ttl| ttl.is("5m") || ttl.is("1h")),
        }))
    }
}

/// A picture or a document.
#[derive(Clone, Debug)]
pub struct Attachment<'a> {
    /// Where its content is.
    pub source: Source<'a>,
    /// The file's name or title, where the agent gives one.
    pub name: Option<Text<'a>>,
    /// `low`, `high` or `auto`, where the agent asks for a resolution.
    pub detail: Option<Text<'a>>,
}

/// Where the content of an attachment is.
#[derive(Clone, Debug)]
pub enum Source<'a> {
    /// In the request, as base64.
    Base64 {
        /// The media type, like `image/png`.
        media_type: Text<'a>,
        /// The content.
        data: Text<'a>,
    },
    /// At an address.
    Url(Text<'a>),
    /// Plain text that the agent sends as a document.
    Text(Text<'a>),
}

/// A tool call of the model.
#[derive(Clone, Debug)]
pub struct ToolCall<'a> {
    /// The id that the result names.
    pub id: Text<'a>,
    /// The tool.
    pub name: Text<'a>,
    /// The arguments: the JSON text of an object.
    pub arguments: Cow<'a, str>,
    /// Whether the agent's own spelling of the call cannot be sent on: arguments that are empty or broken, for which `{}`
    /// stands, or members beside them that no model knows.
    pub untidy: bool,
}

/// What a tool gave.
#[derive(Clone, Debug)]
pub struct ToolResult<'a> {
    /// The call it answers.
    pub call: Text<'a>,
    /// Texts, pictures and documents.
    pub parts: Vec<Part<'a>>,
    /// Whether the tool failed.
    pub is_error: bool,
}

/// A tool on offer.
#[derive(Clone, Debug)]
pub struct Tool<'a> {
    /// Its name.
    pub name: Text<'a>,
    /// What it is for.
    pub description: Option<Text<'a>>,
    /// The JSON schema of its arguments.
    pub schema: Option<Value<'a>>,
    /// Whether the arguments must follow the schema to the letter.
    pub strict: Option<bool>,
    /// Whether the prompt up to here shall be cached.
    pub cache: Option<Cache<'a>>,
    /// The type of a tool that the vendor runs itself (`web_search_20250305`), or of none of the agent's own.
    pub vendor_type: Option<Text<'a>>,
    /// The agent's own definition.
    pub raw: Object<'a>,
}

/// How the model may choose among the tools.
#[derive(Clone, Debug)]
pub enum ToolChoice<'a> {
    /// As it likes.
    Auto,
    /// None at all.
    None,
    /// At least one, whichever.
    Required,
    /// This one.
    Named(Text<'a>),
}

/// Whether and how the model shall think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thinking {
    /// Not at all.
    Disabled,
    /// As much as the model finds fit.
    Adaptive,
    /// At most so many tokens.
    Budget(u64),
}

/// Levels of effort, in rising order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// `none`: no reasoning.
    None,
    /// `minimal`.
    Minimal,
    /// `low`.
    Low,
    /// `medium`.
    Medium,
    /// `high`.
    High,
    /// `xhigh`.
    ExtraHigh,
    /// `max`.
    Max,
}

impl Effort {
    /// The level that agents and vendors spell so; nothing for an unknown word.
    pub fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "none" => Effort::None,
            "minimal" => Effort::Minimal,
            "low" => Effort::Low,
            "medium" => Effort::Medium,
            "high" => Effort::High,
            "xhigh" => Effort::ExtraHigh,
            "max" => Effort::Max,
            _ => return None,
        })
    }

    /// The budget of thinking tokens that stands for it, where a model knows budgets only.
    pub(crate) fn budget(self) -> u64 {
        match self {
            Effort::None | Effort::Minimal => 1024,
            Effort::Low => 2048,
            Effort::Medium => 8192,
            Effort::High => 16_384,
            Effort::ExtraHigh => 24_576,
            Effort::Max => 31_999,
        }
    }

    /// The level that stands for a budget of thinking tokens, where a model knows levels only.
    pub(crate) fn of_budget(budget: u64) -> Self {
        match budget {
            ..4096 => Effort::Low,
            4096..16_384 => Effort::Medium,
            _ => Effort::High,
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Effort::None => "none",
            Effort::Minimal => "minimal",
            Effort::Low => "low",
            Effort::Medium => "medium",
            Effort::High => "high",
            Effort::ExtraHigh => "xhigh",
            Effort::Max => "max",
        }
    }
}

/// The shape that an answer must have.
#[derive(Clone, Debug)]
pub enum ResponseFormat<'a> {
    /// Any JSON object.
    JsonObject,
    /// JSON that follows a schema.
    JsonSchema {
        /// The schema's name; Messages has none.
        name: Option<Text<'a>>,
        /// What it is for.
        description: Option<Text<'a>>,
        /// The schema.
        schema: Value<'a>,
        /// Whether to follow it to the letter.
        strict: Option<bool>,
    },
}

impl ResponseFormat<'_> {
    /// The wish for the shape in words, for models that take it in no other form.
    pub(crate) fn in_words(&self) -> String {
        match self {
            ResponseFormat::JsonSchema { schema, .. } => format!(
                "Answer with JSON that follows this JSON schema, and with nothing else:\n{}",
                schema.get()
            ),
            ResponseFormat::JsonObject => "Answer with one JSON object, and with nothing else.".to_owned(),
        }
    }
}
