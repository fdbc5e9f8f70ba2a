//! What each path stands for, and which methods it takes.

use std::borrow::Cow;

use coretap_formats::AgentFormat;
use http::header::{HeaderMap, HeaderName};
use http::{Method, Uri};

use crate::admission;
use crate::gemini_path::{GeminiAction, model_and_action, names_action, query_value};

/// What a path stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint<'a> {
    /// `/v1/messages`, `/v1/chat/completions` or `/v1/responses`: the answer of a model.
    Answer,
    /// `/v1/embeddings`
    Embeddings,
    /// `/v1/messages/count_tokens`
    CountTokens,
    /// `/v1/models`
    Models,
    /// `/v1/responses/compact`
    Compact,
    /// `/v1/responses/{id}`: an answer that a deployment keeps.
    KeptAnswer(&'a str),
    /// `/v1/responses/{id}/cancel`
    CancelAnswer(&'a str),
    /// `/v1/responses/{id}/input_items`
    AnswerInput(&'a str),
    /// `/v1/models/{id}`, as it stands in the path.
    Model(&'a str),
    /// `/v1beta/models/{model}:generateContent` and the like, the model as it stands in the path.
    Gemini(&'a str, GeminiAction),
    /// The same with an action that there is not.
    UnknownAction,
    /// `/health`
    Health,
    /// `/` and `/api/hello`, where agents look whether somebody is there.
    Alive,
    /// Anything else.
    Unknown,
}

/// A path, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place<'a> {
    pub(crate) endpoint: Endpoint<'a>,
    pub(crate) format: AgentFormat,
    /// The path without its prefix and trailing slash.
    path: &'a str,
}

/// What a request's path stands for, and the format of whoever asks.
pub(crate) fn find<'a>(method: &Method, uri: &'a Uri, headers: &HeaderMap) -> Place<'a> {
    use AgentFormat::{ChatCompletions, Gemini, Messages, Responses};
    let path = uri.path();
    let whole = path.strip_suffix('/').unwrap_or(path);
    let prefixes = [
        ("/anthropic", Messages),
        ("/openai", ChatCompletions),
        ("/gemini", Gemini),
    ];
    let inside = prefixes
        .iter()
        .find_map(|(prefix, format)| Some((below(whole, prefix)?, Some(*format))));
    let (path, wanted) = inside.unwrap_or((whole, None));
    // Paths that several formats have: Anthropic's clients say their version, Google's have a place of their own for the
    // key.
    let told = || {
        let anthropic = headers.contains_key(const { HeaderName::from_static("anthropic-version") });
        let google = || headers.contains_key(admission::X_GOOG_API_KEY) || query_value(uri, "key").is_some();
        wanted.unwrap_or(if anthropic {
            Messages
        } else if google() {
            Gemini
        } else {
            ChatCompletions
        })
    };
    let (endpoint, format) = match path {
        "/v1/messages" => (Endpoint::Answer, Messages),
        "/v1/chat/completions" => (Endpoint::Answer, ChatCompletions),
        "/v1/embeddings" => (Endpoint::Embeddings, ChatCompletions),
        "/v1/messages/count_tokens" => (Endpoint::CountTokens, Messages),
        "/v1/models" => (Endpoint::Models, told()),
        "/v1beta/models" => (Endpoint::Models, Gemini),
        "/v1/responses" => (Endpoint::Answer, Responses),
        "/v1/responses/compact" => (Endpoint::Compact, Responses),
        "/health" if wanted.is_none() => (Endpoint::Health, ChatCompletions),
        "" | "/api/hello" => (Endpoint::Alive, told()),
        _ => match (
            path.strip_prefix("/v1/models/"),
            path.strip_prefix("/v1beta/models/"),
            path.strip_prefix("/v1/responses/"),
        ) {
            (Some(rest), ..) | (_, Some(rest), _) if let Some((model, action)) = model_and_action(rest) => {
                (Endpoint::Gemini(model, action), Gemini)
            }
            // Nobody posts to a model but Google's clients.
            (Some(rest), ..) | (_, Some(rest), _) if *method == Method::POST && names_action(rest) => {
                (Endpoint::UnknownAction, Gemini)
            }
            (Some(id), ..) => (Endpoint::Model(id), told()),
            (_, Some(id), _) => (Endpoint::Model(id), Gemini),
            (.., Some(answer)) => (about_answer(answer), Responses),
            _ => (Endpoint::Unknown, told()),
        },
    };
    Place {
        endpoint,
        format,
        path,
    }
}

/// The same address where slashes stand alone: base addresses that end in one make two. `None` where all of them do.
pub(crate) fn with_single_slashes(uri: &Uri) -> Option<Uri> {
    let mut path = uri.path().to_owned();
    while path.contains("//") {
        path = path.replace("//", "/");
    }
    if path == uri.path() {
        return None;
    }
    if let Some(query) = uri.query() {
        path.push('?');
        path.push_str(query);
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path.parse().ok()?);
    Uri::from_parts(parts).ok()
}

impl Place<'_> {
    /// For the log: paths that we know are no news, others are somebody's mistake worth reading.
    pub(crate) fn name(&self) -> Cow<'static, str> {
        self.endpoint.name(self.path)
    }
}

