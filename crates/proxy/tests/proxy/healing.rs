//! Healing: what a deployment refuses is left out, and remembered for it.

use std::sync::Arc;

use coretap_formats::ModelFormat;
use coretap_formats::limitation::Limitation;
use coretap_formats::rules::Rules;
use coretap_proxy::{Knowledge, Lesson};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::under_test::{ANSWERS, UnderTest, quick, read_to_end};
use crate::upstream::{MODEL, Reply, Upstream, failure, hello, opening, refusal, whole};
use crate::{error, header};

/// A proxy, what it knows, and what it tells of it.
async fn start(
    replies: impl IntoIterator<Item = Reply>,
) -> (
    Upstream,
    UnderTest,
    Arc<Knowledge>,
    mpsc::UnboundedReceiver<Lesson>,
) {
    let upstream = Upstream::start(replies).await;
    let (sender, learned) = mpsc::unbounded_channel();
    let knowledge = Arc::new(Knowledge::new(Rules::embedded(), Vec::new(), Some(sender)));
    let test = UnderTest::start_knowing(upstream.aicore(), quick(), Arc::clone(&knowledge)).await;
    (upstream, test, knowledge, learned)
}

/// A request with parameters that a deployment may refuse.
async fn ask(test: &UnderTest) -> reqwest::Response {
    let body = json!({"model": "claude-sonnet-4-5", "max_tokens": 100, "temperature": 0.5, "top_k": 5,
        "stop_sequences": ["plum"], "messages": [{"role": "user", "content": "Hi"}]});
    test.post("/v1/messages", body.to_string()).send().await.unwrap()
}

fn good() -> Reply {
    Reply::Status(200, &[], whole("hello"))
}

fn unknown(name: &str) -> Reply {
    refusal(
        400,
        &[],
        &format!("400 - LLM Module: Unknown field for AnthropicMessagesRequest: {name}"),
    )
}

/// The parameters of each request that the upstream has seen, by name.
fn parameters(upstream: &Upstream) -> Vec<Vec<String>> {
    let names = |(_, body): (String, Value)| {
        let parameters = &body["config"]["modules"]["prompt_templating"]["model"]["params"];
        parameters.as_object().unwrap().keys().cloned().collect()
    };
    upstream.seen().into_iter().map(names).collect()
}

fn limitations(knowledge: &Knowledge) -> Vec<Limitation> {
    let lessons = knowledge.lessons();
    lessons.into_iter().map(|lesson| lesson.limitation).collect()
}

fn field(name: &str) -> Limitation {
    Limitation::Field(name.to_owned())
}

#[tokio::test]
async fn what_is_refused_is_left_out_told_and_remembered() {
    let (upstream, mut test, knowledge, mut learned) = start([unknown("top_k"), good(), good()]).await;
    for (retries, requests) in [(1, 2), (0, 3)] {
        let response = ask(&test).await;
        assert_eq!(response.status(), 200);
        assert!(header(&response, "x-coretap-dropped").contains("top_k"));
        let exchange = test.exchange().await;
        assert_eq!((exchange.retries, exchange.code), (retries, None));
        assert_eq!(upstream.seen().len(), requests);
    }
    let sent = parameters(&upstream);
    assert!(sent[0].contains(&"top_k".to_owned()));
    for healed in &sent[1..] {
        assert_eq!(*healed, ["max_tokens", "stop", "temperature"]);
    }
    let lesson = learned.try_recv().unwrap();
    assert!(learned.try_recv().is_err(), "it is learned once");
    assert_eq!(knowledge.lessons(), std::slice::from_ref(&lesson));
    assert_eq!(lesson.id(), format!("d-first/{MODEL}/top_k"));
    assert_eq!(lesson.format, ModelFormat::Orchestration);
    assert_eq!(lesson.words, "refused the field 'top_k'");
}

