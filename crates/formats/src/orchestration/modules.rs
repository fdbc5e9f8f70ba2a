//! What orchestration can do beside completing (spec `ModuleConfigs`, sap-wire.md §4.1): filter, mask, fall back to
//! other models, cache prompts, keep to a time. What a person has set for a connection is an [`OrchestrationModules`];
//! what goes into requests because of it is written once for a connection, as [`ModulePieces`].
//!
//! One type is the table in the settings file, the form in the window and the source of the wire's JSON, so its names
//! are those of SAP's specification.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The longest time budget of one call of a model, in seconds (spec `LLMModelDetails`), and what a request has when
/// nobody chose another: a long turn of an agent streams for minutes.
pub const LONGEST_TIMEOUT: u16 = 1200;
/// Most models of a fallback list. Each one's configuration repeats the open turn.
const MOST_FALLBACKS: usize = 5;
/// Characters of the answer that arrive at once when nothing looks at them: as few as the service's overhead allows.
const CHUNK: u32 = 10;
/// The same when masked values are put back into the answer: the service's own default, many times as long as a
/// stand-in like `MASKED_PERSON_1`, which a cut could keep from being recognised.
const UNMASKED_CHUNK: u32 = 100;
/// The same when the answer is filtered. Every chunk is a call of each filter, which costs money and time: an answer of
/// 4,000 characters makes 8 calls, not 400, and its text still moves every second or two.
const FILTERED_CHUNK: u32 = 500;
/// Characters before a chunk that its filters see again, so that a sentence across a cut is judged whole.
const FILTER_OVERLAP: u32 = 100;

/// What a person has set for a connection. By default nothing is on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(default, deny_unknown_fields)]
pub struct OrchestrationModules {
    /// Caches the prompts of agents that don't ask for it, at models that know cache marks.
    pub prompt_caching: bool,
    /// Seconds that a model has for one call, 1 to 1,200; a stream has to end within them. `None`: 1,200.
    pub timeout: Option<u16>,
    /// SAP's names of the models that are asked, in this order, when the one that an agent asked for fails.
    pub fallbacks: Vec<String>,
    /// What the prompt may not hold.
    pub input_filter: Option<InputFilter>,
    /// What the answer may not hold.
    pub output_filter: Option<OutputFilter>,
    /// What the model doesn't get to see.
    pub masking: Option<Masking>,
}

/// Filters of the prompt (spec `InputFilteringConfig`). At least one of them is on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(default, deny_unknown_fields)]
pub struct InputFilter {
    /// Azure Content Safety.
    pub azure_content_safety: Option<AzureContentSafety>,
    /// Azure's Prompt Shield: attacks on the model's instructions.
    pub prompt_shield: bool,
    /// What Llama Guard 3 8B looks for.
    pub llama_guard: Vec<LlamaGuardCategory>,
}

/// Filters of the answer (spec `OutputFilteringConfig`). At least one of them is on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(default, deny_unknown_fields)]
pub struct OutputFilter {
    /// Azure Content Safety.
    pub azure_content_safety: Option<AzureContentSafety>,
    /// Azure's look-out for code that is known from GitHub's repositories.
    pub protected_material_code: bool,
    /// What Llama Guard 3 8B looks for.
    pub llama_guard: Vec<LlamaGuardCategory>,
}

/// The highest severity of each kind that Azure Content Safety lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct AzureContentSafety {
    /// Hate.
    pub hate: Threshold,
    /// Self-harm.
    pub self_harm: Threshold,
    /// Sexual content.
    pub sexual: Threshold,
    /// Violence.
    pub violence: Threshold,
}

/// A severity (spec `AzureThreshold`): 0 lets only what is safe through, 2 also low, 4 also medium, 6 everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(type = "0 | 2 | 4 | 6"))]
#[serde(try_from = "i64", into = "u8")]
pub struct Threshold(u8);

impl Threshold {
    /// What lets everything through.
    const ALL: Threshold = Threshold(6);
}