/// What is wanted of a kept answer, by what stands behind `/v1/responses/`.
fn about_answer(rest: &str) -> Endpoint<'_> {
    match rest.split_once('/') {
        None => Endpoint::KeptAnswer(rest),
        Some((id, "cancel")) => Endpoint::CancelAnswer(id),
        Some((id, "input_items")) => Endpoint::AnswerInput(id),
        Some(_) => Endpoint::Unknown,
    }
}

/// What stands in `path` behind `prefix`, which must be whole segments.
fn below<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    path.strip_prefix(prefix)
        .filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Methods that a path takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Methods {
    Post,
    Get,
    GetOrDelete,
    Head,
}

impl Methods {
    /// As the header `Allow` lists them. Whoever may ask for something may ask for its head.
    pub(crate) fn list(self) -> &'static str {
        match self {
            Methods::Post => "POST",
            Methods::Get => "GET, HEAD",
            Methods::GetOrDelete => "GET, DELETE",
            Methods::Head => "HEAD",
        }
    }

    pub(crate) fn has(self, method: &Method) -> bool {
        match self {
            Methods::Post => method == Method::POST,
            Methods::Get => method == Method::GET || method == Method::HEAD,
            Methods::GetOrDelete => method == Method::GET || method == Method::DELETE,
            Methods::Head => method == Method::HEAD,
        }
    }
}

