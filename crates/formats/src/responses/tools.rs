//! The tools of a Responses request, as functions that every model can be offered. What an agent keeps in a namespace, or
//! wants called with free text, is given another name or form; [`crate::AgentTools`] knows the way back.

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::agent_tools::{AgentTool, AgentToolKind};
use crate::conversation::{Conversation, Tool, ToolChoice};
use crate::error::Path;
use crate::json::{Document, Object, Text, Value};
use crate::repair::{TOOL_NAME_LENGTH, is_openai_name};
use crate::{ReadError, agent_tools};

/// What the function that stands for a custom tool takes.
static CUSTOM_SCHEMA: LazyLock<Option<Document<'static>>> = LazyLock::new(|| {
    Document::read(
        r#"{"type":"object","properties":{"input":{"type":"string","description":"The whole input of the tool, as plain text."}},"required":["input"],"additionalProperties":false}"#,
    )
    .ok()
});

/// Reads the request's tools: those in `tools`, those that Codex sends as an item of the input, and those that a search has
/// found since.
///
/// # Errors
/// When a definition cannot be read; the error names it.
pub(super) fn read_all<'a>(
    body: Object<'a>,
    path: &Path<'_>,
    conversation: &mut Conversation<'a>,
) -> Result<(), ReadError> {
    read_list(body, path, None, conversation)?;
    let items = body.get("input").and_then(Value::list);
    for (position, item) in items.into_iter().flatten().enumerate() {
        let Some(item) = item.object() else { continue };
        let kind = item.get("type").map_or("", Value::get);
        if matches!(kind, "\"additional_tools\"" | "\"tool_search_output\"") {
            read_list(item, &path.member("input").entry(position), None, conversation)?;
        }
    }
    Ok(())
}

fn read_list<'a>(
    holder: Object<'a>,
    path: &Path<'_>,
    namespace: Option<&str>,
    conversation: &mut Conversation<'a>,
) -> Result<(), ReadError> {
    for (position, tool) in holder.list("tools", path)?.into_iter().flatten().enumerate() {
        let tools_path = &path.member("tools");
        let path = &tools_path.entry(position);
        let tool = tool
            .object()
            .ok_or_else(|| ReadError::expected(path, "an object"))?;
        read(tool, path, namespace, conversation)?;
    }
    Ok(())
}

fn read<'a>(
    definition: Object<'a>,
    path: &Path<'_>,
    namespace: Option<&str>,
    conversation: &mut Conversation<'a>,
) -> Result<(), ReadError> {
    let kind = definition.required_text("type", path)?;
    let parameters = definition
        .get("parameters")
        .filter(|schema| schema.object().is_some());
    let mut tool = Tool {
        name: kind.clone(),
        description: definition.text("description", path)?,
        schema: parameters,
        strict: definition.boolean("strict", path)?,
        cache: None,
        vendor_type: None,
        raw: definition,
    };
    let agents_kind = match &*kind.decode() {
        "namespace" if namespace.is_none() => {
            let name = definition.required_text("name", path)?;
            return read_list(definition, path, Some(&name.decode()), conversation);
        }
        "function" => AgentToolKind::Function,
        "custom" => {
            tool.description = Some(custom_description(definition, tool.description.take(), path)?);
            tool.schema = CUSTOM_SCHEMA.as_ref().map(Document::root);
            AgentToolKind::Custom
        }
        "tool_search"
            if definition
                .get("execution")
                .is_some_and(|at| at.get() == "\"client\"") =>
        {
            AgentToolKind::ToolSearch
        }
        // OpenAI runs every other kind itself, which SAP AI Core refuses (sap-wire.md §3.2).
        _ => {
            tool.vendor_type = Some(kind);
            conversation.tools.push(tool);
            return Ok(());
        }
    };
    let name = match agents_kind {
        AgentToolKind::ToolSearch => kind,
        AgentToolKind::Function | AgentToolKind::Custom => definition.required_text("name", path)?,
    };
    let offered = offered_name(namespace, &name.decode(), conversation);
    let as_it_came = namespace.is_none() && name.is(&offered);
    tool.name = if as_it_came {
        name.clone()
    } else {
        Text::of(&offered)
    };
    if !as_it_came || agents_kind != AgentToolKind::Function {
        conversation.agent_tools.add(AgentTool {
            offered_as: offered,
            name: name.decode().into_owned(),
            namespace: namespace.map(str::to_owned),
            kind: agents_kind,
        });
    }
    conversation.tools.push(tool);
    Ok(())
}

