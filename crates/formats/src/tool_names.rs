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
    for tool in &mut conversation.tools {
        if let Some(name) = plain(&tool.name) {
            let own = std::mem::replace(&mut tool.name, Text::of(&name));
            conversation.agent_tools.add(AgentTool {
                offered_as: name,
                name: own.decode().into_owned(),
                namespace: None,
                kind: AgentToolKind::Function,
            });
        }
    }
    let parts = conversation.turns.iter_mut().flat_map(|turn| &mut turn.parts);
    for part in parts {
        if let Content::ToolCall(call) = &mut part.content
            && let Some(name) = plain(&call.name)
        {
            call.name = Text::of(&name);
            call.untidy = true;
        }
    }
    if let Some(ToolChoice::Named(chosen)) = &mut conversation.tool_choice
        && let Some(name) = plain(chosen)
    {
        *chosen = Text::of(&name);
    }
}

/// The name that every vendor takes, the same in every request; nothing where the agent's own is one.
fn plain(name: &Text<'_>) -> Option<String> {
    let name = name.decode();
    if is_openai_name(&name) {
        return None;
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
    Some(format!("{kept}_{:016x}", hasher.finish()))
}
