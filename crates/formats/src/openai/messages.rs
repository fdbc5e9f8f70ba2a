//! The conversation as OpenAI's messages, which Azure and SAP's harmonized API both take.

use std::borrow::Cow;

use crate::conversation::{
    Attachment, Cache, Content, Conversation, Part, Role, Source, ToolCall, ToolResult, Turn,
};
use crate::json::{Text, write_escaped, write_string};
use crate::orchestration::template::{Placeholders, break_braces, escape_braces};
use crate::repair::{CACHE_MARKS, is_blank, keep_last_marks};
use crate::rules::ModelRules;
use crate::signature::Signer;

/// A message as OpenAI spells it, borrowed from the conversation.
pub(crate) enum Message<'r, 'a> {
    /// `system` or `user`: a list of texts and attachments.
    Items {
        role: &'static str,
        items: Vec<Item<'r, 'a>>,
    },
    /// The model's turn. Its text has no place for a cache mark.
    Assistant {
        text: Option<Text<'a>>,
        calls: Vec<&'r ToolCall<'a>>,
        thinking: Vec<(&'r Text<'a>, &'r Text<'a>)>,
        cache: Option<Cache<'a>>,
    },
    /// What a tool gave, as one string: Claude behind the harmonized API takes nothing else.
    Tool {
        call: &'r Text<'a>,
        text: Text<'a>,
        cache: Option<Cache<'a>>,
    },
}

impl Message<'_, '_> {
    /// A text of the person's.
    pub(crate) fn said_by_user(text: &str) -> Self {
        Message::Items {
            role: "user",
            items: vec![Item {
                content: ItemContent::Text(Text::of(text)),
                cache: None,
            }],
        }
    }
}

pub(crate) struct Item<'r, 'a> {
    pub(crate) content: ItemContent<'r, 'a>,
    pub(crate) cache: Option<Cache<'a>>,
}

