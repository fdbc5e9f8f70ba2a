//! Reads from the text of a 400 what the deployment does not take, so that it can be left out (sap-wire.md §3, §4).
//!
//! The text is somebody else's: it is read up to a limit, it can name only what Coretap could do without, and a name that no
//! writer knows changes nothing. What a request is made of (model, messages, tools) can't be named at all.

use crate::ModelFormat;
use crate::conversation::Effort;
use crate::gemini::request::PARAMETERS;
use crate::json::{Document, Value};
use crate::limitation::Limitation;
use crate::rules::{MaxTokensName, ThinkingKind};
use crate::upstream_error::read_upstream_error;

/// The most of a text that is read, in bytes; refusals of fields are a sentence or two.
const LONGEST_TEXT: usize = 8 * 1024;
/// The most that one text can complain about; agents trip over a few things at once.
const MOST_NAMED: usize = 16;
/// The longest name that is taken for one.
const LONGEST_NAME: usize = 64;

/// What a request is made of, and what an agent relies on in the answer (JSON, a call of a tool); never left out.
const ESSENTIAL: [&str; 27] = [
    "anthropic_version",
    "config",
    "contents",
    "functionDeclarations",
    "function_call",
    "function_declarations",
    "functions",
    "generationConfig",
    "generation_config",
    "input",
    "maxOutputTokens",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "messages_history",
    "model",
    "modules",
    "placeholder_values",
    "prompt",
    "response_format",
    "system",
    "systemInstruction",
    "template",
    "toolConfig",
    "tool_choice",
    "tool_config",
    "tools",
];

/// Members of tools without which there is no tool.
const OF_EVERY_TOOL: [&str; 9] = [
    "description",
    "function",
    "functionDeclarations",
    "function_declarations",
    "input_schema",
    "name",
    "parameters",
    "parametersJsonSchema",
    "type",
];

/// Members of messages and their blocks that hold what is said.
const OF_EVERY_MESSAGE: [&str; 33] = [
    "args",
    "arguments",
    "content",
    "context",
    "data",
    "file",
    "fileData",
    "fileUri",
    "function",
    "functionCall",
    "functionResponse",
    "function_call",
    "id",
    "image_url",
    "inlineData",
    "input",
    "media_type",
    "mimeType",
    "name",
    "parts",
    "response",
    "role",
    "signature",
    "source",
    "text",
    "thinking",
    "thoughtSignature",
    "title",
    "tool_call_id",
    "tool_calls",
    "tool_use_id",
    "type",
    "url",
];

/// Names of forms that validators put into a path although they stand nowhere in the body.
const FORMS: [&str; 13] = [
    "custom",
    "document",
    "function",
    "image",
    "redacted_thinking",
    "search_result",
    "server_tool_use",
    "str",
    "text",
    "thinking",
    "tool_reference",
    "tool_result",
    "tool_use",
];

/// The levels that Claude's effort may have, by model.
const EFFORTS: [&str; 5] = ["low", "medium", "high", "xhigh", "max"];