impl TryFrom<i64> for Threshold {
    type Error = String;

    fn try_from(value: i64) -> Result<Self, String> {
        match value {
            0 => Ok(Threshold(0)),
            2 => Ok(Threshold(2)),
            4 => Ok(Threshold(4)),
            6 => Ok(Threshold(6)),
            other => Err(format!(
                "a threshold is 0 (only what is safe passes), 2, 4 or 6 (everything passes), not {other}"
            )),
        }
    }
}

impl From<Threshold> for u8 {
    fn from(threshold: Threshold) -> u8 {
        threshold.0
    }
}

/// What Llama Guard 3 8B can look for (spec `LlamaGuard38b`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "the specification says no more of them than their names"
)]
pub enum LlamaGuardCategory {
    ViolentCrimes,
    NonViolentCrimes,
    SexCrimes,
    ChildExploitation,
    Defamation,
    SpecializedAdvice,
    Privacy,
    IntellectualProperty,
    IndiscriminateWeapons,
    Hate,
    SelfHarm,
    SexualContent,
    Elections,
    CodeInterpreterAbuse,
}

/// Values that are replaced before the model sees them (spec `DPIConfig`: SAP Data Privacy Integration). At least one
/// entity is named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct Masking {
    /// Whether the answer gets the values back.
    pub method: MaskingMethod,
    /// What is replaced.
    pub entities: Vec<MaskedEntity>,
    /// Words that stay as they are.
    #[serde(default)]
    pub allowlist: Vec<String>,
}

/// What becomes of a masked value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum MaskingMethod {
    /// It is lost: the answer has the stand-in.
    Anonymization,
    /// It stands in the answer where the model used its stand-in.
    Pseudonymization,
}

/// What can be masked (spec `DPIEntities`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[expect(
    missing_docs,
    reason = "the specification says no more of them than their names"
)]
pub enum MaskedEntity {
    #[serde(rename = "profile-person")]
    Person,
    #[serde(rename = "profile-org")]
    Organization,
    #[serde(rename = "profile-university")]
    University,
    #[serde(rename = "profile-location")]
    Location,
    #[serde(rename = "profile-email")]
    Email,
    #[serde(rename = "profile-phone")]
    Phone,
    #[serde(rename = "profile-address")]
    Address,
    #[serde(rename = "profile-sapids-internal")]
    SapIdsInternal,
    #[serde(rename = "profile-sapids-public")]
    SapIdsPublic,
    #[serde(rename = "profile-url")]
    Url,
    #[serde(rename = "profile-username-password")]
    UsernamePassword,
    #[serde(rename = "profile-nationalid")]
    NationalId,
    #[serde(rename = "profile-iban")]
    Iban,
    #[serde(rename = "profile-ssn")]
    SocialSecurityNumber,
    #[serde(rename = "profile-credit-card-number")]
    CreditCardNumber,
    #[serde(rename = "profile-passport")]
    Passport,
    #[serde(rename = "profile-driverlicense")]
    DriverLicense,
    #[serde(rename = "profile-nationality")]
    Nationality,
    #[serde(rename = "profile-religious-group")]
    ReligiousGroup,
    #[serde(rename = "profile-political-group")]
    PoliticalGroup,
    #[serde(rename = "profile-pronouns-gender")]
    PronounsGender,
    #[serde(rename = "profile-ethnicity")]
    Ethnicity,
    #[serde(rename = "profile-gender")]
    Gender,
    #[serde(rename = "profile-sexual-orientation")]
    SexualOrientation,
    #[serde(rename = "profile-trade-union")]
    TradeUnion,
    #[serde(rename = "profile-sensitive-data")]
    SensitiveData,
}

