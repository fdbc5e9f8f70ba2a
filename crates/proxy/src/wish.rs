//! What an agent asks for, by its path, its headers and its body.

use std::borrow::Cow;
use std::hash::Hasher;

use coretap_aicore::Purpose;
use coretap_formats::{AgentFormat, hash_beginning, model_name, previous_answer};
use http::{HeaderMap, HeaderName};

use crate::problem::Problem;

/// What an agent asks for.
pub(crate) enum Wish<'a> {
    /// The next message.
    Message(MessageWish<'a>),
    /// The conversation, compacted by the model's vendor.
    Compaction,
    /// Vectors.
    Embeddings,
}

/// What a request for the next message says outside its body.
pub(crate) struct MessageWish<'a> {
    pub(crate) agent: AgentFormat,
    /// The `anthropic-beta` headers as one list.
    pub(crate) betas: Cow<'a, str>,
    headers: &'a HeaderMap,
    /// Gemini says in the path which model it means, and how it wants the answer.
    pub(crate) path: Option<GeminiPath<'a>>,
}

/// What Gemini's path says: `/v1beta/models/{model}:streamGenerateContent?alt=sse`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GeminiPath<'a> {
    pub(crate) model: Cow<'a, str>,
    pub(crate) streams: bool,
    /// A stream as a JSON array, because `alt=sse` was not asked for.
    pub(crate) as_array: bool,
}

impl<'a> Wish<'a> {
    pub(crate) fn message(agent: AgentFormat, headers: &'a HeaderMap) -> Self {
        Wish::Message(MessageWish {
            agent,
            betas: betas(headers),
            headers,
            path: None,
        })
    }

    pub(crate) fn gemini(path: GeminiPath<'a>, headers: &'a HeaderMap) -> Self {
        Wish::Message(MessageWish {
            agent: AgentFormat::Gemini,
            betas: Cow::Borrowed(""),
            headers,
            path: Some(path),
        })
    }

    /// The model's name, as the agent spells it.
    pub(crate) fn model(&self, body: &[u8]) -> Result<String, Problem> {
        match self {
            Wish::Message(MessageWish { path: Some(path), .. }) => Ok(path.model.clone().into_owned()),
            _ => Ok(model_name(body)?),
        }
    }

    /// Feeds `hasher` with what tells the request's conversation from others: the agent's own ids of it, else its
    /// beginning. Says whether there is anything; requests for embeddings are no conversation.
    pub(crate) fn identify(&self, body: &[u8], mut hasher: &mut dyn Hasher) -> bool {
        let Wish::Message(wish) = self else {
            return false;
        };
        session(wish.headers, hasher) || hash_beginning(wish.agent, body, &mut hasher)
    }

    /// The id of the earlier answer that the request goes on from: only Responses know such a thing.
    pub(crate) fn previous_answer(&self, body: &[u8]) -> Option<String> {
        match self {
            Wish::Message(MessageWish {
                agent: AgentFormat::Responses,
                ..
            })
            | Wish::Compaction => previous_answer(body),
            Wish::Message(_) | Wish::Embeddings => None,
        }
    }

    pub(crate) fn purpose(&self) -> Purpose {
        match self {
            Wish::Message(_) | Wish::Compaction => Purpose::Chat,
            Wish::Embeddings => Purpose::Embeddings,
        }
    }
}

/// Feeds `hasher` with the ids of session and agent that agents send (agents.md §3), if there are any.
fn session(headers: &HeaderMap, hasher: &mut dyn Hasher) -> bool {
    const IDS: [HeaderName; 6] = [
        HeaderName::from_static("x-claude-code-session-id"),
        // Each of the agents in one session talks about something else.
        HeaderName::from_static("x-claude-code-agent-id"),
        HeaderName::from_static("thread-id"),
        HeaderName::from_static("session-id"),
        HeaderName::from_static("x-session-id"),
        HeaderName::from_static("x-session-affinity"),
    ];
    let mut is_fed = false;
    for id in IDS.iter().filter_map(|name| headers.get(name)) {
        hasher.write(id.as_bytes());
        is_fed = true;
    }
    is_fed
}

/// The `anthropic-beta` headers as one list.
fn betas(headers: &HeaderMap) -> Cow<'_, str> {
    let mut values = headers
        .get_all(const { HeaderName::from_static("anthropic-beta") })
        .iter()
        .filter_map(|value| value.to_str().ok());
    let first = values.next().unwrap_or_default();
    values.fold(Cow::Borrowed(first), |list, value| {
        Cow::Owned(format!("{list},{value}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_beta_headers_are_one_list() {
        let mut headers = HeaderMap::new();
        assert_eq!(betas(&headers), "");
        headers.append("anthropic-beta", "a-2025-01-01,b-2025-01-01".parse().unwrap());
        assert!(matches!(
            betas(&headers),
            Cow::Borrowed("a-2025-01-01,b-2025-01-01")
        ));
        headers.append("anthropic-beta", "c-2025-01-01".parse().unwrap());
        assert_eq!(betas(&headers), "a-2025-01-01,b-2025-01-01,c-2025-01-01");
    }
}
