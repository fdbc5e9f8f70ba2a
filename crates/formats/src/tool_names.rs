//! Names of tools that other vendors refuse: longer than 64 characters, or with other letters than plain ones. The model
//! knows such a tool under another name, and the agent reads its own again.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::agent_tools::{AgentTool, AgentToolKind};
use crate::conversation::{Content, Conversation, ToolChoice};
use crate::json::Text;
use crate::repair::is_openai_name;

/// How many characters a changed name keeps of the agent's, so that it stays one that people recognise.
const KEPT: usize = 47;

/// Gives every tool, call and choice a name that all vendors take, and notes what it was.
pub(crate) fn make_plain(conversation: &mut Conversation<'_>) {
    let mut names: Vec<String> = conversation.tools.iter().map(|tool| plain(&tool.name)).collect();
    let calls = conversation.turns.iter().flat_map(|turn| &turn.parts);
    names.extend(calls.filter_map(|part| match &part.content {
        Content::ToolCall(call) => Some(plain(&call.name)),
        _ => None,
    }));
    if names.iter().all(String::is_empty) {
        return;
    }
    for tool in &mut conversation.tools {
        let name = plain(&tool.name);
        if !name.is_empty() {
            conversation.agent_tools.add(AgentTool {
                offered_as: name.clone(),
                name: tool.name.decode().into_owned(),
                namespace: None,
                kind: AgentToolKind::Function,
            });
            tool.name = Text::of(&name);
        }
    }
    let parts = conversation.turns.iter_mut().flat_map(|turn| &mut turn.parts);
    for part in parts {
        if let Content::ToolCall(call) = &mut part.content {
            let name = plain(&call.name);
            if !name.is_empty() {
                call.name = Text::of(&name);
                call.untidy = true;
            }
        }
    }
    if let Some(ToolChoice::Named(chosen)) = &mut conversation.tool_choice {
        let name = plain(chosen);
        if !name.is_empty() {
            *chosen = Text::of(&name);
        }
    }
}

/// The name that every vendor takes, the same in every request; empty where the agent's own is one.
fn plain(name: &Text<'_>) -> String {
    let name = name.decode();
    if is_openai_name(&name) {
        return String::new();
    }
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    let letters = name.chars().map(|letter| {
        if letter.is_ascii_alphanumeric() || letter == '-' {
            letter
        } else {
            '_'
        }
    });
    let kept: String = letters.take(KEPT).collect();
    format!("{kept}_{:016x}", hasher.finish())
}
