//! Deployments and catalogue: what is asked, how long it is kept, and what refusals become.

use std::sync::Arc;
use std::time::Duration;

use coretap_aicore::{AiCore, Connection, Reason, Timeouts};
use tokio::sync::Semaphore;

use crate::stand_in::{
    CATALOGUE, DEPLOYMENTS, GROUPS, StandIn, catalogue_row, html, json, list, model_row, orchestration_row,
    pass, text, within_10_seconds,
};

#[tokio::test]
async fn one_call_lists_everything_of_the_resource_group() {
    let stand_in = StandIn::start().await;
    let core = stand_in.foundation();
    core.deployments().await.unwrap();
    core.models().await.unwrap();
    let call = stand_in.seen(DEPLOYMENTS).remove(0);
    assert_eq!(
        (call.method.as_str(), call.uri.as_str()),
        ("GET", "/v2/lm/deployments?$top=10000")
    );
    for call in [call, stand_in.seen(CATALOGUE).remove(0)] {
        assert_eq!(call.header("ai-resource-group"), "team");
        assert_eq!(call.header("ai-client-type"), "Coretap");
        assert_eq!(call.header("authorization"), "Bearer token-1");
    }
}

#[tokio::test]
async fn lists_are_kept_and_refreshed_behind_the_one_who_asks() {
    let stand_in = StandIn::start().await;
    let core = stand_in.foundation();
    stand_in.always(
        DEPLOYMENTS,
        json(200, list(&[model_row("d1111", "gpt-4o", "azure-openai")])),
    );
    assert_eq!(core.deployments().await.unwrap().rows.len(), 1);
    core.models().await.unwrap();

    pass(Duration::from_secs(5 * 60 - 2)).await;
    core.deployments().await.unwrap();
    assert_eq!(stand_in.count(DEPLOYMENTS), 1);

    pass(Duration::from_secs(2)).await;
    let gate = Arc::new(Semaphore::new(0));
    stand_in.once(DEPLOYMENTS, json(200, list(&[])).behind(&gate));
    assert_eq!(
        core.deployments().await.unwrap().rows.len(),
        1,
        "the old list, at once"
    );
    stand_in.asked(DEPLOYMENTS, 2).await;
    assert_eq!(
        core.deployments().await.unwrap().rows.len(),
        1,
        "still, while the new one is on its way"
    );
    gate.add_permits(1);
    within_10_seconds(async {
        while core.deployments().await.unwrap().rows.len() == 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(stand_in.count(DEPLOYMENTS), 2);

    pass(Duration::from_secs(9 * 60)).await;
    core.models().await.unwrap();
    assert_eq!(
        stand_in.count(CATALOGUE),
        1,
        "the catalogue is kept for 15 minutes"
    );
    pass(Duration::from_secs(60)).await;
    core.models().await.unwrap();
    stand_in.asked(CATALOGUE, 2).await;
}

#[tokio::test]
async fn a_refresh_that_fails_keeps_the_old_list() {
    let stand_in = StandIn::start().await;
    let core = stand_in.foundation();
    stand_in.once(
        DEPLOYMENTS,
        json(200, list(&[model_row("d1111", "gpt-4o", "azure-openai")])),
    );
    core.deployments().await.unwrap();
    stand_in.always(DEPLOYMENTS, text(503, "no healthy upstream"));
    for refresh in 1..4 {
        // Each hour the first use starts a refresh, unless the last one is still on its way. They all fail.
        for _ in 0..1000 {
            pass(Duration::from_secs(3600)).await;
            assert_eq!(core.route("gpt-4o").await.unwrap().deployment_id, "d1111");
            tokio::task::yield_now().await;
            if stand_in.count(DEPLOYMENTS) > refresh {
                break;
            }
        }
        assert!(stand_in.count(DEPLOYMENTS) > refresh, "it is tried again");
    }
    assert_eq!(core.route("gpt-4o").await.unwrap().deployment_id, "d1111");
}

#[tokio::test]
async fn refusals_say_what_is_wrong() {
    let stand_in = StandIn::start().await;
    let core = stand_in.foundation();

    stand_in.once(DEPLOYMENTS, text(503, "no healthy upstream"));
    let error = core.deployments().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "SAP AI Core did not give the list of deployments (status 503): no healthy upstream"
    );
    assert_eq!(error.code(), "UPSTREAM-LIST");

    let missing = r#"{"error":{"code":"01010003","message":"Missing header","requestId":"b8","target":"/","details":{}}}"#;
    stand_in.once(DEPLOYMENTS, json(400, missing));
    let error = core.deployments().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "SAP AI Core did not give the list of deployments (status 400): Missing header"
    );

    stand_in.once(DEPLOYMENTS, json(200, "<html>"));
    assert_eq!(
        core.deployments().await.unwrap_err().code(),
        "UPSTREAM-UNREADABLE"
    );

    for page in [html(200), html(404), text(405, "no")] {
        stand_in.once(DEPLOYMENTS, page);
        let error = core.deployments().await.unwrap_err();
        assert_eq!(error.code(), "UPSTREAM-NOT-AI-CORE", "{error}");
    }

    stand_in.always(DEPLOYMENTS, text(403, "RBAC: access denied"));
    let groups = |ids: &[&str]| {
        list(
            &ids.iter()
                .map(|id| format!(r#"{{"resourceGroupId":"{id}"}}"#))
                .collect::<Vec<_>>(),
        )
    };
    stand_in.always(GROUPS, json(200, groups(&["default", "Team"])));
    let error = core.deployments().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "There is no resource group 'team' for this service key; there are: default, Team."
    );
    assert_eq!(error.code(), "AUTH-RESOURCE-GROUP");

    stand_in.always(GROUPS, json(200, groups(&["default", "team"])));
    assert_eq!(core.deployments().await.unwrap_err().code(), "AUTH-PERMISSION");
    stand_in.always(GROUPS, text(403, "RBAC: access denied"));
    assert_eq!(core.deployments().await.unwrap_err().code(), "AUTH-PERMISSION");
}

#[tokio::test]
async fn orchestration_offers_the_chat_models_of_the_catalogue() {
    let stand_in = StandIn::start().await;
    let core = stand_in.orchestration();
    assert_eq!(
        core.selectable_models().await.unwrap_err().code(),
        "ROUTE-NO-ORCHESTRATION"
    );

    core.forget_deployments();
    stand_in.always(DEPLOYMENTS, json(200, list(&[orchestration_row("d0000")])));
    stand_in.always(
        CATALOGUE,
        json(
            200,
            list(&[
                catalogue_row("gpt-4o", "text-generation"),
                catalogue_row("text-embedding-3-small", "embeddings"),
                catalogue_row("anthropic--claude-4.5-sonnet", "text-generation"),
            ]),
        ),
    );
    let models = core.selectable_models().await.unwrap();
    let names: Vec<_> = models.iter().map(|model| model.name.as_str()).collect();
    assert_eq!(names, ["anthropic--claude-4.5-sonnet", "gpt-4o"]);
    assert_eq!(models[0].agent_alias.as_deref(), Some("claude-sonnet-4-5"));
    assert_eq!(models[0].display_name, "The anthropic--claude-4.5-sonnet");
    assert_eq!(models[0].provider.as_deref(), Some("Maker"));
    assert_eq!(models[0].context_length, Some(200_000));
    assert_eq!(models[0].running_deployments, None);
    assert_eq!(models[1].agent_alias, None);
}

/// Kilo Code's line: an agent streams, and needs 32,000 tokens.
#[tokio::test]
async fn models_of_no_use_to_an_agent_are_hidden_and_said_so() {
    let stand_in = StandIn::start().await;
    let row = |name, more: &str| {
        format!(
            r#"{{"model":"{name}","versions":[
                {{"name":"0","isLatest":false,"contextLength":8000,"streamingSupported":false,"capabilities":[]}},
                {{"name":"1","isLatest":true,"capabilities":["text-generation"]{more}}}]}}"#
        )
    };
    stand_in.always(
        CATALOGUE,
        json(
            200,
            list(&[
                row("short", r#","contextLength":31999"#),
                row("unsaid", ""),
                row("whole", r#","contextLength":200000,"streamingSupported":false"#),
                row(
                    "enough",
                    r#","contextLength":32000,"streamingSupported":true,"inputTypes":["text","image"],
                        "cost":[{"inputCost":"0.5"},{"outputCost":"2"}]"#,
                ),
            ]),
        ),
    );
    let deployments =
        ["short", "unsaid", "whole", "enough"].map(|name| model_row("d1111", name, "azure-openai"));
    stand_in.always(DEPLOYMENTS, json(200, list(&deployments)));
    let foundation = stand_in.foundation().selection().await.unwrap();
    stand_in.always(DEPLOYMENTS, json(200, list(&[orchestration_row("d0000")])));
    let orchestration = stand_in.orchestration().selection().await.unwrap();
    for selection in [foundation, orchestration] {
        let names: Vec<_> = selection.models.iter().map(|model| &*model.name).collect();
        assert_eq!(names, ["enough", "unsaid"]);
        let hidden: Vec<_> = selection
            .hidden
            .iter()
            .map(|model| (&*model.name, model.reason))
            .collect();
        assert_eq!(
            hidden,
            [
                ("short", Reason::ShortContext { tokens: 31_999 }),
                ("whole", Reason::DoesNotStream)
            ]
        );
        let enough = &selection.models[0];
        assert_eq!(enough.images, Some(true));
        assert_eq!(
            (enough.input_cost.as_deref(), enough.output_cost.as_deref()),
            (Some("0.5"), Some("2"))
        );
        assert_eq!(selection.models[1].images, None);
    }
}

#[tokio::test]
async fn foundation_mode_offers_what_is_deployed_with_or_without_a_catalogue() {
    let stand_in = StandIn::start().await;
    let rows = [
        model_row("d1111", "gpt-4o", "azure-openai"),
        model_row("d2222", "gpt-4o", "azure-openai"),
        model_row("d3333", "anthropic--claude-4.5-sonnet", "aws-bedrock"),
        model_row("d4444", "gemini-2.5-pro", "gcp-vertexai"),
        model_row("d5555", "text-embedding-3-small", "azure-openai"),
        orchestration_row("d0000"),
    ];
    stand_in.always(DEPLOYMENTS, json(200, list(&rows)));
    stand_in.always(CATALOGUE, text(403, "RBAC: access denied"));
    for (catalogue_there, display_name) in [(false, "gpt-4o"), (true, "The gpt-4o")] {
        if catalogue_there {
            stand_in.always(
                CATALOGUE,
                json(200, list(&[catalogue_row("gpt-4o", "text-generation")])),
            );
        }
        let models = stand_in.foundation().selectable_models().await.unwrap();
        let names: Vec<_> = models
            .iter()
            .map(|model| (model.name.as_str(), model.running_deployments))
            .collect();
        assert_eq!(
            names,
            [
                ("anthropic--claude-4.5-sonnet", Some(1)),
                ("gemini-2.5-pro", Some(1)),
                ("gpt-4o", Some(2))
            ]
        );
        assert_eq!(models[2].display_name, display_name);
    }
}

#[tokio::test]
async fn a_resource_group_that_fits_no_header_is_refused_at_once() {
    let stand_in = StandIn::start().await;
    for resource_group in ["", "  ", "a\r\nx-evil: 1", "a\u{0}"] {
        let connection = Connection {
            resource_group: resource_group.to_owned(),
            ..stand_in.connection()
        };
        let error = AiCore::new(connection, Timeouts::default()).err().unwrap();
        assert_eq!(error.code(), "CONFIG-RESOURCE-GROUP", "{resource_group:?}");
    }
}