#[tokio::test]
async fn a_lesson_has_none_of_the_upstreams_words() {
    let words = "400 - LLM Module: TOPSECRETPROMPT is bad. Unknown parameter: 'top_k'.";
    let (_upstream, test, knowledge, mut learned) = start([refusal(400, &[], words), good()]).await;
    assert_eq!(ask(&test).await.status(), 200);
    let lesson = learned.try_recv().unwrap();
    assert_eq!(knowledge.lessons(), std::slice::from_ref(&lesson));
    assert_eq!(lesson.limitation, field("top_k"));
    assert!(!format!("{lesson:?}").contains("TOPSECRETPROMPT"), "{lesson:?}");
}

#[tokio::test]
async fn a_form_of_the_answer_that_the_agent_demands_is_never_left_out() {
    for words in [
        "400 - LLM Module: Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
        "400 - LLM Module: Unsupported parameter: 'tool_choice' is not supported with this model.",
    ] {
        let (upstream, test, knowledge, _learned) = start([refusal(400, &[], words)]).await;
        let body = json!({"model": "claude-sonnet-4-5", "messages": [{"role": "user", "content": "Hi"}],
            "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}},
            "tools": [{"type": "function", "function": {"name": "a", "parameters": {"type": "object"}}}],
            "tool_choice": "required"});
        let response = test
            .post("/v1/chat/completions", body.to_string())
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 400, "{words}");
        assert_eq!(error(response).await, words);
        assert_eq!((upstream.seen().len(), knowledge.lessons()), (1, Vec::new()));
    }
}

