//! The orchestration service, `/v2/completion` and `/v2/embeddings` (sap-wire.md §4).

mod answer;
mod embeddings;
mod filtering;
mod masking;
mod modules;
mod parameters;
mod read;
mod request;
mod rules;
mod template;
mod vendors;

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use self::masking::Masks;
use crate::answer::Answer;
use crate::catalogue::Model;
use crate::conversation::Conversation;
use crate::json;
use crate::refuses::{self, Found};
use crate::server::Asked;
use crate::shape::{Problem, Step};

pub(crate) use embeddings::{embed, validate as validate_embeddings};
pub(crate) use request::validate;

/// What the input filter says when it refuses (spec fixture strictInputFilterResponse.json).
const INPUT_REFUSED: &str =
    "Prompt filtered due to safety violations. Please modify the prompt and try again.";

/// Why a module configuration failed: the members of the service's error object.
struct Failure {
    code: u16,
    message: String,
    location: &'static str,
}

impl Failure {
    /// The model's module refuses.
    fn model(message: impl std::fmt::Display) -> Self {
        Self {
            code: 400,
            message: format!("400 - LLM Module: {message}"),
            location: "LLM Module",
        }
    }

    /// The body is refused.
    fn body(message: impl std::fmt::Display) -> Self {
        Self {
            code: 400,
            message: format!("400 - Request Body: {message}"),
            location: "Request Body",
        }
    }
}

impl Asked<'_> {
    /// Refuses a model that the deployment's configuration does not allow (sap-wire.md §2.3; the words are not known).
    fn check_restriction(&self, model: &Model, module: &'static str) -> Result<(), Failure> {
        if self.deployment.allows(model.name) {
            return Ok(());
        }
        Err(Failure {
            code: 403,
            message: format!(
                "403 - {module}: Model {} is not allowed by the model restriction of this deployment.",
                model.name
            ),
            location: module,
        })
    }
}

/// A request that one module configuration can answer.
struct Prepared<'a> {
    conversation: Conversation,
    /// The configuration.
    modules: &'a Value,
    /// What the modules before the model tell of themselves.
    results: Map<String, Value>,
    /// What was masked.
    masks: Option<Masks>,
}

/// Answers `/v2/completion`.
pub(crate) fn complete(asked: &Asked<'_>) -> Answer {
    let request_id = asked.uuid();
    let body = match json::parse(asked.body) {
        Ok(body) => body,
        Err(error) => return answer::failure(&request_id, Failure::body(format!("no valid JSON: {error}"))),
    };
    if let Err(words) = validate(&body) {
        return answer::failure(&request_id, Failure::body(words));
    }
    if body.get("config_ref").is_some() {
        let failure = Failure {
            code: 404,
            message: "404 - Orchestration Config: the referenced config does not exist.".to_owned(),
            location: "Orchestration Config",
        };
        return answer::failure(&request_id, failure);
    }
    let stream = body.pointer("/config/stream");
    let streaming = stream
        .and_then(|stream| stream.get("enabled"))
        .and_then(Value::as_bool)
        == Some(true);
    let (configurations, listed) = match body.pointer("/config/modules") {
        Some(Value::Array(list)) => (list.iter().collect::<Vec<_>>(), true),
        Some(one) => (vec![one], false),
        None => (Vec::new(), false),
    };
    let translates = configurations
        .iter()
        .any(|modules| modules.get("translation").is_some());
    if streaming && translates && stream.is_some_and(|stream| stream.get("delimiters").is_none()) {
        let failure = Failure::body("'delimiters' is a required property - 'config.stream'");
        return answer::failure(&request_id, failure);
    }
    let mut failures = Vec::new();
    for modules in configurations {
        match prepare(asked, &body, modules, streaming) {
            Ok(prepared) => {
                let count = modules.pointer("/prompt_templating/model/params/n");
                let replies = asked.replies(&prepared.conversation, count);
                let cache = asked
                    .state
                    .cache
                    .look(prepared.conversation.model.name, &prepared.conversation.prompt);
                let answered = answer::Answered {
                    asked,
                    request_id: &request_id,
                    prepared: &prepared,
                    replies: &replies,
                    cache,
                };
                return if streaming {
                    let size = stream
                        .and_then(|stream| stream.get("chunk_size"))
                        .and_then(Value::as_u64);
                    answered.stream(size.unwrap_or(100), &failures)
                } else {
                    answered.whole(&failures)
                };
            }
            Err(refused) => {
                let goes_on = lets_the_next_try(modules, &refused.failure, streaming);
                failures.push(refused);
                if !goes_on {
                    break;
                }
            }
        }
    }
    answer::failures(&request_id, &failures, listed)
}

/// Whether the next configuration of a list is tried (sap-wire.md §4.1): behind a model that is not there, and where nothing
/// streams also behind one that is too slow, over its limit or broken.
fn lets_the_next_try(modules: &Value, failure: &Failure, streaming: bool) -> bool {
    let configuration = modules.pointer("/prompt_templating").unwrap_or(&Value::Null);
    let is_unknown = rules::model(configuration).is_err();
    is_unknown || (!streaming && matches!(failure.code, 408 | 429 | 500..))
}

/// A module configuration that failed: why, and the rendered messages if templating was passed.
struct Refused {
    failure: Failure,
    /// The rendered messages, when the failure is found out only after the stream has begun.
    streamed: Option<Vec<Value>>,
    /// What the modules so far tell of themselves, when one of them refuses.
    results: Option<Value>,
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            streamed: None,
            results: None,
        }
    }
}

