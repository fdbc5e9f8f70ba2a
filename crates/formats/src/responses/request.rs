//! Reads a Responses request (agents.md §3).

use crate::conversation::{Content, Conversation, Effort, Part, ResponseFormat, Role, Thinking, Turn};
use crate::error::Path;
use crate::json::{Object, Text, Value};
use crate::responses::{input, tools};
use crate::{AgentFormat, ReadError, sampling};

/// Sampling parameters of Responses that other formats have as well.
const PARAMETERS: [&str; 3] = ["temperature", "top_p", "user"];

/// Members that are read into the conversation; any other is left out on the way to another format.
pub(crate) const UNDERSTOOD: [&str; 18] = [
    "model",
    "input",
    "instructions",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "max_output_tokens",
    "stream",
    "stream_options",
    "reasoning",
    "text",
    "include",
    "temperature",
    "top_p",
    "user",
    "store",
    "previous_response_id",
    "background",
];

/// Members for which somebody would have to keep a state that no route of SAP AI Core has (sap-wire.md §3.2).
const REFUSED: [(&str, &str); 2] = [
    (
        "conversation",
        "names a conversation that OpenAI keeps, which SAP AI Core does not have; send the whole conversation as input",
    ),
    (
        "prompt",
        "names a template that OpenAI keeps, which SAP AI Core does not have; send its text as instructions and input",
    ),
];

/// Reads a request.
///
/// # Errors
/// When a member is missing or of the wrong kind, or names what only OpenAI keeps; the error names it.
pub(crate) fn read(body: Object<'_>) -> Result<Conversation<'_>, ReadError> {
    let path = &Path::Body;
    let refused = body.get_each(REFUSED.map(|(name, _)| name));
    for ((name, problem), given) in REFUSED.into_iter().zip(refused) {
        if given.is_some() {
            return Err(ReadError::new(name, problem));
        }
    }
    let [
        stream,
        max_tokens,
        parallel,
        instructions,
        choice,
        reasoning,
        text,
    ] = body.named([
        "stream",
        "max_output_tokens",
        "parallel_tool_calls",
        "instructions",
        "tool_choice",
        "reasoning",
        "text",
    ]);
    let mut conversation = Conversation::new(AgentFormat::Responses, body);
    conversation.stream = stream.boolean(path)?.unwrap_or(false);
    conversation.max_tokens = sampling::read_limit(max_tokens, path)?;
    conversation.parallel_tool_calls = parallel.boolean(path)?;
    let parameters = PARAMETERS.into_iter().zip(body.get_each(PARAMETERS));
    conversation.parameters = parameters
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
    if let Some(instructions) = instructions.text(path)? {
        conversation.system.push(Part::text(instructions));
    }
    // Calls in the input are named as the tools are, so these come first.
    tools::read_all(body, path, &mut conversation)?;
    read_input(body, path, &mut conversation)?;
    if let Some(choice) = choice.value {
        tools::read_choice(choice, &path.member("tool_choice"), &mut conversation)?;
    }
    if let Some(reasoning) = reasoning.object(path)? {
        read_reasoning(reasoning, &path.member("reasoning"), &mut conversation)?;
    }
    if let Some(text) = text.object(path)? {
        let path = &path.member("text");
        if let Some(format) = text.object("format", path)? {
            conversation.response_format = response_format(format, &path.member("format"))?;
        }
    }
    Ok(conversation)
}

/// Refuses what needs an earlier answer, on a route that keeps none.
///
/// # Errors
/// When the request names such an answer or an item of one, or wants its own answer later.
pub(crate) fn check_stateless(conversation: &Conversation<'_>) -> Result<(), ReadError> {
    let body = conversation.members;
    if body.get("previous_response_id").is_some() {
        let model = body.get("model").and_then(Value::text);
        let model = model.as_ref().map(Text::decode).unwrap_or_default();
        return Err(ReadError::new(
            "previous_response_id",
            format!(
                "names an earlier answer, but the route of {model} keeps none; send the whole conversation as input, with store false"
            ),
        ));
    }
    if body.get("background").is_some_and(|value| value.get() == "true") {
        return Err(ReadError::new(
            "background",
            "wants the answer to be kept for later, but this model's route keeps none; leave it out",
        ));
    }
    for part in conversation.turns.iter().flat_map(|turn| &turn.parts) {
        let Content::Other { kind } = &part.content else {
            continue;
        };
        let problem = match &*kind.decode() {
            "item_reference" => {
                "holds an item_reference, but this model's route keeps no items; send them themselves, with store false"
            }
            "compaction" => {
                "holds a compacted conversation that only OpenAI's models can read; begin a new conversation or choose such a model"
            }
            _ => continue,
        };
        return Err(ReadError::new("input", problem));
    }
    Ok(())
}

/// Whether the request builds on what an earlier answer left behind, so that results of calls may stand alone in it.
pub(crate) fn continues_earlier(conversation: &Conversation<'_>) -> bool {
    let mut parts = conversation.turns.iter().flat_map(|turn| &turn.parts);
    conversation.members.get("previous_response_id").is_some()
        || parts.any(|part| matches!(&part.content, Content::Other { kind } if kind.is("item_reference")))
}

fn read_input<'a>(
    body: Object<'a>,
    path: &Path<'_>,
    conversation: &mut Conversation<'a>,
) -> Result<(), ReadError> {
    let input = body.get("input");
    let path = &path.member("input");
    let input = input.ok_or_else(|| ReadError::missing(path))?;
    if let Some(text) = input.text() {
        conversation.turns.push(Turn {
            role: Role::User,
            parts: vec![Part::text(text)],
            raw: None,
        });
        return Ok(());
    }
    let wrong = || ReadError::expected(path, "a string or a list of items");
    for (position, item) in input.list().ok_or_else(wrong)?.enumerate() {
        input::read(item, &path.entry(position), conversation)?;
    }
    if conversation.turns.is_empty() {
        return Err(ReadError::new("input", "at least one item is required"));
    }
    Ok(())
}

fn read_reasoning(
    reasoning: Object<'_>,
    path: &Path<'_>,
    conversation: &mut Conversation<'_>,
) -> Result<(), ReadError> {
    let Some(effort) = reasoning.text("effort", path)? else {
        return Ok(());
    };
    conversation.effort = Effort::from_word(&effort.decode());
    conversation.thinking = match conversation.effort {
        None => {
            conversation.drop_reported("reasoning.effort");
            None
        }
        Some(Effort::None) => Some(Thinking::Disabled),
        Some(_) => Some(Thinking::Adaptive),
    };
    Ok(())
}

fn response_format<'a>(format: Object<'a>, path: &Path<'_>) -> Result<Option<ResponseFormat<'a>>, ReadError> {
    let kind = format.required_text("type", path)?;
    match &*kind.decode() {
        "text" => Ok(None),
        "json_object" => Ok(Some(ResponseFormat::JsonObject)),
        "json_schema" => {
            let schema = format.get("schema").filter(|schema| schema.object().is_some());
            let schema: Value<'a> =
                schema.ok_or_else(|| ReadError::expected(&path.member("schema"), "an object"))?;
            Ok(Some(ResponseFormat::JsonSchema {
                name: format.text("name", path)?,
                description: format.text("description", path)?,
                schema,
                strict: format.boolean("strict", path)?,
            }))
        }
        _ => Err(ReadError::expected(
            &path.member("type"),
            "'text', 'json_object' or 'json_schema'",
        )),
    }
}
