//! What agents leave untidy and models refuse: unanswered tool calls, orphaned results, blank texts, system messages
//! in the middle, tools that only a vendor runs (mapping of requests in docs/formats.md). Every writer gets a
//! conversation that has been through here.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::AgentFormat;
use crate::conversation::{
    Attachment, Cache, Content, Conversation, Part, Role, Source, Tool, ToolChoice, ToolResult, Turn,
};
use crate::json::{Text, Value};
use crate::model_rules::ModelRules;
use crate::signature::Signer;

/// How many cache marks a request may carry (sap-wire.md §3.3, Anthropic's limit).
pub(crate) const CACHE_MARKS: usize = 4;

/// Claude Code's stand-in that keeps its late loading of tools switched on; it is never called.
const DEFERRED_TOOL_PLACEHOLDER: &str = "DeferredToolPlaceholder";

/// The longest id of a tool call: Azure's Chat Completions take no longer one ("string too long … maximum length 40"), the
/// others 64. What vendors give themselves is shorter.
const CALL_ID_LENGTH: usize = 40;

/// The longest name of a function that orchestration and OpenAI take (spec `FunctionObject`).
pub(crate) const TOOL_NAME_LENGTH: usize = 64;

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
    drop_blank(&mut conversation.system);
    for turn in &mut conversation.turns {
        drop_blank(&mut turn.parts);
        if !turn.parts.iter().any(says_something) {
            turn.parts.push(Part::text(Text::of(".")));
        }
    }
    // A conversation begins with the person.
    if conversation
        .turns
        .first()
        .is_none_or(|turn| turn.role == Role::Assistant)
    {
        conversation.turns.insert(0, said_by_user("."));
    }
}

fn said_by_user(text: &str) -> Turn<'static> {
    Turn {
        role: Role::User,
        parts: vec![Part::text(Text::of(text))],
        raw: None,
    }
}

/// Whether a part is enough for a turn: models want a text, a call, a result or an attachment.
fn says_something(part: &Part<'_>) -> bool {
    !matches!(part.content, Content::Thinking { .. } | Content::Other { .. })
}

/// Leaves out blank texts. A cache mark on one of them goes to the part before it.
fn drop_blank(parts: &mut Vec<Part<'_>>) {
    if !parts.iter().any(is_blank) {
        return;
    }
    let mut kept: Vec<Part<'_>> = Vec::with_capacity(parts.len());
    for part in parts.drain(..) {
        match kept.last_mut() {
            Some(last) if is_blank(&part) => last.cache = part.cache.or(last.cache.take()),
            _ if is_blank(&part) => {}
            _ => kept.push(part),
        }
    }
    *parts = kept;
}

/// Models that take no conversation which ends in their own turn are asked to go on.
pub(crate) fn end_with_user(conversation: &mut Conversation<'_>) {
    if conversation
        .turns
        .last()
        .is_some_and(|turn| turn.role == Role::Assistant)
    {
        conversation.turns.push(said_by_user("Continue."));
        conversation.drop_reported("assistant prefill");
    }
}

/// Whether a part is a text, or a document of plain text, in which nothing stands: models refuse those.
pub(crate) fn is_blank(part: &Part<'_>) -> bool {
    match &part.content {
        Content::Text(text)
        | Content::File(Attachment {
            source: Source::Text(text),
            ..
        }) => text.is_blank(),
        _ => false,
    }
}

/// Says which members of tools' definitions are left out because this deployment refuses them.
pub(crate) fn report_refused_tool_members(conversation: &mut Conversation<'_>, rules: &ModelRules) {
    for member in &rules.refused_tool_members {
        let has_it = |tool: &Tool<'_>| {
            let function = tool.raw.get("function").and_then(Value::object);
            // A `false` is what holds without it.
            let value = function.unwrap_or(tool.raw).get(member);
            value.is_some_and(|value| value.get() != "false")
        };
        if conversation.tools.iter().any(has_it) {
            conversation.drop_reported(format!("tools.{member}"));
        }
    }
}

