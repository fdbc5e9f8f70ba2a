//! Answers of every route in every agent's format: whole translations, any cutting, broken streams.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests say what went wrong by failing, and a skipped one says so"
)]

mod golden;
mod grammar;
mod properties;
mod recorded;
mod responses;
mod steps;

use std::path::{Path, PathBuf};

use coretap_formats::event::Failure;
use coretap_formats::{
    AgentFormat, AgentTool, AgentToolKind, AgentTools, AnswerOptions, AnswerStream, ModelFormat, Outcome,
    Progress, RequestSettings,
};

const AGENTS: [(AgentFormat, &str); 4] = [
    (AgentFormat::Messages, "messages"),
    (AgentFormat::ChatCompletions, "chat"),
    (AgentFormat::Responses, "responses"),
    (AgentFormat::Gemini, "gemini"),
];

const UPSTREAMS: [(ModelFormat, &str); 8] = [
    (ModelFormat::Orchestration, "orchestration"),
    (ModelFormat::Claude, "claude"),
    (ModelFormat::AzureChat, "azure"),
    (ModelFormat::AzureResponses, "azure-responses"),
    (ModelFormat::Vertex, "vertex"),
    (ModelFormat::Converse, "converse"),
    (ModelFormat::OpenAiCompatible, "openai-compatible"),
    (ModelFormat::Cohere, "cohere"),
];

fn options(upstream: ModelFormat, agent: AgentFormat) -> AnswerOptions {
    AnswerOptions {
        agent,
        upstream,
        model: "asked-\"model\"".to_owned(),
        id: "own1".to_owned(),
        created: 1_763_000_001,
        include_usage: true,
        as_array: false,
        tools: agent_tools(agent),
        settings: RequestSettings::default(),
        has_fallbacks: false,
        estimated_input: 99,
    }
}

/// Tools that an agent that speaks Responses knows in another form than the model.
fn agent_tools(agent: AgentFormat) -> AgentTools {
    let mut tools = AgentTools::default();
    if agent == AgentFormat::Responses {
        for (offered_as, name, namespace, kind) in [
            ("exec", "exec", None, AgentToolKind::Custom),
            (
                "functions__wait",
                "wait",
                Some("functions"),
                AgentToolKind::Function,
            ),
            ("tool_search", "tool_search", None, AgentToolKind::ToolSearch),
        ] {
            tools.add(AgentTool {
                offered_as: offered_as.to_owned(),
                name: name.to_owned(),
                namespace: namespace.map(str::to_owned),
                kind,
            });
        }
    }
    tools
}

/// What became of a stream that was pushed in pieces.
#[derive(Debug, PartialEq)]
struct Translated {
    /// Without the agent's form of a failure.
    written: String,
    told_failure: String,
    progress: Progress,
    outcome: Outcome,
}

fn translate<'a>(options: &AnswerOptions, pieces: impl IntoIterator<Item = &'a [u8]>) -> Translated {
    let mut stream = AnswerStream::new(options.clone());
    let mut out = Vec::new();
    for piece in pieces {
        stream.push(piece, &mut out);
    }
    let progress = stream.finish(&mut out);
    let mut told = Vec::new();
    if let Progress::Failed(failure) | Progress::Cut(failure) = &progress {
        stream.fail(failure, &mut told);
        assert!(!told.is_empty(), "a failure is told");
    }
    // Whatever comes now comes too late.
    let mut late = Vec::new();
    stream.push(
        b"data: [DONE]\n\ndata: {\"type\":\"message_stop\"}\n\n",
        &mut late,
    );
    stream.finish(&mut late);
    stream.keep_alive(&mut late);
    stream.fail(
        &Failure {
            status: 500,
            message: String::new(),
            retry_after: None,
        },
        &mut late,
    );
    assert_eq!(late, b"", "nothing is written after the end or a failure");
    Translated {
        written: String::from_utf8(out).unwrap(),
        told_failure: String::from_utf8(told).unwrap(),
        progress,
        outcome: stream.outcome(),
    }
}

/// The upstream answers that these tests are made of: name and bytes of every file with that ending.
fn upstream_files(upstream: &str, ending: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/answers")
        .join(upstream);
    let mut files = files_below(&folder, ending);
    files.sort();
    assert!(files.len() > 5, "{} is there", folder.display());
    let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    files
        .iter()
        .map(|path| (name(path), std::fs::read(path).unwrap()))
        .collect()
}

fn files_below(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path, ending));
        } else if path.extension().is_some_and(|extension| extension == ending) {
            files.push(path);
        }
    }
    files
}