/// What a 400's text names that could be left out, each once; nothing for every other refusal, such as a content filter, a
/// context that is too long, or a mistake of the agent's.
pub fn read_refusal(text: &str, format: ModelFormat) -> Vec<Limitation> {
    let end = (0..=LONGEST_TEXT.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    let mut limitations: Vec<Limitation> = Vec::new();
    for line in text.get(..end.unwrap_or(0)).unwrap_or_default().lines() {
        // Orchestration may hand the vendor's error on as it came.
        let inner = line.find("{\"").and_then(|start| line.get(start..));
        let inner = inner.map(|json| read_upstream_error(json.as_bytes()).message);
        let mut named = Vec::new();
        read_detail(line, &mut named);
        for text in [Some(line), inner.as_deref()].into_iter().flatten() {
            read_line(text, &mut named);
        }
        for limitation in named {
            let is_new = !limitations.contains(&limitation);
            if is_new && could_be_left_out(&limitation, format) && limitations.len() < MOST_NAMED {
                limitations.push(limitation);
            }
        }
    }
    limitations
}

/// Whether a limitation is one that [`read_refusal`] could give for this format: it names something that Coretap sends to
/// such deployments and could do without.
pub fn could_be_left_out(limitation: &Limitation, format: ModelFormat) -> bool {
    let is_known = match limitation {
        Limitation::Field(field) => match field.split_once('.') {
            None => is_name(field) && !ESSENTIAL.contains(&field.as_str()),
            Some(("tools", member)) => is_name(member) && !OF_EVERY_TOOL.contains(&member),
            Some(("messages", member)) => is_name(member) && !OF_EVERY_MESSAGE.contains(&member),
            Some(_) => false,
        },
        Limitation::Beta(flag) => is_flag(flag),
        Limitation::MaxOutputTokens(limit) => *limit > 0,
        Limitation::Effort(level) => Effort::from_word(level).is_some(),
        // A refusal takes a kind away; it can't say that both are taken.
        Limitation::Thinking(kind) => *kind != ThinkingKind::BudgetOrAdaptive,
        _ => true,
    };
    is_known && concerns(limitation, format)
}

/// Whether Coretap sends such a thing to deployments of this format.
fn concerns(limitation: &Limitation, format: ModelFormat) -> bool {
    match limitation {
        Limitation::Beta(_) | Limitation::Betas => format == ModelFormat::Claude,
        Limitation::Thinking(_) | Limitation::StructuredOutput => {
            matches!(format, ModelFormat::Claude | ModelFormat::Vertex)
        }
        Limitation::MaxTokensName(_) => !matches!(
            format,
            ModelFormat::Claude | ModelFormat::AzureResponses | ModelFormat::Vertex
        ),
        Limitation::CacheMarks | Limitation::CacheTtl if format == ModelFormat::Vertex => false,
        Limitation::CacheMarks | Limitation::CacheTtl | Limitation::Prefill => {
            !matches!(format, ModelFormat::AzureChat | ModelFormat::AzureResponses)
        }
        Limitation::ChatCompletions => format == ModelFormat::AzureChat,
        Limitation::Responses => format == ModelFormat::AzureResponses,
        Limitation::ThinkingReplay => format == ModelFormat::Orchestration,
        _ => true,
    }
}

/// What Mistral's validator refuses: `{"detail":[{"type":"extra_forbidden","loc":["body","seed"],…}]}`, with 422.
fn read_detail(text: &str, named: &mut Vec<Limitation>) {
    let Ok(document) = Document::read(text) else {
        return;
    };
    let detail = document
        .root()
        .object()
        .and_then(|body| body.get("detail")?.list());
    for problem in detail
        .into_iter()
        .flatten()
        .filter_map(Value::object)
        .take(MOST_NAMED)
    {
        let is_extra = problem
            .get("type")
            .is_some_and(|kind| kind.get() == "\"extra_forbidden\"");
        let steps = problem.get("loc").filter(|_| is_extra).and_then(Value::list);
        let step = |step: Value<'_>| match step.text() {
            Some(text) => text.decode().into_owned(),
            None => step.get().to_owned(),
        };
        let path: Vec<String> = steps.into_iter().flatten().map(step).collect();
        of_path(path.join(".").trim_start_matches("body."), named);
    }
}

