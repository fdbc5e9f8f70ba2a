//! The catalogue of models (sap-wire.md §2.2): what there is, whether or not it is deployed.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::Error;

pub(crate) const WHAT: &str = "the catalogue of models";

/// The models that SAP AI Core knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Catalogue {
    /// In the order SAP AI Core gave them.
    pub models: Vec<CatalogueModel>,
    /// Rows that could not be read; they are left out, the others stay.
    pub unreadable: usize,
}

/// One model of the catalogue (spec `AiModelBaseData`), as far as Coretap uses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all(deserialize = "camelCase"))]
pub struct CatalogueModel {
    /// SAP's name, for example `anthropic--claude-4.5-sonnet`.
    #[serde(rename(deserialize = "model"))]
    pub name: String,
    /// The name for people.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Who made it, for example `Anthropic`.
    #[serde(default)]
    pub provider: Option<String>,
    /// Which API a deployment of it speaks, for example `aws-bedrock`.
    #[serde(default)]
    pub executable_id: Option<String>,
    /// Where it may be used; empty if the catalogue does not say.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub allowed_scenarios: Vec<AllowedScenario>,
    /// Its versions.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub versions: Vec<ModelVersion>,
}

/// One place where a model may be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all(deserialize = "camelCase"))]
pub struct AllowedScenario {
    /// For example `foundation-models` or `orchestration`.
    pub scenario_id: String,
}

/// One version of a model (spec `AiModelVersion`), as far as Coretap uses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all(deserialize = "camelCase"))]
pub struct ModelVersion {
    /// For example `2024-08-06`.
    pub name: String,
    /// Whether this is what `latest` means.
    #[serde(default)]
    pub is_latest: bool,
    /// Whether it will be retired.
    #[serde(default)]
    pub deprecated: bool,
    /// When it will be, as SAP writes it; `""` or absent if that is not decided.
    #[serde(default)]
    pub retirement_date: Option<String>,
    /// Tokens that fit into one request and its answer.
    #[serde(default)]
    pub context_length: Option<u64>,
    /// What it can do, for example `text-generation`; empty if the catalogue does not say.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub capabilities: Vec<String>,
    /// Whether it can stream.
    #[serde(default)]
    pub streaming_supported: Option<bool>,
    /// What it reads, for example `text` and `image`; empty if the catalogue does not say.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub input_types: Vec<String>,
    /// What it costs: one member each, `inputCost` or `outputCost`, as SAP writes it.
    #[serde(default)]
    pub cost: Value,
}

impl ModelVersion {
    /// A price of the catalogue, `inputCost` or `outputCost`, as SAP writes it.
    pub fn price(&self, name: &str) -> Option<&str> {
        self.cost
            .as_array()?
            .iter()
            .find_map(|member| member.get(name)?.as_str())
    }
}

impl Catalogue {
    /// Reads the answer to `GET /v2/lm/scenarios/foundation-models/models`, row by row (sap-wire.md §2.2).
    ///
    /// # Errors
    /// [`Error::Unreadable`] if it is no list; a row that can't be read is left out and counted.
    pub fn read(body: &[u8]) -> Result<Self, Error> {
        let list: List<'_> = serde_json::from_slice(body).map_err(|error| Error::Unreadable {
            what: WHAT,
            reason: error.to_string(),
        })?;
        let mut models = Vec::with_capacity(list.resources.len());
        let mut unreadable = 0;
        for raw in list.resources {
            match serde_json::from_str::<CatalogueModel>(raw.get()) {
                Ok(model) => models.push(model),
                Err(error) => {
                    unreadable += 1;
                    tracing::warn!(%error, "a model's row can't be read and is skipped");
                }
            }
        }
        Ok(Self { models, unreadable })
    }

    /// The model of this name, upper and lower case alike.
    pub fn model(&self, name: &str) -> Option<&CatalogueModel> {
        self.models
            .iter()
            .find(|model| model.name.eq_ignore_ascii_case(name))
    }

    /// The models that orchestration reaches.
    pub(crate) fn of_orchestration(&self) -> impl Iterator<Item = &CatalogueModel> {
        self.models.iter().filter(|model| {
            model.allowed_scenarios.is_empty()
                || model
                    .allowed_scenarios
                    .iter()
                    .any(|allowed| allowed.scenario_id == "orchestration")
        })
    }
}

impl CatalogueModel {
    /// The version that a request gets which names none: the latest, else the last one listed.
    pub fn latest(&self) -> Option<&ModelVersion> {
        self.versions
            .iter()
            .find(|version| version.is_latest)
            .or(self.versions.last())
    }
}

#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow)]
    resources: Vec<&'a RawValue>,
}

fn null_is_empty<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_one_by_one_and_unknown_fields_do_not_matter() {
        let body = r#"{"count": 3, "resources": [
            {"model": "gpt-4o", "displayName": "GPT-4o", "executableId": "azure-openai", "provider": "OpenAI",
             "accessType": "Remote", "description": "", "allowedScenarios": [
                {"executableId": "azure-openai", "scenarioId": "foundation-models"},
                {"executableId": "orchestration", "scenarioId": "orchestration"}],
             "versions": [
                {"name": "2024-05-13", "isLatest": false, "deprecated": true, "retirementDate": "2026-12-01"},
                {"name": "2024-08-06", "isLatest": true, "deprecated": false, "retirementDate": "",
                 "contextLength": 128000, "inputTypes": ["text"], "streamingSupported": true,
                 "capabilities": ["text-generation"], "cost": [{"inputCost": "0.00312"}], "metadata": [{"x": "1"}]}]},
            {"model": 5},
            {"model": "cohere-reranker", "allowedScenarios": [{"scenarioId": "foundation-models"}]},
            {"model": "sap-abap-1", "allowedScenarios": null, "versions": null}]}"#;
        let catalogue = Catalogue::read(body.as_bytes()).unwrap();
        assert_eq!(catalogue.unreadable, 1);
        let latest = catalogue.model("GPT-4O").unwrap().latest().unwrap();
        assert_eq!(
            (latest.name.as_str(), latest.context_length),
            ("2024-08-06", Some(128_000))
        );
        let names: Vec<_> = catalogue
            .of_orchestration()
            .map(|model| model.name.as_str())
            .collect();
        assert_eq!(names, ["gpt-4o", "sap-abap-1"]);
    }
}
