//! Names of the person's own.

use coretap_aicore::{AiCore, Alias, Aliases, Connection, Timeouts};

use crate::stand_in::{
    CATALOGUE, DEPLOYMENTS, StandIn, catalogue_row, json, list, model_row, orchestration_row,
};

async fn stand_in() -> StandIn {
    let stand_in = StandIn::start().await;
    let rows = [
        orchestration_row("d0000"),
        model_row("d1111", "gpt-4o", "azure-openai"),
        model_row("d2222", "anthropic--claude-4.5-sonnet", "aws-bedrock"),
    ];
    stand_in.always(DEPLOYMENTS, json(200, list(&rows)));
    let models = ["gpt-4o", "anthropic--claude-4.5-sonnet", "text-embedding-3-small"];
    let rows = models.map(|name| {
        let embeds = name.contains("embedding");
        catalogue_row(name, if embeds { "embeddings" } else { "text-generation" })
    });
    stand_in.always(CATALOGUE, json(200, list(&rows)));
    stand_in
}

fn aliases(pairs: &[(&str, &str)]) -> Aliases {
    let aliases = pairs.iter().map(|(name, model)| Alias::new(name, model).unwrap());
    Aliases::new(aliases.collect())
}

fn core(stand_in: &StandIn, orchestration: bool, pairs: &[(&str, &str)], selected: Option<&str>) -> AiCore {
    let connection = Connection {
        orchestration,
        selected_model: selected.map(str::to_owned),
        aliases: aliases(pairs),
        ..stand_in.connection()
    };
    AiCore::new(connection, Timeouts::default()).unwrap()
}

#[tokio::test]
async fn an_alias_goes_before_every_other_meaning_of_its_name() {
    let stand_in = stand_in().await;
    let pairs = [
        ("claude-*", "gpt-4o"),
        ("claude-opus-*", "claude-sonnet-4-5"),
        ("gpt-4o", "anthropic--claude-4.5-sonnet"),
        ("fast", "gpt-4o[1m]"),
        ("round", "fast"),
    ];
    for orchestration in [true, false] {
        let core = core(&stand_in, orchestration, &pairs, Some("gpt-4o"));
        for (asked, model, long_context) in [
            // Even before SAP's own names and those derived from the vendors'.
            ("claude-sonnet-4-5", "gpt-4o", false),
            ("Claude-Opus-9", "anthropic--claude-4.5-sonnet", false),
            ("sap/claude-opus-9[1m]", "anthropic--claude-4.5-sonnet", true),
            // What it stands for is no alias again.
            ("gpt-4o", "anthropic--claude-4.5-sonnet", false),
            ("FAST", "gpt-4o", true),
            ("unknown", "gpt-4o", false),
        ] {
            let route = core.route(asked).await.unwrap();
            assert_eq!(
                (route.model.as_str(), route.long_context),
                (model, long_context),
                "{asked}"
            );
        }
        let error = core.route("round").await.unwrap_err();
        assert!(
            error
                .to_string()
                .contains("'fast' (which the alias 'round' stands for)"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn an_exact_alias_goes_before_a_catch_all_in_every_spelling() {
    let stand_in = stand_in().await;
    let pairs = [("*", "gpt-4o"), ("fast", "anthropic--claude-4.5-sonnet")];
    for orchestration in [true, false] {
        let core = core(&stand_in, orchestration, &pairs, None);
        for asked in ["fast", "fast[1m]", "sap/fast", "openai/Fast[1m]"] {
            let route = core.route(asked).await.unwrap();
            assert_eq!(route.model, "anthropic--claude-4.5-sonnet", "{asked}");
            assert_eq!(route.long_context, asked.ends_with("[1m]"), "{asked}");
        }
        assert_eq!(core.route("slow[1m]").await.unwrap().model, "gpt-4o");
    }
}

#[tokio::test]
async fn an_alias_of_nothing_is_an_error_that_names_it_even_beside_a_selected_model() {
    let stand_in = stand_in().await;
    let pairs = [("smart*", "gpt-9")];
    let error = core(&stand_in, true, &pairs, Some("gpt-4o"))
        .route("smartest")
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "SAP AI Core has no model 'gpt-9' (which the alias 'smart*' stands for); \
         there are: anthropic--claude-4.5-sonnet, gpt-4o."
    );
    let error = core(&stand_in, false, &pairs, Some("gpt-4o"))
        .route("smartest")
        .await
        .unwrap_err();
    assert_eq!(error.code(), "ROUTE-NO-DEPLOYMENT");
    assert!(error.to_string().contains("the alias 'smart*'"), "{error}");
}

#[tokio::test]
async fn aliases_change_without_anything_being_fetched_again() {
    let stand_in = stand_in().await;
    let before = core(&stand_in, true, &[("fast", "gpt-4o")], None);
    assert_eq!(before.route("fast").await.unwrap().model, "gpt-4o");
    let now = aliases(&[("fast", "claude-sonnet-4-5")]);
    let after = before.with_choice(true, None, None, now);
    assert_eq!(
        after.route("fast").await.unwrap().model,
        "anthropic--claude-4.5-sonnet"
    );
    assert_eq!((stand_in.count(DEPLOYMENTS), stand_in.count(CATALOGUE)), (1, 1));
}