fn read_line(line: &str, named: &mut Vec<Limitation>) {
    sentences(line, named);
    limits(line, named);
    // Anthropic's validator: `tools.0.custom.defer_loading: Extra inputs are not permitted` (sap-wire.md §3.3).
    for (at, _) in line
        .match_indices(": Extra inputs are not permitted")
        .take(MOST_NAMED)
    {
        let before = line.get(..at).unwrap_or_default();
        let path = before.rsplit([' ', ',', ';', '"']).next().unwrap_or_default();
        of_path(path, named);
    }
    // Bedrock's validator: `#/tools/0: extraneous key [strict] is not permitted`.
    for (at, _) in line.match_indices("extraneous key [").take(MOST_NAMED) {
        let place = line
            .get(..at)
            .unwrap_or_default()
            .trim_end()
            .trim_end_matches(':');
        let place = place.rsplit(' ').next().unwrap_or_default();
        let place = place.trim_start_matches('#').trim_start_matches('/');
        if let Some(name) = between(line.get(at..).unwrap_or_default(), "[", "]") {
            let path = if place.is_empty() {
                name.to_owned()
            } else {
                format!("{}.{name}", place.replace('/', "."))
            };
            of_path(&path, named);
        }
    }
    // OpenAI's words (sap-wire.md §3, §3.2).
    if let Some(path) = between(line, "Unknown parameter: '", "'") {
        of_path(path, named);
    }
    if let Some((_, rest)) = line.split_once("Unrecognized request argument") {
        let supplied = after(rest, "supplied: ").unwrap_or_default();
        for name in supplied.split(',').take(MOST_NAMED) {
            of_path(name.trim().trim_end_matches('.'), named);
        }
    }
    if let Some(name) = between(line, "Unsupported parameter: '", "'") {
        if line.contains("Use 'max_completion_tokens' instead") {
            named.push(Limitation::MaxTokensName(MaxTokensName::MaxCompletionTokens));
        } else {
            of_path(name, named);
        }
    }
    if line.contains("is not supported with this model")
        && let Some(name) = between(line, "Invalid parameter: '", "'")
    {
        of_path(name, named);
    }
    if let Some((name, rest)) = after(line, "Unsupported value: '").and_then(|rest| rest.split_once('\'')) {
        unsupported_value(name, rest, named);
    }
    // Google's words (sap-wire.md §4.1).
    if let Some((_, name)) = after(line, "Unknown field for ").and_then(|rest| rest.split_once(": ")) {
        of_path(name.trim_end_matches('.'), named);
    }
    if line.contains("Cannot find field") {
        for rest in line.split("Unknown name \"").skip(1).take(MOST_NAMED) {
            let (name, rest) = rest.split_once('"').unwrap_or_default();
            let place = rest.strip_prefix(" at '").and_then(|rest| rest.split_once('\''));
            of_google_place(name, place.map_or("", |(place, _)| place), named);
        }
    }
    // Cohere's words, and NVIDIA's.
    for words in ["unknown field: parameter '", "Unsupported field '"] {
        if let Some(path) = between(line, words, "'") {
            of_path(path, named);
        }
    }
    // JSON Schema's words, which orchestration uses (sap-wire.md §4.1).
    if let Some((names, rest)) = after(line, "Additional properties are not allowed (")
        .and_then(|rest| rest.split_once(" unexpected)"))
    {
        let place = between(rest, "'", "'").unwrap_or_default();
        for name in names.split('\'').skip(1).step_by(2).take(MOST_NAMED) {
            of_place(name, place, named);
        }
    }
    // Models of Bedrock and Databricks: `temperature` is not supported on this model.
    for words in [
        "` is not supported on this model",
        "` is deprecated for this model",
    ] {
        if let Some(at) = line.find(words) {
            let name = line.get(..at).unwrap_or_default().rsplit('`').next();
            of_path(name.unwrap_or_default(), named);
        }
    }
}

