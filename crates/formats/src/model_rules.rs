//! What the rules come to for one model on one route.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::conversation::{Conversation, Effort, Tool};
use crate::json::Text;
use crate::orchestration::modules::ModulePieces;

/// What holds for one model on one route. It is worked out once for a route, not once for a request.
#[derive(Clone, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one column of the rules file"
)]
pub struct ModelRules {
    /// Members of the body that the route takes besides those that Coretap writes itself.
    pub(crate) fields: Vec<String>,
    /// Parameters that this model refuses.
    pub(crate) refused: Vec<String>,
    /// The highest temperature that the model takes; agents of OpenAI's formats go up to 2.
    pub(crate) max_temperature: Option<f64>,
    /// Whether the model takes `temperature` or `top_p`, but not both.
    pub(crate) temperature_excludes_top_p: bool,
    pub(crate) thinking: ThinkingKind,
    /// The smallest and the largest budget of thinking tokens, where the model takes budgets (Gemini).
    pub(crate) thinking_budgets: (u64, u64),
    /// Whether thinking can be switched off by a budget of 0 (Gemini).
    pub(crate) thinking_off: bool,
    /// Efforts that the model takes, rising; empty where it takes none.
    pub(crate) efforts: Vec<Effort>,
    /// Whether an effort may stand beside tools.
    pub(crate) effort_with_tools: bool,
    pub(crate) max_output_tokens: Option<u64>,
    pub(crate) max_tokens_name: MaxTokensName,
    /// Whether the model takes a JSON schema for its answer; otherwise the schema is asked for in words.
    pub(crate) structured_output: bool,
    /// Whether it takes one beside tools, too.
    pub(crate) structured_output_with_tools: bool,
    /// Whether the first tool call of a turn must carry a thought signature (Gemini).
    pub(crate) signed_calls: bool,
    /// Whether cache marks mean something to the model.
    pub(crate) cache_marks: bool,
    /// Whether a cache mark may say how long it holds.
    pub(crate) cache_ttl: bool,
    /// Whether signed thinking may be sent back.
    pub(crate) thinking_replay: bool,
    /// Whether a stop sequence must hold more than white space.
    pub(crate) refuses_blank_stop: bool,
    /// Whether arguments of tools must have plain names: at most 64 letters, digits, `_`, `.`, `-`.
    pub(crate) plain_property_names: bool,
    /// Whether a conversation may end in the model's own turn.
    pub(crate) prefill: bool,
    /// Types of blocks that the route takes; empty where blocks are not passed on.
    pub(crate) blocks: Vec<String>,
    /// Beta flags that may be sent.
    pub(crate) betas: Vec<Beta>,
    /// Beta flags that would be sent, had the deployment not refused them.
    pub(crate) refused_betas: Vec<Beta>,
    /// Members of tool definitions that are left out.
    pub(crate) tool_members: Vec<String>,
    /// Further ones, whose loss is reported.
    pub(crate) refused_tool_members: Vec<String>,
    /// Members of messages and their blocks that are left out.
    pub(crate) refused_message_members: Vec<String>,
    /// Whether what the conversation has of signed thinking is sent back.
    pub(crate) signatures: bool,
    /// Whether the model streams.
    pub(crate) streaming: bool,
    /// Whether the model knows tools.
    pub(crate) tools: bool,
    /// How many tools the model may be offered.
    pub(crate) max_tools: Option<usize>,
    /// Whether a tool call's id must be nine letters and digits.
    pub(crate) short_call_ids: bool,
    /// Whether a message of the user may follow tools' results.
    pub(crate) user_after_results: bool,
    /// Whether earlier calls may stand in a conversation that offers no tools; otherwise they are told as text.
    pub(crate) calls_without_tools: bool,
    /// Whether a deployment of Azure's takes Chat Completions for the model.
    pub(crate) chat_completions: bool,
    /// Whether it takes Responses.
    pub(crate) responses: bool,
    /// Orchestration: what its modules add to every request.
    pub(crate) modules: Arc<ModulePieces>,
    /// Orchestration: the models that it asks when this one fails, in their order.
    pub(crate) fallbacks: Vec<Fallback>,
}