/// A function has no place for the grammar that a custom tool's input must follow, so it is told in words.
fn custom_description<'a>(
    definition: Object<'a>,
    description: Option<Text<'a>>,
    path: &Path<'_>,
) -> Result<Text<'a>, ReadError> {
    let format_path = &path.member("format");
    let format = definition.object("format", path)?;
    let grammar = format.map_or(Ok(None), |format| format.text("definition", format_path))?;
    let syntax = format.map_or(Ok(None), |format| format.text("syntax", format_path))?;
    let mut texts: Vec<Text<'a>> = description
        .into_iter()
        .filter(|description| !description.is_empty())
        .collect();
    match grammar {
        Some(grammar) => {
            let syntax = syntax.as_ref().map_or(Cow::Borrowed(""), Text::decode);
            let words = format!("The text in `input` must follow this grammar ({syntax}):");
            texts.extend([Text::of(&words), grammar]);
        }
        None => texts.push(Text::of("`input` is free text.")),
    }
    Ok(Text::join(&texts, "\n\n"))
}

/// The name under which a tool is offered: its own where that will do, otherwise one that tells its namespace, holds plain
/// letters only, and is nobody else's. A second definition of one tool gets the name of the first.
fn offered_name(namespace: Option<&str>, name: &str, conversation: &Conversation<'_>) -> String {
    let known = &conversation.agent_tools;
    if let Some(offered) = known.offered_name(namespace, name) {
        return offered.to_owned();
    }
    let plain = plain_name(namespace, name);
    let is_same = |candidate: &str| namespace.is_none() && candidate == name && known.of(candidate).is_none();
    let is_free = |candidate: &str| !conversation.tools.iter().any(|tool| tool.name.is(candidate));
    if is_same(&plain) || is_free(&plain) {
        return plain;
    }
    let numbered = |number: usize| {
        let end = format!("_{number}");
        let beginning: String = plain.chars().take(TOOL_NAME_LENGTH - end.len()).collect();
        beginning + &end
    };
    // Of one name more than there are tools, one is free.
    (2..=conversation.tools.len() + 2)
        .map(numbered)
        .find(|candidate| is_free(candidate))
        .unwrap_or(plain)
}

/// A namespace and a name as one name that OpenAI takes.
fn plain_name(namespace: Option<&str>, name: &str) -> String {
    let joined = match namespace {
        // Codex's namespaces of MCP servers end like this already.
        Some(namespace) if namespace.ends_with("__") => Cow::Owned(format!("{namespace}{name}")),
        Some(namespace) => Cow::Owned(format!("{namespace}__{name}")),
        None => Cow::Borrowed(name),
    };
    if is_openai_name(&joined) {
        return joined.into_owned();
    }
    let fit = |letter: char| {
        if letter.is_ascii_alphanumeric() || letter == '-' {
            letter
        } else {
            '_'
        }
    };
    let plain: String = joined.chars().map(fit).take(TOOL_NAME_LENGTH).collect();
    if plain.is_empty() { "_".to_owned() } else { plain }
}