/// Sentences that say one thing only.
fn sentences(line: &str, named: &mut Vec<Limitation>) {
    let says = |words: &str| line.contains(words);
    if let Some(rest) = after(line, "invalid beta flag") {
        named.push(beta(rest));
    }
    if says("for the `anthropic-beta` header")
        && let Some(flag) = between(line, "Unexpected value(s) `", "`")
    {
        named.push(beta(flag));
    }
    if says("Streaming is not supported for this model") {
        named.push(Limitation::Streaming);
    }
    if says("does not support assistant message prefill")
        || says("doesn't support assistant message prefill")
        || says("Last message must have role `user`")
    {
        named.push(Limitation::Prefill);
    }
    if says("doesn't support") && says("cachePoint") {
        named.push(Limitation::CacheMarks);
    }
    if says("`temperature` and `top_p` cannot both be specified") {
        named.push(Limitation::TemperatureWithTopP);
    }
    // Google's words.
    if says("Function calling with a response mime type") && says("is unsupported") {
        named.push(Limitation::StructuredOutput);
    }
    if says("Penalty is not enabled for") {
        field("presence_penalty", named);
        field("frequency_penalty", named);
    }
    if says("Thinking level is not supported") {
        named.push(Limitation::Thinking(ThinkingKind::Budget));
    } else if says("Thinking is not supported") || says("thinking is not supported by this model") {
        named.push(Limitation::Thinking(ThinkingKind::None));
    }
    if says("Function tools with reasoning_effort are not supported") {
        named.push(Limitation::EffortWithTools);
    } else {
        other_endpoint(line, named);
    }
    if says("Encrypted content is not supported with this model") {
        field("include", named);
    }
    if says("does not support the effort parameter") {
        of_path("effort", named);
    }
    if says("does not support the temperature parameter") {
        of_path("temperature", named);
    }
    if let Some(level) =
        after(line, "output_config.effort: '").and_then(|rest| rest.split_once("' is not supported"))
    {
        effort(level.0, named);
    }
    if let Some(levels) = after(line, "output_config.effort: Input should be ") {
        let taken = |level: &&&str| levels.split('\'').any(|one| one == **level);
        let refused = EFFORTS.iter().filter(|level| !taken(level));
        named.extend(refused.map(|level| Limitation::Effort((*level).to_owned())));
    }
    if let Some(level) = between(line, "Invalid value for reasoning_effort: \"", "\"") {
        effort(level, named);
    }
    if says("\"thinking.type.enabled\" is not supported")
        || says("thinking: Input tag 'enabled' found using 'type'")
    {
        named.push(Limitation::Thinking(ThinkingKind::Adaptive));
    } else if says("adaptive thinking is not supported")
        || says("thinking: Input tag 'adaptive' found using 'type'")
    {
        named.push(Limitation::Thinking(ThinkingKind::Budget));
    } else if says("thinking is not supported on this model") {
        named.push(Limitation::Thinking(ThinkingKind::None));
    }
}

/// Azure's and OpenAI's words for a model that has only one of their two endpoints for conversations (sap-wire.md §3.2). Where
/// a deployment has no such path at all, Azure says no more than that the resource is not there.
fn other_endpoint(line: &str, named: &mut Vec<Limitation>) {
    let says = |words: &str| line.contains(words);
    let is_unsupported = says("not supported") || says("does not support");
    if says("Please use /v1/responses")
        || says("only supported in v1/responses")
        || says("chatCompletion operation does not work with the specified model")
        || is_unsupported && (says("chat completions") || says("chat/completions"))
    {
        named.push(Limitation::ChatCompletions);
    } else if line.trim_end_matches('.') == "Resource not found"
        || says("responses operation does not work with the specified model")
        || is_unsupported && (says("Responses API") || says("/responses"))
    {
        named.push(Limitation::Responses);
    }
}

