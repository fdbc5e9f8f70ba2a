//! What a user asks to be done with tools, read from plain sentences.
//!
//! The deterministic model understands four: "Read the file hello.txt" (also show, open, cat, print, compare;
//! several files), "run `ls`", "call NAME with {…}", and a question that names what a tool is about.
//! A sentence that begins with "Then" waits for the results of what stands before it.

use serde_json::Value;

use crate::conversation::Tool;

/// Something to be done with a tool.
#[derive(Debug, PartialEq)]
pub(crate) enum Want {
    /// Read this file.
    Read(String),
    /// Run this command.
    Run(String),
    /// Call this tool with these arguments.
    Call(String, Value),
    /// Call this tool; its arguments are filled with these words.
    About(String, Option<String>),
}

/// Blocks that agents put into a user's message and that are no instruction.
const ASIDES: &[&str] = &[
    "system-reminder",
    "environment_context",
    "environment_details",
    "env",
    "total_tokens",
    "user_instructions",
    "context",
    "command-message",
];

const READING: &[&str] = &[
    "read",
    "reads",
    "open",
    "show",
    "cat",
    "view",
    "print",
    "summarize",
    "summarise",
    "compare",
    "contents",
];

/// The most tools among which one may be meant without being named.
const FEW_TOOLS: usize = 4;

/// A user's text without the asides of agents.
pub(crate) fn spoken(text: &str) -> String {
    let mut rest = text.to_owned();
    for aside in ASIDES {
        let (open, close) = (format!("<{aside}>"), format!("</{aside}>"));
        while let Some((before, after)) = rest.split_once(&open) {
            // What is opened and never closed goes to the end.
            let after = after.split_once(&close).map_or("", |(_, after)| after);
            rest = format!("{before}{after}");
        }
    }
    let described = rest.contains("You have been invoked in the following environment")
        || rest.starts_with("x-anthropic-billing-header");
    if described {
        String::new()
    } else {
        rest.trim().to_owned()
    }
}

/// What one text asks for, step by step; a step is done before the next one begins.
pub(crate) fn steps(text: &str, tools: &[Tool]) -> Vec<Vec<Want>> {
    text.split(". Then ")
        .map(|step| wants(step, tools))
        .filter(|wants| !wants.is_empty())
        .collect()
}

/// What one step asks for, in its order.
fn wants(text: &str, tools: &[Tool]) -> Vec<Want> {
    let mut found = calls(text, tools);
    if found.is_empty() {
        found = commands(text);
    }
    if found.is_empty() {
        found = files(text).into_iter().map(Want::Read).collect();
    }
    if found.is_empty() && tools.len() <= FEW_TOOLS {
        found = about(text, tools);
    }
    found
}

/// "call NAME with {…}".
fn calls(text: &str, tools: &[Tool]) -> Vec<Want> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("call ") {
        rest = after;
        let name: String = after
            .trim_start_matches(['`', '"'])
            .chars()
            .take_while(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '-'))
            .collect();
        let arguments = after.split_once(" with ").map_or("", |(_, arguments)| arguments);
        let mut values = serde_json::Deserializer::from_str(arguments).into_iter::<Value>();
        if let (true, Some(Ok(value @ Value::Object(_)))) =
            (tools.iter().any(|tool| tool.name == name), values.next())
        {
            found.push(Want::Call(name, value));
        }
    }
    found
}

/// "run `…`".
fn commands(text: &str) -> Vec<Want> {
    let mut found = Vec::new();
    let mut parts = text.split('`');
    let mut before = parts.next().unwrap_or_default();
    while let (Some(quoted), Some(after)) = (parts.next(), parts.next()) {
        let last = before
            .trim_end()
            .rsplit(char::is_whitespace)
            .next()
            .unwrap_or_default();
        if ["run", "execute", "command"].contains(&bare(last).to_lowercase().as_str()) {
            found.push(Want::Run(quoted.to_owned()));
        }
        before = after;
    }
    found
}

/// The files named after a word of reading, up to the end of the sentence.
fn files(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut reading = false;
    for word in text.split_whitespace() {
        let plain = bare(word);
        if READING.contains(&plain.to_lowercase().as_str()) {
            reading = true;
        } else if reading && is_path(plain) && !found.iter().any(|path| path == plain) {
            found.push(plain.to_owned());
        }
        if word.ends_with(['.', '?', '!']) {
            reading = false;
        }
    }
    found
}

/// A word without the quotes and marks around it.
fn bare(word: &str) -> &str {
    word.trim_start_matches(['"', '\'', '`', '(', '[', '<', '@', '*'])
        .trim_end_matches(['"', '\'', '`', ')', ']', '>', ',', ';', ':', '.', '?', '!', '*'])
}