impl OrchestrationModules {
    /// What can't be sent as it is set, as a sentence without its full stop; `None` if all of it can.
    pub fn problem(&self) -> Option<String> {
        let is_blank = |words: &[String]| words.iter().any(|word| word.trim().is_empty());
        if self
            .timeout
            .is_some_and(|seconds| !(1..=LONGEST_TIMEOUT).contains(&seconds))
        {
            return Some(format!("timeout is not between 1 and {LONGEST_TIMEOUT} seconds"));
        }
        if is_blank(&self.fallbacks) {
            return Some("fallbacks has an entry that names no model".to_owned());
        }
        if self.fallbacks.len() > MOST_FALLBACKS {
            return Some(format!("fallbacks names more than {MOST_FALLBACKS} models"));
        }
        if self
            .input_filter
            .as_ref()
            .is_some_and(|filter| filter.filters().is_empty())
        {
            return Some("input_filter has no filter that is on".to_owned());
        }
        if self
            .output_filter
            .as_ref()
            .is_some_and(|filter| filter.filters().is_empty())
        {
            return Some("output_filter has no filter that is on".to_owned());
        }
        let masking = self.masking.as_ref()?;
        if masking.entities.is_empty() {
            return Some("masking names no entity".to_owned());
        }
        is_blank(&masking.allowlist).then(|| "masking.allowlist has an empty entry".to_owned())
    }

    /// The modules that are on, in the words of the header `x-coretap-orchestration`.
    pub fn on(&self) -> Vec<&'static str> {
        let modules = [
            (
                self.input_filter.is_some() || self.output_filter.is_some(),
                FILTERING,
            ),
            (self.masking.is_some(), MASKING),
            (!self.fallbacks.is_empty(), FALLBACKS),
            (self.prompt_caching, PROMPT_CACHING),
            (self.timeout.is_some(), TIMEOUT),
        ];
        let on = modules.into_iter().filter(|(is_on, _)| *is_on);
        on.map(|(_, module)| module).collect()
    }
}

/// What the header and the log call each module.
const FILTERING: &str = "filtering";
const MASKING: &str = "masking";
const FALLBACKS: &str = "fallbacks";
const PROMPT_CACHING: &str = "prompt_caching";
const TIMEOUT: &str = "timeout";

impl InputFilter {
    fn filters(&self) -> Vec<Value> {
        filters(
            self.azure_content_safety,
            self.prompt_shield.then_some("prompt_shield"),
            &self.llama_guard,
        )
    }
}

impl OutputFilter {
    fn filters(&self) -> Vec<Value> {
        filters(
            self.azure_content_safety,
            self.protected_material_code.then_some("protected_material_code"),
            &self.llama_guard,
        )
    }
}

/// The list of filters on one side. `flag` is what Azure's filter looks for beside its four kinds.
fn filters(
    thresholds: Option<AzureContentSafety>,
    flag: Option<&'static str>,
    llama_guard: &[LlamaGuardCategory],
) -> Vec<Value> {
    let mut filters = Vec::new();
    if thresholds.is_some() || flag.is_some() {
        // What Azure's filter does about a kind without a threshold is not documented, so each one has its own.
        let all = AzureContentSafety {
            hate: Threshold::ALL,
            self_harm: Threshold::ALL,
            sexual: Threshold::ALL,
            violence: Threshold::ALL,
        };
        let mut config = json!(thresholds.unwrap_or(all));
        if let (Some(flag), Some(config)) = (flag, config.as_object_mut()) {
            config.insert(flag.to_owned(), Value::Bool(true));
        }
        filters.push(json!({"type": "azure_content_safety", "config": config}));
    }
    if !llama_guard.is_empty() {
        let named = |category: &LlamaGuardCategory| Some((json!(category).as_str()?.to_owned(), true.into()));
        let config: Map<String, Value> = llama_guard.iter().filter_map(named).collect();
        filters.push(json!({"type": "llama_guard_3_8b", "config": config}));
    }
    filters
}

