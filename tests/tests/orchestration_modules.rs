//! What orchestration does beside completing, as a person sets it in `settings.toml`: filters, masking, fallbacks, prompt caching
//! and a time budget, each off by default, through the real command.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "A panic is how a test fails."
)]

use coretap_tests::formats::Format;
use coretap_tests::process::{Coretap, Mode, Simulator, run};
use serde_json::json;
use tempfile::TempDir;

const CLAUDE: &str = "anthropic--claude-4.5-sonnet";

/// A folder of settings with these modules.
fn home(modules: &str) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    let text = format!("version = 1\n[[connections]]\n{modules}");
    std::fs::write(home.path().join("settings.toml"), text).unwrap();
    home
}

async fn start(simulator: &Simulator, mode: Mode, home: &TempDir) -> Coretap {
    Coretap::start(
        simulator,
        mode,
        &[("CORETAP_HOME", home.path().to_str().unwrap())],
    )
    .await
}

const FILTERS: &str = r#"
[connections.orchestration_modules.input_filter]
azure_content_safety = { hate = 4, self_harm = 4, sexual = 4, violence = 4 }
prompt_shield = true
[connections.orchestration_modules.output_filter]
llama_guard = ["violent_crimes"]
"#;

const MASKING: &str = r#"
[connections.orchestration_modules.masking]
method = "pseudonymization"
entities = ["profile-email", "profile-phone"]
allowlist = ["support@example.com"]
"#;

#[tokio::test]
async fn filters_refuse_prompts_and_end_answers() {
    let simulator = Simulator::start().await;
    let coretap = start(&simulator, Mode::Orchestration, &home(FILTERS)).await;
    for format in Format::ALL {
        for stream in [false, true] {
            let ask = async |text: &str| {
                coretap
                    .post(&format.path(CLAUDE, stream), &format.ask(CLAUDE, text, stream))
                    .await
            };
            let good = ask("plum-4711").await;
            assert_eq!(
                (good.status, good.header("x-coretap-orchestration")),
                (200, "filtering")
            );

            let refused = ask("severity:violence=6").await;
            assert_eq!(
                (refused.status, refused.header("x-coretap-code")),
                (400, "UPSTREAM-FILTERED")
            );
            let message = refused.json()["error"]["message"].as_str().unwrap().to_owned();
            for part in [
                "400 - Filtering Module - Input Filter: Prompt filtered due to safety violations.",
                "(Azure Content Safety: violence 6)",
                "page Connection",
            ] {
                assert!(message.contains(part), "{message}");
            }

            let ended = ask("category:violent_crimes").await;
            assert_eq!(ended.status, 200, "{ended:?}");
            let word = match format {
                Format::Messages => "refusal",
                Format::Chat | Format::Responses => "content_filter",
                Format::Gemini => "SAFETY",
            };
            let said = if stream {
                let events = ended.events();
                format.check_stream(&events, "filtered");
                events
                    .iter()
                    .map(|event| event.data.clone())
                    .collect::<Vec<_>>()
                    .concat()
            } else {
                ended.json().to_string()
            };
            assert!(said.contains(&format!("\"{word}\"")), "{said}");
            assert!(!said.contains("category:violent_crimes"), "{said}");
        }
    }
    let line = coretap.stop("TERM").await.stderr;
    assert!(line.contains("orchestration=filtering"), "{line}");
    assert!(line.contains("code=UPSTREAM-FILTERED"), "{line}");
}

#[tokio::test]
async fn masked_values_do_not_reach_the_model_and_come_back() {
    let simulator = Simulator::start().await;
    let coretap = start(&simulator, Mode::Orchestration, &home(MASKING)).await;
    let text = "Ask ann@example.com or support@example.com, or call +49 170 1234567.";
    for format in Format::ALL {
        let whole = coretap
            .post(&format.path("gpt-4o", false), &format.ask("gpt-4o", text, false))
            .await;
        assert_eq!(whole.header("x-coretap-orchestration"), "masking");
        assert!(format.text(&whole.json()).contains(text), "{whole:?}");
        let stream = coretap
            .post(&format.path("gpt-4o", true), &format.ask("gpt-4o", text, true))
            .await;
        assert!(
            format.streamed_text(&stream.events()).contains(text),
            "{stream:?}"
        );
    }
    let vectors = json!({"model": "text-embedding-3-small", "input": "ann@example.com"});
    let answer = coretap.post("/v1/embeddings", &vectors).await;
    assert_eq!(
        (answer.status, answer.header("x-coretap-orchestration")),
        (200, "masking")
    );
    simulator.refused_nothing().await;
    for seen in simulator.inference().await {
        let provider = &seen.body["config"]["modules"]["masking"]["providers"][0];
        assert_eq!(
            provider["entities"],
            json!([{"type": "profile-email"}, {"type": "profile-phone"}])
        );
    }
}