/// Takes from every cache mark how long it holds, for deployments that know no such member.
pub(crate) fn forget_cache_ttl(conversation: &mut Conversation<'_>) {
    let system = conversation.system.iter_mut().map(|part| &mut part.cache);
    let turns = conversation.turns.iter_mut().flat_map(|turn| &mut turn.parts);
    let turns = turns.map(|part| &mut part.cache);
    let tools = conversation.tools.iter_mut().map(|tool| &mut tool.cache);
    let mut forgotten = false;
    for mark in system.chain(turns).chain(tools).flatten() {
        forgotten |= mark.ttl.take().is_some();
    }
    if forgotten {
        conversation.drop_reported("cache_control.ttl");
    }
}

/// Leaves out thinking with its signatures, for a deployment that could not verify them.
pub(crate) fn leave_out_signed_thinking(conversation: &mut Conversation<'_>) {
    let is_signed = |part: &Part<'_>| match &part.content {
        Content::Thinking { .. } => true,
        Content::Other { kind } => kind.is("redacted_thinking"),
        _ => false,
    };
    for turn in &mut conversation.turns {
        turn.parts.retain(|part| !is_signed(part));
    }
    conversation.drop_reported("signed thinking");
}

/// Keeps the marks that a request may carry, and none where they are refused.
pub(crate) fn limit_cache_marks(conversation: &mut Conversation<'_>, rules: &ModelRules) {
    if !rules.cache_ttl {
        forget_cache_ttl(conversation);
    }
    let system = conversation.system.iter_mut().map(|part| &mut part.cache);
    let turns = conversation
        .turns
        .iter_mut()
        .flat_map(|turn| &mut turn.parts)
        .map(|part| &mut part.cache);
    let tools = conversation.tools.iter_mut().map(|tool| &mut tool.cache);
    let most = if rules.cache_marks { CACHE_MARKS } else { 0 };
    if keep_last_marks(tools.chain(system).chain(turns), most) {
        conversation.drop_reported("cache_control.ttl");
    }
}

/// Keeps at most so many marks of a request, which come in the order of its prompt: the last ones, since a later prefix
/// contains the earlier ones. A mark for an hour behind one for five minutes is refused, so it becomes one like that, which
/// never costs more than was asked for; says whether there was one.
pub(crate) fn keep_last_marks<'m, 'a: 'm>(
    places: impl Iterator<Item = &'m mut Option<Cache<'a>>>,
    most: usize,
) -> bool {
    let mut marks: Vec<_> = places.filter(|cache| cache.is_some()).collect();
    let kept = marks.split_off(marks.len().saturating_sub(most));
    for mark in marks {
        *mark = None;
    }
    let (mut is_short, mut shortened) = (false, false);
    for mark in kept.into_iter().flatten() {
        let is_long = mark.ttl.as_ref().is_some_and(|ttl| ttl.is("1h"));
        if is_long && is_short {
            mark.ttl = None;
            shortened = true;
        }
        is_short |= !is_long;
    }
    shortened
}

/// Asks in the system prompt for the form that the answer must have, for models that take no schema.
pub(crate) fn ask_for_form_in_words(conversation: &mut Conversation<'_>) {
    let Some(format) = conversation.response_format.take() else {
        return;
    };
    let words = format.in_words();
    conversation.system.push(Part::text(Text::of(&words)));
}

/// System messages at the start (Chat Completions, Responses) are the system prompt.
fn hoist_leading_system(conversation: &mut Conversation<'_>) {
    if !matches!(
        conversation.origin,
        AgentFormat::ChatCompletions | AgentFormat::Responses
    ) {
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

/// Gives every tool call exactly one result, directly behind the model's turn, and an id of its own; results that answer
/// no call are left out.
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
    let mut pairing = Pairing {
        turns: Vec::with_capacity(turns.len() + 1),
        open: Vec::new(),
        answered: false,
        ids: BTreeSet::new(),
    };
    for turn in turns {
        if turn.role == Role::Assistant {
            pairing.take_calls(turn, conversation);
        } else {
            pairing.take_results(turn, conversation);
        }
    }
    pairing.close(conversation);
    conversation.turns = pairing.turns;
}

struct Pairing<'a> {
    turns: Vec<Turn<'a>>,
    /// Calls of the newest turns of the model, which may follow each other before any result comes.
    open: Vec<OpenCall<'a>>,
    /// Whether the other side has spoken since.
    answered: bool,
    /// Ids that are taken.
    ids: BTreeSet<String>,
}

