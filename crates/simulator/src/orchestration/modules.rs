//! The modules around the prompt: filtering, masking, grounding, translation (spec `FilteringModuleConfig`,
//! `MaskingModuleConfig`, `GroundingModuleConfig`, `TranslationModuleConfig`). All are checked; `filtering.rs` and `masking.rs`
//! are what the first two do, the others do nothing.

use crate::shape::{Fields, Shape, closed, filled, list, may, must};

const FLAG: Shape = Shape::Boolean;
const THRESHOLD: Shape = Shape::OneOfIntegers(&[0, 2, 4, 6]);
const COUNT: Shape = Shape::Integer {
    least: 1,
    most: i64::MAX,
};

/// spec `FilteringModuleConfig`.
pub(super) static FILTERING: Shape = Shape::Object(Fields {
    known: &[may("input", &INPUT_FILTERING), may("output", &OUTPUT_FILTERING)],
    open: false,
    least: 1,
    most: usize::MAX,
});

static INPUT_FILTERING: Shape = closed(&[must("filters", &INPUT_FILTERS)]);
static INPUT_FILTERS: Shape = filled(&INPUT_FILTER);
static INPUT_FILTER: Shape = Shape::Either(&[&AZURE_INPUT_FILTER, &LLAMA_GUARD_FILTER]);
static OUTPUT_FILTERING: Shape = closed(&[
    must("filters", &OUTPUT_FILTERS),
    may("stream_options", &FILTERING_STREAM),
]);
static OUTPUT_FILTERS: Shape = filled(&OUTPUT_FILTER);
static OUTPUT_FILTER: Shape = Shape::Either(&[&AZURE_OUTPUT_FILTER, &LLAMA_GUARD_FILTER]);
static FILTERING_STREAM: Shape = closed(&[may(
    "overlap",
    &Shape::Integer {
        least: 0,
        most: 10_000,
    },
)]);

static AZURE_INPUT_FILTER: Shape = closed(&[
    must("type", &Shape::OneOf(&["azure_content_safety"])),
    may("config", &AZURE_INPUT),
]);
static AZURE_INPUT: Shape = closed(&[
    may("hate", &THRESHOLD),
    may("self_harm", &THRESHOLD),
    may("sexual", &THRESHOLD),
    may("violence", &THRESHOLD),
    may("prompt_shield", &FLAG),
]);
static AZURE_OUTPUT_FILTER: Shape = closed(&[
    must("type", &Shape::OneOf(&["azure_content_safety"])),
    may("config", &AZURE_OUTPUT),
]);
static AZURE_OUTPUT: Shape = closed(&[
    may("hate", &THRESHOLD),
    may("self_harm", &THRESHOLD),
    may("sexual", &THRESHOLD),
    may("violence", &THRESHOLD),
    may("protected_material_code", &FLAG),
]);
static LLAMA_GUARD_FILTER: Shape = closed(&[
    must("type", &Shape::OneOf(&["llama_guard_3_8b"])),
    must("config", &LLAMA_GUARD),
]);
static LLAMA_GUARD: Shape = Shape::Object(Fields {
    known: &[
        may("violent_crimes", &FLAG),
        may("non_violent_crimes", &FLAG),
        may("sex_crimes", &FLAG),
        may("child_exploitation", &FLAG),
        may("defamation", &FLAG),
        may("specialized_advice", &FLAG),
        may("privacy", &FLAG),
        may("intellectual_property", &FLAG),
        may("indiscriminate_weapons", &FLAG),
        may("hate", &FLAG),
        may("self_harm", &FLAG),
        may("sexual_content", &FLAG),
        may("elections", &FLAG),
        may("code_interpreter_abuse", &FLAG),
    ],
    open: false,
    least: 1,
    most: usize::MAX,
});

/// spec `MaskingModuleConfig`: `providers`, or its older name.
pub(super) static MASKING: Shape = Shape::Either(&[&MASKING_PROVIDERS, &MASKING_OLD_PROVIDERS]);