/// A model that is asked when others have failed.
#[derive(Clone, Debug)]
pub(crate) struct Fallback {
    /// SAP's name of it.
    pub(crate) model: String,
    pub(crate) rules: ModelRules,
}

impl ModelRules {
    /// The model that has answered after so many of the request's list had failed; `None` for the first one, which was
    /// asked for.
    pub fn fallback(&self, failed_models: usize) -> Option<&str> {
        let fallback = self.fallbacks.get(failed_models.checked_sub(1)?)?;
        Some(&fallback.model)
    }

    /// Whether the model streams.
    pub fn streams(&self) -> bool {
        self.streaming
    }

    /// Whether a parameter may be sent.
    pub(crate) fn takes(&self, parameter: &str) -> bool {
        self.fields.iter().any(|field| field == parameter) && !self.refuses(parameter)
    }

    /// Whether the model refuses a parameter that its route takes.
    pub(crate) fn refuses(&self, parameter: &str) -> bool {
        self.refused.iter().any(|refused| refused == parameter)
    }

    /// Whether the deployment refuses a member of tools' definitions that others take.
    pub(crate) fn refuses_tool_member(&self, name: &Text<'_>) -> bool {
        self.refused_tool_members.iter().any(|member| name.is(member))
    }

    /// Whether the deployment refuses a member of messages or their blocks that others take.
    pub(crate) fn refuses_message_member(&self, name: &Text<'_>) -> bool {
        self.refused_message_members.iter().any(|member| name.is(member))
    }

    /// Whether the model takes a wish for the form of an answer beside these tools.
    pub(crate) fn takes_response_format(&self, tools: &[Tool<'_>]) -> bool {
        !self.refuses("response_format") && (tools.is_empty() || self.structured_output_with_tools)
    }

    /// The highest accepted effort that is not above `wanted`, or else the lowest accepted one; nothing where the model takes none.
    pub(crate) fn effort(&self, wanted: Effort) -> Option<Effort> {
        if wanted == Effort::None {
            // Less than `minimal` would still be thinking that the agent did not want.
            return self
                .efforts
                .iter()
                .find(|effort| **effort <= Effort::Minimal)
                .copied();
        }
        let below = self.efforts.iter().rev().find(|effort| **effort <= wanted);
        below.or(self.efforts.first()).copied()
    }

    /// The limit of output tokens that the agent wants, or else `default`, lowered to what the model can give. That it was
    /// lowered is reported.
    pub(crate) fn output_limit(&self, conversation: &mut Conversation<'_>, default: u64) -> u64 {
        let wanted = conversation.max_tokens.unwrap_or(default);
        let limit = self.max_output_tokens.map_or(wanted, |most| wanted.min(most));
        if limit < wanted && conversation.max_tokens.is_some() {
            conversation.drop_reported("max_tokens");
        }
        limit
    }
}

/// A beta flag that a Claude deployment takes.
#[derive(Clone, Debug)]
pub(crate) struct Beta {
    pub(crate) flag: String,
    /// It goes with an effort, whether or not the agent named it.
    pub(crate) effort: bool,
    /// It goes with the long context, whether or not the agent named it.
    pub(crate) long_context: bool,
}

/// Which kinds of thinking a model takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum ThinkingKind {
    /// None.
    #[default]
    #[serde(rename = "none")]
    None,
    /// Within a budget of tokens.
    #[serde(rename = "budget")]
    Budget,
    /// As it is asked for.
    #[serde(rename = "budget or adaptive")]
    BudgetOrAdaptive,
    /// As much as the model finds right.
    #[serde(rename = "adaptive")]
    Adaptive,
}

/// What Chat Completions' limit of output tokens is called for a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MaxTokensName {
    /// `max_tokens`.
    #[default]
    MaxTokens,
    /// `max_completion_tokens`, as reasoning models want it.
    MaxCompletionTokens,
}

impl MaxTokensName {
    pub(crate) fn name(self) -> &'static str {
        match self {
            MaxTokensName::MaxTokens => "max_tokens",
            MaxTokensName::MaxCompletionTokens => "max_completion_tokens",
        }
    }
}
