//! What the vendor of a model refuses of the body that the harmonized API makes for it: a model's own limits hold behind
//! orchestration too (sap-wire.md §3, §4.1).

use serde_json::{Map, Value, json};

use super::Failure;
use super::rules::{Request, role};
use crate::catalogue::Family;
use crate::json::{items, set, text};
use crate::schema::root;
use crate::{azure, bedrock, cohere, mistral, perplexity, vertex};

impl Request<'_> {
    /// Refuses what the model's vendor refuses.
    pub(super) fn check_vendor(&self) -> Result<(), Failure> {
        let marked = self.messages.iter().chain(self.tools()).any(is_marked);
        if marked && self.model.family != Family::Claude {
            return Err(Failure::model(
                "cache_control is only applicable to Anthropic Claude models",
            ));
        }
        let checked = match (self.model.family, self.model.provider) {
            (Family::Claude, _) => self.check_claude(),
            (Family::Gemini, _) => self.check_gemini(),
            (_, "OpenAI") => azure::check_harmonized(&self.openai(), self.model),
            (_, "Mistral AI") => mistral::check_harmonized(&self.mistral(), self.model),
            (_, "Perplexity") => perplexity::check_harmonized(&self.named(), self.model),
            (_, "Cohere") => cohere::check_harmonized(&self.cohere(), self.model),
            (_, "Amazon") => self.check_nova(),
            _ => self.check_schemas(),
        };
        checked.map_err(Failure::model)
    }

    /// As OpenAI spells it: what is orchestration's own is left out.
    fn openai(&self) -> Value {
        let mut body = Map::new();
        let parameters = self.configuration.pointer("/model/params");
        for (name, value) in parameters.and_then(Value::as_object).into_iter().flatten() {
            // Whether the vendor streams is not a wish of the body's.
            if name != "stream_options" {
                body.insert(name.clone(), value.clone());
            }
        }
        let messages = self.messages.iter().map(without_own);
        body.insert("messages".to_owned(), messages.collect());
        if !self.tools().is_empty() {
            let tools = self.tools().iter().map(|tool| pick(tool, &["type", "function"]));
            body.insert("tools".to_owned(), tools.collect());
        }
        if let Some(format) = self.prompt("response_format") {
            body.insert("response_format".to_owned(), format.clone());
        }
        Value::Object(body)
    }

    /// The same with the model's name, and the one name for the most tokens that others have.
    fn named(&self) -> Value {
        let mut body = self.openai();
        rename(&mut body, &[("max_completion_tokens", "max_tokens")]);
        set(&mut body, "model", json!(self.model.name));
        body
    }

    fn mistral(&self) -> Value {
        let mut body = self.named();
        rename(&mut body, &[("seed", "random_seed")]);
        body
    }

    fn cohere(&self) -> Value {
        let mut body = self.named();
        let names = [("stop", "stop_sequences"), ("top_p", "p"), ("top_k", "k")];
        rename(&mut body, &names);
        if let Some(Value::String(stop)) = body.get("stop_sequences").cloned() {
            set(&mut body, "stop_sequences", json!([stop]));
        }
        if let Value::Object(members) = &mut body {
            // It calls several tools as it likes.
            members.remove("parallel_tool_calls");
            match members.remove("tool_choice") {
                Some(Value::String(word)) if word == "auto" => {}
                Some(Value::String(word)) => {
                    members.insert("tool_choice".to_owned(), json!(word.to_uppercase()));
                }
                Some(theirs) => {
                    members.insert("tool_choice".to_owned(), theirs);
                }
                None => {}
            }
        }
        body
    }

    fn check_claude(&self) -> Result<(), String> {
        let talk = self.messages.iter().map(role);
        if talk.clone().find(|role| !is_instruction(role)) != Some("user") {
            return Err("messages: first message must use the \"user\" role".to_owned());
        }
        for (index, tool) in self.tools().iter().enumerate() {
            if let Some(schema) = tool.pointer("/function/parameters") {
                bedrock::check_schema(index, schema)?;
            }
        }
        let format = self.prompt("response_format");
        if format.is_some_and(|format| text(format, "type") == "json_schema") && !self.model.format {
            return Err("output_format: Extra inputs are not permitted".to_owned());
        }
        let calls = self
            .messages
            .iter()
            .flat_map(|message| items(message, "tool_calls"));
        let mut ids = std::collections::BTreeSet::new();
        for call in calls {
            let id = text(call, "id");
            if id.is_empty()
                || !id
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
            {
                return Err(format!(
                    "messages: tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$', got '{id}'"
                ));
            }
            if !ids.insert(id) {
                return Err("messages: `tool_use` ids must be unique".to_owned());
            }
        }
        Ok(())
    }

    fn check_gemini(&self) -> Result<(), String> {
        if self
            .parameter("top_k")
            .is_some_and(|wished| !wished.as_f64().is_some_and(|k| (1.0..65.0).contains(&k)))
        {
            return Err("topK: the supported range is from 1 (inclusive) to 65 (exclusive)".to_owned());
        }
        let functions = self
            .tools()
            .iter()
            .map(|tool| tool.get("function").unwrap_or(&Value::Null));
        for function in functions {
            vertex::check_name(text(function, "name"))?;
            check_object(function)?;
        }
        let wants_json = self
            .prompt("response_format")
            .is_some_and(|format| text(format, "type") != "text");
        if wants_json && !self.tools().is_empty() && !vertex::is_third(self.model) {
            return Err(
                "Function calling with a response mime type: 'application/json' is unsupported".to_owned(),
            );
        }
        let mut previous = "";
        for message in self
            .messages
            .iter()
            .filter(|message| !is_instruction(role(message)))
        {
            let role = role(message);
            if previous.is_empty() && role != "user" {
                return Err("Please ensure that multiturn requests start with a user turn.".to_owned());
            }
            if !items(message, "tool_calls").is_empty() && !["user", "tool"].contains(&previous) {
                return Err(
                    "Please ensure that function call turn comes immediately after a user turn or after a function \
                     response turn."
                        .to_owned(),
                );
            }
            if is_empty(message) && role != "tool" {
                return Err(
                    "Unable to submit request because it has an empty text parameter. Add a value to the parameter \
                     and try again."
                        .to_owned(),
                );
            }
            previous = role;
        }
        if ["user", "tool"].contains(&previous) {
            return Ok(());
        }
        Err("Please ensure that multiturn requests end with a user turn or a function response.".to_owned())
    }

    fn check_nova(&self) -> Result<(), String> {
        self.check_schemas()?;
        if self
            .prompt("response_format")
            .is_some_and(|format| text(format, "type") != "text")
        {
            return Err("response_format is not supported for this model".to_owned());
        }
        let mut talk = self
            .messages
            .iter()
            .map(role)
            .filter(|role| !is_instruction(role));
        if talk.next() != Some("user") {
            return Err(
                "A conversation must start with a user message. Try again with a conversation that starts with a user \
                 message."
                    .to_owned(),
            );
        }
        if self.messages.last().map(role) == Some("assistant") {
            return Err(bedrock::NO_PREFILL.to_owned());
        }
        if self.messages.iter().any(is_blank) {
            return Err("The text field in the ContentBlock object is blank. Add text to the text field, and try again.".to_owned());
        }
        let uses_tools = self.messages.iter().any(|message| role(message) == "tool");
        if uses_tools && self.tools().is_empty() {
            return Err(
                "The toolConfig field must be defined when using toolUse and toolResult content blocks."
                    .to_owned(),
            );
        }
        if self
            .parameter("temperature")
            .is_some_and(|wished| wished.as_f64() > Some(1.0))
        {
            return Err("temperature must be at most 1".to_owned());
        }
        Ok(())
    }

    /// The one thing that all vendors want.
    fn check_schemas(&self) -> Result<(), String> {
        let functions = self.tools().iter().filter_map(|tool| tool.get("function"));
        functions.into_iter().try_for_each(check_object)
    }
}

