//! Which tools the deterministic model calls, and with what.

use serde_json::Value;

use crate::conversation::{Call, Choice, Conversation, Part, Tool, Turn};
use crate::fill::{Filling, type_of};
use crate::model::user_texts;
use crate::wants::{Want, steps};

/// The calls to make now: name and arguments.
pub(crate) fn next_calls(conversation: &Conversation, open: &[Turn], done: &[&Call]) -> Vec<(String, Value)> {
    let tools = &conversation.tools;
    if tools.is_empty() || matches!(conversation.choice, Choice::None) {
        return Vec::new();
    }
    let texts: Vec<String> = user_texts(open).collect();
    let steps = texts
        .iter()
        .rev()
        .map(|text| steps(text, tools))
        .find(|steps| !steps.is_empty())
        .unwrap_or_default();
    // One step at a time: the next one waits for the results of this one.
    let mut calls: Vec<(String, Value)> = steps
        .iter()
        .map(|wants| calls_for(wants, conversation, done, &texts))
        .find(|calls| !calls.is_empty())
        .unwrap_or_default();
    if calls.is_empty() {
        calls.extend(forced_call(conversation, &texts));
    }
    if calls.is_empty() {
        calls.extend(structured_output(tools, done, &texts));
    }
    if !conversation.parallel {
        calls.truncate(1);
    }
    calls
}

/// The calls that do what of `wants` has not been done yet.
fn calls_for(
    wants: &[Want],
    conversation: &Conversation,
    done: &[&Call],
    texts: &[String],
) -> Vec<(String, Value)> {
    wants
        .iter()
        .filter(|want| !is_done(want, done))
        .filter_map(|want| plan(conversation, want, texts))
        .filter(|(name, _)| !matches!(&conversation.choice, Choice::Named(named) if named != name))
        .collect()
}

/// A tool must be called though nothing fits: the named one, else the first.
fn forced_call(conversation: &Conversation, texts: &[String]) -> Option<(String, Value)> {
    let tool = match &conversation.choice {
        Choice::Named(name) => conversation.tools.iter().find(|tool| tool.name == *name)?,
        Choice::Required => conversation.tools.first()?,
        Choice::Auto | Choice::None => return None,
    };
    Some((tool.name.clone(), filled(tool, texts)))
}

/// Agents that want a structured answer offer a tool that takes it.
fn structured_output(tools: &[Tool], done: &[&Call], texts: &[String]) -> Option<(String, Value)> {
    let tool = tools.iter().find(|tool| tool.name == "StructuredOutput")?;
    let given = done.iter().any(|call| call.name == tool.name);
    (!given).then(|| (tool.name.clone(), filled(tool, texts)))
}

fn filled(tool: &Tool, texts: &[String]) -> Value {
    let text = texts.last().map_or("text", String::as_str);
    let numbers = texts.last().map(|text| numbers(text)).unwrap_or_default();
    Filling {
        text,
        numbers,
        all: false,
    }
    .instance(&tool.schema)
}