fn prepare<'a>(
    asked: &Asked<'_>,
    body: &Value,
    modules: &'a Value,
    streaming: bool,
) -> Result<Prepared<'a>, Refused> {
    let (rendered, own) = render(body, modules)?;
    let configuration = modules.pointer("/prompt_templating").unwrap_or(&Value::Null);
    let model = rules::model(configuration)?;
    asked.check_restriction(model, "LLM Module")?;
    check_tenant(body, configuration, &asked.options.refuses, model)?;
    if streaming && !model.streaming {
        return Err(Failure::model("Streaming is not supported for this model").into());
    }
    if asked
        .options
        .refuses
        .contains(&refuses::Refused::BusyModel(model.name.to_owned()))
    {
        return Err(Failure {
            code: 429,
            message: "429 - LLM Module: Rate limit exceeded. Please try again later.".to_owned(),
            location: "LLM Module",
        }
        .into());
    }
    let mut results = Map::from_iter([("templating".to_owned(), Value::Array(rendered.clone()))]);
    let mut shown = rendered.clone();
    let masks = masking::mask(modules, &mut shown)?;
    if masks.is_some() {
        results.insert("input_masking".to_owned(), Masks::result(&shown));
    }
    if let Some(finding) = filtering::of_input(modules, &filtering::said(&shown)) {
        let refused = finding.refused;
        results.insert(
            "input_filtering".to_owned(),
            answer::filter_result(&finding, INPUT_REFUSED),
        );
        if refused {
            return Err(Refused {
                failure: Failure {
                    code: 400,
                    message: format!("400 - Filtering Module - Input Filter: {INPUT_REFUSED}"),
                    location: "Filtering Module - Input Filter",
                },
                streamed: None,
                results: Some(Value::Object(results)),
            });
        }
    }
    let request = rules::Request {
        model,
        messages: &shown,
        history: rendered.len() - own,
        configuration,
    };
    let conversation = request.check().and_then(|()| read::conversation(&request));
    match conversation {
        Ok(conversation) => Ok(Prepared {
            conversation,
            modules,
            results,
            masks,
        }),
        // What the model's vendor refuses comes after the stream has begun (spec fixture streamError.txt).
        Err(failure) if streaming && failure.location == "LLM Module" => Err(Refused {
            failure,
            streamed: Some(rendered),
            results: None,
        }),
        Err(failure) => Err(failure.into()),
    }
}

/// Refuses what this tenant refuses: a parameter as the model's vendor does, any other member as the service itself.
fn check_tenant(
    body: &Value,
    configuration: &Value,
    refused: &[refuses::Refused],
    model: &Model,
) -> Result<(), Failure> {
    let parameters = configuration.pointer("/model/params").unwrap_or(&Value::Null);
    Err(match refuses::find(refused, body, parameters) {
        None | Some(Found::Beta) => return Ok(()),
        Some(Found::OutputTokens { name, wished, most }) => {
            Failure::model(parameters::too_many_tokens(model, name, most, wished))
        }
        Some(Found::Member(misfit)) => match (misfit.path.last(), &misfit.problem) {
            (Some(Step::Key(place)), Problem::Unknown(name)) if place == "params" => {
                let object = parameters::object(model);
                Failure::model(format_args!("Unknown field for {object}: {name}"))
            }
            _ => Failure::body(request::words(&misfit)),
        },
    })
}

/// History first, then the rendered template; and how many messages are the template's.
fn render(body: &Value, modules: &Value) -> Result<(Vec<Value>, usize), Failure> {
    let empty = Map::new();
    let none = Vec::new();
    let Some(prompt) = modules.pointer("/prompt_templating/prompt") else {
        return Err(Failure {
            code: 400,
            message: "400 - Templating Module: Either a prompt template or messages must be defined."
                .to_owned(),
            location: "Templating Module",
        });
    };
    if prompt.get("template_ref").is_some() {
        return Err(Failure {
            code: 404,
            message: "404 - Templating Module: the referenced template does not exist.".to_owned(),
            location: "Templating Module",
        });
    }
    let mut elsewhere: BTreeSet<&str> = BTreeSet::new();
    if let Some(placeholders) = modules.pointer("/grounding/config/placeholders") {
        elsewhere.extend(placeholders.get("output").and_then(Value::as_str));
        let inputs = placeholders
            .get("input")
            .and_then(Value::as_array)
            .unwrap_or(&none);
        elsewhere.extend(inputs.iter().filter_map(Value::as_str));
    }
    let object =
        |value: Option<&'_ Value>| value.and_then(Value::as_object).cloned().unwrap_or(empty.clone());
    let own = template::render(
        prompt.get("template").and_then(Value::as_array).unwrap_or(&none),
        &object(body.get("placeholder_values")),
        &object(prompt.get("defaults")),
        &elsewhere,
    );
    let own = own.and_then(|own| {
        prompt.get("tools").map_or(Ok(()), template::refuse_delimiters)?;
        prompt
            .get("response_format")
            .map_or(Ok(()), template::refuse_delimiters)?;
        Ok(own)
    });
    let own = own.map_err(|error| Failure {
        code: 400,
        message: error.message,
        location: error.location,
    })?;
    let count = own.len();
    let mut messages = body
        .get("messages_history")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    messages.extend(own);
    Ok((messages, count))
}

/// The final messages of a recorded body; `null` where templating fails.
pub(crate) fn rendered(body: &[u8]) -> Value {
    let Ok(body) = json::parse(body) else {
        return Value::Null;
    };
    if validate(&body).is_err() {
        return Value::Null;
    }
    let modules = match body.pointer("/config/modules") {
        Some(Value::Array(list)) => list.first(),
        one => one,
    };
    let messages = modules.and_then(|modules| render(&body, modules).ok());
    messages.map_or(Value::Null, |(messages, _)| Value::Array(messages))
}
