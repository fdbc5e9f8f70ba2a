//! The deployments of a resource group (sap-wire.md §2.1).

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use url::Url;

use crate::error::Error;
use crate::restriction::Restriction;

pub(crate) const WHAT: &str = "the list of deployments";

/// All deployments of the connection's resource group, whatever their status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deployments {
    /// In the order SAP AI Core gave them.
    pub rows: Vec<Deployment>,
    /// Rows that could not be read; they are left out, the others stay.
    pub unreadable: usize,
}

/// One deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deployment {
    /// The id, part of every inference URL.
    pub id: String,
    /// `RUNNING`, `PENDING`, `STOPPED`, `DEAD`, `UNKNOWN` …; only `RUNNING` answers requests.
    pub status: String,
    /// `orchestration` (or the old `llm-orchestration`), `foundation-models`, or a scenario of the tenant's own.
    pub scenario_id: Option<String>,
    /// The configuration's id.
    pub configuration_id: Option<String>,
    /// The configuration's name, for example `defaultOrchestrationConfig`.
    pub configuration_name: Option<String>,
    /// Which API the model speaks, for example `azure-openai`; often absent.
    pub executable_id: Option<String>,
    /// SAP's name of the model, in foundation deployments.
    pub model: Option<String>,
    /// The model's version, for example `latest`.
    pub model_version: Option<String>,
    /// When it was made; absent if the date could not be read.
    #[serde(with = "time::serde::rfc3339::option")]
    pub created_at: Option<OffsetDateTime>,
    /// The models that it allows or denies, in orchestration deployments; `None` if all are allowed, as far as is known.
    pub restriction: Option<Restriction>,
    /// Why it is never called although it runs, as a sentence; `None` if nothing speaks against it.
    pub problem: Option<String>,
}

impl Deployments {
    /// Reads the answer to `GET /v2/lm/deployments`, row by row: one bad row never loses the others. A row whose URL
    /// does not fit `base_url` says so in [`Deployment::problem`].
    ///
    /// # Errors
    /// [`Error::Unreadable`] if it is no list.
    pub fn read(body: &[u8], base_url: &Url) -> Result<Self, Error> {
        let list: List<'_> = serde_json::from_slice(body).map_err(|error| Error::Unreadable {
            what: WHAT,
            reason: error.to_string(),
        })?;
        let mut rows = Vec::with_capacity(list.resources.len());
        let mut unreadable = 0;
        for raw in list.resources {
            match serde_json::from_str::<Row>(raw.get()) {
                Ok(row) => rows.push(row.into_deployment(base_url)),
                Err(error) => {
                    unreadable += 1;
                    tracing::warn!(%error, "a deployment's row can't be read and is skipped");
                }
            }
        }
        for row in &rows {
            if let Some(problem) = row.problem.as_deref().filter(|_| row.is_running()) {
                tracing::warn!(deployment = row.id, problem, "a running deployment is not used");
            }
        }
        Ok(Self { rows, unreadable })
    }

    /// The running orchestration deployments, the one to use first first: the chosen one alone if it is among them, else
    /// the default configuration's, then the newest (sap-wire.md §4.8).
    pub(crate) fn orchestration(&self, chosen: Option<&str>) -> Vec<&Deployment> {
        let mut running: Vec<_> = self.callable().filter(|row| row.is_orchestration()).collect();
        if let Some(chosen) = running.iter().find(|row| chosen == Some(row.id.as_str())) {
            return vec![chosen];
        }
        let is_default =
            |row: &Deployment| row.configuration_name.as_deref() == Some("defaultOrchestrationConfig");
        running.sort_by_key(|row| Reverse((is_default(row), row.created_at)));
        running
    }

    /// The running deployments of a model: the chosen one alone if it is among them, else all, the newest first.
    pub(crate) fn of_model(&self, model: &str, chosen: Option<&str>) -> Vec<&Deployment> {
        let is_of_model = |row: &&Deployment| {
            let name = row.model.as_deref();
            name.is_some_and(|name| name.eq_ignore_ascii_case(model))
        };
        let mut running: Vec<_> = self.foundation().filter(is_of_model).collect();
        if let Some(chosen) = running.iter().find(|row| chosen == Some(row.id.as_str())) {
            return vec![chosen];
        }
        running.sort_by_key(|row| Reverse(row.created_at));
        running
    }

    /// Running deployments of foundation models.
    pub(crate) fn foundation(&self) -> impl Iterator<Item = &Deployment> {
        self.callable().filter(|row| {
            row.model.is_some()
                && row
                    .scenario_id
                    .as_deref()
                    .is_none_or(|id| id == "foundation-models")
        })
    }

    /// SAP's names of the models that have a running deployment, sorted, each once.
    pub(crate) fn running_models(&self) -> Vec<String> {
        let mut names: Vec<_> = self.foundation().filter_map(|row| row.model.clone()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Why the chosen deployment is not used in this mode, as a sentence; `None` if it is.
    pub(crate) fn why_not(&self, chosen: &str, orchestration: bool) -> Option<String> {
        let Some(row) = self.rows.iter().find(|row| row.id == chosen) else {
            return Some(format!(
                "The chosen deployment '{chosen}' does not exist in this resource group."
            ));
        };
        if !row.is_running() {
            return Some(format!("The chosen deployment '{chosen}' is {}.", row.status));
        }
        if let Some(problem) = &row.problem {
            return Some(format!("The chosen deployment '{chosen}' is not used. {problem}"));
        }
        (row.is_orchestration() != orchestration).then(|| {
            let mode = if orchestration {
                "orchestration"
            } else {
                "a model of its own"
            };
            format!("The chosen deployment '{chosen}' is none of {mode}.")
        })
    }

    fn callable(&self) -> impl Iterator<Item = &Deployment> {
        self.rows.iter().filter(|row| row.is_callable())
    }
}

impl Deployment {
    /// Whether its status is `RUNNING`. (`targetStatus` says only what it is meant to become.)
    pub fn is_running(&self) -> bool {
        self.status == "RUNNING"
    }

    /// Whether requests can be sent to it: it runs, and nothing speaks against it.
    pub fn is_callable(&self) -> bool {
        self.is_running() && self.problem.is_none()
    }

    /// Whether it is of the scenario `orchestration`, which old tenants call `llm-orchestration` (sap-wire.md §2.1).
    pub fn is_orchestration(&self) -> bool {
        matches!(
            self.scenario_id.as_deref(),
            Some("orchestration" | "llm-orchestration")
        )
    }

    /// Whether it lets requests for this model through, as far as is known.
    pub(crate) fn lets_through(&self, model: &str) -> bool {
        self.restriction
            .as_ref()
            .is_none_or(|restriction| restriction.lets_through(model))
    }
}

#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow)]
    resources: Vec<&'a RawValue>,
}