/// A call whose result is not known yet.
struct OpenCall<'a> {
    /// The id as the agent wrote it.
    asked: Text<'a>,
    /// The id as it is sent.
    sent: Text<'a>,
    /// Where in `turns` the result belongs.
    place: usize,
    result: Option<Part<'a>>,
}

impl<'a> Pairing<'a> {
    fn take_calls(&mut self, mut turn: Turn<'a>, conversation: &mut Conversation<'a>) {
        if self.answered {
            self.close(conversation);
        }
        let place = self.turns.len() + 1;
        let before = self.open.len();
        for part in &mut turn.parts {
            let Content::ToolCall(call) = &mut part.content else {
                continue;
            };
            let asked = call.id.clone();
            if !self.claim(&asked) {
                call.id = self.new_id();
                // What the agent wrote holds the old id.
                call.untidy = true;
                part.raw = None;
            }
            self.open.push(OpenCall {
                asked,
                sent: call.id.clone(),
                place,
                result: None,
            });
        }
        self.turns.push(turn);
        if self.open.len() > before {
            self.turns.push(Turn {
                role: Role::User,
                parts: Vec::new(),
                raw: None,
            });
        }
    }

    /// Takes an id, if it is a plain name that is short enough and nobody has it: Claude refuses any other (sap-wire.md §3.3).
    fn claim(&mut self, id: &Text<'_>) -> bool {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let id = id.escaped();
        (1..=CALL_ID_LENGTH).contains(&id.len()) && id.bytes().all(plain) && self.ids.insert(id.to_owned())
    }

