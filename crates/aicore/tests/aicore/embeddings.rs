//! Models for embeddings: kept apart from those that answer, and reached at a place of their own.

use coretap_aicore::{Family, Purpose};

use crate::stand_in::{
    CATALOGUE, DEPLOYMENTS, StandIn, catalogue_row, json, list, model_row, orchestration_row, text,
};

async fn stand_in() -> StandIn {
    let stand_in = StandIn::start().await;
    let rows = [
        orchestration_row("d0000"),
        model_row("d1111", "gpt-4o", "azure-openai"),
        model_row("d2222", "text-embedding-3-small", "azure-openai"),
        model_row("d3333", "text-embedding-3-small", "azure-openai"),
        model_row("d4444", "amazon--titan-embed-text", "aws-bedrock"),
    ];
    stand_in.always(DEPLOYMENTS, json(200, list(&rows)));
    let rows = [
        catalogue_row("gpt-4o", "text-generation"),
        catalogue_row("text-embedding-3-small", "embeddings"),
        catalogue_row("cohere-reranker-35", "reranking"),
        catalogue_row("amazon--titan-embed-text", "embedding"),
    ];
    stand_in.always(CATALOGUE, json(200, list(&rows)));
    stand_in
}

#[tokio::test]
async fn each_kind_of_model_has_a_list_of_its_own() {
    let stand_in = stand_in().await;
    let names = |models: &[coretap_aicore::SelectableModel]| -> Vec<(String, Option<usize>)> {
        let named = models
            .iter()
            .map(|model| (model.name.clone(), model.running_deployments));
        named.collect()
    };
    let selection = stand_in.orchestration().selection().await.unwrap();
    assert_eq!(names(&selection.models), [("gpt-4o".to_owned(), None)]);
    assert_eq!(
        names(&selection.embeddings),
        [
            ("amazon--titan-embed-text".to_owned(), None),
            ("text-embedding-3-small".to_owned(), None)
        ]
    );
    assert!(selection.hidden.is_empty());
    // Without a catalogue names say what a model is for.
    for _ in 0..2 {
        let selection = stand_in.foundation().selection().await.unwrap();
        assert_eq!(names(&selection.models), [("gpt-4o".to_owned(), Some(1))]);
        assert_eq!(
            names(&selection.embeddings),
            [
                ("amazon--titan-embed-text".to_owned(), Some(1)),
                ("text-embedding-3-small".to_owned(), Some(2))
            ]
        );
        stand_in.always(CATALOGUE, text(403, "RBAC: access denied"));
    }
}

#[tokio::test]
async fn embeddings_have_routes_of_their_own() {
    let stand_in = stand_in().await;
    for (core, family) in [
        (stand_in.orchestration(), Family::Orchestration),
        (stand_in.foundation(), Family::AzureOpenAi),
    ] {
        let route = core
            .route_for(Purpose::Embeddings, "openai/text-embedding-3-small")
            .await
            .unwrap();
        assert_eq!(
            (route.model.as_str(), route.family),
            ("text-embedding-3-small", family)
        );
        let error = core.route_for(Purpose::Embeddings, "gpt-4o").await.unwrap_err();
        assert_eq!(error.code(), "ROUTE-MODEL-PURPOSE");
        assert!(
            error
                .to_string()
                .starts_with("'gpt-4o' makes no embeddings; models that do: amazon--titan-embed-text, "),
            "{error}"
        );
        let error = core.route("text-embedding-3-small").await.unwrap_err();
        assert_eq!(error.code(), "ROUTE-MODEL-PURPOSE");
        assert_eq!(
            error.to_string(),
            "'text-embedding-3-small' makes embeddings; it does not answer."
        );
        assert_eq!(core.route("gpt-4o").await.unwrap().model, "gpt-4o");
    }
    let route = stand_in
        .foundation()
        .route_for(Purpose::Embeddings, "amazon--titan-embed-text")
        .await
        .unwrap();
    assert_eq!((route.family, &*route.deployment_id), (Family::Titan, "d4444"));
}

#[tokio::test]
async fn no_other_model_stands_in_for_an_unknown_one() {
    let stand_in = stand_in().await;
    let core = stand_in.orchestration();
    for selected in ["gpt-4o", "amazon--titan-embed-text"] {
        let core = core.with_choice(true, Some(selected.to_owned()), None, core.aliases().clone());
        let error = core
            .route_for(Purpose::Embeddings, "text-embedding-9")
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "SAP AI Core has no model 'text-embedding-9'; there are: amazon--titan-embed-text, text-embedding-3-small."
        );
    }
}
