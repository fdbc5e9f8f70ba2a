//! Where a model is reached, in both modes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use coretap_aicore::{AiCore, Connection, Endpoint, Error, Family, InferenceRequest, Purpose, Timeouts};
use tokio::sync::Semaphore;

use crate::stand_in::{
    CATALOGUE, DEPLOYMENTS, StandIn, catalogue_row, json, list, model_row, orchestration_row, pass, text,
};

async fn with_deployments(rows: &[String]) -> StandIn {
    let stand_in = StandIn::start().await;
    stand_in.always(DEPLOYMENTS, json(200, list(rows)));
    stand_in
}

fn selecting(stand_in: &StandIn, orchestration: bool, model: &str) -> AiCore {
    let selected_model = Some(model.to_owned());
    let connection = Connection {
        orchestration,
        selected_model,
        ..stand_in.connection()
    };
    AiCore::new(connection, Timeouts::default()).unwrap()
}

#[tokio::test]
async fn the_chosen_deployment_is_used_while_it_runs() {
    let older = model_row("dolder", "gpt-4o", "azure-openai");
    let newer = model_row("dnewer", "gpt-4o", "azure-openai").replace("2025-01-01", "2026-01-01");
    let reached_with = async |rows: &[String], chosen: &str| {
        let stand_in = with_deployments(rows).await;
        let connection = Connection {
            selected_deployment: Some(chosen.to_owned()),
            ..stand_in.connection()
        };
        let core = AiCore::new(connection, Timeouts::default()).unwrap();
        deployments_of(&core, "gpt-4o").await
    };
    let both = [older.clone(), newer.clone()];
    assert_eq!(reached_with(&both, "dolder").await, ["dolder"]);
    assert_eq!(reached_with(&both, "dgone").await, ["dnewer", "dolder"]);
    let stopped = [older.replace("RUNNING", "STOPPED"), newer];
    assert_eq!(reached_with(&stopped, "dolder").await, ["dnewer"]);
}

async fn deployments_of(core: &AiCore, asked: &str) -> Vec<String> {
    let routes = core.routes_for(Purpose::Chat, asked).await.unwrap();
    let routes = routes.iter().map(|route| route.deployment_id.clone());
    routes.collect()
}

#[tokio::test]
async fn a_model_is_reached_at_all_its_deployments_whose_api_is_known() {
    let rows = [
        model_row("dforeign", "gpt-4o", "nobody-knows").replace("2025-01-01", "2026-02-02"),
        model_row("dolder", "gpt-4o", "azure-openai"),
        model_row("dother", "gpt-4.1", "azure-openai"),
        model_row("dnewer", "GPT-4o", "azure-openai").replace("2025-01-01", "2026-01-01"),
    ];
    let stand_in = with_deployments(&rows).await;
    let core = stand_in.foundation();
    assert_eq!(deployments_of(&core, "gpt-4o").await, ["dnewer", "dolder"]);
    assert_eq!(core.route("gpt-4o").await.unwrap().deployment_id, "dnewer");
    // Orchestration reaches it through each deployment that lets it through.
    let stand_in = with_deployments(&[
        orchestration_row("dsecond").replace("defaultOrchestrationConfig", "mine"),
        orchestration_row("dfirst"),
    ])
    .await;
    let core = stand_in.orchestration();
    assert_eq!(deployments_of(&core, "gpt-4o").await, ["dfirst", "dsecond"]);
}

