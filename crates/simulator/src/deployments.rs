//! The deployments and resource groups of the simulated tenant.

/// A row of the list of deployments.
pub(crate) struct Deployment {
    /// Its id.
    pub(crate) id: &'static str,
    /// Its scenario.
    pub(crate) scenario: &'static str,
    /// The name of its configuration.
    pub(crate) configuration: &'static str,
    /// The model's name and version; empty for orchestration, and for rows whose details never came to be.
    pub(crate) model: &'static str,
    /// RUNNING, STOPPED, PENDING, DEAD or UNKNOWN.
    pub(crate) status: &'static str,
    /// When it was made.
    pub(crate) created: &'static str,
}

impl Deployment {
    /// Whether it answers requests.
    pub(crate) fn running(&self) -> bool {
        self.status == "RUNNING"
    }

    /// Whether it is an orchestration deployment; old tenants call the scenario `llm-orchestration`.
    pub(crate) fn orchestration(&self) -> bool {
        matches!(self.scenario, "orchestration" | "llm-orchestration")
    }
}

const fn row(
    id: &'static str,
    model: &'static str,
    status: &'static str,
    created: &'static str,
) -> Deployment {
    Deployment {
        id,
        scenario: "foundation-models",
        configuration: model,
        model,
        status,
        created,
    }
}

/// The deployments of the resource group `default`; the group `empty` has none.
pub(crate) static DEPLOYMENTS: &[Deployment] = &[
    // The older twin stands first: a client that takes the first row takes the wrong one.
    row("d0a4f8e21b7c9d30", "gpt-4o", "RUNNING", "2025-01-14T09:12:44Z"),
    row("d19b998f347341aa", "gpt-4o", "RUNNING", "2025-07-28T22:45:25Z"),
    row("d2c7e5a90f41b863", "gpt-5", "RUNNING", "2025-09-02T07:30:00Z"),
    row(
        "d3f1a2b4c5d6e7f8",
        "anthropic--claude-4.5-sonnet",
        "RUNNING",
        "2025-10-20T13:05:10Z",
    ),
    row(
        "d4c0ffee12345678",
        "anthropic--claude-4.6-opus",
        "RUNNING",
        "2026-02-18T16:40:31Z",
    ),
    row(
        "d5b8a7c6d5e4f302",
        "anthropic--claude-4.8-opus",
        "RUNNING",
        "2026-07-11T11:11:11Z",
    ),
    row("d6e5d4c3b2a19087", "gpt-4.1", "STOPPED", "2025-05-05T05:05:05Z"),
    row(
        "d7a1b2c3d4e5f607",
        "gemini-2.5-pro",
        "PENDING",
        "2026-11-20T08:00:00Z",
    ),
    row(
        "d8deadbeef000001",
        "mistralai--mistral-small",
        "DEAD",
        "2025-03-03T03:03:03Z",
    ),
    row("d9unknown0000001", "", "UNKNOWN", "2026-11-21T00:00:00Z"),
    Deployment {
        id: "d0aa11bb22cc33dd",
        scenario: "orchestration",
        configuration: "defaultOrchestrationConfig",
        model: "",
        status: "RUNNING",
        created: "2025-02-01T10:00:00Z",
    },
    Deployment {
        id: "d1aa11bb22cc33ee",
        scenario: "orchestration",
        configuration: "team-orchestration",
        model: "",
        status: "RUNNING",
        created: "2026-06-15T10:00:00Z",
    },
    Deployment {
        id: "d2aa11bb22cc33ff",
        scenario: "llm-orchestration",
        configuration: "legacy-orchestration",
        model: "",
        status: "RUNNING",
        created: "2024-04-04T04:04:04Z",
    },
];

/// The deployment of an id.
pub(crate) fn deployment(id: &str) -> Option<&'static Deployment> {
    DEPLOYMENTS.iter().find(|deployment| deployment.id == id)
}

/// The resource groups, and whether each holds the deployments.
pub(crate) static RESOURCE_GROUPS: &[(&str, bool)] = &[("default", true), ("empty", false)];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::model;

    #[test]
    fn every_deployed_model_is_in_the_catalogue() {
        for deployment in DEPLOYMENTS
            .iter()
            .filter(|deployment| !deployment.model.is_empty())
        {
            assert!(model(deployment.model).is_some(), "{}", deployment.model);
        }
    }
}