/// The name by which the model knows the tool that a call in the input names. A tool that is not on offer any more is named
/// as it would be.
pub(super) fn called_name<'a>(
    namespace: Option<&Text<'a>>,
    name: Text<'a>,
    conversation: &Conversation<'a>,
) -> Text<'a> {
    let namespace = namespace
        .map(Text::decode)
        .filter(|namespace| !namespace.is_empty());
    let plain = name.decode();
    if let Some(offered) = conversation
        .agent_tools
        .offered_name(namespace.as_deref(), &plain)
    {
        return Text::of(offered);
    }
    if namespace.is_none() && is_openai_name(&plain) {
        drop(plain);
        return name;
    }
    Text::of(&plain_name(namespace.as_deref(), &plain))
}

/// What the model is told of the tools that its search has found; their definitions stand among the others.
///
/// # Errors
/// When `tools` is no list.
pub(super) fn found<'a>(item: Object<'a>, path: &Path<'_>) -> Result<Vec<Text<'a>>, ReadError> {
    let tools = item.list("tools", path)?.into_iter().flatten();
    let mut names = Vec::new();
    for tool in tools.filter_map(Value::object) {
        let name = tool.get("name").and_then(Value::text);
        let name = name.as_ref().map_or(Cow::Borrowed(""), Text::decode);
        let inner = tool.get("tools").and_then(Value::list);
        let Some(inner) = inner else {
            names.push(plain_name(None, &name));
            continue;
        };
        let inner = inner.filter_map(|tool| tool.object()?.get("name")?.text());
        names.extend(inner.map(|one| plain_name(Some(&name), &one.decode())));
    }
    if names.is_empty() {
        return Ok(vec![Text::of("No tool was found.")]);
    }
    let told = |name: String| Text::of(&agent_tools::available(&name));
    Ok(names.into_iter().map(told).collect())
}

/// Reads how the model may choose: a word, one tool, or some of them. A choice of a tool that OpenAI runs itself is left to
/// the model.
///
/// # Errors
/// When it is none of these.
pub(super) fn read_choice<'a>(
    value: Value<'a>,
    path: &Path<'_>,
    conversation: &mut Conversation<'a>,
) -> Result<(), ReadError> {
    let wrong = || ReadError::expected(path, "'auto', 'none', 'required' or a tool");
    conversation.tool_choice = Some(if let Some(word) = value.text() {
        match &*word.decode() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" => ToolChoice::Required,
            _ => return Err(wrong()),
        }
    } else {
        let choice = value.object().ok_or_else(wrong)?;
        match &*choice.required_text("type", path)?.decode() {
            "function" | "custom" => ToolChoice::Named(chosen_name(choice, path, conversation)?),
            "tool_search" => ToolChoice::Named(Text::of("tool_search")),
            "allowed_tools" => return allow(choice, path, conversation),
            _ => ToolChoice::Auto,
        }
    });
    Ok(())
}

fn chosen_name<'a>(
    choice: Object<'a>,
    path: &Path<'_>,
    conversation: &Conversation<'a>,
) -> Result<Text<'a>, ReadError> {
    let namespace = choice.text("namespace", path)?;
    Ok(called_name(
        namespace.as_ref(),
        choice.required_text("name", path)?,
        conversation,
    ))
}

/// Offers only the tools that the choice allows.
fn allow<'a>(
    choice: Object<'a>,
    path: &Path<'_>,
    conversation: &mut Conversation<'a>,
) -> Result<(), ReadError> {
    let mode = choice.text("mode", path)?;
    let mut allowed = Vec::new();
    for (position, tool) in choice.list("tools", path)?.into_iter().flatten().enumerate() {
        let tools_path = &path.member("tools");
        let path = &tools_path.entry(position);
        let tool = tool
            .object()
            .ok_or_else(|| ReadError::expected(path, "an object"))?;
        if tool.get("name").is_some() {
            allowed.push(chosen_name(tool, path, conversation)?);
        }
    }
    let is_allowed = |tool: &Tool<'_>| allowed.iter().any(|name| tool.name.is(&name.decode()));
    conversation.tools.retain(is_allowed);
    conversation.tool_choice = Some(if mode.is_some_and(|mode| mode.is("required")) {
        ToolChoice::Required
    } else {
        ToolChoice::Auto
    });
    Ok(())
}
