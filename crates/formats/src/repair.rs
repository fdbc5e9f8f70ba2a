//! What agents leave untidy and models refuse: unanswered tool calls, orphaned results, blank texts, system messages
//! in the middle, tools that only a vendor runs (mapping of requests in docs/formats.md). Every writer gets a
//! conversation that has been through here.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::conversation::{Content, Conversation, Part, Role, ToolChoice, ToolResult, Turn};
use crate::json::Text;

/// How many cache marks a request may carry (sap-wire.md §3.3, Anthropic's limit).
pub(crate) const CACHE_MARKS: usize = 4;

/// Claude Code's stand-in that keeps its late loading of tools switched on; it is never called.
const DEFERRED_TOOL_PLACEHOLDER: &str = "DeferredToolPlaceholder";

/// The longest name of a function that orchestration and OpenAI take (spec `FunctionObject`).
const TOOL_NAME_LENGTH: usize = 64;

/// Brings a conversation into the form that every model of another format takes, and Claude of its own.
pub(crate) fn repair(conversation: &mut Conversation<'_>) {
    hoist_leading_system(conversation);
    for turn in &mut conversation.turns {
        if turn.role == Role::System {
            turn.role = Role::User;
        }
    }
    pair_tool_calls(conversation);
    merge_turns(conversation);
    conversation.system.retain(|part| !is_blank(part));
    for turn in &mut conversation.turns {
        turn.parts.retain(|part| !is_blank(part));
        if turn
            .parts
            .iter()
            .all(|part| matches!(part.content, Content::Thinking { .. } | Content::Other { .. }))
        {
            turn.parts.push(Part::text(Text::of(".")));
        }
    }
    // A conversation begins with the person.
    if conversation
        .turns
        .first()
        .is_none_or(|turn| turn.role == Role::Assistant)
    {
        let nothing = Turn {
            role: Role::User,
            parts: vec![Part::text(Text::of("."))],
            raw: None,
        };
        conversation.turns.insert(0, nothing);
    }
}

/// Whether a part is a text in which nothing stands: models refuse those.
pub(crate) fn is_blank(part: &Part<'_>) -> bool {
    matches!(&part.content, Content::Text(text) if text.is_blank())
}

/// System messages at the start (Chat Completions) are the system prompt.
fn hoist_leading_system(conversation: &mut Conversation<'_>) {
    if conversation.origin != crate::AgentFormat::ChatCompletions {
        return;
    }
    let leading = conversation
        .turns
        .iter()
        .take_while(|turn| turn.role == Role::System)
        .count();
    for turn in conversation.turns.drain(..leading) {
        conversation.system.extend(turn.parts);
    }
}

/// Gives every tool call exactly one result, directly behind the model's turn; results that answer no call are left out.
pub(crate) fn pair_tool_calls(conversation: &mut Conversation<'_>) {
    let has_tools = |part: &Part<'_>| matches!(part.content, Content::ToolCall(_) | Content::ToolResult(_));
    if !conversation
        .turns
        .iter()
        .any(|turn| turn.parts.iter().any(has_tools))
    {
        return;
    }
    let turns = std::mem::take(&mut conversation.turns);
    let mut paired: Vec<Turn<'_>> = Vec::with_capacity(turns.len() + 1);
    let mut open: Option<OpenCalls<'_>> = None;
    for turn in turns {
        if turn.role == Role::Assistant {
            OpenCalls::close(open.take(), &mut paired, conversation);
            open = OpenCalls::of(&turn);
            paired.push(turn);
            continue;
        }
        let Turn { role, parts, raw } = turn;
        let mut rest = Vec::with_capacity(parts.len());
        let mut held_results = false;
        for part in parts {
            let Content::ToolResult(result) = &part.content else {
                rest.push(part);
                continue;
            };
            held_results = true;
            let slot = open.as_mut().and_then(|open| open.slot(&result.call));
            match slot {
                Some(slot) => *slot = Some(part),
                None => conversation.drop_reported("tool result without call"),
            }
        }
        if rest.is_empty() && held_results {
            continue;
        }
        let turn = Turn {
            role,
            parts: rest,
            raw,
        };
        match &mut open {
            Some(open) => open.following.push(turn),
            None => paired.push(turn),
        }
    }
    OpenCalls::close(open, &mut paired, conversation);
    conversation.turns = paired;
}

/// The calls of the model's last turn, their results as they are found, and the turns that stand behind them.
struct OpenCalls<'a> {
    calls: Vec<(Text<'a>, Option<Part<'a>>)>,
    following: Vec<Turn<'a>>,
}

