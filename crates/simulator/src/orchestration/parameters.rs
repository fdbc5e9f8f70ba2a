//! `model.params`: free-form in the spec, checked by what stands behind the harmonised API (sap-wire.md §4.1).

use serde_json::Value;

use super::Failure;
use super::rules::Request;
use crate::bedrock;
use crate::catalogue::{Family, Model, Thinking};

/// What every family takes.
const COMMON: &[&str] = &[
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "stop",
    "tool_choice",
    "parallel_tool_calls",
    "stream_options",
    "reasoning_effort",
];
const CLAUDE: &[&str] = &["top_k", "thinking", "output_config"];
const GPT: &[&str] = &[
    "n",
    "seed",
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "presence_penalty",
    "frequency_penalty",
    "user",
    "verbosity",
];
const GEMINI: &[&str] = &["top_k", "seed", "presence_penalty", "frequency_penalty"];
const OTHERS: &[&str] = &[
    "top_k",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "random_seed",
    "safe_prompt",
];

impl Request<'_> {
    /// Refuses parameters that the model's vendor refuses.
    pub(super) fn check_parameters(&self) -> Result<(), Failure> {
        let object = object(self.model);
        let own = match self.model.family {
            Family::Claude => CLAUDE,
            Family::Gpt | Family::GptReasoning => GPT,
            Family::Gemini => GEMINI,
            Family::Other | Family::Embedding => OTHERS,
        };
        let parameters = self
            .configuration
            .pointer("/model/params")
            .and_then(Value::as_object);
        for (name, value) in parameters.into_iter().flatten() {
            if !COMMON.contains(&name.as_str()) && !own.contains(&name.as_str()) {
                return Err(Failure::model(format_args!("Unknown field for {object}: {name}")));
            }
            if value.is_null() {
                return Err(Failure::model(format_args!("{name}: null is not allowed")));
            }
        }
        self.check_sampling()?;
        self.check_most_tokens()?;
        self.check_effort()?;
        self.check_choice()?;
        match self.parameter("stop") {
            None | Some(Value::String(_)) => {}
            Some(Value::Array(stops)) if stops.iter().all(Value::is_string) && stops.len() <= 4 => {}
            Some(_) => {
                return Err(Failure::model(
                    "stop: a string or a list of up to 4 strings is expected",
                ));
            }
        }
        if self.model.family == Family::Claude {
            let thinking = self.parameter("thinking");
            let stops = match self.parameter("stop") {
                Some(Value::Array(stops)) => stops.as_slice(),
                Some(stop) => std::slice::from_ref(stop),
                None => &[],
            };
            let forced = self
                .parameter("tool_choice")
                .is_some_and(|choice| choice.is_object() || choice.as_str() == Some("required"));
            let wished = bedrock::Wish {
                model: self.model,
                thinking,
                thinks: self.thinks(),
                most_tokens: self.most_tokens().unwrap_or(self.model.output),
                temperature: self.parameter("temperature"),
                top_p: self.parameter("top_p"),
                top_k: self.parameter("top_k"),
                stops,
                effort: self
                    .parameter("output_config")
                    .and_then(|config| config.get("effort")),
                forced,
            };
            wished.check().map_err(Failure::model)?;
        }
        Ok(())
    }

    /// The most tokens asked for, under either name.
    pub(super) fn most_tokens(&self) -> Option<u64> {
        ["max_completion_tokens", "max_tokens"]
            .into_iter()
            .find_map(|name| self.parameter(name).and_then(Value::as_u64))
    }

    /// Whether the model is to think.
    pub(super) fn thinks(&self) -> bool {
        let effort = self.parameter("reasoning_effort").and_then(Value::as_str);
        let thinking = self
            .parameter("thinking")
            .and_then(|thinking| thinking.get("type"))
            .and_then(Value::as_str);
        let asked = effort.is_some_and(|effort| effort != "none")
            || thinking.is_some_and(|thinking| thinking != "disabled");
        asked && matches!(self.model.family, Family::Claude | Family::Gemini)
    }

    fn check_sampling(&self) -> Result<(), Failure> {
        let claude = self.model.family == Family::Claude;
        if !self.model.sampling {
            let refused: &[&str] = if claude {
                &["temperature", "top_p", "top_k"]
            } else {
                &[
                    "temperature",
                    "top_p",
                    "presence_penalty",
                    "frequency_penalty",
                    "logprobs",
                ]
            };
            for name in refused {
                let Some(value) = self.parameter(name) else {
                    continue;
                };
                let harmless = !claude && *name == "temperature" && value.as_f64() == Some(1.0);
                if !harmless {
                    return Err(Failure::model(format_args!(
                        "Unsupported parameter: '{name}' is not supported with this model."
                    )));
                }
            }
        }
        let ranges = [("temperature", if claude { 1.0 } else { 2.0 }), ("top_p", 1.0)];
        for (name, most) in ranges {
            let Some(value) = self.parameter(name) else {
                continue;
            };
            if !value
                .as_f64()
                .is_some_and(|number| (0.0..=most).contains(&number))
            {
                return Err(Failure::model(format_args!(
                    "{name}: a number from 0 to {most} is expected"
                )));
            }
        }
        Ok(())
    }

    fn check_most_tokens(&self) -> Result<(), Failure> {
        for name in ["max_tokens", "max_completion_tokens"] {
            let Some(value) = self.parameter(name) else {
                continue;
            };
            if self.model.family == Family::GptReasoning && name == "max_tokens" {
                return Err(Failure::model(
                    "Unsupported parameter: 'max_tokens' is not supported with this model. Use \
                     'max_completion_tokens' instead.",
                ));
            }
            let Some(wished) = value.as_u64().filter(|wished| *wished >= 1) else {
                return Err(Failure::model(format_args!(
                    "{name}: a positive integer is expected"
                )));
            };
            if wished > self.model.output {
                return Err(Failure::model(too_many_tokens(
                    self.model,
                    name,
                    self.model.output,
                    wished,
                )));
            }
        }
        if self.parameter("max_tokens").is_some() && self.parameter("max_completion_tokens").is_some() {
            return Err(Failure::model(
                "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
            ));
        }
        Ok(())
    }

    fn check_effort(&self) -> Result<(), Failure> {
        let Some(effort) = self.parameter("reasoning_effort") else {
            return Ok(());
        };
        let allowed: &[&str] = match self.model.family {
            Family::Claude if self.model.thinking == Thinking::No => &[],
            Family::Claude | Family::Gemini => &["none", "low", "medium", "high"],
            Family::GptReasoning if self.model.name.starts_with("gpt-5.") => {
                &["none", "low", "medium", "high", "xhigh"]
            }
            Family::GptReasoning if self.model.name.starts_with("gpt-5") => {
                &["minimal", "low", "medium", "high"]
            }
            Family::GptReasoning => &["low", "medium", "high"],
            _ => &[],
        };
        if allowed.is_empty() {
            return Err(Failure::model(
                "Unrecognized request argument supplied: reasoning_effort",
            ));
        }
        if effort.as_str().is_some_and(|effort| allowed.contains(&effort)) {
            return Ok(());
        }
        Err(Failure::model(format_args!(
            "Invalid value for reasoning_effort: {effort}. Supported values are: {}.",
            allowed.join(", ")
        )))
    }

    fn check_choice(&self) -> Result<(), Failure> {
        for name in ["tool_choice", "parallel_tool_calls"] {
            if self.parameter(name).is_some() && self.tools().is_empty() {
                return Err(Failure::model(format_args!(
                    "'{name}' is only allowed when 'tools' are specified."
                )));
            }
        }
        if self
            .parameter("parallel_tool_calls")
            .is_some_and(|value| !value.is_boolean())
        {
            return Err(Failure::model("parallel_tool_calls: true or false is expected"));
        }
        let Some(choice) = self.parameter("tool_choice") else {
            return Ok(());
        };
        let named = choice.pointer("/function/name").and_then(Value::as_str);
        let offered = |name: &str| {
            self.tools()
                .iter()
                .any(|tool| tool.pointer("/function/name").and_then(Value::as_str) == Some(name))
        };
        let fine = match choice {
            Value::String(word) => ["auto", "none", "required"].contains(&word.as_str()),
            Value::Object(members) => {
                members.len() == 2
                    && choice.get("type").and_then(Value::as_str) == Some("function")
                    && named.is_some_and(offered)
            }
            _ => false,
        };
        if fine {
            Ok(())
        } else {
            Err(Failure::model(format_args!(
                "Invalid value for tool_choice: {choice}"
            )))
        }
    }
}

/// What the vendor calls the object that parameters become members of.
pub(super) fn object(model: &Model) -> &'static str {
    match model.family {
        Family::Claude => "AnthropicMessagesRequest",
        Family::Gemini => "GenerationConfig",
        _ => "ChatCompletionRequest",
    }
}

/// The vendor's words for too many tokens; both name the limit.
pub(super) fn too_many_tokens(model: &Model, name: &str, most: u64, wished: u64) -> String {
    if model.family == Family::Claude {
        bedrock::too_many_tokens(model, most, wished)
    } else {
        format!(
            "{name} is too large: {wished}. This model supports at most {most} completion tokens, whereas you provided \
             {wished}."
        )
    }
}