fn is_marked(owner: &Value) -> bool {
    let parts = items(owner, "content").iter();
    parts
        .chain([owner])
        .any(|part| part.get("cache_control").is_some())
}

fn check_object(function: &Value) -> Result<(), String> {
    let Some(parameters) = function.get("parameters") else {
        return Ok(());
    };
    root(parameters).map_err(|_| {
        format!(
            "tools: the parameters of {} must describe one object",
            text(function, "name")
        )
    })
}

fn is_instruction(role: &str) -> bool {
    ["system", "developer"].contains(&role)
}

/// Whether a text is there that says nothing.
fn is_empty(message: &Value) -> bool {
    texts(message).any(str::is_empty)
        && (items(message, "tool_calls").is_empty() || message.get("content").is_some_and(Value::is_array))
}

/// The same, and blanks are nothing. A tool may have nothing to say.
fn is_blank(message: &Value) -> bool {
    let said_nothing = texts(message).any(|said| said.trim().is_empty());
    said_nothing && role(message) != "tool" && items(message, "tool_calls").is_empty()
}

fn texts(message: &Value) -> impl Iterator<Item = &str> {
    let parts = items(message, "content")
        .iter()
        .filter_map(|part| part.get("text"));
    let whole = message
        .get("content")
        .into_iter()
        .filter(|content| content.is_string());
    whole.chain(parts).filter_map(Value::as_str)
}

/// A message without what the harmonized API does not hand on.
fn without_own(message: &Value) -> Value {
    let mut plain = pick(message, &["role", "content", "refusal", "tool_call_id"]);
    let parts = items(message, "content");
    if !parts.is_empty() {
        let parts = parts
            .iter()
            .map(|part| pick(part, &["type", "text", "image_url", "file"]));
        set(&mut plain, "content", parts.collect());
    }
    let calls = items(message, "tool_calls");
    if !calls.is_empty() {
        let calls = calls.iter().map(|call| {
            let mut plain = pick(call, &["id", "type"]);
            let function = call.get("function").unwrap_or(&Value::Null);
            set(&mut plain, "function", pick(function, &["name", "arguments"]));
            plain
        });
        set(&mut plain, "tool_calls", calls.collect());
    }
    plain
}

/// An object with these members only.
fn pick(object: &Value, names: &[&str]) -> Value {
    let members = names
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), object.get(name)?.clone())));
    Value::Object(members.collect())
}

fn rename(body: &mut Value, names: &[(&str, &str)]) {
    let Value::Object(members) = body else {
        return;
    };
    for (name, other) in names {
        if let Some(value) = members.remove(*name) {
            members.insert((*other).to_owned(), value);
        }
    }
}
