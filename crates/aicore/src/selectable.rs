//! The models that a connection offers to people and agents.
//!
//! Which of them are worth offering (streaming, context length, versions) is decided here and nowhere else.

use serde::Serialize;

use crate::catalogue::{Catalogue, CatalogueModel};
use crate::deployments::{Deployment, Deployments};
use crate::names::agent_alias;
use crate::route::direct_family;
use crate::routing::Purpose;

/// A coding agent's own instructions and tools fill less than this; Kilo Code draws the same line.
const SHORTEST_CONTEXT: u64 = 32_000;

/// The models of a connection: those worth offering, and those left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Selection {
    /// The models that can be asked for an answer, by name.
    pub models: Vec<SelectableModel>,
    /// The models that can be asked for embeddings, by name.
    pub embeddings: Vec<SelectableModel>,
    /// The models that make text but are not offered, by name.
    pub hidden: Vec<HiddenModel>,
}

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
    /// Whether it sees images, if the catalogue says what it reads.
    pub images: Option<bool>,
    /// What input costs, as the catalogue writes it.
    pub input_cost: Option<String>,
    /// What output costs, as the catalogue writes it.
    pub output_cost: Option<String>,
    /// The name by which agents know it (`claude-sonnet-4-5`), if that is another one.
    pub agent_alias: Option<String>,
    /// How many RUNNING deployments it has; `None` in orchestration mode, which needs none of its own.
    pub running_deployments: Option<usize>,
    /// Whether its latest version will be retired, as far as the catalogue says.
    pub deprecated: bool,
    /// The day when its latest version will be retired, as SAP writes it (mostly `2026-12-31`), if that is decided.
    pub retirement_date: Option<String>,
}

/// A model that is left out of the offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HiddenModel {
    /// SAP's name.
    pub name: String,
    /// Why it is left out.
    pub reason: Reason,
}

/// Why a model is left out of the offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It answers only as a whole, and agents stream.
    DoesNotStream,
    /// It takes fewer tokens than an agent needs.
    ShortContext {
        /// Tokens that fit into one request and its answer.
        tokens: u64,
    },
    /// No orchestration deployment allows it: the one reason for which a request that names it is not sent.
    Restricted,
}

/// The models of the catalogue that orchestration reaches, through one of these deployments.
pub(crate) fn through_orchestration(catalogue: &Catalogue, deployments: &[&Deployment]) -> Selection {
    let mut selection = Selection::default();
    for entry in catalogue.of_orchestration() {
        let is_allowed = deployments
            .iter()
            .any(|deployment| deployment.lets_through(&entry.name));
        let model = SelectableModel::new(&entry.name, Some(entry), None);
        selection.add(model, Some(entry), is_allowed);
    }
    selection.sorted()
}

/// The models with running deployments whose API Coretap speaks. Without a catalogue they are known by their names only.
pub(crate) fn deployed(deployments: &Deployments, catalogue: Option<&Catalogue>) -> Selection {
    let mut selection = Selection::default();
    for row in deployments.foundation() {
        let Some(name) = row.model.as_deref() else {
            continue;
        };
        if let Some(known) = selection.named(name) {
            known.running_deployments = known.running_deployments.map(|count| count + 1);
            continue;
        }
        let entry = catalogue.and_then(|catalogue| catalogue.model(name));
        let executable = row
            .executable_id
            .as_deref()
            .or_else(|| entry?.executable_id.as_deref());
        let purpose = Purpose::of(name, entry).unwrap_or(Purpose::Chat);
        let is_hidden = selection.hidden.iter().any(|model| model.name == name);
        if direct_family(name, executable, purpose).is_ok() && !is_hidden {
            selection.add(SelectableModel::new(name, entry, Some(1)), entry, true);
        }
    }
    selection.sorted()
}

impl Selection {
    fn named(&mut self, name: &str) -> Option<&mut SelectableModel> {
        let mut all = self.models.iter_mut().chain(&mut self.embeddings);
        all.find(|model| model.name == name)
    }

    /// Puts a model where it belongs. Rerankers and the like are models for nothing that Coretap does.
    fn add(&mut self, model: SelectableModel, entry: Option<&CatalogueModel>, is_allowed: bool) {
        let reason = if is_allowed {
            entry.and_then(reason_to_hide)
        } else {
            Some(Reason::Restricted)
        };
        match (Purpose::of(&model.name, entry), reason) {
            (Some(Purpose::Embeddings), _) if is_allowed => self.embeddings.push(model),
            (Some(Purpose::Embeddings), _) => {}
            (None, _) if entry.is_some_and(says_what_it_can) => {}
            (_, None) => self.models.push(model),
            (_, Some(reason)) => self.hidden.push(HiddenModel {
                name: model.name,
                reason,
            }),
        }
    }

    fn sorted(mut self) -> Self {
        for models in [&mut self.models, &mut self.embeddings] {
            models.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        }
        self.hidden.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        self
    }
}

/// What the catalogue does not say excludes nothing.
fn reason_to_hide(model: &CatalogueModel) -> Option<Reason> {
    let latest = model.latest()?;
    if latest.streaming_supported == Some(false) {
        return Some(Reason::DoesNotStream);
    }
    let tokens = latest
        .context_length
        .filter(|tokens| *tokens < SHORTEST_CONTEXT)?;
    Some(Reason::ShortContext { tokens })
}

impl SelectableModel {
    fn new(name: &str, entry: Option<&CatalogueModel>, running_deployments: Option<usize>) -> Self {
        let display_name = entry
            .and_then(|entry| entry.display_name.clone())
            .filter(|shown| !shown.is_empty());
        let latest = entry.and_then(CatalogueModel::latest);
        let price = |name| latest.and_then(|latest| latest.price(name)).map(str::to_owned);
        Self {
            name: name.to_owned(),
            display_name: display_name.unwrap_or_else(|| name.to_owned()),
            provider: entry.and_then(|entry| entry.provider.clone()),
            context_length: latest.and_then(|latest| latest.context_length),
            images: latest
                .filter(|latest| !latest.input_types.is_empty())
                .map(|latest| latest.input_types.iter().any(|kind| kind == "image")),
            input_cost: price("inputCost"),
            output_cost: price("outputCost"),
            agent_alias: agent_alias(name),
            running_deployments,
            deprecated: latest.is_some_and(|latest| latest.deprecated),
            retirement_date: latest
                .and_then(|latest| latest.retirement_date.as_deref())
                .map(str::trim)
                .filter(|date| !date.is_empty())
                .map(str::to_owned),
        }
    }
}

/// A catalogue that lists no capabilities has excluded none.
fn says_what_it_can(model: &CatalogueModel) -> bool {
    model
        .latest()
        .is_some_and(|latest| !latest.capabilities.is_empty())
}