/// Limits of output tokens, in each vendor's words (sap-wire.md §3; Amazon's and Google's own).
fn limits(line: &str, named: &mut Vec<Limitation>) {
    let asked_and_most = |before: &str, between: &str| {
        let (asked, rest) = number(after(line, before)?)?;
        let (most, _) = number(after(rest, between)?)?;
        (most < asked).then_some(most)
    };
    let limit = if line.contains("which is the maximum allowed number of output tokens") {
        asked_and_most("max_tokens: ", "> ")
    } else if line.contains("completion tokens") {
        asked_and_most("is too large: ", "supports at most ")
    } else if line.contains("maximum tokens you requested") {
        after(line, "exceeds the model limit of ").and_then(|rest| Some(number(rest)?.0))
    } else if let Some(rest) = after(line, "max_tokens must be less than or equal to ") {
        number(rest).map(|(most, _)| most)
    } else if line.contains("maxOutputTokens value of ") && line.contains("(exclusive)") {
        // "… from 1 (inclusive) to 65537 (exclusive)"
        after(line, "(inclusive) to ").and_then(|rest| number(rest)?.0.checked_sub(1))
    } else {
        None
    };
    if let Some(limit) = limit {
        named.push(Limitation::MaxOutputTokens(limit));
    }
}

/// `Unsupported value: 'NAME' does not support VALUE with this model.`
fn unsupported_value(name: &str, rest: &str, named: &mut Vec<Limitation>) {
    if !rest.contains("with this model") {
        return;
    }
    match name {
        "reasoning_effort" => {
            if let Some(level) = between(rest, "does not support '", "'") {
                effort(level, named);
            }
        }
        "stream" => named.push(Limitation::Streaming),
        _ => of_path(name, named),
    }
}

fn beta(rest: &str) -> Limitation {
    let mut words = rest.split([' ', ':', ',', '\'', '"', '`', '(', ')', '.']);
    let word = words.find(|word| is_flag(word));
    word.map_or(Limitation::Betas, |flag| Limitation::Beta(flag.to_owned()))
}

/// A flag ends in its date; anything else behind the words is somebody's request id.
fn is_flag(word: &str) -> bool {
    word.len() <= LONGEST_NAME
        && word
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && word.starts_with(|first: char| first.is_ascii_lowercase())
        && word.ends_with(|last: char| last.is_ascii_digit())
        && word.matches('-').count() >= 3
}

fn effort(level: &str, named: &mut Vec<Limitation>) {
    named.push(Limitation::Effort(level.to_owned()));
}

/// What the path of a refused member stands for: `top_k`, `tools.0.custom.strict`, `messages[1].content[0].citations`.
fn of_path(path: &str, named: &mut Vec<Limitation>) {
    let steps: Vec<&str> = path
        .split(['.', '[', ']', '\''])
        .filter(|step| !step.is_empty())
        .take(32)
        .collect();
    let Some((first, rest)) = steps.split_first() else {
        return;
    };
    match *first {
        "tools" | "messages" | "system" | "messages_history" => of_entry(first, rest, named),
        "thinking" if rest.is_empty() => named.push(Limitation::Thinking(ThinkingKind::None)),
        "output_config" => {
            let member = rest.first().copied();
            if matches!(member, None | Some("effort")) {
                field("effort", named);
            }
            if matches!(member, None | Some("format")) {
                named.push(Limitation::StructuredOutput);
            }
        }
        "tool_choice" if rest == ["disable_parallel_tool_use"] => field("parallel_tool_calls", named),
        "stream_options" => field("stream_options", named),
        // Converse's own names.
        "inferenceConfig" => match rest.first().copied() {
            Some("topP") => field("top_p", named),
            Some("stopSequences") => field("stop", named),
            Some("temperature") => field("temperature", named),
            _ => {}
        },
        "reasoning" if rest == ["effort"] => field("effort", named),
        "reasoning" if rest == ["summary"] => field("reasoning_summary", named),
        "text" if rest == ["verbosity"] => field("verbosity", named),
        _ if !rest.is_empty() => {}
        "anthropic_beta" => named.push(Limitation::Betas),
        "reasoning_effort" => field("effort", named),
        "stop_sequences" => field("stop", named),
        // One of the two names is always taken.
        "max_tokens" => named.push(Limitation::MaxTokensName(MaxTokensName::MaxCompletionTokens)),
        "max_completion_tokens" => named.push(Limitation::MaxTokensName(MaxTokensName::MaxTokens)),
        "stream" => {}
        name => field(name, named),
    }
}

