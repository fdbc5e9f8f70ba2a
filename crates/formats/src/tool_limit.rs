//! No more tools than a vendor takes: one more, and it refuses them all ("array too long … maximum length 128"). Agents with
//! many MCP servers would rather go on with most of theirs.

use std::collections::BTreeSet;

use crate::conversation::{Content, Conversation, ToolChoice};
use crate::rules::ModelRules;

/// Leaves out the last tools that are too many, but none that was called before or is to be called.
pub(crate) fn leave_out_surplus(conversation: &mut Conversation<'_>, rules: &ModelRules) {
    let Some(most) = rules.max_tools else {
        return;
    };
    // Those of the vendor's own types are left out anyway.
    let own = conversation
        .tools
        .iter()
        .filter(|tool| tool.vendor_type.is_none());
    let mut surplus = own.count().saturating_sub(most);
    if surplus == 0 {
        return;
    }
    let parts = conversation.turns.iter().flat_map(|turn| &turn.parts);
    let mut needed: BTreeSet<String> = parts
        .filter_map(|part| match &part.content {
            Content::ToolCall(call) => Some(call.name.decode().into_owned()),
            _ => None,
        })
        .collect();
    if let Some(ToolChoice::Named(name)) = &conversation.tool_choice {
        needed.insert(name.decode().into_owned());
    }
    let mut kept = Vec::with_capacity(most);
    let mut mark = None;
    for mut tool in std::mem::take(&mut conversation.tools).into_iter().rev() {
        if surplus > 0 && tool.vendor_type.is_none() && !needed.contains(&*tool.name.decode()) {
            surplus -= 1;
            // A cache mark goes to the tool before it.
            mark = mark.or(tool.cache);
        } else {
            tool.cache = tool.cache.or(mark.take());
            kept.push(tool);
        }
    }
    kept.reverse();
    conversation.tools = kept;
    conversation.drop_reported(format!("tools beyond {most}"));
}