fn is_path(word: &str) -> bool {
    let allowed = |letter: char| letter.is_alphanumeric() || "/\\._-+~:".contains(letter);
    if word.contains("://") || !word.chars().all(allowed) {
        return false;
    }
    let name = word.rsplit(['/', '\\']).next().unwrap_or_default();
    let extension = name
        .rsplit_once('.')
        .filter(|(stem, _)| !stem.is_empty())
        .map(|(_, extension)| extension);
    let named = extension.is_some_and(|extension| {
        (1..=5).contains(&extension.len()) && extension.chars().any(|letter| letter.is_ascii_alphabetic())
    });
    let absolute = word.starts_with(['/', '~']) && word.len() > 1 && !name.is_empty();
    (named && name.len() > 3) || absolute
}

/// A tool whose name holds a word of the text: "What is the weather in Paris?" and `get_weather`.
fn about(text: &str, tools: &[Tool]) -> Vec<Want> {
    let words: Vec<String> = text
        .split_whitespace()
        .map(|word| bare(word).to_lowercase())
        .collect();
    let meant = tools.iter().find(|tool| {
        name_words(&tool.name).iter().any(|part| {
            words
                .iter()
                .any(|word| word.trim_end_matches('s') == part.trim_end_matches('s'))
        })
    });
    let Some(tool) = meant else { return Vec::new() };
    let mut names = Vec::new();
    let mut starts_sentence = true;
    for word in text.split_whitespace() {
        let plain = bare(word);
        if !starts_sentence && plain.chars().next().is_some_and(char::is_uppercase) && plain.len() > 1 {
            names.push(plain.to_owned());
        }
        starts_sentence = word.ends_with(['.', '?', '!', ':']);
    }
    if names.is_empty() {
        vec![Want::About(tool.name.clone(), None)]
    } else {
        names
            .into_iter()
            .map(|name| Want::About(tool.name.clone(), Some(name)))
            .collect()
    }
}

/// The words of a tool's name that say what it is about.
fn name_words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for letter in name.chars() {
        if !letter.is_alphanumeric() || letter.is_uppercase() {
            words.push(String::new());
        }
        if let (true, Some(last)) = (letter.is_alphanumeric(), words.last_mut()) {
            last.extend(letter.to_lowercase());
        }
    }
    let plain = [
        "get", "set", "the", "tool", "file", "fetch", "current", "read", "write", "with", "from",
    ];
    words.retain(|word| word.len() >= 3 && !plain.contains(&word.as_str()));
    words
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tool(name: &str) -> Tool {
        Tool {
            name: name.to_owned(),
            description: String::new(),
            schema: json!({}),
        }
    }

    fn read(path: &str) -> Want {
        Want::Read(path.to_owned())
    }

    #[test]
    fn files_are_found_in_plain_sentences() {
        assert_eq!(wants("Read hello.txt", &[]), [read("hello.txt")]);
        assert_eq!(
            wants(
                "\"Read the file /tmp/x/hello.txt and tell me the magic word.\"",
                &[]
            ),
            [read("/tmp/x/hello.txt")]
        );
        assert_eq!(
            wants(
                "Please read a.txt, then `src/b.rs`. Version 1.2 of e.g. README.md is old.",
                &[]
            ),
            [read("a.txt"), read("src/b.rs")]
        );
        assert_eq!(wants("What is in https://example.com/a.txt?", &[]), []);
    }

    #[test]
    fn commands_and_calls_are_found() {
        assert_eq!(
            wants("Now run `cat a.txt`.", &[]),
            [Want::Run("cat a.txt".to_owned())]
        );
        let tools = [tool("get_weather")];
        assert_eq!(
            wants(
                "call get_weather with {\"city\":\"Bonn\"} and call get_weather with {\"city\":\"Ulm\"}",
                &tools
            ),
            [
                Want::Call("get_weather".to_owned(), json!({"city": "Bonn"})),
                Want::Call("get_weather".to_owned(), json!({"city": "Ulm"}))
            ]
        );
        assert_eq!(
            wants("What's the weather in Paris and in Toulouse?", &tools),
            [
                Want::About("get_weather".to_owned(), Some("Paris".to_owned())),
                Want::About("get_weather".to_owned(), Some("Toulouse".to_owned()))
            ]
        );
    }

    #[test]
    fn what_comes_then_is_a_step_of_its_own() {
        assert_eq!(
            steps("Read a.txt and say what it says. Then run `ls`.", &[]),
            [vec![read("a.txt")], vec![Want::Run("ls".to_owned())]]
        );
        assert_eq!(steps("Hello. Then again", &[]), Vec::<Vec<Want>>::new());
    }

    #[test]
    fn asides_of_agents_are_no_instruction() {
        assert_eq!(
            spoken("<system-reminder>Read a.txt</system-reminder>\nRead b.txt"),
            "Read b.txt"
        );
        assert_eq!(spoken("<system-reminder>Read a.txt"), "");
    }
}
