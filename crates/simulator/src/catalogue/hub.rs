//! What the catalogue of the resource group `hub` has beyond the others': models of every family.

use super::{Family, Model, OTHER};

const GEMINI: Model = Model {
    provider: "Google",
    executable: "gcp-vertexai",
    family: Family::Gemini,
    context: 1_048_576,
    output: 65_536,
    images: true,
    ..OTHER
};

const NOVA: Model = Model {
    provider: "Amazon",
    executable: "aws-bedrock",
    context: 300_000,
    output: 10_000,
    images: true,
    ..OTHER
};

const MISTRAL: Model = Model {
    provider: "Mistral AI",
    executable: "aicore-mistralai",
    context: 128_000,
    output: 8_192,
    ..OTHER
};

const SONAR: Model = Model {
    provider: "Perplexity",
    executable: "perplexity-ai",
    context: 128_000,
    output: 4_096,
    ..OTHER
};

/// SAP publishes no executable for them: only orchestration reaches them.
const QWEN: Model = Model {
    provider: "Alibaba",
    executable: "",
    context: 256_000,
    output: 32_768,
    ..OTHER
};

const EMBEDDING: Model = Model {
    family: Family::Embedding,
    context: 8_192,
    output: 0,
    streaming: false,
    ..OTHER
};

pub(super) static MODELS: &[Model] = &[
    Model {
        name: "gemini-2.5-flash",
        vendor: "gemini-2.5-flash",
        display: "Gemini 2.5 Flash",
        ..GEMINI
    },
    Model {
        name: "gemini-3.1-pro-preview-ea",
        vendor: "gemini-3.1-pro-preview",
        display: "Gemini 3.1 Pro",
        ..GEMINI
    },
    Model {
        name: "gemini-3.5-flash",
        vendor: "gemini-3.5-flash",
        display: "Gemini 3.5 Flash",
        ..GEMINI
    },
    Model {
        name: "gemini-3.1-flash-lite",
        vendor: "gemini-3.1-flash-lite",
        display: "Gemini 3.1 Flash Lite",
        ..GEMINI
    },
    Model {
        name: "amazon--nova-pro",
        vendor: "amazon.nova-pro-v1:0",
        display: "Nova Pro",
        ..NOVA
    },
    Model {
        name: "amazon--nova-micro",
        vendor: "amazon.nova-micro-v1:0",
        display: "Nova Micro",
        context: 128_000,
        images: false,
        ..NOVA
    },
    Model {
        name: "mistralai--mistral-medium-instruct",
        vendor: "mistral-medium-2508",
        display: "Mistral Medium",
        images: true,
        ..MISTRAL
    },
    Model {
        name: "sonar",
        vendor: "sonar",
        display: "Sonar",
        images: true,
        ..SONAR
    },
    Model {
        name: "sonar-pro",
        vendor: "sonar-pro",
        display: "Sonar Pro",
        context: 200_000,
        output: 8_192,
        images: true,
        ..SONAR
    },
    Model {
        name: "cohere--command-a-reasoning",
        vendor: "command-a-reasoning-08-2025",
        display: "Command A Reasoning",
        provider: "Cohere",
        executable: "aicore-cohere",
        context: 256_000,
        output: 8_192,
        ..OTHER
    },
    Model {
        name: "qwen3.7-max",
        vendor: "qwen3.7-max",
        display: "Qwen3.7 Max",
        ..QWEN
    },
    Model {
        name: "qwen3.7-plus",
        vendor: "qwen3.7-plus",
        display: "Qwen3.7 Plus",
        images: true,
        ..QWEN
    },
    Model {
        name: "gemini-embedding",
        vendor: "gemini-embedding-001",
        display: "Gemini Embedding",
        provider: "Google",
        executable: "gcp-vertexai",
        context: 2_048,
        ..EMBEDDING
    },
    Model {
        name: "amazon--titan-embed-text",
        vendor: "amazon.titan-embed-text-v2:0",
        display: "Titan Embed Text",
        provider: "Amazon",
        executable: "aws-bedrock",
        ..EMBEDDING
    },
    Model {
        name: "nvidia--llama-3.2-nv-embedqa-1b",
        vendor: "nvidia/llama-3.2-nv-embedqa-1b-v2",
        display: "Llama 3.2 NV EmbedQA 1B",
        provider: "NVIDIA",
        executable: "aicore-nvidia",
        ..EMBEDDING
    },
];