#[tokio::test]
async fn another_deployment_and_a_forgotten_lesson_are_tried_anew() {
    let gone = Reply::Status(404, &[], "Not Found".into());
    let replies = [unknown("top_k"), good(), gone, good(), unknown("top_k"), good()];
    let (upstream, test, knowledge, _learned) = start(replies).await;
    ask(&test).await;
    upstream.deploy("d-second");
    assert_eq!(ask(&test).await.status(), 200);
    let has_top_k = |upstream: &Upstream| {
        let sent = parameters(upstream);
        sent.iter()
            .map(|names| names.contains(&"top_k".to_owned()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        has_top_k(&upstream),
        [true, false, false, true],
        "the second deployment has refused nothing"
    );
    assert_eq!(ask(&test).await.status(), 200);
    assert_eq!(knowledge.lessons().len(), 2);
    knowledge.set_lessons(Vec::new());
    assert_eq!(limitations(&knowledge), []);
}

#[tokio::test]
async fn several_things_are_left_out_one_after_the_other_but_no_more_than_three() {
    let limit = |sent: u64, most: u64| {
        let words = format!(
            "400 - LLM Module: max_tokens: {sent} > {most}, which is the maximum allowed number of output tokens for x"
        );
        refusal(400, &[], &words)
    };
    let (upstream, mut test, knowledge, _learned) =
        start([unknown("top_k"), limit(100, 50), unknown("temperature"), good()]).await;
    assert_eq!(ask(&test).await.status(), 200);
    assert_eq!(test.exchange().await.retries, 3);
    assert_eq!(parameters(&upstream)[3], ["max_tokens", "stop"]);
    assert_eq!(
        limitations(&knowledge),
        [
            field("top_k"),
            Limitation::MaxOutputTokens(50),
            field("temperature")
        ]
    );

    let (upstream, test, knowledge, _learned) = start([
        unknown("top_k"),
        limit(100, 50),
        unknown("temperature"),
        unknown("stop"),
    ])
    .await;
    let response = ask(&test).await;
    assert_eq!(response.status(), 400);
    assert!(error(response).await.ends_with(": stop"));
    assert_eq!(upstream.seen().len(), 4);
    assert_eq!(
        limitations(&knowledge).len(),
        3,
        "what helped is remembered, and the next request needs one less"
    );
}

#[tokio::test]
async fn what_did_not_help_is_told_and_not_remembered() {
    let (upstream, test, knowledge, _learned) = start([unknown("top_k"), unknown("top_k")]).await;
    let response = ask(&test).await;
    assert_eq!(response.status(), 400);
    assert_eq!(
        error(response).await,
        "400 - LLM Module: Unknown field for AnthropicMessagesRequest: top_k"
    );
    assert_eq!((upstream.seen().len(), knowledge.lessons()), (2, Vec::new()));

    // Nobody knows whether it helped when the deployment fails in another way.
    let (upstream, test, knowledge, _learned) = start([unknown("top_k"), refusal(500, &[], "x")]).await;
    assert_eq!(ask(&test).await.status(), 500);
    assert_eq!((upstream.seen().len(), knowledge.lessons()), (2, Vec::new()));
}

#[tokio::test]
async fn a_short_trouble_behind_a_refusal_is_lived_through() {
    let busy = refusal(503, &[], "503 - LLM Module: busy");
    let (upstream, mut test, knowledge, _learned) = start([unknown("top_k"), busy, good()]).await;
    assert_eq!(ask(&test).await.status(), 200);
    assert_eq!(test.exchange().await.retries, 2);
    let seen = upstream.seen();
    assert_eq!(seen[1], seen[2], "the same bytes");
    assert_eq!(limitations(&knowledge), [field("top_k")]);
}

#[tokio::test]
async fn every_other_refusal_reaches_the_agent_word_for_word_at_once() {
    for words in [
        "400 - Filtering Module - Input Filter: Prompt filtered due to safety violations. Please modify the prompt and try again.",
        "400 - LLM Module: input length and `max_tokens` exceed context limit: 195000 + 32000 > 200000, decrease input length or `max_tokens` and try again",
        "400 - LLM Module: prompt is too long: 204800 tokens > 200000 maximum",
        "400 - LLM Module: messages: Extra inputs are not permitted",
        "400 - LLM Module: tools: Tool names must be unique.",
        // Nothing of it is in the request.
        "400 - LLM Module: Unknown field for AnthropicMessagesRequest: seed",
        "400 - LLM Module: Streaming is not supported for this model",
        "400 - LLM Module: max_tokens: 200 > 150, which is the maximum allowed number of output tokens for x",
    ] {
        let (upstream, mut test, knowledge, _learned) = start([refusal(400, &[], words)]).await;
        let response = ask(&test).await;
        assert_eq!(response.status(), 400, "{words}");
        let told = error(response).await;
        let code = if words.contains("Filtering Module") {
            // The words are a sentence; what to do follows it.
            assert!(
                told.strip_prefix(words).is_some_and(|hint| hint.starts_with(' ')),
                "{told}"
            );
            "UPSTREAM-FILTERED"
        } else {
            assert_eq!(told, words);
            "UPSTREAM-REFUSED"
        };
        let exchange = test.exchange().await;
        assert_eq!((exchange.retries, exchange.code), (0, Some(code)));
        assert_eq!((upstream.seen().len(), knowledge.lessons()), (1, Vec::new()));
    }
}

#[tokio::test]
async fn a_refusal_at_the_beginning_of_a_stream_is_healed_too() {
    for path in ANSWERS {
        let words = "400 - LLM Module: temperature: Extra inputs are not permitted";
        let (upstream, test, knowledge, _learned) =
            start([Reply::Stream(vec![opening(), failure(400, words)]), hello()]).await;
        let body = json!({"model": "claude-sonnet-4-5", "max_tokens": 100, "temperature": 0.5, "stream": true,
            "messages": [{"role": "user", "content": "Hi"}]});
        let response = test.post(path, body.to_string()).send().await.unwrap();
        assert_eq!(header(&response, "x-coretap-dropped"), "temperature");
        assert!(read_to_end(response).await.unwrap().contains("hello"));
        assert_eq!(upstream.seen().len(), 2);
        assert_eq!(limitations(&knowledge), [field("temperature")]);
    }
}

#[tokio::test]
async fn rules_of_ones_own_hold_from_the_next_request_on() {
    let (upstream, test, knowledge, _learned) = start([good(), good()]).await;
    ask(&test).await;
    let mut rules = Rules::embedded();
    let row = format!("[[model]]\nid = \"own\"\nmatch = [\"{MODEL}\"]\nrefused = [\"top_k\"]\n");
    assert_eq!(rules.merge(&row).1, []);
    knowledge.set_rules(rules);
    ask(&test).await;
    let has_top_k = |names: &Vec<String>| names.contains(&"top_k".to_owned());
    let sent: Vec<_> = parameters(&upstream).iter().map(has_top_k).collect();
    assert_eq!(sent, [true, false]);
}
