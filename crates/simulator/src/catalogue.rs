//! The models and deployments of the simulated tenant. Figures as in spec/models-known.json.

/// A model of the catalogue.
#[derive(Clone, Copy)]
pub(crate) struct Model {
    /// SAP's name.
    pub(crate) name: &'static str,
    /// The vendor's id, as it stands in answers.
    pub(crate) vendor: &'static str,
    /// The name people read.
    pub(crate) display: &'static str,
    /// Who makes it.
    pub(crate) provider: &'static str,
    /// SAP's executable; empty for a model that only orchestration reaches.
    pub(crate) executable: &'static str,
    /// How it is talked to.
    pub(crate) family: Family,
    /// The most tokens of prompt and answer.
    pub(crate) context: u64,
    /// The most tokens of an answer.
    pub(crate) output: u64,
    /// Whether it sees images and documents.
    pub(crate) images: bool,
    /// Whether orchestration streams it.
    pub(crate) streaming: bool,
    /// How a Claude model thinks.
    pub(crate) thinking: Thinking,
    /// Whether a Claude model takes `output_config.effort`.
    pub(crate) effort: bool,
    /// Whether a Claude model takes `output_config.format`.
    pub(crate) format: bool,
    /// Whether temperature, `top_p` and `top_k` are taken.
    pub(crate) sampling: bool,
    /// Whether a conversation may end in a turn of the assistant.
    pub(crate) prefill: bool,
    /// Its versions, the latest first.
    pub(crate) versions: &'static [Version],
}

/// A version of a model.
pub(crate) struct Version {
    /// Its name, often a date.
    pub(crate) name: &'static str,
    /// Whether it is going to be retired.
    pub(crate) deprecated: bool,
    /// When; may be empty.
    pub(crate) retirement: &'static str,
}

/// How a model is talked to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// Anthropic's Claude on Bedrock.
    Claude,
    /// OpenAI's chat models.
    Gpt,
    /// OpenAI's models that reason (o*, gpt-5*): no sampling parameters, no `max_tokens`.
    GptReasoning,
    /// Google's.
    Gemini,
    /// Anything else that chats.
    Other,
    /// Embeddings only.
    Embedding,
}

/// How a Claude model thinks (sap-wire.md §3.3).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thinking {
    /// Not at all.
    No,
    /// `enabled` with a budget.
    Budget,
    /// `enabled` with a budget, or `adaptive`.
    BudgetOrAdaptive,
    /// `adaptive` only.
    AdaptiveOnly,
}

const CURRENT: &[Version] = &[Version {
    name: "1",
    deprecated: false,
    retirement: "",
}];

const CLAUDE: Model = Model {
    name: "",
    vendor: "",
    display: "",
    provider: "Anthropic",
    executable: "aws-bedrock",
    family: Family::Claude,
    context: 200_000,
    output: 64_000,
    images: true,
    streaming: true,
    thinking: Thinking::Budget,
    effort: false,
    format: true,
    sampling: true,
    prefill: true,
    versions: CURRENT,
};

const GPT: Model = Model {
    provider: "OpenAI",
    executable: "azure-openai",
    family: Family::Gpt,
    thinking: Thinking::No,
    ..CLAUDE
};

const GPT_REASONING: Model = Model {
    family: Family::GptReasoning,
    sampling: false,
    ..GPT
};

const OTHER: Model = Model {
    family: Family::Other,
    images: false,
    ..GPT
};