    fn new_id(&mut self) -> Text<'static> {
        let mut number = self.ids.len();
        loop {
            number += 1;
            let id = format!("call_{number}");
            if self.ids.insert(id.clone()) {
                return Text::of(&id);
            }
        }
    }

    fn take_results(&mut self, turn: Turn<'a>, conversation: &mut Conversation<'a>) {
        self.answered = true;
        let Turn { role, parts, raw } = turn;
        let mut rest = Vec::with_capacity(parts.len());
        let mut held_results = false;
        for mut part in parts {
            let Content::ToolResult(result) = &mut part.content else {
                rest.push(part);
                continue;
            };
            held_results = true;
            let wanted = |open: &&mut OpenCall<'_>| {
                open.result.is_none() && open.asked.literal() == result.call.literal()
            };
            let Some(open) = self.open.iter_mut().find(wanted) else {
                conversation.drop_reported("tool result without call");
                continue;
            };
            if open.sent != open.asked {
                result.call = open.sent.clone();
                part.raw = None;
            }
            open.result = Some(part);
        }
        if !rest.is_empty() || !held_results {
            self.turns.push(Turn {
                role,
                parts: rest,
                raw,
            });
        }
    }

    fn close(&mut self, conversation: &mut Conversation<'a>) {
        self.answered = false;
        for OpenCall {
            sent, place, result, ..
        } in self.open.drain(..)
        {
            let result = result.unwrap_or_else(|| {
                conversation.drop_reported("tool call without result");
                Part::made(Content::ToolResult(ToolResult {
                    call: sent,
                    parts: Vec::new(),
                    is_error: false,
                }))
            });
            if let Some(turn) = self.turns.get_mut(place) {
                turn.parts.push(result);
            }
        }
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

/// Leaves out the tools that the route cannot offer: those of the vendor's own types, a second one of the same name, and
/// names the route refuses (`openai_names`). A cache mark on one of them goes to the tool before it. A tool choice that
/// names none of the rest becomes `auto`.
pub(crate) fn repair_tools(conversation: &mut Conversation<'_>, openai_names: bool) {
    let tools = std::mem::take(&mut conversation.tools);
    let mut names: BTreeSet<String> = BTreeSet::new();
    for tool in tools {
        let name = tool.name.decode();
        let reason = if name == DEFERRED_TOOL_PLACEHOLDER {
            None
        } else if let Some(kind) = &tool.vendor_type {
            Some(format!("tool {}", kind.decode()))
        } else if openai_names && !is_openai_name(&name) {
            Some(format!("tool {name}"))
        } else if !names.insert(name.clone().into_owned()) {
            Some(format!("second tool {name}"))
        } else {
            drop(name);
            conversation.tools.push(tool);
            continue;
        };
        drop(name);
        if let (Some(last), Some(mark)) = (conversation.tools.last_mut(), tool.cache) {
            last.cache = Some(mark);
        }
        if let Some(reason) = reason {
            conversation.drop_reported(Cow::Owned(reason));
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
        conversation.drop_reported("tool_choice");
    }
}

pub(crate) fn is_openai_name(name: &str) -> bool {
    let letters = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    letters && (1..=TOOL_NAME_LENGTH).contains(&name.len())
}

/// The turns since the person last said something, where the model is in the middle of calling tools; none otherwise.
fn open_turn<'t, 'a>(conversation: &'t mut Conversation<'a>) -> &'t mut [Turn<'a>] {
    let is_result = |part: &Part<'_>| matches!(part.content, Content::ToolResult(_));
    let answered = |turn: &Turn<'_>| turn.parts.iter().any(is_result);
    let turns = &mut conversation.turns;
    if !turns
        .last()
        .is_some_and(|last| last.role == Role::User && answered(last))
    {
        return &mut [];
    }
    let said = turns
        .iter()
        .rposition(|turn| turn.role == Role::User && !answered(turn));
    turns
        .get_mut(said.map_or(0, |said| said + 1)..)
        .unwrap_or_default()
}

/// Whether the open turn lacks the signed thinking it must begin with when the model thinks within a budget. An agent
/// whose format has no signatures cannot send it back, so the model cannot be asked to think in the middle of such a
/// turn. `redacted` says whether the route has a place for redacted thinking.
pub(crate) fn lacks_signed_thinking(conversation: &mut Conversation<'_>, redacted: bool) -> bool {
    let Some(first) = open_turn(conversation)
        .iter()
        .find(|turn| turn.role == Role::Assistant)
    else {
        return false;
    };
    match first.parts.first().map(|part| &part.content) {
        Some(Content::Thinking { signature, .. }) => {
            let own = signature
                .as_ref()
                .and_then(|signature| Signer::Anthropic.own(signature));
            own.is_none()
        }
        Some(Content::Other { kind }) => !(redacted && kind.is("redacted_thinking")),
        _ => true,
    }
}

/// Takes the thinking out of the open turn: a model that is not asked to think refuses it there.
pub(crate) fn drop_open_thinking(conversation: &mut Conversation<'_>) {
    if take_thinking(open_turn(conversation)) {
        conversation.drop_reported("thinking of earlier turns");
    }
}

/// Takes the thinking out of every turn.
pub(crate) fn drop_thinking(conversation: &mut Conversation<'_>) {
    if take_thinking(&mut conversation.turns) {
        conversation.drop_reported("thinking of earlier turns");
    }
}

/// Says whether there was any.
fn take_thinking(turns: &mut [Turn<'_>]) -> bool {
    let is_thinking = |part: &Part<'_>| match &part.content {
        Content::Thinking { .. } => true,
        Content::Other { kind } => kind.is("redacted_thinking"),
        _ => false,
    };
    let mut dropped = false;
    for turn in turns {
        let before = turn.parts.len();
        turn.parts.retain(|part| !is_thinking(part));
        dropped |= turn.parts.len() < before;
    }
    dropped
}

/// Whether the model is forced to call a tool, which excludes thinking.
pub(crate) fn forces_tool(conversation: &Conversation<'_>) -> bool {
    matches!(
        conversation.tool_choice,
        Some(ToolChoice::Required | ToolChoice::Named(_))
    )
}