impl Endpoint<'_> {
    /// The methods that it takes.
    pub(crate) fn methods(self) -> Methods {
        match self {
            Endpoint::Answer
            | Endpoint::Compact
            | Endpoint::CancelAnswer(_)
            | Endpoint::Embeddings
            | Endpoint::CountTokens
            | Endpoint::Gemini(..) => Methods::Post,
            Endpoint::Models | Endpoint::Model(_) | Endpoint::AnswerInput(_) | Endpoint::Health => {
                Methods::Get
            }
            Endpoint::KeptAnswer(_) => Methods::GetOrDelete,
            Endpoint::Alive | Endpoint::Unknown | Endpoint::UnknownAction => Methods::Head,
        }
    }

    /// Where nobody has to show the local key: nothing of the tenant is told there.
    pub(crate) fn is_open(self, method: &Method) -> bool {
        matches!(self, Endpoint::Health | Endpoint::Alive) && self.methods().has(method)
    }

    fn name(self, path: &str) -> Cow<'static, str> {
        match self {
            Endpoint::Embeddings => Cow::Borrowed("/v1/embeddings"),
            Endpoint::Gemini(_, action) => Cow::Borrowed(action.path()),
            Endpoint::CountTokens => Cow::Borrowed("/v1/messages/count_tokens"),
            Endpoint::Compact => Cow::Borrowed("/v1/responses/compact"),
            Endpoint::KeptAnswer(_) => Cow::Borrowed("/v1/responses/{id}"),
            Endpoint::CancelAnswer(_) => Cow::Borrowed("/v1/responses/{id}/cancel"),
            Endpoint::AnswerInput(_) => Cow::Borrowed("/v1/responses/{id}/input_items"),
            Endpoint::Models if path == "/v1beta/models" => Cow::Borrowed("/v1beta/models"),
            Endpoint::Models => Cow::Borrowed("/v1/models"),
            Endpoint::Health => Cow::Borrowed("/health"),
            Endpoint::Answer if path == "/v1/messages" => Cow::Borrowed("/v1/messages"),
            Endpoint::Answer if path == "/v1/responses" => Cow::Borrowed("/v1/responses"),
            Endpoint::Answer => Cow::Borrowed("/v1/chat/completions"),
            _ => Cow::Owned(
                path.chars()
                    .take(100)
                    .map(|one| if one.is_ascii_graphic() { one } else { '?' })
                    .collect(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn uri(text: &str) -> Uri {
        text.parse().unwrap()
    }

    fn get<'a>(uri: &'a Uri, headers: &HeaderMap) -> Place<'a> {
        find(&Method::GET, uri, headers)
    }

    #[test]
    fn each_path_is_found_below_each_prefix() {
        use AgentFormat::{ChatCompletions, Messages};
        let none = HeaderMap::new();
        for prefix in ["", "/anthropic", "/openai", "/gemini"] {
            for slash in ["", "/"] {
                for (path, endpoint, format) in [
                    ("/v1/messages", Endpoint::Answer, Messages),
                    ("/v1/messages/count_tokens", Endpoint::CountTokens, Messages),
                    ("/v1/chat/completions", Endpoint::Answer, ChatCompletions),
                    ("/v1/embeddings", Endpoint::Embeddings, ChatCompletions),
                ] {
                    let whole = format!("{prefix}{path}{slash}");
                    assert_eq!(
                        get(&uri(&whole), &none),
                        Place {
                            endpoint,
                            format,
                            path
                        },
                        "{whole}"
                    );
                }
            }
        }
        for unknown in [
            "/v1/message",
            "/v1/messages/x",
            "/anthropicv1/messages",
            "/openai/health",
            "/v2/models",
            "//",
        ] {
            assert_eq!(get(&uri(unknown), &none).endpoint, Endpoint::Unknown, "{unknown}");
        }
        assert_eq!(get(&uri("/health"), &none).endpoint, Endpoint::Health);
        for alive in ["/", "/api/hello", "/anthropic/", "/anthropic/api/hello"] {
            assert_eq!(get(&uri(alive), &none).endpoint, Endpoint::Alive, "{alive}");
        }
    }

    #[test]
    fn the_list_of_models_has_the_shape_of_who_asks() {
        use AgentFormat::{ChatCompletions, Messages};
        let none = HeaderMap::new();
        let mut anthropic = HeaderMap::new();
        anthropic.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
        assert_eq!(get(&uri("/v1/models"), &none).format, ChatCompletions);
        assert_eq!(get(&uri("/v1/models"), &anthropic).format, Messages);
        assert_eq!(get(&uri("/anthropic/v1/models"), &none).format, Messages);
        assert_eq!(get(&uri("/openai/v1/models"), &anthropic).format, ChatCompletions);
        let one = uri("/v1/models/anthropic--claude-4.5-sonnet");
        let one = get(&one, &anthropic);
        assert_eq!(
            (one.endpoint, one.format),
            (Endpoint::Model("anthropic--claude-4.5-sonnet"), Messages)
        );
    }

    #[test]
    fn googles_paths_are_found_below_both_versions() {
        use AgentFormat::{ChatCompletions, Gemini, Messages};
        let none = HeaderMap::new();
        let mut google = HeaderMap::new();
        google.insert(admission::X_GOOG_API_KEY, HeaderValue::from_static("k"));
        for prefix in ["", "/gemini"] {
            for version in ["/v1", "/v1beta"] {
                let action = uri(&format!(
                    "{prefix}{version}/models/sap%2Fm:streamGenerateContent?alt=sse&key=secret"
                ));
                let place = get(&action, &none);
                let generate = GeminiAction::Generate { streams: true };
                assert_eq!(
                    (place.endpoint, place.format),
                    (Endpoint::Gemini("sap%2Fm", generate), Gemini)
                );
                let name = place.name();
                assert_eq!(
                    name, "/v1beta/models:streamGenerateContent",
                    "no key and no model"
                );
                let list = uri(&format!("{prefix}{version}/models"));
                let entry = uri(&format!("{prefix}{version}/models/m"));
                assert_eq!(get(&list, &google).format, Gemini);
                assert_eq!(
                    (get(&entry, &google).endpoint, get(&entry, &google).format),
                    (Endpoint::Model("m"), Gemini)
                );
            }
        }
        let formats = |path: &str| get(&uri(path), &none).format;
        assert_eq!(formats("/v1beta/models"), Gemini);
        assert_eq!(formats("/v1/models?key=k"), Gemini);
        assert_eq!(formats("/v1/models"), ChatCompletions);
        google.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
        assert_eq!(get(&uri("/v1/models"), &google).format, Messages);
        let unknown = uri("/v1beta/models/m:predict");
        assert_eq!(get(&unknown, &none).endpoint, Endpoint::Model("m:predict"));
        let posted = find(&Method::POST, &unknown, &none);
        assert_eq!(
            (posted.endpoint, posted.format),
            (Endpoint::UnknownAction, Gemini)
        );
    }

    #[test]
    fn slashes_stand_alone() {
        let single = |path: &str| with_single_slashes(&uri(path)).map(|uri| uri.to_string());
        assert_eq!(
            single("//v1///messages//?a=//"),
            Some("/v1/messages/?a=//".to_owned())
        );
        assert_eq!(single("//"), Some("/".to_owned()));
        assert_eq!(single("/v1/messages?a=//"), None);
        assert_eq!(
            single("http://127.0.0.1//v1/models"),
            Some("http://127.0.0.1/v1/models".to_owned())
        );
    }
}