/// Every model of the catalogue.
pub(crate) static MODELS: &[Model] = &[
    Model {
        name: "gpt-4o",
        vendor: "gpt-4o-2024-08-06",
        display: "GPT-4o",
        context: 128_000,
        output: 16_384,
        versions: &[
            Version {
                name: "2024-08-06",
                deprecated: false,
                retirement: "",
            },
            Version {
                name: "2024-05-13",
                deprecated: true,
                retirement: "2026-12-31",
            },
        ],
        ..GPT
    },
    Model {
        name: "gpt-4o-mini",
        vendor: "gpt-4o-mini-2024-07-18",
        display: "GPT-4o mini",
        context: 128_000,
        output: 16_384,
        versions: &[Version {
            name: "2024-07-18",
            deprecated: true,
            retirement: "2027-02-27",
        }],
        ..GPT
    },
    Model {
        name: "gpt-4.1",
        vendor: "gpt-4.1-2025-04-14",
        display: "GPT-4.1",
        context: 1_047_576,
        output: 32_768,
        versions: &[Version {
            name: "2025-04-14",
            deprecated: false,
            retirement: "",
        }],
        ..GPT
    },
    Model {
        name: "gpt-5",
        vendor: "gpt-5-2025-08-07",
        display: "GPT-5",
        context: 400_000,
        output: 128_000,
        versions: &[Version {
            name: "2025-08-07",
            deprecated: false,
            retirement: "",
        }],
        ..GPT_REASONING
    },
    Model {
        name: "gpt-5-mini",
        vendor: "gpt-5-mini-2025-08-07",
        display: "GPT-5 mini",
        context: 400_000,
        output: 128_000,
        versions: &[Version {
            name: "2025-08-07",
            deprecated: false,
            retirement: "",
        }],
        ..GPT_REASONING
    },
    Model {
        name: "gpt-5.5",
        vendor: "gpt-5.5-2026-03-05",
        display: "GPT-5.5",
        context: 1_050_000,
        output: 128_000,
        versions: &[Version {
            name: "2026-03-05",
            deprecated: false,
            retirement: "",
        }],
        ..GPT_REASONING
    },
    Model {
        name: "o3-mini",
        vendor: "o3-mini-2025-01-31",
        display: "o3-mini",
        output: 100_000,
        images: false,
        streaming: false,
        versions: &[Version {
            name: "2025-01-31",
            deprecated: true,
            retirement: "2026-12-01",
        }],
        ..GPT_REASONING
    },
    Model {
        name: "anthropic--claude-3.7-sonnet",
        vendor: "claude-3-7-sonnet-20250219",
        display: "Claude 3.7 Sonnet",
        format: false,
        versions: &[Version {
            name: "1",
            deprecated: true,
            retirement: "2026-12-28",
        }],
        ..CLAUDE
    },
    Model {
        name: "anthropic--claude-4-sonnet",
        vendor: "claude-sonnet-4-20250514",
        display: "Claude Sonnet 4",
        format: false,
        ..CLAUDE
    },
    Model {
        name: "anthropic--claude-4.5-haiku",
        vendor: "claude-haiku-4-5-20251001",
        display: "Claude Haiku 4.5",
        ..CLAUDE
    },
    Model {
        name: "anthropic--claude-4.5-sonnet",
        vendor: "claude-sonnet-4-5-20250929",
        display: "Claude Sonnet 4.5",
        versions: &[
            Version {
                name: "1",
                deprecated: false,
                retirement: "",
            },
            Version {
                name: "0",
                deprecated: true,
                retirement: "2026-11-30",
            },
        ],
        ..CLAUDE
    },
    Model {
        name: "anthropic--claude-4.6-sonnet",
        vendor: "claude-sonnet-4-6",
        display: "Claude Sonnet 4.6",
        context: 1_000_000,
        thinking: Thinking::BudgetOrAdaptive,
        effort: true,
        prefill: false,
        ..CLAUDE
    },
    Model {
        name: "anthropic--claude-4.6-opus",
        vendor: "claude-opus-4-6",
        display: "Claude Opus 4.6",
        context: 1_000_000,
        output: 128_000,
        thinking: Thinking::BudgetOrAdaptive,
        effort: true,
        prefill: false,
        ..CLAUDE
    },
    Model {
        name: "anthropic--claude-4.7-opus",
        vendor: "claude-opus-4-7",
        display: "Claude Opus 4.7",
        context: 1_000_000,
        output: 128_000,
        thinking: Thinking::AdaptiveOnly,
        effort: true,
        sampling: false,
        prefill: false,
        ..CLAUDE
    },
    Model {
        name: "anthropic--claude-4.8-opus",
        vendor: "claude-opus-4-8",
        display: "Claude Opus 4.8",
        context: 1_000_000,
        output: 128_000,
        thinking: Thinking::AdaptiveOnly,
        effort: true,
        sampling: false,
        prefill: false,
        ..CLAUDE
    },
    Model {
        name: "gemini-2.5-pro",
        vendor: "gemini-2.5-pro",
        display: "Gemini 2.5 Pro",
        provider: "Google",
        executable: "gcp-vertexai",
        family: Family::Gemini,
        context: 1_048_576,
        output: 65_536,
        images: true,
        ..OTHER
    },
    Model {
        name: "mistralai--mistral-small",
        vendor: "mistral-small-2503",
        display: "Mistral Small",
        provider: "Mistral AI",
        executable: "aicore-mistralai",
        context: 128_000,
        output: 8_192,
        ..OTHER
    },
    Model {
        name: "gpt-4",
        vendor: "gpt-4-0613",
        display: "GPT-4",
        context: 8_192,
        output: 4_096,
        images: false,
        versions: &[Version {
            name: "0613",
            deprecated: true,
            retirement: "2026-12-06",
        }],
        ..GPT
    },
    Model {
        name: "sap-abap-1",
        vendor: "sap-abap-1",
        display: "SAP ABAP-1",
        provider: "SAP",
        executable: "",
        context: 128_000,
        output: 8_192,
        ..OTHER
    },
    Model {
        name: "text-embedding-3-small",
        vendor: "text-embedding-3-small",
        display: "Text Embedding 3 Small",
        provider: "OpenAI",
        executable: "azure-openai",
        family: Family::Embedding,
        context: 8_192,
        output: 0,
        streaming: false,
        ..OTHER
    },
];

impl Model {
    /// The id of an answer, in the vendor's fashion.
    pub(crate) fn answer_id(&self, number: u64) -> String {
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        match self.family {
            Family::Claude => format!("msg_bdrk_01{mixed:020x}"),
            _ => format!("chatcmpl-{mixed:020x}"),
        }
    }
}

/// The model of a name.
pub(crate) fn model(name: &str) -> Option<&'static Model> {
    MODELS.iter().find(|model| model.name == name)
}

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
