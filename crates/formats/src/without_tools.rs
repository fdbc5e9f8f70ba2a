//! Conversations for models that know no tools, or take no calls where none are offered.

use crate::conversation::{Content, Conversation, Part, ResponseFormat};
use crate::json::Text;
use crate::repair::{self, is_blank};

/// Takes the tools away from models that know none; what was called before is told as text.
pub(crate) fn leave_out(conversation: &mut Conversation<'_>) {
    if !conversation.tools.is_empty() {
        conversation.tools.clear();
        conversation.tool_choice = None;
        conversation.drop_reported("tools");
    }
    tell_calls_as_text(conversation);
    // Perplexity, whose models these are, takes a schema, but not the wish for any JSON.
    if matches!(conversation.response_format, Some(ResponseFormat::JsonObject)) {
        repair::ask_for_form_in_words(conversation);
    }
}

/// Tells earlier calls and their results as text.
pub(crate) fn tell_calls_as_text(conversation: &mut Conversation<'_>) {
    for turn in &mut conversation.turns {
        let parts = std::mem::take(&mut turn.parts);
        for part in parts {
            match part.content {
                Content::ToolCall(call) => {
                    let told = format!("Called {} with {}", call.name.decode(), call.arguments);
                    turn.parts.push(Part::text(Text::of(&told)));
                }
                Content::ToolResult(result) if result.parts.iter().all(says_nothing) => {
                    turn.parts.push(Part::text(Text::of("The tool gave nothing.")));
                }
                Content::ToolResult(result) => {
                    let told = result.parts.into_iter().filter(|part| !is_blank(part));
                    turn.parts.extend(told);
                }
                _ => turn.parts.push(part),
            }
        }
    }
}

/// Whether a part of a result is blank, or of a kind that no other vendor has.
fn says_nothing(part: &Part<'_>) -> bool {
    is_blank(part) || matches!(part.content, Content::Other { .. })
}
