//! The models of the simulated tenant. Figures as in spec/models-known.json.

mod hub;

/// A model of the catalogue.
#[derive(Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own about a model"
)]
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
    /// Whether an OpenAI model knows the Responses API only.
    pub(crate) responses_only: bool,
    /// How a Claude model thinks.
    pub(crate) thinking: Thinking,
    /// Whether a Claude model takes `output_config.effort`.
    pub(crate) effort: bool,
    /// Whether a model of Claude's or OpenAI's takes a form for its answer.
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
    responses_only: false,
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

/// The models that every resource group's catalogue has.
static MODELS: &[Model] = &[
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
        name: "gpt-5.3-codex",
        vendor: "gpt-5.3-codex-2026-02-24",
        display: "GPT-5.3 Codex",
        context: 400_000,
        output: 128_000,
        responses_only: true,
        versions: &[Version {
            name: "2026-02-24",
            deprecated: false,
            retirement: "",
        }],
        ..GPT_REASONING
    },
    Model {
        name: "gpt-5.4",
        vendor: "gpt-5.4-2026-03-05",
        display: "GPT-5.4",
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
    // Nobody has told its figures; they are those of its predecessor.
    Model {
        name: "gpt-5.6-sol",
        vendor: "gpt-5.6-sol-2026-07-09",
        display: "GPT-5.6 Sol",
        context: 1_050_000,
        output: 128_000,
        versions: &[Version {
            name: "2026-07-09",
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
        format: false,
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
    Model {
        name: "text-embedding-ada-002",
        vendor: "text-embedding-ada-002",
        display: "Text Embedding Ada 002",
        provider: "OpenAI",
        executable: "azure-openai",
        family: Family::Embedding,
        context: 8_192,
        output: 0,
        streaming: false,
        versions: &[Version {
            name: "2",
            deprecated: true,
            retirement: "2027-04-30",
        }],
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
    MODELS.iter().chain(hub::MODELS).find(|model| model.name == name)
}

/// The models in the catalogue of a resource group: only `hub` has those of every family.
pub(crate) fn of_group(group: &str) -> impl Iterator<Item = &'static Model> {
    let more = if group == "hub" { hub::MODELS } else { &[] };
    MODELS.iter().chain(more)
}