#[tokio::test]
async fn orchestration_reaches_every_model_of_the_catalogue_with_one_deployment() {
    let stand_in = with_deployments(&[orchestration_row("d0000")]).await;
    let rows = [
        "anthropic--claude-4.5-sonnet",
        "anthropic--claude-4.8-opus",
        "gpt-4o",
    ];
    stand_in.always(
        CATALOGUE,
        json(200, list(&rows.map(|row| catalogue_row(row, "text-generation")))),
    );
    let core = stand_in.orchestration();
    for (asked, model, long_context) in [
        ("gpt-4o", "gpt-4o", false),
        (
            "claude-sonnet-4-5-20250929",
            "anthropic--claude-4.5-sonnet",
            false,
        ),
        ("claude-opus-4-8[1m]", "anthropic--claude-4.8-opus", true),
    ] {
        let route = core.route(asked).await.unwrap();
        assert_eq!((route.model.as_str(), route.long_context), (model, long_context));
        assert_eq!(
            (route.family, route.deployment_id.as_str()),
            (Family::Orchestration, "d0000")
        );
        assert_eq!(route.version, "latest");
    }
    let error = core.route("gpt-9").await.unwrap_err();
    assert_eq!(error.code(), "ROUTE-MODEL-UNKNOWN");
    assert_eq!(
        error.to_string(),
        "SAP AI Core has no model 'gpt-9'; there are: anthropic--claude-4.5-sonnet, anthropic--claude-4.8-opus, gpt-4o."
    );
    let route = selecting(&stand_in, true, "claude-sonnet-4-5")
        .route("gpt-9")
        .await
        .unwrap();
    assert_eq!(route.model, "anthropic--claude-4.5-sonnet");
}

#[tokio::test]
async fn a_failed_or_empty_catalogue_blocks_nobody_who_names_a_model_of_saps() {
    let stand_in = with_deployments(&[orchestration_row("d0000")]).await;
    for catalogue in [
        text(403, "RBAC: access denied"),
        text(503, "no healthy upstream"),
        json(200, list(&[])),
        json(200, "?"),
    ] {
        stand_in.always(CATALOGUE, catalogue);
        let core = stand_in.orchestration();
        for (asked, model) in [
            ("anthropic--claude-9-opus", "anthropic--claude-9-opus"),
            ("gpt-9", "gpt-9"),
            ("gemini-9-pro", "gemini-9-pro"),
            ("claude-sonnet-4-5", "anthropic--claude-4.5-sonnet"),
        ] {
            assert_eq!(core.route(asked).await.unwrap().model, model);
        }
        assert_eq!(
            core.route("my-sonnet").await.unwrap_err().code(),
            "ROUTE-MODEL-UNKNOWN"
        );
        assert_eq!(
            selecting(&stand_in, true, "gpt-9")
                .route("my-sonnet")
                .await
                .unwrap()
                .model,
            "gpt-9"
        );
    }
}

#[tokio::test]
async fn a_catalogue_that_hangs_is_not_waited_for() {
    let stand_in = with_deployments(&[orchestration_row("d0000")]).await;
    let gate = Arc::new(Semaphore::new(0));
    stand_in.always(CATALOGUE, json(200, list(&[])).behind(&gate));
    let core = stand_in.orchestration();
    let asking = tokio::spawn({
        let core = core.clone();
        async move { core.route("gpt-4o").await }
    });
    stand_in.asked(CATALOGUE, 1).await;
    pass(Duration::from_secs(3)).await;
    assert_eq!(asking.await.unwrap().unwrap().model, "gpt-4o");
    // And the next one does not wait at all.
    core.route("gpt-4o").await.unwrap();
    assert_eq!(stand_in.count(CATALOGUE), 1);
}

#[tokio::test]
async fn foundation_mode_reaches_the_models_that_are_deployed() {
    let stand_in = with_deployments(&[
        model_row("d1111", "gpt-4o", "azure-openai"),
        model_row("d2222", "anthropic--claude-4.5-sonnet", "aws-bedrock"),
        model_row("d3333", "sap-rpt-1-large", "aicore-sap"),
    ])
    .await;
    let core = stand_in.foundation();
    let route = core.route("gpt-4o-2024-08-06").await.unwrap();
    assert_eq!(
        (route.model.as_str(), route.family, &*route.deployment_id),
        ("gpt-4o", Family::AzureOpenAi, "d1111")
    );
    assert_eq!(route.version, "1");
    let route = core.route("claude-sonnet-4.5").await.unwrap();
    assert_eq!((route.family, &*route.deployment_id), (Family::Claude, "d2222"));
    assert_eq!(stand_in.count(CATALOGUE), 0, "every deployment says what it is");

    let error = core.route("sap-rpt-1-large").await.unwrap_err();
    assert_eq!(error.code(), "ROUTE-FAMILY-UNSUPPORTED");
    assert_eq!(
        error.to_string(),
        "'sap-rpt-1-large' can't be reached directly: Coretap does not speak its API (aicore-sap). Turn on orchestration \
         mode, which reaches the models of every provider."
    );
    let error = core.route("claude-opus-4-8").await.unwrap_err();
    assert_eq!(error.code(), "ROUTE-NO-DEPLOYMENT");
    assert_eq!(
        error.to_string(),
        "Resource group 'team' has no running deployment of 'anthropic--claude-4.8-opus'; \
         running are anthropic--claude-4.5-sonnet, gpt-4o, sap-rpt-1-large."
    );
    assert_eq!(
        selecting(&stand_in, false, "sap/gpt-4o")
            .route("claude-opus-4-8")
            .await
            .unwrap()
            .model,
        "gpt-4o"
    );
}

