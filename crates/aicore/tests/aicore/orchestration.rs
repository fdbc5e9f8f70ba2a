//! Several orchestration deployments: which one is used, and what each lets through.

use coretap_aicore::{AiCore, Connection, Reason, Timeouts};

use crate::stand_in::{
    CATALOGUE, DEPLOYMENTS, StandIn, TOKEN, catalogue_row, json, list, model_row, orchestration_row, text,
};

const CONFIGURATION: &str = "/v2/lm/configurations/";

/// An orchestration deployment that isn't the default one, with a configuration of the same id.
fn row(id: &str, created: &str) -> String {
    format!(
        r#"{{"id":"{id}","status":"RUNNING","scenarioId":"orchestration","createdAt":"{created}T00:00:00Z",
            "configurationId":"{id}","configurationName":"mine"}}"#
    )
}

async fn with_deployments(rows: &[String]) -> StandIn {
    let stand_in = StandIn::start().await;
    stand_in.always(DEPLOYMENTS, json(200, list(rows)));
    let models = ["gpt-4o", "gpt-5", "text-embedding-3-small", "o3-mini"];
    let rows = models.map(|name| {
        let embeds = name.contains("embedding");
        catalogue_row(name, if embeds { "embeddings" } else { "text-generation" })
    });
    stand_in.always(CATALOGUE, json(200, list(&rows)));
    stand_in
}

fn restrict(stand_in: &StandIn, id: &str, kind: &str, models: &str) {
    let list = models.replace('"', "\\\"");
    let body = format!(
        r#"{{"id":"{id}","name":"mine","parameterBindings":[
            {{"key":"modelFilterList","value":"{list}"}},{{"key":"modelFilterListType","value":"{kind}"}}]}}"#
    );
    stand_in.always(&format!("{CONFIGURATION}{id}"), json(200, body));
}

fn choosing(stand_in: &StandIn, deployment: &str) -> AiCore {
    let connection = Connection {
        orchestration: true,
        selected_deployment: Some(deployment.to_owned()),
        ..stand_in.connection()
    };
    AiCore::new(connection, Timeouts::default()).unwrap()
}

#[tokio::test]
async fn the_chosen_deployment_goes_before_the_default_and_that_before_the_newest() {
    let rows = [
        row("older", "2025-06-01"),
        orchestration_row("default"),
        row("newest", "2026-06-01"),
        row("stopped", "2026-07-01").replace("RUNNING", "STOPPED"),
        model_row("dmodel", "gpt-4o", "azure-openai"),
    ];
    let stand_in = with_deployments(&rows).await;
    for (chosen, used) in [
        ("older", "older"),
        ("stopped", "default"),
        ("gone", "default"),
        ("dmodel", "default"),
    ] {
        let route = choosing(&stand_in, chosen).route("gpt-4o").await.unwrap();
        assert_eq!(route.deployment_id, used);
    }
    let route = stand_in.orchestration().route("gpt-4o").await.unwrap();
    assert_eq!(route.deployment_id, "default");
}

#[tokio::test]
async fn a_deployment_that_allows_the_model_is_used() {
    let default = orchestration_row("default").replace(
        r#""configurationName""#,
        r#""configurationId":"default","configurationName""#,
    );
    let rows = [default, row("some", "2026-01-01"), row("rest", "2026-02-01")];
    let stand_in = with_deployments(&rows).await;
    restrict(&stand_in, "default", "allow", r#"[{"modelName":"gpt-4o"}]"#);
    restrict(
        &stand_in,
        "some",
        "allow",
        r#"[{"modelName":"gpt-5","modelVersions":["latest"]}]"#,
    );
    restrict(
        &stand_in,
        "rest",
        "deny",
        r#"[{"modelName":"gpt-5"},{"modelName":"o3-mini"}]"#,
    );
    let core = stand_in.orchestration();
    for (asked, deployment) in [("gpt-4o", "default"), ("gpt-5-2025-08-07", "some")] {
        assert_eq!(core.route(asked).await.unwrap().deployment_id, deployment);
    }
    let error = core.route("o3-mini").await.unwrap_err();
    assert_eq!(error.code(), "ROUTE-MODEL-RESTRICTED");
    assert_eq!(
        error.to_string(),
        "The orchestration deployments of resource group 'team' do not allow 'o3-mini'; allowed are: gpt-4o, gpt-5."
    );

    let selection = core.selection().await.unwrap();
    let names: Vec<_> = selection.models.iter().map(|model| &*model.name).collect();
    assert_eq!(names, ["gpt-4o", "gpt-5"]);
    assert_eq!(selection.hidden[0].reason, Reason::Restricted);
    assert_eq!(selection.embeddings[0].name, "text-embedding-3-small");

    // Who chooses a deployment gets what it allows, and nothing else.
    let core = choosing(&stand_in, "some");
    assert_eq!(
        core.route("gpt-4o").await.unwrap_err().code(),
        "ROUTE-MODEL-RESTRICTED"
    );
    assert_eq!(core.selection().await.unwrap().models.len(), 1);
    assert!(core.selection().await.unwrap().embeddings.is_empty());
}

#[tokio::test]
async fn a_configuration_is_read_once_and_one_that_cannot_be_read_restricts_nothing() {
    let rows = [
        row("some", "2026-01-01"),
        // An id that could lead elsewhere is not asked for.
        row("d0/../x", "2026-01-02").replace(r#""id":"d0/../x""#, r#""id":"strange""#),
        row("stopped", "2026-01-03").replace("RUNNING", "STOPPED"),
        model_row("dmodel", "gpt-4o", "azure-openai"),
    ];
    let stand_in = with_deployments(&rows).await;
    let path = format!("{CONFIGURATION}some");
    for (cores, (status, body)) in [(403, "RBAC: access denied"), (500, "no"), (200, "<html>")]
        .into_iter()
        .enumerate()
    {
        stand_in.always(&path, text(status, body));
        let core = stand_in.orchestration();
        core.route("gpt-5").await.unwrap();
        // What this key may not read costs nobody the token.
        core.forget_deployments();
        core.route("gpt-5").await.unwrap();
        assert_eq!(stand_in.count(TOKEN), cores + 1);
    }
    restrict(&stand_in, "some", "allow", r#"[{"modelName":"gpt-4o"}]"#);
    let core = stand_in.orchestration();
    let before = stand_in.count(&path);
    for _ in 0..3 {
        let rows = core.deployments().await.unwrap();
        let restriction = rows.rows[0].restriction.clone().unwrap();
        assert_eq!(
            (restriction.allows, restriction.models),
            (true, vec!["gpt-4o".to_owned()])
        );
        core.forget_deployments();
    }
    assert_eq!(stand_in.count(&path), before + 1);
    let call = stand_in.seen(&path).pop().unwrap();
    assert_eq!(
        (call.method.as_str(), call.header("ai-resource-group")),
        ("GET", "team")
    );
    assert_eq!(stand_in.count(&format!("{CONFIGURATION}stopped")), 0);
    assert_eq!(stand_in.count("/v2/lm/x"), 0);
}
