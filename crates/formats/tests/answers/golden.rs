//! Whole translations, as they were read and approved.

use coretap_formats::{AgentFormat, Answer, AnswerOptions, answer, answer_as_stream};

use crate::{AGENTS, UPSTREAMS, grammar, options, translate, upstream_files};

fn snapshot(upstream: &str, name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(format!("../golden/answers/{upstream}"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn streams() {
    for (format, upstream) in UPSTREAMS {
        for (name, bytes) in upstream_files(upstream, "sse") {
            for (agent, agent_name) in AGENTS {
                let translated = translate(&options(format, agent), [bytes.as_slice()]);
                grammar::check(agent, &translated);
                let text = format!(
                    "{}{}{:?}\n{:?}\n",
                    translated.written, translated.told_failure, translated.progress, translated.outcome
                );
                snapshot(upstream, &format!("{name}.sse.{agent_name}"), &text);
            }
        }
    }
}

#[test]
fn whole_bodies() {
    type Translate = fn(&AnswerOptions, &[u8]) -> Result<Answer, coretap_formats::event::Failure>;
    for (format, upstream) in UPSTREAMS {
        for (name, bytes) in upstream_files(upstream, "json") {
            for (agent, agent_name) in AGENTS {
                let options = options(format, agent);
                let told = |translate: Translate| match translate(&options, &bytes) {
                    Ok(answer) => format!(
                        "{}\n{:?}\n",
                        String::from_utf8(answer.body).unwrap(),
                        answer.outcome
                    ),
                    Err(failure) => format!("{failure:?}\n"),
                };
                if let Ok(answer) = answer(&options, &bytes) {
                    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
                    let member = if agent == AgentFormat::Gemini {
                        "modelVersion"
                    } else {
                        "model"
                    };
                    assert_eq!(body[member], options.model, "{upstream}/{name}");
                    let streamed = answer_as_stream(&options, &bytes).unwrap();
                    grammar::check_events(agent, &String::from_utf8(streamed.body).unwrap());
                    assert_eq!(streamed.outcome, answer.outcome);
                }
                let text = format!("{}\n{}", told(answer), told(answer_as_stream));
                snapshot(upstream, &format!("{name}.json.{agent_name}"), &text);
            }
        }
    }
}

#[test]
fn usage_goes_out_only_when_it_was_asked_for() {
    for (format, upstream) in UPSTREAMS {
        for (name, bytes) in upstream_files(upstream, "sse") {
            let mut options = options(format, AgentFormat::ChatCompletions);
            options.include_usage = false;
            let translated = translate(&options, [bytes.as_slice()]);
            assert!(
                !translated.written.contains("\"prompt_tokens\""),
                "{upstream}/{name}"
            );
        }
    }
}
