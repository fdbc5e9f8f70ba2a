//! Where a request goes.

use crate::conversation::Conversation;
use crate::rules::ModelRules;
use crate::{AgentFormat, ModelFormat};

/// Where a request goes.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// What the route speaks.
    pub format: ModelFormat,
    /// SAP's name of the model.
    pub model: &'a str,
    /// Whether the agent asked for the long context (`[1m]` behind the model's name).
    pub long_context: bool,
    /// The rules for this model on this route.
    pub rules: &'a ModelRules,
    /// Azure's Responses beside its Chat Completions: the rules that hold there, where the deployment has both.
    pub responses: Option<&'a ModelRules>,
}

impl Target<'_> {
    /// The format in which this conversation is sent: that of the route, or Azure's other one, for agents that speak it and
    /// for what Chat Completions refuses (sap-wire.md §3.2).
    pub(crate) fn chosen_for(&self, conversation: &Conversation<'_>) -> Self {
        let other = self.responses.filter(|responses| {
            let reasons_with_tools = !conversation.tools.is_empty()
                && (conversation.effort.is_some() || conversation.thinking.is_some());
            let better = conversation.origin == AgentFormat::Responses
                || !self.rules.effort_with_tools && reasons_with_tools;
            !self.rules.chat_completions || better && responses.responses
        });
        match other {
            Some(rules) => Target {
                format: ModelFormat::AzureResponses,
                rules,
                ..*self
            },
            None => *self,
        }
    }
}
