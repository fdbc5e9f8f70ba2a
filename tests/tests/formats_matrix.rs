//! Every agent's format on every family of models: each pairing answers plainly, as a stream, with one tool and with two
//! at once, about a picture, after thinking, and in the shape of a schema, or there is a reason, which is documented and
//! checked too. The table in docs/formats.md is what this prints; `./dev formats` writes it there.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "A panic is how a test fails."
)]

use std::fmt::Write as _;

use coretap_tests::folders::{report, repository};
use coretap_tests::formats::{Ask, Format, Said};
use coretap_tests::http::Answer;
use coretap_tests::process::{Coretap, Mode, Simulator};
use serde_json::{Value, json};

/// A way to a model, one for each family.
struct Route {
    /// Its name in the table.
    name: &'static str,
    mode: Mode,
    model: &'static str,
    /// What the family has not, whoever asks.
    limits: &'static [(Kind, Limit)],
}

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    Stream,
    Tools,
    ParallelTools,
    Image,
    Thinking,
    Structured,
}

/// Why something cannot be.
#[derive(Clone, Copy, Debug)]
struct Limit {
    reason: &'static str,
    told: Told,
}

/// What the agent is told of it.
#[derive(Clone, Copy, Debug)]
enum Told {
    /// The answer comes without it, and `x-coretap-dropped` names this.
    LeftOut(&'static str),
    /// The model's service refuses it with 400, in words that hold this.
    Refused(&'static str),
    /// The model is asked for it in words that hold this, and need not do it.
    InWords(&'static str),
}

impl Kind {
    const ALL: [Self; 7] = [
        Self::Plain,
        Self::Stream,
        Self::Tools,
        Self::ParallelTools,
        Self::Image,
        Self::Thinking,
        Self::Structured,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Stream => "stream",
            Self::Tools => "tools",
            Self::ParallelTools => "parallel tools",
            Self::Image => "image",
            Self::Thinking => "thinking",
            Self::Structured => "structured output",
        }
    }
}

const NO_THINKING: (Kind, Limit) = (
    Kind::Thinking,
    Limit {
        reason: "the model does not think: the wish is left out",
        told: Told::LeftOut(""),
    },
);

const NO_TOOLS: (Kind, Limit) = (Kind::Tools, WITHOUT_TOOLS);
const NO_PARALLEL_TOOLS: (Kind, Limit) = (Kind::ParallelTools, WITHOUT_TOOLS);
const WITHOUT_TOOLS: Limit = Limit {
    reason: "Perplexity's models take no tools: they are left out",
    told: Told::LeftOut("tools"),
};

const NO_IMAGES: (Kind, Limit) = (
    Kind::Image,
    Limit {
        reason: "the model sees no pictures: its service refuses them",
        told: Told::Refused("does not support image"),
    },
);

const IN_WORDS: (Kind, Limit) = (
    Kind::Structured,
    Limit {
        reason: "no schema reaches the model: it is asked in words",
        told: Told::InWords("JSON schema"),
    },
);

const ROUTES: &[Route] = &[
    Route {
        name: "orchestration: Claude",
        mode: Mode::Orchestration,
        model: "anthropic--claude-4.5-sonnet",
        limits: &[],
    },
    Route {
        name: "orchestration: GPT",
        mode: Mode::Orchestration,
        model: "gpt-5",
        limits: &[],
    },
    Route {
        name: "orchestration: Gemini",
        mode: Mode::Orchestration,
        model: "gemini-2.5-pro",
        limits: &[],
    },
    Route {
        name: "orchestration: Nova",
        mode: Mode::Orchestration,
        model: "amazon--nova-pro",
        limits: &[NO_THINKING, IN_WORDS],
    },
    Route {
        name: "orchestration: Mistral",
        mode: Mode::Orchestration,
        model: "mistralai--mistral-medium-instruct",
        limits: &[NO_THINKING],
    },
    Route {
        name: "orchestration: Qwen",
        mode: Mode::Orchestration,
        model: "qwen3.7-plus",
        limits: &[NO_THINKING],
    },
    Route {
        name: "orchestration: SAP ABAP",
        mode: Mode::Orchestration,
        model: "sap-abap-1",
        limits: &[NO_IMAGES, NO_THINKING],
    },
    Route {
        name: "Claude on Bedrock, `/invoke`",
        mode: Mode::Foundation,
        model: "anthropic--claude-4.5-sonnet",
        limits: &[],
    },
    Route {
        name: "the same, adaptive thinking",
        mode: Mode::Foundation,
        model: "anthropic--claude-4.8-opus",
        limits: &[],
    },
    Route {
        name: "Azure OpenAI, `/chat/completions`",
        mode: Mode::Foundation,
        model: "gpt-4o",
        limits: &[NO_THINKING],
    },
    Route {
        name: "Azure OpenAI, reasoning",
        mode: Mode::Foundation,
        model: "gpt-5",
        limits: &[],
    },
    Route {
        name: "Azure OpenAI, tools with reasoning only at `/responses`",
        mode: Mode::Foundation,
        model: "gpt-5.5",
        limits: &[],
    },
    Route {
        name: "Azure OpenAI, `/responses` only",
        mode: Mode::Foundation,
        model: "gpt-5.3-codex",
        limits: &[],
    },
    Route {
        name: "Gemini on Vertex AI",
        mode: Mode::Foundation,
        model: "gemini-2.5-pro",
        limits: &[],
    },
    Route {
        name: "the same, with thought signatures",
        mode: Mode::Foundation,
        model: "gemini-3.5-flash",
        limits: &[],
    },
    Route {
        name: "Nova on Bedrock, `/converse`",
        mode: Mode::Foundation,
        model: "amazon--nova-pro",
        limits: &[NO_THINKING, IN_WORDS],
    },
    Route {
        name: "Mistral",
        mode: Mode::Foundation,
        model: "mistralai--mistral-medium-instruct",
        limits: &[NO_THINKING],
    },
    Route {
        name: "Perplexity",
        mode: Mode::Foundation,
        model: "sonar",
        limits: &[NO_TOOLS, NO_PARALLEL_TOOLS, NO_THINKING],
    },
    Route {
        name: "Cohere",
        mode: Mode::Foundation,
        model: "cohere--command-a-reasoning",
        limits: &[NO_IMAGES],
    },
];

/// What may be left out of the second request of a turn: thoughts that the agent's format could not keep with their
/// signature, or that the model does not want back, and with Claude the thinking itself until the turn is over.
const EARLIER_THINKING: [&str; 4] = [
    "thinking of earlier turns",
    "thinking",
    "reasoning_effort",
    "reasoning",
];

/// A tenant and Coretap in front of it.
struct Place {
    simulator: Simulator,
    coretap: Coretap,
}

/// One pairing.
struct Cell<'a> {
    place: &'a Place,
    route: &'a Route,
    format: Format,
}

impl Cell<'_> {
    /// Asks, and gives the answer. What the simulator finds fault with stands in the error.
    async fn ask(&self, ask: &Ask) -> Result<Answer, String> {
        let path = self.format.path(self.route.model, ask.stream);
        self.place.simulator.forget().await;
        let answer = self
            .place
            .coretap
            .post(&path, &self.format.body(self.route.model, ask))
            .await;
        let refused = self.place.simulator.refusals().await;
        if answer.status != 200 || !answer.complete || !refused.is_empty() {
            return Err(format!("{} {} {refused:?}", answer.status, answer.body));
        }
        Ok(answer)
    }