impl<'a> OpenCalls<'a> {
    fn of(turn: &Turn<'a>) -> Option<Self> {
        let ids = turn.parts.iter().filter_map(|part| match &part.content {
            Content::ToolCall(call) => Some((call.id.clone(), None)),
            _ => None,
        });
        let calls: Vec<_> = ids.collect();
        (!calls.is_empty()).then(|| OpenCalls {
            calls,
            following: Vec::new(),
        })
    }

    /// The empty place for the result of a call.
    fn slot(&mut self, call: &Text<'_>) -> Option<&mut Option<Part<'a>>> {
        let place = self
            .calls
            .iter_mut()
            .find(|(id, result)| result.is_none() && id.literal() == call.literal());
        place.map(|(_, result)| result)
    }

    fn close(open: Option<Self>, turns: &mut Vec<Turn<'a>>, conversation: &mut Conversation<'a>) {
        let Some(OpenCalls { calls, following }) = open else {
            return;
        };
        let results = calls.into_iter().map(|(call, result)| {
            result.unwrap_or_else(|| {
                conversation.drop_reported("tool call without result");
                Part::made(Content::ToolResult(ToolResult {
                    call,
                    parts: Vec::new(),
                    is_error: false,
                }))
            })
        });
        let parts = results.collect();
        turns.push(Turn {
            role: Role::User,
            parts,
            raw: None,
        });
        turns.extend(following);
    }
}

/// Neighbouring turns of one side become one: models want the sides to alternate.
fn merge_turns(conversation: &mut Conversation<'_>) {
    let mut merged: Vec<Turn<'_>> = Vec::with_capacity(conversation.turns.len());
    for turn in std::mem::take(&mut conversation.turns) {
        match merged.last_mut() {
            Some(last) if last.role == turn.role => {
                last.parts.extend(turn.parts);
                last.raw = None;
            }
            _ => merged.push(turn),
        }
    }
    conversation.turns = merged;
}

/// Leaves out the tools that the route cannot offer: those the vendor runs itself, a second one of the same name, and
/// names the route refuses (`openai_names`). A tool choice that names none of the rest becomes `auto`.
pub(crate) fn repair_tools(conversation: &mut Conversation<'_>, openai_names: bool) {
    let tools = std::mem::take(&mut conversation.tools);
    let mut names: BTreeSet<String> = BTreeSet::new();
    for tool in tools {
        let name = tool.name.decode();
        if name == DEFERRED_TOOL_PLACEHOLDER {
            continue;
        }
        if let Some(kind) = &tool.vendor_type {
            conversation.drop_reported(Cow::Owned(format!("tool {}", kind.decode())));
        } else if openai_names && !is_openai_name(&name) {
            conversation.drop_reported(Cow::Owned(format!("tool {name}")));
        } else if !names.insert(name.clone().into_owned()) {
            conversation.drop_reported(Cow::Owned(format!("second tool {name}")));
        } else {
            drop(name);
            conversation.tools.push(tool);
        }
    }
    let choice_stands = match &conversation.tool_choice {
        Some(ToolChoice::Named(name)) => names.contains(name.decode().as_ref()),
        _ => true,
    };
    if conversation.tools.is_empty() {
        conversation.tool_choice = None;
    } else if !choice_stands {
        conversation.tool_choice = Some(ToolChoice::Auto);
    }
}

pub(crate) fn is_openai_name(name: &str) -> bool {
    let letters = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    letters && (1..=TOOL_NAME_LENGTH).contains(&name.len())
}

/// Thinking that the model must see signed at the start of its open turn, when it thinks within a budget: an agent whose
/// format has no signatures cannot send it back, so the model cannot be asked to think in the middle of such a turn.
pub(crate) fn lacks_signed_thinking(conversation: &Conversation<'_>) -> bool {
    let answered = |turn: &Turn<'_>| {
        turn.parts
            .iter()
            .any(|part| matches!(part.content, Content::ToolResult(_)))
    };
    let mut newest = conversation.turns.iter().rev();
    let (Some(last), Some(before)) = (newest.next(), newest.next()) else {
        return false;
    };
    if last.role != Role::User || !answered(last) || before.role != Role::Assistant {
        return false;
    }
    match before.parts.first().map(|part| &part.content) {
        Some(Content::Thinking { signature, .. }) => signature.is_none(),
        Some(Content::Other { kind }) => !kind.is("redacted_thinking"),
        _ => true,
    }
}

/// Whether the model is forced to call a tool, which excludes thinking.
pub(crate) fn forces_tool(conversation: &Conversation<'_>) -> bool {
    matches!(
        conversation.tool_choice,
        Some(ToolChoice::Required | ToolChoice::Named(_))
    )
}