/// Of spec `AiDeploymentResponseWithDetails` what Coretap looks at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    id: String,
    status: String,
    scenario_id: Option<String>,
    configuration_id: Option<String>,
    configuration_name: Option<String>,
    executable_id: Option<String>,
    created_at: Option<String>,
    deployment_url: Option<String>,
    details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    resources: Option<Resources>,
}

/// The service writes both spellings or either of them, at times an empty one beside a full one.
#[derive(Deserialize)]
struct Resources {
    #[serde(rename = "backendDetails")]
    camel: Option<BackendDetails>,
    #[serde(rename = "backend_details")]
    snake: Option<BackendDetails>,
}

#[derive(Deserialize)]
struct BackendDetails {
    model: Option<Model>,
}

#[derive(Deserialize)]
struct Model {
    name: Option<String>,
    version: Option<String>,
}

impl Row {
    fn into_deployment(self, base_url: &Url) -> Deployment {
        let problem = self.problem(base_url);
        let model = self
            .details
            .and_then(|details| details.resources)
            .into_iter()
            .flat_map(|resources| [resources.camel, resources.snake])
            .filter_map(|details| details?.model)
            .find(|model| model.name.as_deref().is_some_and(|name| !name.is_empty()));
        let (model, model_version) = model.map_or((None, None), |model| (model.name, model.version));
        Deployment {
            id: self.id,
            status: self.status,
            scenario_id: self.scenario_id,
            configuration_id: self.configuration_id,
            configuration_name: self.configuration_name,
            executable_id: self.executable_id.filter(|id| !id.is_empty()),
            model,
            model_version,
            created_at: self
                .created_at
                .and_then(|at| OffsetDateTime::parse(&at, &Rfc3339).ok()),
            restriction: None,
            problem,
        }
    }