static MASKING_PROVIDERS: Shape = closed(&[must("providers", &PROVIDERS)]);
static MASKING_OLD_PROVIDERS: Shape = closed(&[must("masking_providers", &PROVIDERS)]);
static PROVIDERS: Shape = filled(&PROVIDER);
static PROVIDER: Shape = closed(&[
    must("type", &Shape::OneOf(&["sap_data_privacy_integration"])),
    must("method", &Shape::OneOf(&["anonymization", "pseudonymization"])),
    must("entities", &ENTITIES),
    may("allowlist", &TEXTS),
    may("mask_grounding_input", &MASK_GROUNDING),
    may(
        "mask_file_input_method",
        &Shape::OneOf(&["anonymization", "skip"]),
    ),
]);
static MASK_GROUNDING: Shape = closed(&[may("enabled", &FLAG)]);
static TEXTS: Shape = list(&Shape::Text);
static ENTITIES: Shape = filled(&ENTITY);
static ENTITY: Shape = Shape::Either(&[&STANDARD_ENTITY, &CUSTOM_ENTITY]);
static CUSTOM_ENTITY: Shape = closed(&[
    must("regex", &Shape::Text),
    must("replacement_strategy", &CONSTANT),
]);
static STANDARD_ENTITY: Shape = closed(&[
    must("type", &STANDARD_ENTITIES),
    may("replacement_strategy", &REPLACEMENT),
]);
static REPLACEMENT: Shape = Shape::Either(&[&CONSTANT, &FABRICATED]);
static CONSTANT: Shape = closed(&[
    must("method", &Shape::OneOf(&["constant"])),
    must("value", &Shape::Text),
]);
static FABRICATED: Shape = closed(&[must("method", &Shape::OneOf(&["fabricated_data"]))]);
static STANDARD_ENTITIES: Shape = Shape::OneOf(&[
    "profile-person",
    "profile-org",
    "profile-university",
    "profile-location",
    "profile-email",
    "profile-phone",
    "profile-address",
    "profile-sapids-internal",
    "profile-sapids-public",
    "profile-url",
    "profile-username-password",
    "profile-nationalid",
    "profile-iban",
    "profile-ssn",
    "profile-credit-card-number",
    "profile-passport",
    "profile-driverlicense",
    "profile-nationality",
    "profile-religious-group",
    "profile-political-group",
    "profile-pronouns-gender",
    "profile-ethnicity",
    "profile-gender",
    "profile-sexual-orientation",
    "profile-trade-union",
    "profile-sensitive-data",
]);

/// spec `GroundingModuleConfig`. Its `type` is an open enum: any string.
pub(super) static GROUNDING: Shape = closed(&[must("type", &Shape::Text), must("config", &GROUNDING_CONFIG)]);

static GROUNDING_CONFIG: Shape = closed(&[
    may("filters", &GROUNDING_FILTERS),
    must("placeholders", &GROUNDING_PLACEHOLDERS),
    may("metadata_params", &TEXTS),
]);
static GROUNDING_PLACEHOLDERS: Shape = closed(&[must("input", &SOME_TEXTS), must("output", &Shape::Text)]);
static SOME_TEXTS: Shape = filled(&Shape::Text);
static GROUNDING_FILTERS: Shape = list(&GROUNDING_FILTER);
static GROUNDING_FILTER: Shape = closed(&[
    may("id", &Shape::Text),
    may("search_config", &SEARCH),
    may("data_repositories", &TEXTS),
    must("data_repository_type", &Shape::OneOf(&["vector", "help.sap.com"])),
    may("data_repository_metadata", &PAIRS),
    may("document_metadata", &DOCUMENT_PAIRS),
    may("chunk_metadata", &PAIRS),
]);
static SEARCH: Shape = Shape::Object(Fields {
    known: &[may("max_chunk_count", &COUNT), may("max_document_count", &COUNT)],
    open: false,
    least: 0,
    most: 1,
});
static PAIRS: Shape = list(&PAIR);
static PAIR: Shape = closed(&[must("key", &SHORT_TEXT), must("value", &SHORT_TEXTS)]);
static DOCUMENT_PAIRS: Shape = list(&DOCUMENT_PAIR);
static DOCUMENT_PAIR: Shape = closed(&[
    must("key", &SHORT_TEXT),
    must("value", &SHORT_TEXTS),
    may("select_mode", &SELECT_MODES),
]);
static SELECT_MODES: Shape = list(&Shape::OneOf(&["ignoreIfKeyAbsent"]));
static SHORT_TEXT: Shape = Shape::ShortText { longest: 1_024 };
static SHORT_TEXTS: Shape = list(&SHORT_TEXT);

/// spec `TranslationModuleConfig`.
pub(super) static TRANSLATION: Shape = closed(&[
    may("input", &INPUT_TRANSLATION),
    may("output", &OUTPUT_TRANSLATION),
]);

const TRANSLATOR: Shape = Shape::OneOf(&["sap_document_translation"]);
static INPUT_TRANSLATION: Shape = closed(&[
    must("type", &TRANSLATOR),
    may("translate_messages_history", &FLAG),
    must("config", &INPUT_TRANSLATION_CONFIG),
]);
static INPUT_TRANSLATION_CONFIG: Shape = closed(&[
    may("source_language", &Shape::Text),
    may("apply_to", &SELECTORS),
    must("target_language", &Shape::Text),
]);
static SELECTORS: Shape = filled(&SELECTOR);
static SELECTOR: Shape = closed(&[
    must("category", &Shape::OneOf(&["placeholders", "template_roles"])),
    must("items", &TEXTS),
    may("source_language", &Shape::Text),
]);
static OUTPUT_TRANSLATION: Shape = closed(&[
    must("type", &TRANSLATOR),
    must("config", &OUTPUT_TRANSLATION_CONFIG),
]);
static OUTPUT_TRANSLATION_CONFIG: Shape = closed(&[
    may("source_language", &Shape::Text),
    must("target_language", &TARGET),
]);
static TARGET: Shape = Shape::Either(&[&Shape::Text, &SELECTOR]);
