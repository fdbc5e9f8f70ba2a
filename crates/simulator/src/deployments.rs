//! The deployments and resource groups of the simulated tenant.

use crate::catalogue::{self, Model};

/// A row of the list of deployments.
pub(crate) struct Deployment {
    /// Its id.
    pub(crate) id: &'static str,
    /// The resource group that it is in; no other one knows it.
    pub(crate) group: &'static str,
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
    /// Which models its configuration lets through.
    pub(crate) restriction: Restriction,
}

/// Which models a configuration lets through (sap-wire.md §2.3).
pub(crate) enum Restriction {
    /// All.
    Nothing,
    /// These.
    Allow(&'static [&'static str]),
    /// All but these.
    Deny(&'static [&'static str]),
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

    /// Whether it lets requests for a model through.
    pub(crate) fn allows(&self, model: &str) -> bool {
        match self.restriction {
            Restriction::Nothing => true,
            Restriction::Allow(models) => models.contains(&model),
            Restriction::Deny(models) => !models.contains(&model),
        }
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
        group: "default",
        scenario: "foundation-models",
        configuration: model,
        model,
        status,
        created,
        restriction: Restriction::Nothing,
    }
}

const fn orchestration(id: &'static str, configuration: &'static str, created: &'static str) -> Deployment {
    Deployment {
        scenario: "orchestration",
        configuration,
        ..row(id, "", "RUNNING", created)
    }
}

const fn hub(id: &'static str, model: &'static str) -> Deployment {
    Deployment {
        group: "hub",
        ..row(id, model, "RUNNING", "2026-03-01T10:00:00Z")
    }
}

/// The deployments of all resource groups; the group `empty` has none.
static DEPLOYMENTS: &[Deployment] = &[
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
    orchestration(
        "d0aa11bb22cc33dd",
        "defaultOrchestrationConfig",
        "2025-02-01T10:00:00Z",
    ),
    orchestration("d1aa11bb22cc33ee", "team-orchestration", "2026-06-15T10:00:00Z"),
    Deployment {
        scenario: "llm-orchestration",
        ..orchestration("d2aa11bb22cc33ff", "legacy-orchestration", "2024-04-04T04:04:04Z")
    },
    row(
        "dae0f1c2b3a49586",
        "text-embedding-3-small",
        "RUNNING",
        "2025-11-11T11:11:11Z",
    ),
    row("dbf1e2d3c4b5a697", "gpt-5.5", "RUNNING", "2026-05-04T06:00:00Z"),
    row(
        "dcf1e2d3c4b5a698",
        "gpt-5.3-codex",
        "RUNNING",
        "2026-03-30T15:45:00Z",
    ),
    // What another resource group has is not there for `default`, though it would be of use.
    Deployment {
        group: "restricted",
        ..row("db00c0ffee000001", "gpt-4.1", "RUNNING", "2026-01-01T00:00:00Z")
    },
    Deployment {
        group: "restricted",
        restriction: Restriction::Allow(&["gpt-4o", "text-embedding-3-small"]),
        ..orchestration(
            "db00c0ffee000002",
            "defaultOrchestrationConfig",
            "2026-01-02T00:00:00Z",
        )
    },
    Deployment {
        group: "restricted",
        restriction: Restriction::Deny(&["gpt-5", "gpt-5-mini", "gpt-5.5"]),
        ..orchestration("db00c0ffee000003", "no-gpt-5", "2026-01-03T00:00:00Z")
    },
    // One of each family, all at once; the other groups show what is not running.
    hub("dc00feed00000001", "gemini-2.5-pro"),
    hub("dc00feed00000002", "gemini-2.5-flash"),
    hub("dc00feed00000003", "gemini-3.1-pro-preview-ea"),
    hub("dc00feed00000004", "gemini-3.5-flash"),
    hub("dc00feed00000005", "gemini-embedding"),
    hub("dc00feed00000006", "amazon--nova-pro"),
    hub("dc00feed00000007", "amazon--nova-micro"),
    hub("dc00feed00000008", "amazon--titan-embed-text"),
    hub("dc00feed00000009", "mistralai--mistral-small"),
    hub("dc00feed0000000a", "mistralai--mistral-medium-instruct"),
    hub("dc00feed0000000b", "sonar"),
    hub("dc00feed0000000c", "cohere--command-a-reasoning"),
    hub("dc00feed0000000d", "nvidia--llama-3.2-nv-embedqa-1b"),
    hub("dc00feed0000000e", "gpt-4o"),
    hub("dc00feed0000000f", "gpt-5"),
    hub("dc00feed00000010", "anthropic--claude-4.5-sonnet"),
    hub("dc00feed00000011", "anthropic--claude-4.8-opus"),
    hub("dc00feed00000012", "text-embedding-3-small"),
    hub("dc00feed00000013", "sonar-pro"),
    hub("dc00feed00000014", "gemini-3.1-flash-lite"),
    hub("dc00feed00000015", "gpt-5.5"),
    hub("dc00feed00000016", "gpt-5.3-codex"),
    hub("dc00feed00000017", "anthropic--claude-4.6-opus"),
    Deployment {
        group: "hub",
        ..orchestration(
            "dc00feed000000ff",
            "defaultOrchestrationConfig",
            "2026-03-01T10:00:00Z",
        )
    },
];

/// The deployment of an id in a resource group.
pub(crate) fn deployment(id: &str, group: &str) -> Option<&'static Deployment> {
    of_group(group).find(|deployment| deployment.id == id)
}

/// The model of a deployment, whichever group it is in.
pub(crate) fn model(id: &str) -> Option<&'static Model> {
    let deployment = DEPLOYMENTS.iter().find(|deployment| deployment.id == id)?;
    catalogue::model(deployment.model)
}

/// The deployments of a resource group.
pub(crate) fn of_group(group: &str) -> impl Iterator<Item = &'static Deployment> {
    DEPLOYMENTS
        .iter()
        .filter(move |deployment| deployment.group == group)
}

/// The resource groups.
pub(crate) static RESOURCE_GROUPS: &[&str] = &["default", "empty", "restricted", "hub"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_deployed_model_is_in_the_catalogue() {
        for deployment in DEPLOYMENTS
            .iter()
            .filter(|deployment| !deployment.model.is_empty())
        {
            assert!(
                catalogue::model(deployment.model).is_some(),
                "{}",
                deployment.model
            );
        }
    }
}
