//! Paths of Google's clients: the model and what is to be done with it stand in the path, how the answer is to come and
//! perhaps the key in the query.

use std::borrow::Cow;

use http::Uri;

/// What Google's clients want of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GeminiAction {
    /// `:generateContent` and `:streamGenerateContent`.
    Generate {
        /// Whether the answer shall stream.
        streams: bool,
    },
    /// `:countTokens`
    CountTokens,
    /// `:embedContent` and `:batchEmbedContents`.
    Embed {
        /// Whether several texts are asked for.
        batch: bool,
    },
}

impl GeminiAction {
    const ALL: [(&str, Self); 5] = [
        ("generateContent", GeminiAction::Generate { streams: false }),
        ("streamGenerateContent", GeminiAction::Generate { streams: true }),
        ("countTokens", GeminiAction::CountTokens),
        ("embedContent", GeminiAction::Embed { batch: false }),
        ("batchEmbedContents", GeminiAction::Embed { batch: true }),
    ];

    fn of_name(name: &str) -> Option<Self> {
        let known = Self::ALL.iter().find(|(known, _)| *known == name);
        known.map(|(_, action)| *action)
    }

    /// All of them, for a sentence.
    pub(crate) fn names() -> String {
        Self::ALL.map(|(name, _)| format!(":{name}")).join(", ")
    }

    /// The path for the log, without the model.
    pub(crate) fn path(self) -> &'static str {
        match self {
            GeminiAction::Generate { streams: false } => "/v1beta/models:generateContent",
            GeminiAction::Generate { streams: true } => "/v1beta/models:streamGenerateContent",
            GeminiAction::CountTokens => "/v1beta/models:countTokens",
            GeminiAction::Embed { batch: false } => "/v1beta/models:embedContent",
            GeminiAction::Embed { batch: true } => "/v1beta/models:batchEmbedContents",
        }
    }
}

/// The model and the action of what stands behind `/models/`, where it ends in an action.
pub(crate) fn model_and_action(rest: &str) -> Option<(&str, GeminiAction)> {
    // Some clients encode the colon.
    let (model, action) = COLONS.iter().find_map(|colon| {
        let (model, action) = rest.rsplit_once(colon)?;
        Some((model, GeminiAction::of_name(action)?))
    })?;
    // LiteLLM puts the whole path behind an address that has a model in it (agents.md §3).
    let model = model.rsplit_once("/models/").map_or(model, |(_, model)| model);
    (!model.is_empty()).then_some((model, action))
}

/// A colon as it may stand in a path.
const COLONS: [&str; 3] = [":", "%3A", "%3a"];

/// Whether what stands behind `/models/` ends in an action, known or not.
pub(crate) fn names_action(rest: &str) -> bool {
    COLONS.iter().any(|colon| rest.contains(colon))
}

/// The first value of a name in the query, decoded.
pub(crate) fn query_value<'a>(uri: &'a Uri, name: &str) -> Option<Cow<'a, str>> {
    let mut pairs = uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .find(|(given, _)| *given == name)
        .map(|(_, value)| percent_decoded(value))
}

/// Paths and queries may hold `%2F` and the like: `sap%2Fgpt-4o`.
pub(crate) fn percent_decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let decoded = after
            .split_at_checked(2)
            .filter(|_| first == b'%')
            .and_then(|(digits, behind)| {
                let digits = std::str::from_utf8(digits).ok()?;
                Some((u8::from_str_radix(digits, 16).ok()?, behind))
            });
        let (byte, behind) = decoded.unwrap_or((first, after));
        bytes.push(byte);
        rest = behind;
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_and_its_action_are_told_apart() {
        let generate = GeminiAction::Generate { streams: false };
        for (rest, expected) in [
            (
                "gemini-2.5-pro:generateContent",
                Some(("gemini-2.5-pro", generate)),
            ),
            (
                "m:generateContent/models/m:generateContent",
                Some(("m", generate)),
            ),
            (
                "sap%2Fm:countTokens",
                Some(("sap%2Fm", GeminiAction::CountTokens)),
            ),
            (
                "a:b:embedContent",
                Some(("a:b", GeminiAction::Embed { batch: false })),
            ),
            (":generateContent", None),
            ("gemini-2.5-pro", None),
            ("gemini-2.5-pro:predict", None),
            (
                "gemini-2.5-pro%3AgenerateContent",
                Some(("gemini-2.5-pro", generate)),
            ),
            (
                "a:b%3aembedContent",
                Some(("a:b", GeminiAction::Embed { batch: false })),
            ),
            ("gemini-2.5-pro%3Apredict", None),
            ("m:generateContent/x", None),
        ] {
            assert_eq!(model_and_action(rest), expected, "{rest}");
        }
    }

    #[test]
    fn values_of_the_query_are_found_and_decoded() {
        let uri = Uri::from_static("/v1beta/models/m:x?alt=sse&key=sk%2D1&key=other&empty=");
        assert_eq!(query_value(&uri, "alt").as_deref(), Some("sse"));
        assert_eq!(query_value(&uri, "key").as_deref(), Some("sk-1"));
        assert_eq!(query_value(&uri, "empty").as_deref(), Some(""));
        assert_eq!(query_value(&uri, "ke"), None);
        assert_eq!(query_value(&Uri::from_static("/x"), "key"), None);
    }

    #[test]
    fn names_in_paths_are_decoded() {
        assert_eq!(percent_decoded("gpt-4o"), "gpt-4o");
        assert_eq!(percent_decoded("sap%2Fgpt-4o"), "sap/gpt-4o");
        assert_eq!(percent_decoded("%e2%82%ac%5b1m%5D"), "€[1m]");
        assert_eq!(percent_decoded("100%"), "100%");
        assert_eq!(percent_decoded("%zz%ff"), "%zz\u{fffd}");
    }
}