/// The numbers in a text.
pub(crate) fn numbers(text: &str) -> Vec<i64> {
    text.split(|letter: char| !letter.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

/// Whether a call of the open turn already did it.
fn is_done(want: &Want, done: &[&Call]) -> bool {
    match want {
        Want::Read(text) | Want::Run(text) => done.iter().any(|call| mentions(&call.arguments, text)),
        Want::Call(name, arguments) => done
            .iter()
            .any(|call| call.name == *name && call.arguments == *arguments),
        Want::About(name, word) => done.iter().any(|call| {
            call.name == *name && word.as_ref().is_none_or(|word| mentions(&call.arguments, word))
        }),
    }
}

fn mentions(value: &Value, text: &str) -> bool {
    match value {
        Value::String(string) => string.contains(text),
        Value::Array(items) => items.iter().any(|item| mentions(item, text)),
        Value::Object(members) => members.values().any(|member| mentions(member, text)),
        _ => false,
    }
}

/// The call that does what is wanted, if a tool is offered that can.
fn plan(conversation: &Conversation, want: &Want, texts: &[String]) -> Option<(String, Value)> {
    let tools = &conversation.tools;
    match want {
        Want::Call(name, arguments) => Some((name.clone(), arguments.clone())),
        Want::Run(command) => run(tools, command, texts),
        Want::Read(path) => match reader(tools) {
            Some((tool, property)) => Some(with(
                tool,
                property,
                &located(conversation, tool, property, path),
                texts,
            )),
            None => run(tools, &format!("cat {path}"), texts),
        },
        Want::About(name, word) => {
            let tool = tools.iter().find(|tool| tool.name == *name)?;
            let text = word
                .as_deref()
                .or(texts.last().map(String::as_str))
                .unwrap_or("text");
            let numbers = texts.last().map(|text| numbers(text)).unwrap_or_default();
            Some((
                name.clone(),
                Filling {
                    text,
                    numbers,
                    all: false,
                }
                .instance(&tool.schema),
            ))
        }
    }
}

/// A call with one argument given and the other required ones filled.
fn with(tool: &Tool, property: &str, value: &str, texts: &[String]) -> (String, Value) {
    let mut arguments = filled(tool, texts);
    if let Value::Object(members) = &mut arguments {
        members.insert(property.to_owned(), Value::String(value.to_owned()));
    }
    (tool.name.clone(), arguments)
}

fn has_text(tool: &Tool, property: &str) -> bool {
    let schema = tool
        .schema
        .get("properties")
        .and_then(|properties| properties.get(property));
    schema.is_some_and(|schema| type_of(schema) == "string")
}

/// The call that runs a command, by the first of the tools whose names say that they can, else by any that takes a command.
fn run(tools: &[Tool], command: &str, texts: &[String]) -> Option<(String, Value)> {
    // Codex names the argument `cmd`.
    let argument = |tool: &Tool| ["command", "cmd"].into_iter().find(|name| has_text(tool, name));
    let mut fitting = tools.iter().filter_map(|tool| Some((tool, argument(tool)?)));
    let named = |(tool, _): &(&Tool, &str)| {
        let name = tool.name.to_lowercase();
        ["bash", "shell", "exec", "run", "terminal", "command"]
            .iter()
            .any(|word| name.contains(word))
    };
    let (tool, argument) = fitting.clone().find(named).or_else(|| fitting.next())?;
    Some(with(tool, argument, command, texts))
}

/// The tool that reads files, and the argument that takes the path.
fn reader(tools: &[Tool]) -> Option<(&Tool, &'static str)> {
    const PATHS: &[&str] = &[
        "file_path",
        "filePath",
        "absolute_path",
        "path",
        "target_file",
        "filename",
        "file",
        "uri",
    ];
    let score = |tool: &Tool| {
        let name = tool.name.to_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
        let mut score = 0;
        if has(&["read", "view", "open", "cat"]) {
            score += 4;
        }
        if has(&["file"]) {
            score += 1;
        }
        if has(&[
            "write", "edit", "create", "delete", "replace", "patch", "notebook", "glob", "grep", "search",
            "list", "image",
        ]) {
            score -= 10;
        }
        score
    };
    tools
        .iter()
        .filter_map(|tool| Some((tool, *PATHS.iter().find(|path| has_text(tool, path))?)))
        .filter(|(tool, _)| score(tool) > 0)
        // The first of the best: `max_by_key` would take the last.
        .rev()
        .max_by_key(|(tool, _)| score(tool))
}

/// A path as the tool wants it: absolute where it says so and the working directory is known.
fn located(conversation: &Conversation, tool: &Tool, property: &str, path: &str) -> String {
    let described = tool
        .schema
        .pointer(&format!("/properties/{property}/description"));
    let described = described.and_then(Value::as_str).unwrap_or_default();
    let absolute = described.contains("absolute") || tool.description.contains("absolute path");
    if !absolute || path.starts_with(['/', '~']) {
        return path.to_owned();
    }
    let parts = conversation.turns.iter().flat_map(|turn| &turn.parts);
    let folder = parts
        .filter_map(|part| {
            if let Part::Text(text) = part {
                Some(text)
            } else {
                None
            }
        })
        .find_map(|text| {
            let (_, after) = text.split_once("orking directory: ")?;
            after
                .lines()
                .next()
                .map(|line| line.trim().trim_end_matches('/').to_owned())
        });
    folder.map_or_else(|| path.to_owned(), |folder| format!("{folder}/{path}"))
}
