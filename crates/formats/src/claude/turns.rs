//! What Claude wants of turns beyond what every model does.

use std::borrow::Cow;

use crate::conversation::{Cache, Content, Conversation, Part, Role};
use crate::json::Text;

/// Brings the turns into the form that Claude takes: no mark on thinking, no picture of the model's own, no thinking at the
/// end of a turn ("The final block in an assistant message cannot be `thinking`"), and nothing blank at the end of a turn
/// that it is to go on with ("final assistant content cannot end with trailing whitespace").
pub(crate) fn tidy(conversation: &mut Conversation<'_>) {
    take_marks_off_thinking(conversation);
    let mut dropped = Vec::new();
    let turns = conversation.turns.iter_mut();
    for turn in turns.filter(|turn| turn.role == Role::Assistant) {
        let given = turn.parts.len();
        turn.parts
            .retain(|part| !matches!(part.content, Content::Image(_) | Content::File(_)));
        if turn.parts.len() < given {
            dropped.push(Cow::Borrowed("attachment of the assistant"));
        }
        // Blocks that only another service runs go with it: none of them stands behind thinking when it is sent.
        let is_said =
            |part: &Part<'_>| !matches!(part.content, Content::Thinking { .. } | Content::Other { .. });
        let said = turn.parts.iter().rposition(is_said).map_or(0, |last| last + 1);
        dropped.extend(turn.parts.drain(said..).map(|part| match part.content {
            Content::Other { kind } if !kind.is("redacted_thinking") => {
                Cow::Owned(kind.decode().into_owned())
            }
            _ => Cow::Borrowed("thinking at the end of a turn"),
        }));
        if turn.parts.is_empty() {
            turn.parts.push(Part::text(Text::of(".")));
        }
    }
    for name in dropped {
        conversation.drop_reported(name);
    }
    trim_prefill(conversation);
}

fn is_thinking(part: &Part<'_>) -> bool {
    match &part.content {
        Content::Thinking { .. } => true,
        Content::Other { kind } => kind.is("redacted_thinking"),
        _ => false,
    }
}

/// A mark on thinking goes to the nearest earlier part that can carry it.
fn take_marks_off_thinking<'a>(conversation: &mut Conversation<'a>) {
    let parts = conversation.turns.iter_mut().flat_map(|turn| &mut turn.parts);
    let mut carrier: Option<&mut Option<Cache<'a>>> = None;
    for part in parts {
        if !is_thinking(part) {
            carrier = Some(&mut part.cache);
        } else if let Some(mark) = part.cache.take()
            && let Some(carrier) = &mut carrier
        {
            **carrier = Some(mark);
        }
    }
}

/// Takes the white space from the end of a turn of the model's own that the conversation ends in.
pub(crate) fn trim_prefill(conversation: &mut Conversation<'_>) {
    let Some(last) = conversation
        .turns
        .last_mut()
        .filter(|turn| turn.role == Role::Assistant)
    else {
        return;
    };
    let Some(part) = last.parts.last_mut() else { return };
    if let Content::Text(text) = &part.content {
        let decoded = text.decode();
        let trimmed = decoded.trim_end();
        if trimmed.len() < decoded.len() {
            part.content = Content::Text(Text::of(trimmed));
            part.raw = None;
        }
    }
}
