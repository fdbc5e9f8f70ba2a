//! The models that a connection offers to people and agents.
//!
//! Which of them are worth offering (streaming, context length, versions) is decided here and nowhere else.

use serde::Serialize;

use crate::catalogue::{Catalogue, CatalogueModel};
use crate::deployments::Deployments;
use crate::names::agent_alias;
use crate::route::direct_family;

/// A model that can be asked for with this connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SelectableModel {
    /// SAP's name.
    pub name: String,
    /// The name for people; SAP's name if the catalogue has no other.
    pub display_name: String,
    /// Who made it, if the catalogue says so.
    pub provider: Option<String>,
    /// Tokens that fit into one request and its answer, if the catalogue says so.
    pub context_length: Option<u64>,
    /// The name by which agents know it (`claude-sonnet-4-5`), if that is another one.
    pub agent_alias: Option<String>,
    /// How many RUNNING deployments it has; `None` in orchestration mode, which needs none of its own.
    pub running_deployments: Option<usize>,
}

/// All chat models of the catalogue that orchestration reaches, by name.
pub(crate) fn through_orchestration(catalogue: &Catalogue) -> Vec<SelectableModel> {
    let chat = catalogue.of_orchestration().filter(|model| makes_text(model));
    sorted(
        chat.map(|model| SelectableModel::new(&model.name, Some(model), None))
            .collect(),
    )
}

/// The models with running deployments whose API Coretap speaks, by name. Without a catalogue they are known by their
/// names only.
pub(crate) fn deployed(deployments: &Deployments, catalogue: Option<&Catalogue>) -> Vec<SelectableModel> {
    let mut models: Vec<SelectableModel> = Vec::new();
    for row in deployments.foundation() {
        let Some(name) = row.model.as_deref() else {
            continue;
        };
        let entry = catalogue.and_then(|catalogue| catalogue.model(name));
        let executable = row
            .executable_id
            .as_deref()
            .or_else(|| entry?.executable_id.as_deref());
        if direct_family(name, executable).is_err() || entry.is_some_and(|entry| !makes_text(entry)) {
            continue;
        }
        match models.iter_mut().find(|model| model.name == name) {
            Some(model) => model.running_deployments = model.running_deployments.map(|count| count + 1),
            None => models.push(SelectableModel::new(name, entry, Some(1))),
        }
    }
    sorted(models)
}

impl SelectableModel {
    fn new(name: &str, entry: Option<&CatalogueModel>, running_deployments: Option<usize>) -> Self {
        let display_name = entry
            .and_then(|entry| entry.display_name.clone())
            .filter(|shown| !shown.is_empty());
        Self {
            name: name.to_owned(),
            display_name: display_name.unwrap_or_else(|| name.to_owned()),
            provider: entry.and_then(|entry| entry.provider.clone()),
            context_length: entry
                .and_then(CatalogueModel::latest)
                .and_then(|latest| latest.context_length),
            agent_alias: agent_alias(name),
            running_deployments,
        }
    }
}

/// Embedding and reranking models are none to talk to. A catalogue that lists no capabilities has not excluded any.
fn makes_text(model: &CatalogueModel) -> bool {
    model.latest().is_none_or(|latest| {
        latest.capabilities.is_empty() || latest.capabilities.iter().any(|can| can == "text-generation")
    })
}

fn sorted(mut models: Vec<SelectableModel>) -> Vec<SelectableModel> {
    models.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    models
}