#[tokio::test]
async fn the_next_model_answers_for_one_that_fails_and_is_named() {
    let simulator = Simulator::start().await;
    simulator
        .settings(&json!({"refuses": [{"busy_model": "gpt-5"}]}))
        .await;
    let modules = format!("[connections.orchestration_modules]\nfallbacks = [\"{CLAUDE}\"]\n");
    let coretap = start(&simulator, Mode::Orchestration, &home(&modules)).await;
    for format in Format::ALL {
        let answer = coretap
            .post(
                &format.path("gpt-5", false),
                &format.ask("gpt-5", "plum-4711", false),
            )
            .await;
        assert_eq!((answer.status, answer.header("x-coretap-model")), (200, CLAUDE));
        assert_eq!(answer.header("x-coretap-orchestration"), "fallbacks");
        let answer = coretap
            .post(
                &format.path("gpt-4o", true),
                &format.ask("gpt-4o", "plum-4711", true),
            )
            .await;
        assert_eq!((answer.status, answer.header("x-coretap-model")), (200, "gpt-4o"));
        // No other model is asked behind a stream's 429: it is told, word for word.
        let answer = coretap
            .post(
                &format.path("gpt-5", true),
                &format.ask("gpt-5", "plum-4711", true),
            )
            .await;
        assert_eq!(answer.status, 429, "{answer:?}");
    }
}

#[tokio::test]
async fn prompts_are_cached_for_agents_that_do_not_ask_for_it() {
    let simulator = Simulator::start().await;
    let modules = "[connections.orchestration_modules]\nprompt_caching = true\ntimeout = 300\n";
    let coretap = start(&simulator, Mode::Orchestration, &home(modules)).await;
    let body = json!({"model": CLAUDE, "messages": [
        {"role": "system", "content": "Be short."}, {"role": "user", "content": "plum-4711"}]});
    let cached = async || {
        let answer = coretap.post("/v1/chat/completions", &body).await;
        assert_eq!(answer.header("x-coretap-orchestration"), "timeout,prompt_caching");
        answer.json()["usage"]["prompt_tokens_details"]["cached_tokens"]
            .as_u64()
            .unwrap_or(0)
    };
    assert_eq!(cached().await, 0);
    assert!(
        cached().await > 0,
        "the second request reads what the first one wrote"
    );
    simulator.refused_nothing().await;
}

#[tokio::test]
async fn foundation_mode_has_none_of_it_and_the_doctor_says_so() {
    let simulator = Simulator::start().await;
    let home = home(&format!("{FILTERS}{MASKING}"));
    let coretap = start(&simulator, Mode::Foundation, &home).await;
    let answer = coretap
        .post(
            "/v1/messages",
            &Format::Messages.ask(CLAUDE, "ann@example.com", false),
        )
        .await;
    assert_eq!(
        (answer.status, answer.header("x-coretap-orchestration")),
        (200, "")
    );
    for (mode, told) in [
        (
            Mode::Foundation,
            "orchestration modules: filtering, masking (settings.toml, not used in this mode)",
        ),
        (
            Mode::Orchestration,
            "orchestration modules: filtering, masking (settings.toml)",
        ),
    ] {
        let environment = [
            ("AICORE_SERVICE_KEY", simulator.service_key.as_str()),
            ("CORETAP_API_KEY", "k"),
            ("CORETAP_PORT", "1"),
            ("CORETAP_HOME", home.path().to_str().unwrap()),
            ("CORETAP_ORCHESTRATION", mode.setting()),
        ];
        let doctor = run(&["doctor"], &environment).await;
        assert!(doctor.stdout.contains(told), "{doctor:?}");
    }
}

#[tokio::test]
async fn nothing_is_on_by_default_and_what_cannot_be_sent_is_refused_at_the_start() {
    let simulator = Simulator::start().await;
    let coretap = start(&simulator, Mode::Orchestration, &home("")).await;
    let answer = coretap
        .post("/v1/messages", &Format::Messages.ask(CLAUDE, "Hi", false))
        .await;
    assert_eq!(answer.header("x-coretap-orchestration"), "");
    let seen = simulator.inference().await;
    let modules: Vec<&String> = seen[0].body["config"]["modules"]
        .as_object()
        .map(serde_json::Map::keys)
        .unwrap()
        .collect();
    assert_eq!(modules, ["prompt_templating"]);
    let wrong = home("[connections.orchestration_modules]\ntimeout = 5000\n");
    let environment = [
        ("AICORE_SERVICE_KEY", simulator.service_key.as_str()),
        ("CORETAP_HOME", wrong.path().to_str().unwrap()),
    ];
    let finished = run(&["serve", "--port", "0"], &environment).await;
    assert_ne!(finished.code, 0);
    assert!(
        finished
            .stderr
            .contains("timeout is not between 1 and 1200 seconds"),
        "{finished:?}"
    );
}
