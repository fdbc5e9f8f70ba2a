//! Real requests of real agents, captured, replayed on every route: each is answered, and the simulator refuses none.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "A panic is how a test fails."
)]

use coretap_tests::folders::{report, shared};
use coretap_tests::formats::{Format, PNG};
use coretap_tests::http::Answer;
use coretap_tests::process::{Coretap, KEY, Mode, Simulator};
use http::Request;
use http_body_util::Full;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// What takes a name that no deployment has, as a person would set it.
const SELECTED: &str = "anthropic--claude-4.5-sonnet";

/// What a service refuses once and is then not sent any more: more tokens than a model has that no rule knows, and what the
/// recorder made up where a vendor's signature belongs.
const HEALED: [&str; 4] = [
    "max_tokens is too large",
    "max_tokens must be less than or equal to",
    "could not be verified",
    "Thought signature is not valid",
];
/// The words for models that see no pictures.
const NO_IMAGES: &str = "does not support image";

#[derive(Deserialize)]
struct Capture {
    #[serde(skip)]
    name: String,
    method: String,
    path: String,
    query: serde_json::Map<String, Value>,
    headers: Vec<(String, String)>,
    body: Option<Box<RawValue>>,
}

impl Capture {
    /// The request as it was sent, its bytes unchanged but for the model's name, cut images and the key.
    fn request(&self, model: Option<&str>) -> Request<Full<bytes::Bytes>> {
        let mut path = self.path.clone();
        let mut body = self.text();
        if let Some(model) = model {
            if let Some((_, action)) = path.rsplit_once(':') {
                let version = if path.starts_with("/v1beta/") {
                    "v1beta"
                } else {
                    "v1"
                };
                path = format!("/{version}/models/{model}:{action}");
            } else if let Some(asked) = self.json()["model"].as_str() {
                let named = |name: &str| format!(r#""model":"{name}""#);
                body = body.replacen(&named(asked), &named(model), 1);
                assert!(
                    body.contains(&named(model)),
                    "{}: the model was not replaced",
                    self.name
                );
            }
        }
        self.to(&path, body)
    }

    /// The same body and headers for another path.
    fn to(&self, path: &str, body: String) -> Request<Full<bytes::Bytes>> {
        let query: Vec<_> = self
            .query
            .iter()
            .map(|(k, v)| format!("{k}={}", v.as_str().unwrap()))
            .collect();
        let mut request = Request::builder()
            .method(self.method.as_str())
            .uri(format!("{path}?{}", query.join("&")));
        let own = [
            "host",
            "connection",
            "content-length",
            "transfer-encoding",
            "authorization",
            "x-api-key",
        ];
        for (name, value) in &self.headers {
            // Google's clients are known by this header.
            let value = if name.eq_ignore_ascii_case("x-goog-api-key") {
                KEY
            } else {
                value.as_str()
            };
            if !own.contains(&name.to_lowercase().as_str()) {
                request = request.header(name, value);
            }
        }
        request.body(Full::from(body)).unwrap()
    }

    /// The body, whole where it was cut in a way that matters.
    fn text(&self) -> String {
        self.body
            .as_ref()
            .map(|body| repaired(body.get()))
            .unwrap_or_default()
    }

    fn json(&self) -> Value {
        self.body
            .as_ref()
            .map(|body| serde_json::from_str(body.get()).unwrap())
            .unwrap_or_default()
    }

    /// Whether the agent asks for a stream: Gemini in the path, all others in the body.
    fn streams(&self) -> bool {
        self.path.ends_with(":streamGenerateContent") || self.json()["stream"] == true
    }
}

/// Long strings are cut in the captures. Text may stay cut; a picture must be one, and what was sealed cannot be opened.
fn repaired(body: &str) -> String {
    let body = with_whole(body, "data:image/png;base64,", PNG);
    with_whole(&body, r#""data":"iVBOR"#, PNG.strip_prefix("iVBOR").unwrap())
}

/// The body with `whole` in each string that begins with `start` and was cut.
fn with_whole(body: &str, start: &str, whole: &str) -> String {
    let mut repaired = String::new();
    let mut rest = body;
    while let Some((before, data)) = rest.split_once(start) {
        let (value, after) = data.split_once('"').unwrap();
        repaired.push_str(before);
        repaired.push_str(start);
        repaired.push_str(if value.contains(" chars cut]") {
            whole
        } else {
            value
        });
        repaired.push('"');
        rest = after;
    }
    repaired + rest
}

/// The captures that are wanted.
fn captures(is_wanted: impl Fn(&Capture) -> bool) -> Option<Vec<Capture>> {
    let root = shared("captured requests", "agents/captures")?;
    let mut captures = Vec::new();
    for client in std::fs::read_dir(root).unwrap() {
        for file in std::fs::read_dir(client.unwrap().path()).unwrap() {
            let file = file.unwrap().path();
            let mut capture: Capture =
                serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
            if is_wanted(&capture) && !file.to_string_lossy().contains("-UPGRADE-") {
                let client = file.parent().unwrap().file_name().unwrap().to_string_lossy();
                capture.name = format!("{client}/{}", file.file_stem().unwrap().to_string_lossy());
                captures.push(capture);
            }
        }
    }
    captures.sort_by(|one, other| one.name.cmp(&other.name));
    assert!(!captures.is_empty(), "no such captures");
    Some(captures)
}

/// Replays all of a format, with the model as asked and with each of `models`, and lists every failure.
async fn replay(mode: Mode, format: Format, models: &[Option<&str>], chunking: &str) {
    let is_answer = |capture: &Capture| match format {
        Format::Gemini => capture.path.to_lowercase().ends_with("generatecontent"),
        _ => capture.path == format.path("", false),
    };
    let Some(captures) = captures(is_answer) else {
        return;
    };
    let simulator = Simulator::start().await;
    simulator
        .settings(&serde_json::json!({"chunking": chunking, "seed": 3}))
        .await;
    let coretap = Coretap::start(
        &simulator,
        mode,
        &[("CORETAP_MODEL", SELECTED), ("AICORE_RESOURCE_GROUP", "hub")],
    )
    .await;
    let mut failures = Vec::new();
    for capture in &captures {
        for model in models {
            simulator.forget().await;
            let answer = coretap.send(capture.request(*model)).await;
            let mut refusals = simulator.refusals().await;
            let name = format!("{} as {}", capture.name, model.unwrap_or("asked"));
            if answer.status == 400 && answer.body.contains(NO_IMAGES) {
                continue;
            }
            refusals.retain(|refusal| !HEALED.iter().any(|healed| refusal.contains(healed)));
            if answer.status != 200 || !answer.complete || !refusals.is_empty() {
                let body: String = answer.body.chars().take(300).collect();
                failures.push(format!("{name}: {} {body} {refusals:?}", answer.status));
                continue;
            }
            if capture.streams() {
                format.check_stream(&answer.events(), &name);
            } else {
                assert!(answer.json()["error"].is_null(), "{name}: {}", answer.body);
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {} failed:\n{}",
        failures.len(),
        captures.len() * models.len(),
        failures.join("\n")
    );
}

const MODELS: [Option<&str>; 13] = [
    None,
    Some("gpt-4o"),
    Some("gpt-5"),
    Some("gpt-5.5"),
    Some("gpt-5.3-codex"),
    Some("anthropic--claude-4.8-opus"),
    Some("anthropic--claude-4.6-opus"),
    Some("gemini-2.5-pro"),
    Some("gemini-3.5-flash"),
    Some("amazon--nova-pro"),
    Some("mistralai--mistral-medium-instruct"),
    Some("cohere--command-a-reasoning"),
    Some("sonar"),
];

#[tokio::test]
async fn messages_on_deployments() {
    replay(Mode::Foundation, Format::Messages, &MODELS, "event").await;
}

#[tokio::test]
async fn messages_in_orchestration() {
    replay(Mode::Orchestration, Format::Messages, &MODELS, "random").await;
}

#[tokio::test]
async fn chat_on_deployments() {
    replay(Mode::Foundation, Format::Chat, &MODELS, "random").await;
}

#[tokio::test]
async fn chat_in_orchestration() {
    replay(Mode::Orchestration, Format::Chat, &MODELS, "event").await;
}

#[tokio::test]
async fn responses_on_deployments() {
    replay(Mode::Foundation, Format::Responses, &MODELS, "event").await;
}

#[tokio::test]
async fn responses_in_orchestration() {
    replay(Mode::Orchestration, Format::Responses, &MODELS, "random").await;
}

#[tokio::test]
async fn gemini_on_deployments() {
    replay(Mode::Foundation, Format::Gemini, &MODELS, "random").await;
}

#[tokio::test]
async fn gemini_in_orchestration() {
    replay(Mode::Orchestration, Format::Gemini, &MODELS, "event").await;
}

/// The input tokens that an answer of Messages reports, cached ones included; the last report counts.
fn input_tokens(answer: &Answer) -> u64 {
    let reports: Vec<Value> = if answer.header("content-type").starts_with("text/event-stream") {
        answer
            .events()
            .iter()
            .map(coretap_tests::events::Event::json)
            .flat_map(|data| [data["message"]["usage"].clone(), data["usage"].clone()])
            .collect()
    } else {
        vec![answer.json()["usage"].clone()]
    };
    let names = [
        "input_tokens",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
    ];
    let sum = |usage: Value| names.iter().filter_map(|name| usage[name].as_u64()).sum::<u64>();
    reports
        .into_iter()
        .map(sum)
        .rfind(|sum| *sum > 0)
        .unwrap_or_default()
}

/// Nobody here knows a vendor's tokenizer: `count_tokens` estimates, within 20 % of what the same request then costs.
#[tokio::test]
async fn tokens_are_counted_within_a_fifth() {
    let Some(captures) = captures(|capture| capture.path.starts_with("/v1/messages")) else {
        return;
    };
    let simulator = Simulator::start().await;
    let coretap = Coretap::start(&simulator, Mode::Foundation, &[("CORETAP_MODEL", SELECTED)]).await;
    let (mut worst, mut misses): (f64, Vec<String>) = (0.0, Vec::new());
    for capture in &captures {
        let counted = coretap
            .send(capture.to("/v1/messages/count_tokens", capture.text()))
            .await;
        assert_eq!(counted.status, 200, "{}: {}", capture.name, counted.body);
        let estimate = counted.json()["input_tokens"].as_u64().unwrap();
        let asked = if capture.path == "/v1/messages" {
            coretap.send(capture.request(None)).await
        } else {
            let mut body = capture.json();
            body["max_tokens"] = 64.into();
            coretap.post("/v1/messages", &body).await
        };
        assert_eq!(asked.status, 200, "{}: {}", capture.name, asked.body);
        let real = input_tokens(&asked);
        #[allow(clippy::cast_precision_loss, reason = "Token counts are far below 2^52.")]
        let off = estimate as f64 / real as f64 - 1.0;
        if real > 20 {
            worst = worst.max(off.abs());
        }
        // Of four tokens a fifth is less than one.
        if estimate == 0 || (off.abs() > 0.2 && estimate.abs_diff(real) > 1) {
            misses.push(format!(
                "{}: {estimate} instead of {real} ({:+.0} %)",
                capture.name,
                off * 100.0
            ));
        }
    }
    assert!(
        misses.is_empty(),
        "{} of {}:\n{}",
        misses.len(),
        captures.len(),
        misses.join("\n")
    );
    report(&format!(
        "measured count_tokens: off by at most {:.0} % on {} captured requests of more than 20 tokens",
        worst * 100.0,
        captures.len()
    ));
}

/// Lists and greetings: Anthropic's shape for those who send `anthropic-version`, Google's for those who send
/// `x-goog-api-key`, OpenAI's for the others.
#[tokio::test]
async fn lists_and_greetings() {
    let Some(captures) = captures(|capture| capture.method != "POST") else {
        return;
    };
    let simulator = Simulator::start().await;
    let coretap = Coretap::start(&simulator, Mode::Foundation, &[]).await;
    for capture in &captures {
        let answer = coretap.send(capture.request(None)).await;
        assert_eq!(answer.status, 200, "{}: {answer:?}", capture.name);
        if capture.method == "HEAD" {
            continue;
        }
        let list = answer.json();
        let says = |header: &str| {
            let mut headers = capture.headers.iter();
            headers.any(|(name, _)| name.eq_ignore_ascii_case(header))
        };
        if capture.path != "/v1/models" {
            assert_eq!(list["id"], "gpt-5", "{}: {list}", capture.name);
        } else if says("anthropic-version") {
            assert_eq!(list["data"][0]["type"], "model", "{}: {list}", capture.name);
        } else if says("x-goog-api-key") {
            let name = list["models"][0]["name"].as_str();
            assert!(
                name.is_some_and(|name| name.starts_with("models/")),
                "{}: {list}",
                capture.name
            );
        } else {
            assert_eq!(list["object"], "list", "{}: {list}", capture.name);
        }
    }
}
