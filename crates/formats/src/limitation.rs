//! What a deployment has said that it does not take, as a value that can be kept, shown, and taken into the rules.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::conversation::Effort;
use crate::model_rules::{MaxTokensName, ModelRules, ThinkingKind};

/// Something that a deployment does not take, and that is left out for it from then on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "rule", content = "value", rename_all = "snake_case")]
pub enum Limitation {
    /// A parameter (`top_k`), a member of tools' definitions (`tools.strict`), or one of messages and their blocks
    /// (`messages.citations`).
    Field(String),
    /// A flag of the `anthropic-beta` header.
    Beta(String),
    /// Every such flag: the deployment does not say which one it means.
    Betas,
    /// More output tokens than these.
    MaxOutputTokens(u64),
    /// The limit of output tokens under any other name.
    MaxTokensName(MaxTokensName),
    /// Every other kind of thinking.
    Thinking(ThinkingKind),
    /// One level of effort, by its word.
    Effort(String),
    /// An effort beside tools.
    EffortWithTools,
    /// `temperature` and `top_p` together.
    TemperatureWithTopP,
    /// A conversation that ends in the model's own turn.
    Prefill,
    /// A JSON schema for the answer.
    StructuredOutput,
    /// Cache marks.
    CacheMarks,
    /// A cache mark's time to live.
    CacheTtl,
    /// Signed thinking of earlier turns.
    ThinkingReplay,
    /// Streams.
    Streaming,
    /// Chat Completions: Azure has the model for Responses only.
    ChatCompletions,
    /// Responses: Azure has the model for Chat Completions only.
    Responses,
}

impl Limitation {
    /// A name that tells it from every other limitation of the same model: a newer limit replaces the one before.
    pub fn name(&self) -> String {
        match self {
            Limitation::Field(field) => field.clone(),
            Limitation::Beta(flag) => format!("anthropic_beta.{flag}"),
            Limitation::Betas => "anthropic_beta".to_owned(),
            Limitation::MaxOutputTokens(_) => "max_output_tokens".to_owned(),
            Limitation::MaxTokensName(_) => "max_tokens_name".to_owned(),
            Limitation::Thinking(_) => "thinking".to_owned(),
            Limitation::Effort(level) => format!("effort.{level}"),
            Limitation::EffortWithTools => "effort_with_tools".to_owned(),
            Limitation::TemperatureWithTopP => "temperature_with_top_p".to_owned(),
            Limitation::Prefill => "prefill".to_owned(),
            Limitation::StructuredOutput => "structured_output".to_owned(),
            Limitation::CacheMarks => "cache_control".to_owned(),
            Limitation::CacheTtl => "cache_control.ttl".to_owned(),
            Limitation::ThinkingReplay => "thinking_replay".to_owned(),
            Limitation::Streaming => "stream".to_owned(),
            Limitation::ChatCompletions => "chat_completions".to_owned(),
            Limitation::Responses => "responses".to_owned(),
        }
    }
}

impl Limitation {
    /// What the deployment refused, as a sentence's end. It is Coretap's own: an upstream's words may repeat what a
    /// request says, and nothing of that is kept.
    pub fn refused(&self) -> String {
        let what = match self {
            Limitation::Field(field) => return format!("refused the field '{field}'"),
            Limitation::Beta(flag) => return format!("refused the beta flag '{flag}'"),
            Limitation::MaxOutputTokens(limit) => return format!("refused more than {limit} output tokens"),
            Limitation::MaxTokensName(MaxTokensName::MaxTokens) => "the name max_completion_tokens",
            Limitation::MaxTokensName(MaxTokensName::MaxCompletionTokens) => "the name max_tokens",
            Limitation::Effort(level) => return format!("refused the effort '{level}'"),
            Limitation::Betas => "a beta flag",
            Limitation::Thinking(ThinkingKind::None) => "thinking",
            Limitation::Thinking(ThinkingKind::Adaptive) => "thinking with a budget",
            Limitation::Thinking(_) => "adaptive thinking",
            Limitation::EffortWithTools => "an effort beside tools",
            Limitation::TemperatureWithTopP => "temperature together with top_p",
            Limitation::Prefill => "a conversation that ends in the model's turn",
            Limitation::StructuredOutput => "a JSON schema for the answer",
            Limitation::CacheMarks => "cache marks",
            Limitation::CacheTtl => "a cache mark's ttl",
            Limitation::ThinkingReplay => "earlier thinking",
            Limitation::Streaming => "streams",
            Limitation::ChatCompletions => "Chat Completions",
            Limitation::Responses => "Responses",
        };
        format!("refused {what}")
    }
}