pub(crate) enum ItemContent<'r, 'a> {
    Text(Text<'a>),
    Image(&'r Attachment<'a>),
    File(&'r Attachment<'a>),
}

/// The conversation as messages. What has no place in them is added to `dropped`.
pub(crate) fn messages<'r, 'a>(
    conversation: &'r Conversation<'a>,
    rules: &ModelRules,
    dropped: &mut Vec<Cow<'static, str>>,
) -> Vec<Message<'r, 'a>> {
    let mut messages = Vec::with_capacity(conversation.turns.len() * 2 + 1);
    let mut system = Vec::with_capacity(conversation.system.len());
    for part in &conversation.system {
        match &part.content {
            Content::Text(text) => {
                system.push(Item {
                    content: ItemContent::Text(text.clone()),
                    cache: part.cache.clone(),
                });
            }
            _ => dropped.push(Cow::Borrowed("system attachment")),
        }
    }
    if !system.is_empty() {
        messages.push(Message::Items {
            role: "system",
            items: system,
        });
    }
    for turn in &conversation.turns {
        if turn.role == Role::Assistant {
            messages.push(assistant(turn, rules, dropped));
        } else {
            user(turn, &mut messages, dropped);
        }
    }
    messages
}

/// Takes from every picture how closely it is to be looked at, for vendors that know no such member.
pub(crate) fn forget_detail(conversation: &mut Conversation<'_>) {
    fn forget(parts: &mut [Part<'_>]) -> bool {
        let mut forgotten = false;
        for part in parts {
            forgotten |= match &mut part.content {
                // What everybody does without being told is no loss.
                Content::Image(image) => image.detail.take().is_some_and(|detail| !detail.is("auto")),
                Content::ToolResult(result) => forget(&mut result.parts),
                _ => false,
            };
        }
        forgotten
    }
    let mut forgotten = false;
    for turn in &mut conversation.turns {
        forgotten |= forget(&mut turn.parts);
    }
    if forgotten {
        conversation.drop_reported("image_url.detail");
    }
}

/// Leaves out documents, for vendors that know pictures only.
pub(crate) fn leave_out_documents(messages: &mut [Message<'_, '_>], dropped: &mut Vec<Cow<'static, str>>) {
    for message in messages {
        let Message::Items { items, .. } = message else {
            continue;
        };
        let given = items.len();
        items.retain(|item| !matches!(item.content, ItemContent::File(_)));
        if items.len() < given {
            dropped.push(Cow::Borrowed("document"));
        }
        if items.is_empty() {
            items.push(Item {
                content: ItemContent::Text(Text::of(".")),
                cache: None,
            });
        }
    }
}

/// The conversation as messages of vendors that know pictures but neither documents nor cache marks, and that may want a
/// plain string wherever one is enough, and none of them empty.
pub(crate) fn plain_messages<'r, 'a>(
    conversation: &'r Conversation<'a>,
    rules: &ModelRules,
    dropped: &mut Vec<Cow<'static, str>>,
) -> Vec<Message<'r, 'a>> {
    let mut messages = messages(conversation, rules, dropped);
    place_cache_marks(&mut messages, &mut [], false);
    leave_out_documents(&mut messages, dropped);
    for message in &mut messages {
        let items = match message {
            Message::Items { items, .. } => items,
            Message::Tool { text, .. } => {
                if text.is_blank() {
                    *text = Text::of(".");
                }
                continue;
            }
            Message::Assistant { .. } => continue,
        };
        let text = |item: &Item<'_, 'a>| match &item.content {
            ItemContent::Text(text) => Some(text.clone()),
            _ => None,
        };
        if let Some(texts) = items.iter().map(text).collect::<Option<Vec<_>>>() {
            let text = if texts.is_empty() {
                Text::of(".")
            } else {
                Text::join(&texts, "\n")
            };
            *items = vec![Item {
                content: ItemContent::Text(text),
                cache: None,
            }];
        }
    }
    messages
}

/// The model's turn.
pub(crate) fn assistant<'r, 'a>(
    turn: &'r Turn<'a>,
    rules: &ModelRules,
    dropped: &mut Vec<Cow<'static, str>>,
) -> Message<'r, 'a> {
    let (mut texts, mut calls, mut thinking, mut cache) = (Vec::new(), Vec::new(), Vec::new(), None);
    for part in &turn.parts {
        cache = part.cache.clone().or(cache);
        match &part.content {
            Content::Text(text) => texts.push(text.clone()),
            Content::ToolCall(call) => calls.push(call),
            Content::Thinking {
                text,
                signature: Some(signature),
            } if rules.thinking_replay && Signer::Anthropic.own(signature).is_some() => {
                thinking.push((text, signature));
            }
            Content::Thinking { .. } => dropped.push(Cow::Borrowed("thinking of earlier turns")),
            Content::Other { kind } => dropped.push(Cow::Owned(kind.decode().into_owned())),
            Content::Image(_) | Content::File(_) | Content::ToolResult(_) => {
                dropped.push(Cow::Borrowed("attachment of the assistant"));
            }
        }
    }
    let text = if !texts.is_empty() {
        Some(Text::join(&texts, "\n"))
    } else if calls.is_empty() {
        // What it held besides had no place; a message without anything is refused.
        Some(Text::of("."))
    } else {
        None
    };
    Message::Assistant {
        text,
        calls,
        thinking,
        cache,
    }
}

/// A user turn: its tool results first, then one message with their attachments and everything else.
pub(crate) fn user<'r, 'a>(
    turn: &'r Turn<'a>,
    messages: &mut Vec<Message<'r, 'a>>,
    dropped: &mut Vec<Cow<'static, str>>,
) {
    let mut attachments = Vec::new();
    let mut items = Vec::new();
    for part in &turn.parts {
        match &part.content {
            Content::ToolResult(result) => {
                tool_result(result, part.cache.as_ref(), messages, &mut attachments, dropped);
            }
            Content::Text(text) => {
                items.push(Item {
                    content: ItemContent::Text(text.clone()),
                    cache: part.cache.clone(),
                });
            }
            Content::Image(_) | Content::File(_) => items.extend(attachment(part)),
            Content::Other { kind } => dropped.push(Cow::Owned(kind.decode().into_owned())),
            Content::ToolCall(_) | Content::Thinking { .. } => dropped.push(Cow::Borrowed("misplaced block")),
        }
    }
    attachments.append(&mut items);
    if !attachments.is_empty() {
        messages.push(Message::Items {
            role: "user",
            items: attachments,
        });
    }
}

/// Puts a word of the model's between results and what the person says behind them. Mistral: "Unexpected role 'user' after
/// role 'tool'".
pub(crate) fn part_user_from_results(messages: &mut Vec<Message<'_, '_>>) {
    let mut parted = Vec::with_capacity(messages.len() + 1);
    for message in messages.drain(..) {
        if let (Some(Message::Tool { .. }), Message::Items { .. }) = (parted.last(), &message) {
            parted.push(Message::Assistant {
                text: Some(Text::of(".")),
                calls: Vec::new(),
                thinking: Vec::new(),
                cache: None,
            });
        }
        parted.push(message);
    }
    *messages = parted;
}

fn tool_result<'r, 'a>(
    result: &'r ToolResult<'a>,
    cache: Option<&Cache<'a>>,
    messages: &mut Vec<Message<'r, 'a>>,
    attachments: &mut Vec<Item<'r, 'a>>,
    dropped: &mut Vec<Cow<'static, str>>,
) {
    let (text, parts) = split_result(result, dropped);
    messages.push(Message::Tool {
        call: &result.call,
        text,
        cache: cache.cloned(),
    });
    attachments.extend(parts.into_iter().filter_map(attachment));
}

fn attachment<'r, 'a>(part: &'r Part<'a>) -> Option<Item<'r, 'a>> {
    let content = match &part.content {
        _ if is_blank(part) => return None,
        // A document of plain text is text.
        Content::File(Attachment {
            source: Source::Text(text),
            ..
        }) => ItemContent::Text(text.clone()),
        Content::Image(image) => ItemContent::Image(image),
        // Only files in the request can be sent; where one is to be found is said.
        Content::File(Attachment {
            source: Source::Url(url),
            ..
        }) => ItemContent::Text(Text::of(&format!("The document at {}", url.decode()))),
        Content::File(file) => ItemContent::File(file),
        _ => return None,
    };
    Some(Item {
        content,
        cache: part.cache.clone(),
    })
}

/// Moves marks from where orchestration has no place for them to the nearest earlier item that may carry one, and
/// keeps those that a request may carry, as Claude's own deployment does; models that know no marks get none. Says whether one
/// holds for a shorter time than was asked for.
pub(crate) fn place_cache_marks<'a>(
    messages: &mut [Message<'_, 'a>],
    tools: &mut [Option<Cache<'a>>],
    wanted: bool,
) -> bool {
    if !wanted {
        tools.fill(None);
        for message in messages {
            if let Message::Items { items, .. } = message {
                for item in items {
                    item.cache = None;
                }
            }
        }
        return false;
    }
    let mut carriers: Vec<&mut Option<Cache<'a>>> = tools.iter_mut().collect();
    for message in messages {
        match message {
            Message::Items { items, .. } => carriers.extend(items.iter_mut().map(|item| &mut item.cache)),
            Message::Assistant { cache, .. } | Message::Tool { cache, .. } => {
                if let (Some(mark), Some(carrier)) = (cache.take(), carriers.last_mut()) {
                    **carrier = Some(mark);
                }
            }
        }
    }
    keep_last_marks(carriers.into_iter(), CACHE_MARKS)
}

/// Writes one message; in the template every text stands behind a placeholder.
pub(crate) fn write_message<'a>(
    message: &Message<'_, 'a>,
    mut placeholders: Option<&mut Placeholders<'a>>,
    out: &mut Vec<u8>,
) {
    let mut write_text = |text: &Text<'a>, out: &mut Vec<u8>| match &mut placeholders {
        Some(placeholders) => placeholders.write(text, out),
        None => out.extend_from_slice(text.literal().as_bytes()),
    };
    match message {
        Message::Items { role, items } => {
            out.extend_from_slice(b"{\"role\":\"");
            out.extend_from_slice(role.as_bytes());
            out.extend_from_slice(b"\",\"content\":");
            if let [
                Item {
                    content: ItemContent::Text(text),
                    cache: None,
                },
            ] = items.as_slice()
            {
                write_text(text, out);
            } else {
                write_items(items, &mut write_text, out);
            }
        }
        Message::Assistant {
            text,
            calls,
            thinking,
            ..
        } => {
            out.extend_from_slice(b"{\"role\":\"assistant\"");
            if let Some(text) = text {
                out.extend_from_slice(b",\"content\":");
                write_text(text, out);
            }
            write_thinking(thinking, &mut write_text, out);
            let templated = placeholders.is_some();
            write_tool_calls(calls, templated, out);
        }
        Message::Tool { call, text, .. } => {
            out.extend_from_slice(b"{\"role\":\"tool\",\"tool_call_id\":");
            write_bare(call.literal(), out);
            out.extend_from_slice(b",\"content\":");
            write_text(text, out);
        }
    }
    out.push(b'}');
}