#[tokio::test]
async fn a_deployment_that_does_not_say_its_executable_is_looked_up_then_judged_by_its_name() {
    let silent = |id: &str, model: &str| model_row(id, model, "").replace(r#""executableId":"","#, "");
    let stand_in = with_deployments(&[
        silent("d1111", "house-model"),
        silent("d2222", "anthropic--claude-4-opus"),
    ])
    .await;
    stand_in.always(
        CATALOGUE,
        json(200, list(&[catalogue_row("house-model", "text-generation")])),
    );
    let core = stand_in.foundation();
    assert_eq!(
        core.route("house-model").await.unwrap().family,
        Family::AzureOpenAi
    );
    assert_eq!(
        core.route("claude-opus-4-0").await.unwrap().family,
        Family::Claude
    );

    stand_in.always(CATALOGUE, text(503, "no healthy upstream"));
    let core = stand_in.foundation();
    assert_eq!(
        core.route("claude-opus-4-0").await.unwrap().family,
        Family::Claude
    );
    assert_eq!(
        core.route("house-model").await.unwrap_err().code(),
        "ROUTE-FAMILY-UNSUPPORTED"
    );
}

#[tokio::test]
async fn an_asked_name_is_resolved_once_per_list() {
    let stand_in = with_deployments(&[model_row("d1111", "gpt-4o", "azure-openai")]).await;
    let core = stand_in.foundation();
    let first = core.route("gpt-4o").await.unwrap();
    assert!(Arc::ptr_eq(&first, &core.route("gpt-4o").await.unwrap()));

    stand_in.always(
        DEPLOYMENTS,
        json(200, list(&[model_row("d2222", "gpt-4o", "azure-openai")])),
    );
    core.forget_deployments();
    assert_eq!(core.route("gpt-4o").await.unwrap().deployment_id, "d2222");
    assert_eq!(stand_in.count(DEPLOYMENTS), 2);
    // More names than are kept, and one too long to be kept, resolve as well.
    let core = selecting(&stand_in, false, "gpt-4o");
    for number in 0..300 {
        assert_eq!(
            core.route(&format!("name-{number}")).await.unwrap().deployment_id,
            "d2222"
        );
    }
    assert_eq!(
        core.route(&"x".repeat(1_000_000)).await.unwrap().deployment_id,
        "d2222"
    );
}

#[tokio::test]
async fn what_was_deployed_a_moment_ago_is_found() {
    let stand_in = with_deployments(&[]).await;
    let core = stand_in.foundation();
    let error = core.route("gpt-4o").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Resource group 'team' has no running deployment of 'gpt-4o'; nothing is running there."
    );
    stand_in.always(
        DEPLOYMENTS,
        json(200, list(&[model_row("d1111", "gpt-4o", "azure-openai")])),
    );
    core.route("gpt-4o").await.unwrap_err();
    assert_eq!(
        stand_in.count(DEPLOYMENTS),
        1,
        "a list younger than 10 s is not read again"
    );
    pass(Duration::from_secs(10)).await;
    assert_eq!(core.route("gpt-4o").await.unwrap().deployment_id, "d1111");
    assert_eq!(stand_in.count(DEPLOYMENTS), 2);

    let error = stand_in.orchestration().route("gpt-4o").await.unwrap_err();
    assert!(matches!(error, Error::NoOrchestrationDeployment { .. }));
    assert_eq!(
        error.to_string(),
        "Resource group 'team' has no running orchestration deployment."
    );
}