/// What is done about it, for people.
impl fmt::Display for Limitation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limitation::Field(field) => write!(formatter, "{field} left out"),
            Limitation::Beta(flag) => write!(formatter, "beta flag {flag} left out"),
            Limitation::Betas => formatter.write_str("all beta flags left out"),
            Limitation::MaxOutputTokens(limit) => write!(formatter, "at most {limit} output tokens"),
            Limitation::MaxTokensName(name) => write!(formatter, "limit of output tokens as {}", name.name()),
            Limitation::Thinking(ThinkingKind::None) => formatter.write_str("thinking left out"),
            Limitation::Thinking(ThinkingKind::Adaptive) => formatter.write_str("thinking as adaptive"),
            Limitation::Thinking(_) => formatter.write_str("thinking with a budget"),
            Limitation::Effort(level) => write!(formatter, "another effort than {level}"),
            Limitation::EffortWithTools => formatter.write_str("no effort beside tools"),
            Limitation::TemperatureWithTopP => formatter.write_str("top_p left out beside temperature"),
            Limitation::Prefill => formatter.write_str("\"Continue.\" behind the model's own turn"),
            Limitation::StructuredOutput => formatter.write_str("JSON schema asked for in words"),
            Limitation::CacheMarks => formatter.write_str("cache marks left out"),
            Limitation::CacheTtl => formatter.write_str("cache marks without ttl"),
            Limitation::ThinkingReplay => formatter.write_str("earlier thinking left out"),
            Limitation::Streaming => formatter.write_str("asked for a whole answer"),
            Limitation::ChatCompletions => formatter.write_str("asked through Responses"),
            Limitation::Responses => formatter.write_str("asked through Chat Completions"),
        }
    }
}

impl ModelRules {
    /// Takes a limitation into the rules. One that names nothing that Coretap writes changes nothing. A list of models is
    /// refused as a whole, so it holds for the fallbacks too.
    pub fn limit(&mut self, limitation: &Limitation) {
        for fallback in &mut self.fallbacks {
            fallback.rules.limit(limitation);
        }
        match limitation {
            Limitation::Field(field) => match field.split_once('.') {
                Some(("tools", member)) => self.refused_tool_members.push(member.to_owned()),
                Some(("messages", member)) => self.refused_message_members.push(member.to_owned()),
                Some(_) => {}
                None if field == "effort" => self.efforts.clear(),
                None => self.refused.push(field.clone()),
            },
            Limitation::Beta(flag) => self.refuse_betas(|beta| beta == flag),
            Limitation::Betas => self.refuse_betas(|_| true),
            Limitation::MaxOutputTokens(limit) => {
                let known = self.max_output_tokens.unwrap_or(u64::MAX);
                self.max_output_tokens = Some(known.min(*limit).max(1));
            }
            Limitation::MaxTokensName(name) => self.max_tokens_name = *name,
            Limitation::Thinking(kind) => self.thinking = *kind,
            Limitation::Effort(level) => self
                .efforts
                .retain(|effort| Some(*effort) != Effort::from_word(level)),
            Limitation::EffortWithTools => self.effort_with_tools = false,
            Limitation::TemperatureWithTopP => self.temperature_excludes_top_p = true,
            Limitation::Prefill => self.prefill = false,
            Limitation::StructuredOutput => self.structured_output = false,
            Limitation::CacheMarks => self.cache_marks = false,
            Limitation::CacheTtl => self.cache_ttl = false,
            Limitation::ThinkingReplay => self.thinking_replay = false,
            Limitation::Streaming => self.streaming = false,
            Limitation::ChatCompletions => self.chat_completions = false,
            Limitation::Responses => self.responses = false,
        }
    }

    fn refuse_betas(&mut self, refused: impl Fn(&str) -> bool) {
        let (out, kept) = std::mem::take(&mut self.betas)
            .into_iter()
            .partition(|beta| refused(&beta.flag));
        self.betas = kept;
        self.refused_betas.extend::<Vec<_>>(out);
    }
}