    /// What an answer said; nothing of the request may have been left out.
    fn said(&self, ask: &Ask, answer: &Answer) -> Result<Said, String> {
        if ask.stream {
            self.format.check_stream(&answer.events(), self.route.name);
        }
        let dropped = answer.header("x-coretap-dropped");
        let is_fine = if ask.history.is_empty() {
            dropped.is_empty()
        } else {
            dropped
                .split(',')
                .all(|name| name.is_empty() || EARLIER_THINKING.contains(&name))
        };
        if is_fine {
            Ok(self.format.said(answer, ask.stream))
        } else {
            Err(format!("left out: {dropped}"))
        }
    }

    /// The request that shows whether a kind works.
    fn request(kind: Kind, stream: bool) -> Ask {
        let ask = Ask {
            stream,
            ..Ask::default()
        };
        let text = |text: &str| text.to_owned();
        match kind {
            Kind::Plain | Kind::Stream => Ask {
                text: text("Repeat the words plum-4711 früh – 李 – 🙂 \"quoted\" {{?x}} \\"),
                ..ask
            },
            Kind::Tools | Kind::Thinking => Ask {
                text: text(r#"call weather with {"place": "Ulm"}"#),
                tools: &["weather", "traffic"],
                think: kind == Kind::Thinking,
                ..ask
            },
            Kind::ParallelTools => Ask {
                text: text(r#"call weather with {"place": "Ulm"} and call traffic with {"place": "Jena"}"#),
                tools: &["weather", "traffic"],
                ..ask
            },
            Kind::Image => Ask {
                text: text("What is on the picture?"),
                image: true,
                ..ask
            },
            Kind::Structured => Ask {
                text: text("A plum weighs 93 grams."),
                schema: Some(json!({
                    "type": "object",
                    "properties": {"fruit": {"type": "string"}, "grams": {"type": "integer"}},
                    "required": ["fruit", "grams"],
                    "additionalProperties": false,
                })),
                ..ask
            },
        }
    }

    async fn try_kind(&self, kind: Kind) -> Result<(), String> {
        match kind {
            Kind::Plain | Kind::Stream => self.speaks(&Self::request(kind, kind == Kind::Stream)).await,
            Kind::Tools | Kind::ParallelTools | Kind::Thinking => {
                for stream in [false, true] {
                    self.uses_tools(Self::request(kind, stream)).await?;
                }
                Ok(())
            }
            Kind::Image => {
                let ask = Self::request(kind, true);
                let said = self.said(&ask, &self.ask(&ask).await?)?;
                let seen = said.text.contains("image/png 8x8");
                seen.then_some(()).ok_or(format!("no picture was seen: {said:?}"))
            }
            Kind::Structured => {
                let ask = Self::request(kind, false);
                let said = self.said(&ask, &self.ask(&ask).await?)?;
                let value: Value =
                    serde_json::from_str(&said.text).map_err(|_| format!("no JSON: {said:?}"))?;
                let fits = value["fruit"].is_string() && value["grams"].is_i64();
                fits.then_some(()).ok_or(format!("another shape: {value}"))
            }
        }
    }

    async fn speaks(&self, ask: &Ask) -> Result<(), String> {
        let said = self.said(ask, &self.ask(ask).await?)?;
        let expected = format!("You said: {}", ask.text);
        (said.text == expected)
            .then_some(())
            .ok_or(format!("another text: {said:?}"))
    }

    /// A whole turn with tools: the calls, their results, and an answer that holds them. Where the model shall think, it
    /// must say or count its thoughts, or at least have been asked for them.
    async fn uses_tools(&self, mut ask: Ask) -> Result<(), String> {
        let answer = self.ask(&ask).await?;
        if ask.think {
            self.thinks(&ask, &answer).await?;
        }
        let said = self.said(&ask, &answer)?;
        let expected: &[(&str, &str)] = if ask.text.contains("traffic") {
            &[("weather", "Ulm"), ("traffic", "Jena")]
        } else {
            &[("weather", "Ulm")]
        };
        let called: Vec<_> = said
            .calls
            .iter()
            .map(|call| {
                (
                    call.name.as_str(),
                    call.arguments["place"].as_str().unwrap_or_default(),
                )
            })
            .collect();
        if called != expected {
            return Err(format!("other calls: {said:?}"));
        }
        let told = |name: &str, place: &str| format!("{name} of {place}: plum-{}", place.len());
        let results = said.calls.iter().zip(expected);
        let results = results.map(|(call, (name, place))| self.format.result(call, &told(name, place)));
        ask.history = [said.history.clone(), self.format.results(results.collect())].concat();
        let after = self.said(&ask, &self.ask(&ask).await?)?;
        for (name, place) in expected {
            if !after.text.contains(&told(name, place)) {
                return Err(format!("the result of {name} did not arrive: {after:?}"));
            }
        }
        if !after.calls.is_empty() {
            return Err(format!("called again: {after:?}"));
        }
        Ok(())
    }

    async fn thinks(&self, ask: &Ask, answer: &Answer) -> Result<(), String> {
        let said = self.said(ask, answer)?;
        let sent = self.place.simulator.inference().await[0].body.to_string();
        let asked = ["reasoning", "thinking"].iter().any(|word| sent.contains(word));
        // Chat Completions of OpenAI show no thoughts, orchestration does not count GPT's, and Messages have no place for
        // their number.
        let shown = !said.thinking.is_empty() || said.thinking_tokens > 0;
        let is_gpt = self.route.model.starts_with("gpt-");
        (asked && (shown || is_gpt))
            .then_some(())
            .ok_or(format!("it did not think: {said:?} {sent}"))
    }

    /// That a limit is still there, and is told as it is documented.
    async fn is_limited(&self, kind: Kind, limit: Limit) -> Result<(), String> {
        let ask = Self::request(kind, false);
        let path = self.format.path(self.route.model, false);
        let body = self.format.body(self.route.model, &ask);
        let answer = self.place.coretap.post(&path, &body).await;
        let holds = match limit.told {
            Told::LeftOut(name) => {
                let dropped = answer.header("x-coretap-dropped");
                answer.status == 200 && !dropped.is_empty() && dropped.contains(name)
            }
            Told::Refused(words) => answer.status == 400 && answer.body.contains(words),
            Told::InWords(words) => {
                let sent = self.place.simulator.inference().await;
                answer.status == 200
                    && sent
                        .last()
                        .is_some_and(|sent| sent.body.to_string().contains(words))
            }
        };
        holds.then_some(()).ok_or(format!(
            "the limit does not hold: {} {:?} {}",
            answer.status, answer.headers, answer.body
        ))
    }
}

/// Tries all kinds, and gives the reasons of those that cannot be.
async fn fill(cell: &Cell<'_>, failures: &mut Vec<String>) -> Vec<(Kind, &'static str)> {
    let mut reasons = Vec::new();
    for kind in Kind::ALL {
        let limit = cell.route.limits.iter().find(|(of, _)| *of == kind);
        let tried = match limit {
            Some((_, limit)) => {
                reasons.push((kind, limit.reason));
                cell.is_limited(kind, *limit).await
            }
            None => cell.try_kind(kind).await,
        };
        if let Err(failure) = tried {
            let name = format!("{} × {:?} × {}", cell.route.name, cell.format, kind.name());
            failures.push(format!("{name}: {failure}"));
        }
    }
    reasons
}

#[tokio::test]
async fn every_agent_on_every_family() {
    let mut table =
        String::from("| | Messages | Chat Completions | Responses | Gemini |\n|---|---|---|---|---|\n");
    let mut notes: Vec<(Kind, &'static str)> = Vec::new();
    let mut failures = Vec::new();
    for mode in Mode::ALL {
        let simulator = Simulator::start().await;
        simulator
            .settings(&json!({"chunking": "random", "seed": 11}))
            .await;
        let coretap = Coretap::start(&simulator, mode, &[("AICORE_RESOURCE_GROUP", "hub")]).await;
        let place = Place { simulator, coretap };
        for route in ROUTES.iter().filter(|route| route.mode == mode) {
            let _ = write!(table, "| {} (`{}`) |", route.name, route.model);
            for format in Format::ALL {
                let cell = Cell {
                    place: &place,
                    route,
                    format,
                };
                let reasons = fill(&cell, &mut failures).await;
                let mut marks = String::new();
                for reason in reasons {
                    let known = notes.iter().position(|note| *note == reason);
                    let number = known.unwrap_or_else(|| {
                        notes.push(reason);
                        notes.len() - 1
                    });
                    let _ = write!(marks, " {}", number + 1);
                }
                let _ = write!(
                    table,
                    " {} |",
                    if marks.is_empty() { "all" } else { marks.trim() }
                );
            }
            table.push('\n');
        }
    }
    table.push('\n');
    for (number, (kind, reason)) in notes.iter().enumerate() {
        let _ = writeln!(table, "{}. {}: {reason}", number + 1, kind.name());
    }
    println!("{table}");
    assert!(
        failures.is_empty(),
        "{} failed:\n{}",
        failures.len(),
        failures.join("\n")
    );
    compare(&table);
}

/// The table stands in the documentation as it was measured.
fn compare(table: &str) {
    const START: &str = "<!-- the table of formats_matrix.rs -->\n";
    const END: &str = "<!-- its end -->";
    let file = repository().join("docs/formats.md");
    let text = std::fs::read_to_string(&file).unwrap();
    let (before, rest) = text
        .split_once(START)
        .unwrap_or_else(|| panic!("docs/formats.md has no place for the table"));
    let (_, after) = rest
        .split_once(END)
        .unwrap_or_else(|| panic!("the place has no end"));
    let whole = format!("{before}{START}\n{table}\n{END}{after}");
    if std::env::var_os("CORETAP_WRITE_FORMATS").is_some() {
        std::fs::write(&file, whole).unwrap();
    } else {
        assert!(
            text == whole,
            "docs/formats.md has another table: `./dev formats` writes it"
        );
    }
    report("docs/formats.md: every agent's format × every family of models, as measured");
}