#[tokio::test]
async fn a_long_name_comes_back_short() {
    let stand_in = with_deployments(&[]).await;
    let error = stand_in
        .foundation()
        .route(&format!("evil\r\n{}", "x".repeat(10_000)))
        .await
        .unwrap_err();
    assert!(error.to_string().len() < 300, "{error}");
    assert!(!error.to_string().contains('\n'));
}

#[tokio::test]
async fn each_family_is_sent_to_its_own_paths() {
    let rows = [
        ("gpt-4o", "azure-openai"),
        ("anthropic--claude-4.5-sonnet", "aws-bedrock"),
        ("amazon--nova-pro", "aws-bedrock"),
        ("amazon--titan-embed-text", "aws-bedrock"),
        ("gemini-2.5-pro", "gcp-vertexai"),
        ("gemini-embedding", "gcp-vertexai"),
        ("mistralai--mistral-medium-instruct", "aicore-mistralai"),
        ("sonar-pro", "perplexity-ai"),
        ("cohere--command-a-reasoning", "aicore-cohere"),
        ("nvidia--llama-3.2-nv-embedqa-1b", "aicore-nvidia"),
    ];
    let rows = rows.map(|(model, executable)| model_row("d1111", model, executable));
    let stand_in = with_deployments(&rows).await;
    let core = stand_in.foundation();
    let below = "/v2/inference/deployments/d1111";
    for (purpose, model, whole, stream) in [
        (
            Purpose::Chat,
            "gpt-4o",
            "/chat/completions?api-version=2024-12-01-preview",
            None,
        ),
        (
            Purpose::Chat,
            "anthropic--claude-4.5-sonnet",
            "/invoke",
            Some("/invoke-with-response-stream"),
        ),
        (
            Purpose::Chat,
            "amazon--nova-pro",
            "/converse",
            Some("/converse-stream"),
        ),
        (
            Purpose::Chat,
            "gemini-2.5-pro",
            "/models/gemini-2.5-pro:generateContent",
            Some("/models/gemini-2.5-pro:streamGenerateContent?alt=sse"),
        ),
        (
            Purpose::Chat,
            "mistralai--mistral-medium-instruct",
            "/chat/completions",
            None,
        ),
        (Purpose::Chat, "sonar-pro", "/chat/completions", None),
        (Purpose::Chat, "cohere--command-a-reasoning", "/v2/chat", None),
        (Purpose::Embeddings, "amazon--titan-embed-text", "/invoke", None),
        (
            Purpose::Embeddings,
            "gemini-embedding",
            "/models/gemini-embedding:predict",
            None,
        ),
        (
            Purpose::Embeddings,
            "nvidia--llama-3.2-nv-embedqa-1b",
            "/embeddings",
            None,
        ),
    ] {
        let route = core.route_for(purpose, model).await.unwrap();
        for (is_stream, path) in [(false, whole), (true, stream.unwrap_or(whole))] {
            let request = InferenceRequest {
                stream: is_stream,
                endpoint: Endpoint::Own,
                body: Bytes::from_static(b"{}"),
            };
            core.send(&route, request).await.unwrap();
            let plain = path.split('?').next().unwrap();
            let call = stand_in.seen(&format!("{below}{plain}")).pop().unwrap();
            assert_eq!(call.uri, format!("{below}{path}"), "{model}");
        }
    }
    let selection = core.selection().await.unwrap();
    assert_eq!((selection.models.len(), selection.embeddings.len()), (7, 3));
}

#[tokio::test]
async fn orchestration_reaches_models_whose_own_api_nobody_knows() {
    let stand_in = with_deployments(&[orchestration_row("d0000")]).await;
    let unknown = |model: &str, executable: &str| {
        catalogue_row(model, "text-generation").replace(r#""executableId":"azure-openai""#, executable)
    };
    let rows = [
        unknown("sap-abap-1", r#""executableId":null"#),
        unknown("qwen3.7-max", r#""executableId":"aicore-alibaba""#),
    ];
    stand_in.always(CATALOGUE, json(200, list(&rows)));
    let core = stand_in.orchestration();
    for model in ["sap-abap-1", "qwen3.7-max"] {
        assert_eq!(core.route(model).await.unwrap().family, Family::Orchestration);
    }
    assert_eq!(core.selection().await.unwrap().models.len(), 2);
}
