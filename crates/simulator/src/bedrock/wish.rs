//! What a Claude model takes of thinking, effort and length; orchestration's Claude models are the same.

use serde_json::Value;

use crate::catalogue::{Model, Thinking};

/// Claude 4.6 and newer take no conversation that ends in a turn of the assistant.
pub(crate) const NO_PREFILL: &str =
    "This model does not support assistant message prefill. The conversation must end with a user message.";

/// How the model is asked to think.
pub(crate) struct Wish<'a> {
    /// The model.
    pub(crate) model: &'static Model,
    /// `thinking`.
    pub(crate) thinking: Option<&'a Value>,
    /// Whether it is to think, by `thinking` or by another parameter.
    pub(crate) thinks: bool,
    /// The most tokens of the answer.
    pub(crate) most_tokens: u64,
    /// `temperature`.
    pub(crate) temperature: Option<&'a Value>,
    /// `top_p`.
    pub(crate) top_p: Option<&'a Value>,
    /// `top_k`.
    pub(crate) top_k: Option<&'a Value>,
    /// The texts that end the answer.
    pub(crate) stops: &'a [Value],
    /// `output_config.effort`.
    pub(crate) effort: Option<&'a Value>,
    /// Whether a tool must be called.
    pub(crate) forced: bool,
}

impl Wish<'_> {
    /// Refuses what the model doesn't take.
    pub(crate) fn check(&self) -> Result<(), String> {
        let kind = self
            .thinking
            .and_then(|thinking| thinking.get("type"))
            .and_then(Value::as_str);
        match (kind, self.model.thinking) {
            (Some("enabled"), Thinking::AdaptiveOnly) => {
                return Err("\"thinking.type.enabled\" is not supported for this model. Use \
                     \"thinking.type.adaptive\" and \"output_config.effort\" to control thinking behavior."
                    .to_owned());
            }
            (Some("adaptive"), Thinking::No | Thinking::Budget) => {
                return Err("adaptive thinking is not supported on this model".to_owned());
            }
            (Some("enabled"), Thinking::No) => {
                return Err("thinking is not supported on this model".to_owned());
            }
            (Some("enabled"), _) => self.check_budget()?,
            (Some("adaptive" | "disabled") | None, _) => {}
            (Some(other), _) => return Err(format!("thinking.type: '{other}' is not known")),
        }
        // From 4.1 on only one of the two; 4.7 and newer take neither.
        let takes_one = ["-4.1-", "-4.5-", "-4.6-"]
            .iter()
            .any(|version| self.model.name.contains(version));
        if takes_one && self.temperature.is_some() && self.top_p.is_some() {
            return Err(
                "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
                    .to_owned(),
            );
        }
        let is_blank = |stop: &Value| stop.as_str().is_some_and(|stop| stop.trim().is_empty());
        if self.stops.iter().any(is_blank) {
            return Err("stop_sequences: each stop sequence must contain non-whitespace".to_owned());
        }
        if self.thinks {
            if self.top_k.is_some() {
                return Err("`top_k` must be unset when thinking is enabled or in adaptive mode.".to_owned());
            }
            if self.top_p.is_some_and(|top_p| top_p.as_f64() < Some(0.95)) {
                return Err(
                    "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled or in adaptive \
                     mode."
                        .to_owned(),
                );
            }
            if self
                .temperature
                .is_some_and(|temperature| temperature.as_f64() != Some(1.0))
            {
                return Err(
                    "`temperature` may only be set to 1 when thinking is enabled or in adaptive mode."
                        .to_owned(),
                );
            }
            if self.forced {
                return Err("Thinking may not be enabled when tool_choice forces tool use.".to_owned());
            }
        }
        if self.effort.is_some() && !self.model.effort {
            return Err("This model does not support the effort parameter.".to_owned());
        }
        let level = self.effort.and_then(Value::as_str);
        if level == Some("xhigh") && self.model.thinking != Thinking::AdaptiveOnly {
            return Err("output_config.effort: 'xhigh' is not supported on this model".to_owned());
        }
        Ok(())
    }

    fn check_budget(&self) -> Result<(), String> {
        let budget = self
            .thinking
            .and_then(|thinking| thinking.get("budget_tokens"))
            .and_then(Value::as_u64);
        match budget {
            None => Err("thinking.enabled.budget_tokens: Field required".to_owned()),
            Some(budget) if budget < 1_024 => Err(
                "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024".to_owned(),
            ),
            Some(budget) if budget >= self.most_tokens => {
                Err("`max_tokens` must be greater than `thinking.budget_tokens`.".to_owned())
            }
            Some(_) => Ok(()),
        }
    }
}

/// Anthropic's words for too many tokens; they name the limit.
pub(crate) fn too_many_tokens(model: &Model, most: u64, wished: u64) -> String {
    format!(
        "max_tokens: {wished} > {most}, which is the maximum allowed number of output tokens for {}",
        model.vendor
    )
}
