//! Reads `functions`, the form that Chat Completions had before tools: calls have no ids, results name the function.

use std::borrow::Cow;

use crate::chat::request::{arguments_of, function_tool, tool_choice};
use crate::conversation::{Content, Conversation, Part, ToolCall};
use crate::error::Path;
use crate::json::{Object, Text};
use crate::{AgentTools, ReadError};

/// Reads the functions on offer as tools, and how the model may choose among them. An agent that speaks so takes one call at
/// a time.
///
/// # Errors
/// When a definition or the choice cannot be read; the error names it.
pub(super) fn read<'a>(
    body: Object<'a>,
    path: &Path<'_>,
    conversation: &mut Conversation<'a>,
) -> Result<(), ReadError> {
    let path_of_functions = &path.member("functions");
    for (position, function) in body.list("functions", path)?.into_iter().flatten().enumerate() {
        let path = &path_of_functions.entry(position);
        let function = function
            .object()
            .ok_or_else(|| ReadError::expected(path, "an object"))?;
        if conversation.tools.is_empty() {
            conversation.agent_tools = AgentTools::functions();
            conversation.parallel_tool_calls = Some(false);
        }
        conversation.tools.push(function_tool(function, function, path)?);
    }
    if let Some(choice) = body.get("function_call") {
        conversation.tool_choice = Some(tool_choice(choice, &path.member("function_call"))?);
    }
    Ok(())
}

/// The calls of functions in a conversation, and the ids that they are given: the same in every request.
#[derive(Default)]
pub(super) struct FunctionCalls<'a> {
    count: usize,
    /// Name and id of the calls without result, oldest first.
    open: Vec<(Text<'a>, Text<'a>)>,
}

impl<'a> FunctionCalls<'a> {
    /// Reads the call in an assistant's message.
    ///
    /// # Errors
    /// When it has no name, or its arguments are no string.
    pub(super) fn read_call(&mut self, call: Object<'a>, path: &Path<'_>) -> Result<Part<'a>, ReadError> {
        let name = call.required_text("name", path)?;
        let arguments = call.text("arguments", path)?;
        let arguments = arguments.as_ref().and_then(arguments_of);
        self.count += 1;
        let id = Text::of(&format!("function_call_{}", self.count));
        self.open.push((name.clone(), id.clone()));
        Ok(Part::made(Content::ToolCall(ToolCall {
            id,
            name,
            arguments: arguments.map_or(Cow::Borrowed("{}"), Cow::Owned),
            untidy: true,
        })))
    }

    /// The id of the call that a message of the role `function` answers; an empty one where there is none, so that the result
    /// is left out.
    ///
    /// # Errors
    /// When the message does not name the function.
    pub(super) fn answered_by(
        &mut self,
        message: Object<'a>,
        path: &Path<'_>,
    ) -> Result<Text<'a>, ReadError> {
        let name = message.required_text("name", path)?;
        let place = self.open.iter().position(|(called, _)| *called == name);
        Ok(place.map_or_else(|| Text::of(""), |place| self.open.remove(place).1))
    }
}