    /// Inference URLs are made of the Base URL and the id. A row that doesn't fit that may be somebody's attempt to be
    /// sent the token.
    fn problem(&self, base_url: &Url) -> Option<String> {
        if !is_id(&self.id) {
            return Some("Its id is none that SAP AI Core gives.".to_owned());
        }
        let url = self.deployment_url.as_deref().filter(|url| !url.is_empty())?;
        match Url::parse(url) {
            Ok(url) if url.origin() == base_url.origin() => None,
            Ok(url) => Some(format!(
                "Its URL is at {}, not at the Base URL's host.",
                url.host_str().unwrap_or("an unknown place")
            )),
            Err(_) => Some("Its URL is none.".to_owned()),
        }
    }
}

/// Spec `AiDeploymentId` and `AiConfigurationId`: `^[\w.-]{4,64}$`; nothing that could change the path of a URL.
pub(crate) fn is_id(id: &str) -> bool {
    (4..=64).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rows: &str) -> Deployments {
        let base_url = Url::parse("https://api.ai.example.com").unwrap();
        Deployments::read(
            format!(r#"{{"count": 1, "resources": [{rows}]}}"#).as_bytes(),
            &base_url,
        )
        .unwrap()
    }

    fn order<'d>(list: &'d Deployments, chosen: Option<&str>) -> Vec<&'d str> {
        let order = list.orchestration(chosen);
        order.into_iter().map(|row| row.id.as_str()).collect()
    }

    fn foundation(id: &str, created: &str, model: &str) -> String {
        format!(
            r#"{{"id": "{id}", "status": "RUNNING", "scenarioId": "foundation-models", "createdAt": "{created}",
                "details": {{"resources": {{"backendDetails": {{"model": {{"name": "{model}"}}}}}}}}}}"#
        )
    }

    #[test]
    fn both_spellings_of_backend_details_are_read() {
        let full = r#"{"model": {"name": "gpt-4o", "version": "2024-08-06"}}"#;
        for resources in [
            format!(r#"{{"backendDetails": {full}}}"#),
            format!(r#"{{"backend_details": {full}}}"#),
            format!(r#"{{"backendDetails": {full}, "backend_details": {full}}}"#),
            format!(r#"{{"backendDetails": {{}}, "backend_details": {full}}}"#),
            format!(r#"{{"backendDetails": {full}, "backend_details": {{}}}}"#),
            format!(r#"{{"backendDetails": {{"model": {{"name": ""}}}}, "backend_details": {full}}}"#),
            format!(r#"{{"backendDetails": null, "backend_details": {full}}}"#),
        ] {
            let row = format!(
                r#"{{"id": "d19b998f", "status": "RUNNING", "details": {{"resources": {resources}}}}}"#
            );
            let list = read(&row);
            assert_eq!(list.rows[0].model.as_deref(), Some("gpt-4o"), "{resources}");
            assert_eq!(
                list.rows[0].model_version.as_deref(),
                Some("2024-08-06"),
                "{resources}"
            );
        }
    }

    #[test]
    fn a_bad_row_is_counted_and_the_others_stay() {
        let good = foundation("d19b998f", "2025-07-28T22:45:25Z", "gpt-4o");
        let bad = [
            r#"{"status": "RUNNING"}"#,
            r#"{"id": 5, "status": "RUNNING"}"#,
            r#"{"id": "d000", "status": "RUNNING", "details": {"resources": {"backendDetails": {"model": "gpt-4o"}}}}"#,
            "null",
            "17",
            r#""text""#,
        ];
        let list = read(&format!("{}, {good}, {}", bad[..3].join(","), bad[3..].join(",")));
        assert_eq!((list.rows.len(), list.unreadable), (1, 6));
        assert_eq!(list.running_models(), ["gpt-4o"]);
        // Nothing but id and status is needed for a row to count.
        let list = read(r#"{"id": "d000", "status": "PENDING", "deploymentUrl": "", "details": null}"#);
        assert_eq!((list.rows.len(), list.unreadable), (1, 0));
        assert_eq!(list.rows[0].problem, None);
    }

    #[test]
    fn a_list_that_is_none_is_an_error() {
        let base_url = Url::parse("https://api.ai.example.com").unwrap();
        for body in ["", "<html>", "{}", r#"{"resources": 5}"#, "[]"] {
            assert!(
                matches!(
                    Deployments::read(body.as_bytes(), &base_url),
                    Err(Error::Unreadable { .. })
                ),
                "{body}"
            );
        }
    }

    #[test]
    fn the_running_deployments_of_a_model_are_in_order_of_their_age() {
        let list = read(
            &[
                foundation("older", "2025-07-28T22:45:25Z", "gpt-4o"),
                // Later in time although earlier in the alphabet.
                foundation("newest", "2025-07-28T23:45:25-05:00", "gpt-4o"),
                foundation("middle", "2025-07-29T00:00:00.5Z", "gpt-4o"),
                foundation("undated", "yesterday", "gpt-4o"),
                foundation("other", "2026-01-01T00:00:00Z", "gpt-5"),
                foundation("stopped", "2026-01-01T00:00:00Z", "gpt-4o").replace("RUNNING", "STOPPED"),
                foundation("foreign-scenario", "2026-01-01T00:00:00Z", "gpt-4o")
                    .replace("foundation-models", "mine"),
            ]
            .join(","),
        );
        let order = |model, chosen| -> Vec<_> {
            let running = list.of_model(model, chosen).into_iter();
            running.map(|row| row.id.as_str()).collect()
        };
        assert_eq!(order("GPT-4o", None), ["newest", "middle", "older", "undated"]);
        assert_eq!(order("GPT-4o", Some("middle")), ["middle"]);
        assert_eq!(order("GPT-4o", Some("gone")).len(), 4);
        assert_eq!(order("gpt-4", None), [""; 0]);
        assert_eq!(list.running_models(), ["gpt-4o", "gpt-5"]);
    }

    #[test]
    fn the_default_orchestration_comes_before_the_newest() {
        let row = |id: &str, scenario: &str, configuration: &str, created: &str| {
            format!(
                r#"{{"id": "{id}", "status": "RUNNING", "scenarioId": "{scenario}", "createdAt": "{created}",
                    "configurationName": "{configuration}"}}"#
            )
        };
        let newest = row("newest", "orchestration", "mine", "2026-02-01T00:00:00Z");
        let legacy = row("legacy", "llm-orchestration", "old", "2024-01-01T00:00:00Z");
        let default = row(
            "default",
            "orchestration",
            "defaultOrchestrationConfig",
            "2025-01-01T00:00:00Z",
        );
        let stopped = default
            .replace("RUNNING", "STOPPED")
            .replace("\"default\"", "\"stopped\"");
        assert_eq!(
            order(&read(&[&*newest, &legacy, &default].join(",")), None),
            ["default", "newest", "legacy"]
        );
        assert_eq!(
            order(&read(&[&*legacy, &newest, &stopped].join(",")), Some("stopped")),
            ["newest", "legacy"]
        );
        let all = read(&[&*newest, &legacy, &default, &stopped].join(","));
        assert_eq!(order(&all, Some("legacy")), ["legacy"]);
        assert_eq!(order(&all, Some("gone")).len(), 3);
        assert_eq!(order(&read(&stopped), None), [""; 0]);
        for (chosen, orchestration, sentence) in [
            ("legacy", true, None),
            (
                "gone",
                true,
                Some("The chosen deployment 'gone' does not exist in this resource group."),
            ),
            (
                "stopped",
                true,
                Some("The chosen deployment 'stopped' is STOPPED."),
            ),
            (
                "legacy",
                false,
                Some("The chosen deployment 'legacy' is none of a model of its own."),
            ),
        ] {
            assert_eq!(all.why_not(chosen, orchestration).as_deref(), sentence);
        }
    }

    #[test]
    fn a_deployment_that_points_elsewhere_is_never_called() {
        let at = |id: &str, url: &str| {
            foundation(id, "2025-01-01T00:00:00Z", "gpt-4o")
                .replace("\"status\"", &format!(r#""deploymentUrl": "{url}", "status""#))
        };
        for fine in [
            "",
            "https://api.ai.example.com/v2/inference/deployments/d123",
            "https://api.ai.example.com:443/x",
        ] {
            assert_eq!(
                read(&at("d123", fine)).of_model("gpt-4o", None).len(),
                1,
                "{fine}"
            );
        }
        for foreign in [
            "https://evil.com/v2/inference/deployments/d123",
            "https://api.ai.example.com.evil.com/",
            "https://api.ai.example.com@evil.com/",
            "http://api.ai.example.com/",
            "https://api.ai.example.com:444/",
            "not a url",
        ] {
            let list = read(&at("d123", foreign));
            assert!(list.of_model("gpt-4o", None).is_empty(), "{foreign}");
            assert!(list.rows[0].problem.is_some(), "{foreign}");
        }
        for id in ["d1/../x", "d1?x=1", "d1#x", "d1%2f", "d1 2", "abc", "döner"] {
            assert!(read(&at(id, "")).of_model("gpt-4o", None).is_empty(), "{id}");
        }
    }
}
