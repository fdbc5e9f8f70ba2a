//! No more tools than a vendor takes: one more, and it refuses them all ("array too long … maximum length 128"). Agents with
//! many MCP servers would rather go on with most of theirs.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::conversation::{Content, Conversation, ToolChoice};
use crate::rules::ModelRules;

/// Leaves out the tools that are too many: the last ones of those that were never called, then those that were called longest
/// ago; never the one that is to be called. All tools of the conversation count, so that those which no route is offered must
/// be gone already.
pub(crate) fn leave_out_surplus(conversation: &mut Conversation<'_>, rules: &ModelRules) {
    let Some(most) = rules.max_tools.filter(|most| conversation.tools.len() > *most) else {
        return;
    };
    let parts = conversation.turns.iter().flat_map(|turn| &turn.parts);
    // The later a tool was called, the more it is needed.
    let mut needs: BTreeMap<String, usize> = parts
        .enumerate()
        .filter_map(|(place, part)| match &part.content {
            Content::ToolCall(call) => Some((call.name.decode().into_owned(), place + 1)),
            _ => None,
        })
        .collect();
    if let Some(ToolChoice::Named(name)) = &conversation.tool_choice {
        needs.insert(name.decode().into_owned(), usize::MAX);
    }
    let mut ranks: Vec<(Reverse<usize>, usize)> = conversation
        .tools
        .iter()
        .enumerate()
        .map(|(position, tool)| {
            let need = needs.get(&*tool.name.decode()).copied().unwrap_or_default();
            (Reverse(need), position)
        })
        .collect();
    ranks.sort_unstable();
    ranks.truncate(most);
    let mut is_kept = vec![false; conversation.tools.len()];
    for (_, position) in ranks {
        if let Some(kept) = is_kept.get_mut(position) {
            *kept = true;
        }
    }
    let mut kept = Vec::with_capacity(most);
    let mut mark = None;
    let tools = std::mem::take(&mut conversation.tools);
    for (mut tool, is_kept) in tools.into_iter().zip(is_kept).rev() {
        if is_kept {
            tool.cache = tool.cache.or(mark.take());
            kept.push(tool);
        } else {
            // A cache mark goes to the tool before it.
            mark = mark.or(tool.cache);
        }
    }
    kept.reverse();
    conversation.tools = kept;
    conversation.drop_reported(format!("tools beyond {most}"));
}
