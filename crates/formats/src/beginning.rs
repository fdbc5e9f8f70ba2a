//! What tells one conversation from another.

use std::hash::{Hash, Hasher};

use crate::AgentFormat;
use crate::conversation::{Content, Conversation, Role};
use crate::json::Value;
use crate::request::{read, read_body};

/// Feeds `hasher` with what stays the same from one request of a conversation to the next and differs between
/// conversations: the agent's own `prompt_cache_key`, else the texts of the first turn of a person. Nothing else of it
/// counts, because marks like `cache_control` move on with every request. Says whether there was anything, which there is
/// not in a body that can't be read.
pub fn hash_beginning(agent: AgentFormat, body: &[u8], hasher: &mut impl Hasher) -> bool {
    let fed = read_body(body, |document| Ok(feed(&read(agent, document)?, hasher)));
    fed.unwrap_or(false)
}

fn feed(conversation: &Conversation<'_>, hasher: &mut impl Hasher) -> bool {
    let key = conversation.members.get("prompt_cache_key");
    if let Some(key) = key.and_then(Value::text) {
        key.escaped().hash(hasher);
        return true;
    }
    let first = conversation.turns.iter().find(|turn| turn.role == Role::User);
    let mut is_fed = false;
    for part in first.into_iter().flat_map(|turn| &turn.parts) {
        if let Content::Text(text) = &part.content {
            text.escaped().hash(hasher);
            is_fed = true;
        }
    }
    is_fed
}

#[cfg(test)]
mod tests {
    use std::hash::DefaultHasher;

    use super::*;

    fn hashed(agent: AgentFormat, body: &str) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        hash_beginning(agent, body.as_bytes(), &mut hasher).then(|| hasher.finish())
    }

    #[test]
    fn a_conversation_stays_the_same_as_it_goes_on() {
        use AgentFormat::{ChatCompletions, Messages};
        let begun = r#"{"model":"m","max_tokens":9,"system":"You are X.","messages":[
            {"role":"user","content":[{"type":"text","text":"Hi","cache_control":{"type":"ephemeral"}}]}]}"#;
        let later = r#"{"model":"m","max_tokens":5,"system":"You are X.","messages":[
            {"role":"user","content":[{"type":"text","text":"Hi"}]},
            {"role":"assistant","content":"Hello"},{"role":"user","content":"And now?"}]}"#;
        let other = later.replace("Hi", "Ho");
        let found = hashed(Messages, begun);
        assert!(found.is_some());
        assert_eq!(hashed(Messages, later), found);
        assert_ne!(hashed(Messages, &other), found);

        let chat = |key: &str, text: &str| {
            format!(
                r#"{{"model":"m"{key},"messages":[{{"role":"system","content":"You are X."}},{{"role":"user","content":"{text}"}}]}}"#
            )
        };
        let with_key = |key: &str, text| chat(&format!(r#","prompt_cache_key":"{key}""#), text);
        assert_ne!(
            hashed(ChatCompletions, &chat("", "Hi")),
            hashed(ChatCompletions, &chat("", "Ho"))
        );
        assert_eq!(
            hashed(ChatCompletions, &with_key("k", "Hi")),
            hashed(ChatCompletions, &with_key("k", "Ho"))
        );
        assert_ne!(
            hashed(ChatCompletions, &with_key("k", "Hi")),
            hashed(ChatCompletions, &with_key("l", "Hi"))
        );
    }

    #[test]
    fn where_nobody_says_a_word_nothing_tells_conversations_apart() {
        for body in ["{", "[]", r#"{"messages":[]}"#, r#"{"messages":7}"#] {
            assert_eq!(hashed(AgentFormat::Messages, body), None, "{body}");
        }
    }
}