/// What goes into every request of a connection because of its modules. The default is what goes in when none is on.
#[derive(Clone, Debug)]
pub(crate) struct ModulePieces {
    /// `,"filtering":{…}`, or nothing.
    pub(crate) filtering: String,
    /// `,"masking":{…}`, or nothing.
    pub(crate) masking: String,
    /// The same for a request that holds files, which must say what becomes of them.
    pub(crate) masking_with_files: String,
    /// `,"timeout":…`
    pub(crate) timeout: String,
    /// `,"chunk_size":…`
    pub(crate) chunk_size: String,
    /// Whether agents that set no cache mark get some.
    pub(crate) prompt_caching: bool,
    /// The modules that touch every request, in the words of the header.
    pub(crate) on: Vec<&'static str>,
}

impl Default for ModulePieces {
    fn default() -> Self {
        ModulePieces::of(&OrchestrationModules::default())
    }
}

impl ModulePieces {
    /// Writes the pieces.
    pub(crate) fn of(modules: &OrchestrationModules) -> Self {
        let piece = |name: &str, value: Option<Value>| {
            value.map_or_else(String::new, |value| format!(",\"{name}\":{value}"))
        };
        let masking = modules.masking.as_ref();
        let puts_back = masking.is_some_and(|masking| masking.method == MaskingMethod::Pseudonymization);
        let chunk_size = if modules.output_filter.is_some() {
            FILTERED_CHUNK
        } else if puts_back {
            UNMASKED_CHUNK
        } else {
            CHUNK
        };
        let mut on = modules.on();
        // It touches only requests that it adds marks to.
        on.retain(|module| *module != PROMPT_CACHING);
        ModulePieces {
            filtering: piece("filtering", filtering(modules)),
            masking: piece("masking", masking.map(|masking| masking_of(masking, false))),
            masking_with_files: piece("masking", masking.map(|masking| masking_of(masking, true))),
            timeout: format!(",\"timeout\":{}", modules.timeout.unwrap_or(LONGEST_TIMEOUT)),
            chunk_size: format!(",\"chunk_size\":{chunk_size}"),
            prompt_caching: modules.prompt_caching,
            on,
        }
    }

    /// The modules that touched a request, in the words of the header.
    pub(crate) fn touched(&self, added_cache_marks: bool) -> Vec<&'static str> {
        let mut touched = self.on.clone();
        if added_cache_marks {
            touched.push(PROMPT_CACHING);
        }
        touched
    }

    /// The same for a request for embeddings, which has no other modules.
    pub(crate) fn touched_embeddings(&self) -> Vec<&'static str> {
        let mut touched = self.on.clone();
        touched.retain(|module| [MASKING, TIMEOUT].contains(module));
        touched
    }
}

/// spec `FilteringModuleConfig`
fn filtering(modules: &OrchestrationModules) -> Option<Value> {
    let mut sides = Map::new();
    if let Some(filter) = &modules.input_filter {
        sides.insert("input".to_owned(), json!({"filters": filter.filters()}));
    }
    if let Some(filter) = &modules.output_filter {
        let side = json!({"filters": filter.filters(), "stream_options": {"overlap": FILTER_OVERLAP}});
        sides.insert("output".to_owned(), side);
    }
    (!sides.is_empty()).then_some(Value::Object(sides))
}

/// spec `MaskingModuleConfig`
fn masking_of(masking: &Masking, has_files: bool) -> Value {
    let entities: Vec<Value> = masking
        .entities
        .iter()
        .map(|entity| json!({"type": entity}))
        .collect();
    let mut provider = json!({
        "type": "sap_data_privacy_integration",
        "method": masking.method,
        "entities": entities,
    });
    if let Some(provider) = provider.as_object_mut() {
        if !masking.allowlist.is_empty() {
            provider.insert("allowlist".to_owned(), json!(masking.allowlist));
        }
        if has_files {
            // The other choice, `skip`, would show the model what a person wants to keep from it.
            provider.insert("mask_file_input_method".to_owned(), json!("anonymization"));
        }
    }
    json!({"providers": [provider]})
}