/// What a member stands for that Google does not know at a place like `generation_config.thinking_config` or
/// `tools[0].function_declarations[0]`. It repeats the name as it was sent, and spells the place in its own way.
fn of_google_place(name: &str, place: &str, named: &mut Vec<Limitation>) {
    let is_within = |part: &str| place.split(['.', '[', ']']).any(|step| step == part);
    if is_within("contents") || is_within("system_instruction") {
        of_entry("messages", &[name], named);
    } else if is_within("tools") {
        of_entry("tools", &[name], named);
    } else if is_within("thinking_config") || matches!(name, "thinkingConfig" | "thinking_config") {
        named.push(Limitation::Thinking(match name {
            "thinkingBudget" | "thinking_budget" => ThinkingKind::Adaptive,
            "thinkingLevel" | "thinking_level" => ThinkingKind::Budget,
            _ => ThinkingKind::None,
        }));
    } else if matches!(name, "responseJsonSchema" | "responseSchema" | "responseMimeType") {
        named.push(Limitation::StructuredOutput);
    } else if name == "stopSequences" {
        field("stop", named);
    } else {
        let shared = PARAMETERS.iter().find(|(google, _)| *google == name);
        of_path(shared.map_or(name, |(_, shared)| shared), named);
    }
}

/// What a refused member of a message, a block or a tool stands for: the member is the first step behind the last number
/// that is not a form's name.
fn of_entry(list: &str, steps: &[&str], named: &mut Vec<Limitation>) {
    let is_number = |step: &&str| step.bytes().all(|byte| byte.is_ascii_digit());
    let behind = steps.iter().rposition(is_number).map_or(0, |last| last + 1);
    let steps = steps.get(behind..).unwrap_or_default();
    let steps = match steps {
        [form, rest @ ..] if !rest.is_empty() && FORMS.contains(form) => rest,
        steps => steps,
    };
    match steps {
        ["cache_control", "ttl"] => named.push(Limitation::CacheTtl),
        ["cache_control", ..] => named.push(Limitation::CacheMarks),
        ["reasoning_content", ..] => named.push(Limitation::ThinkingReplay),
        [member, ..] if is_name(member) => {
            let (place, needed) = if list == "tools" {
                ("tools", &OF_EVERY_TOOL[..])
            } else {
                ("messages", &OF_EVERY_MESSAGE[..])
            };
            if !needed.contains(member) {
                named.push(Limitation::Field(format!("{place}.{member}")));
            }
        }
        _ => {}
    }
}

/// What a member stands for that JSON Schema does not expect at a place like `config.modules.prompt_templating.model`.
fn of_place(name: &str, place: &str, named: &mut Vec<Limitation>) {
    let is_within = |part: &str| place.split('.').any(|step| step == part);
    match name {
        "cache_control" => named.push(Limitation::CacheMarks),
        "ttl" => named.push(Limitation::CacheTtl),
        "reasoning_content" => named.push(Limitation::ThinkingReplay),
        "strict" if is_within("tools") => named.push(Limitation::Field("tools.strict".to_owned())),
        "timeout" | "max_retries" | "chunk_size" => field(name, named),
        _ => {}
    }
}

fn field(name: &str, named: &mut Vec<Limitation>) {
    if is_name(name) && !ESSENTIAL.contains(&name) {
        named.push(Limitation::Field(name.to_owned()));
    }
}

fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(plain)
}

/// What stands behind the first occurrence of `words`.
fn after<'t>(text: &'t str, words: &str) -> Option<&'t str> {
    text.split_once(words).map(|(_, rest)| rest)
}

/// What stands between the first occurrence of `start` and the next one of `end`.
fn between<'t>(text: &'t str, start: &str, end: &str) -> Option<&'t str> {
    Some(after(text, start)?.split_once(end)?.0)
}

/// The number that a text begins with, and the rest. One that does not fit is none.
fn number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|one: char| !one.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, rest))
}