fn write_items<'a>(
    items: &[Item<'_, 'a>],
    write_text: &mut impl FnMut(&Text<'a>, &mut Vec<u8>),
    out: &mut Vec<u8>,
) {
    out.push(b'[');
    for (position, item) in items.iter().enumerate() {
        out.extend_from_slice(if position > 0 { b"," } else { b"" });
        match &item.content {
            ItemContent::Text(text) => {
                out.extend_from_slice(b"{\"type\":\"text\",\"text\":");
                write_text(text, out);
            }
            ItemContent::Image(image) => write_attachment(image, true, out),
            ItemContent::File(file) => write_attachment(file, false, out),
        }
        if let Some(cache) = &item.cache {
            write_cache(cache, out);
        }
        out.push(b'}');
    }
    out.push(b']');
}

fn write_thinking<'a>(
    thinking: &[(&Text<'a>, &Text<'a>)],
    write_text: &mut impl FnMut(&Text<'a>, &mut Vec<u8>),
    out: &mut Vec<u8>,
) {
    for (position, (text, signature)) in thinking.iter().enumerate() {
        out.extend_from_slice(if position == 0 {
            b",\"reasoning_content\":["
        } else {
            b","
        });
        out.extend_from_slice(b"{\"content\":");
        write_text(text, out);
        out.extend_from_slice(b",\"signature\":");
        write_bare(signature.literal(), out);
        out.push(b'}');
    }
    if !thinking.is_empty() {
        out.push(b']');
    }
}

fn write_tool_calls(calls: &[&ToolCall<'_>], templated: bool, out: &mut Vec<u8>) {
    if !calls.is_empty() {
        out.extend_from_slice(b",\"tool_calls\":");
        write_tool_call_list(calls, templated, out);
    }
}

/// Writes what is no text of the conversation: ids, names, base64. No such string holds what opens a template, unless
/// somebody wants it to.
fn write_bare(json: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(break_braces(json).as_bytes());
}

/// Writes the list of tool calls; in the template their arguments must open none.
pub(crate) fn write_tool_call_list(calls: &[&ToolCall<'_>], templated: bool, out: &mut Vec<u8>) {
    for (position, call) in calls.iter().enumerate() {
        out.push(if position == 0 { b'[' } else { b',' });
        out.extend_from_slice(b"{\"id\":");
        write_bare(call.id.literal(), out);
        out.extend_from_slice(b",\"type\":\"function\",\"function\":{\"name\":");
        write_bare(call.name.literal(), out);
        out.extend_from_slice(b",\"arguments\":\"");
        let arguments = if templated {
            escape_braces(&call.arguments)
        } else {
            Cow::Borrowed(&*call.arguments)
        };
        write_escaped(out, &arguments);
        out.extend_from_slice(b"\"}}");
    }
    out.push(b']');
}

/// `,"cache_control":…` (spec `CacheControl`).
pub(crate) fn write_cache(cache: &Cache<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"cache_control\":{\"type\":\"ephemeral\"");
    if let Some(ttl) = &cache.ttl {
        out.extend_from_slice(b",\"ttl\":");
        out.extend_from_slice(ttl.literal().as_bytes());
    }
    out.push(b'}');
}

/// The texts of a tool result as one, and its attachments apart: a tool message can hold text only (sap-wire.md §4.1).
fn split_result<'r, 'a>(
    result: &'r ToolResult<'a>,
    dropped: &mut Vec<Cow<'static, str>>,
) -> (Text<'a>, Vec<&'r Part<'a>>) {
    let mut texts = Vec::with_capacity(result.parts.len());
    let mut attachments = Vec::new();
    for part in &result.parts {
        match &part.content {
            Content::Text(text) => texts.push(text.clone()),
            _ if is_blank(part) => {}
            Content::Image(_) | Content::File(_) => attachments.push(part),
            Content::Other { kind } => dropped.push(Cow::Owned(kind.decode().into_owned())),
            Content::ToolCall(_) | Content::ToolResult(_) | Content::Thinking { .. } => {
                dropped.push(Cow::Borrowed("nested block"));
            }
        }
    }
    if !attachments.is_empty() {
        texts.push(Text::of("See the attachment below."));
    }
    if result.is_error {
        // There is no place for it; what a failed tool says mostly tells it.
        if texts.is_empty() {
            texts.push(Text::of("The tool failed."));
        } else {
            dropped.push(Cow::Borrowed("is_error"));
        }
    }
    let text = if texts.is_empty() {
        Text::of("")
    } else {
        Text::join(&texts, "\n")
    };
    (text, attachments)
}

/// Writes an image or a file as a content part, without its closing brace.
fn write_attachment(attachment: &Attachment<'_>, image: bool, out: &mut Vec<u8>) {
    if image {
        out.extend_from_slice(b"{\"type\":\"image_url\",\"image_url\":{\"url\":");
        write_url(&attachment.source, out);
        if let Some(detail) = &attachment.detail {
            out.extend_from_slice(b",\"detail\":");
            write_bare(detail.literal(), out);
        }
    } else {
        out.extend_from_slice(b"{\"type\":\"file\",\"file\":{\"file_data\":");
        write_url(&attachment.source, out);
        out.extend_from_slice(b",\"filename\":");
        write_string(out, &file_name(attachment));
    }
    out.push(b'}');
}

pub(crate) fn file_name(attachment: &Attachment<'_>) -> String {
    let name = attachment
        .name
        .as_ref()
        .map_or(Cow::Borrowed("document.pdf"), Text::decode);
    // A brace in a name could be taken for a template; a name may lose it.
    name.replace(['{', '}'], "_")
}

pub(crate) fn write_url(source: &Source<'_>, out: &mut Vec<u8>) {
    match source {
        Source::Base64 { media_type, data } => {
            out.extend_from_slice(b"\"data:");
            write_bare(media_type.escaped(), out);
            out.extend_from_slice(b";base64,");
            write_bare(data.escaped(), out);
            out.push(b'"');
        }
        Source::Url(url) => write_string(out, &url.decode().replace('{', "%7B").replace('}', "%7D")),
        Source::Text(_) => out.extend_from_slice(b"\"\""),
    }
}
