//! What differs by model or changes with time, as data: the rows of `rules.toml`.
//!
//! Architecture Invariant: no rule can change a host, a path or a credential; a row that cannot be read is reported and
//! skipped, the others hold.

use serde::Deserialize;

use crate::ModelFormat;
use crate::conversation::Effort;

/// All rules, in the order in which they apply.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    routes: Vec<RouteRow>,
    models: Vec<ModelRow>,
    betas: Vec<BetaRow>,
    tool_members: Vec<ToolMemberRow>,
}

/// A row that could not be read, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// The table and the row's id, as far as it has one.
    pub row: String,
    /// What is wrong with it.
    pub problem: String,
}

/// What holds for one model on one route. It is worked out once for a route, not once for a request.
#[derive(Clone, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one column of the rules file"
)]
pub struct ModelRules {
    /// Members of the body that the route takes besides those that Coretap writes itself.
    pub(crate) fields: Vec<String>,
    /// Parameters that this model refuses.
    pub(crate) refused: Vec<String>,
    /// The highest temperature that the model takes; agents of OpenAI's formats go up to 2.
    pub(crate) max_temperature: Option<f64>,
    /// Whether the model takes `temperature` or `top_p`, but not both.
    pub(crate) temperature_excludes_top_p: bool,
    pub(crate) thinking: ThinkingKind,
    /// Efforts that the model takes, rising; empty where it takes none.
    pub(crate) efforts: Vec<Effort>,
    /// Whether an effort may stand beside tools.
    pub(crate) effort_with_tools: bool,
    pub(crate) max_output_tokens: Option<u64>,
    pub(crate) max_tokens_name: MaxTokensName,
    /// Whether the model takes a JSON schema for its answer; otherwise the schema is asked for in words.
    pub(crate) structured_output: bool,
    /// Whether cache marks mean something to the model.
    pub(crate) cache_marks: bool,
    /// Whether signed thinking may be sent back.
    pub(crate) thinking_replay: bool,
    /// Whether a stop sequence must hold more than white space.
    pub(crate) refuses_blank_stop: bool,
    /// Whether a conversation may end in the model's own turn.
    pub(crate) prefill: bool,
    /// Types of blocks that the route takes; empty where blocks are not passed on.
    pub(crate) blocks: Vec<String>,
    /// Beta flags that may be sent.
    pub(crate) betas: Vec<Beta>,
    /// Members of tool definitions that are left out.
    pub(crate) tool_members: Vec<String>,
}

impl ModelRules {
    /// Whether a parameter may be sent.
    pub(crate) fn takes(&self, parameter: &str) -> bool {
        self.fields.iter().any(|field| field == parameter) && !self.refuses(parameter)
    }

    /// Whether the model refuses a parameter that its route takes.
    pub(crate) fn refuses(&self, parameter: &str) -> bool {
        self.refused.iter().any(|refused| refused == parameter)
    }

    /// The highest accepted effort that is not above `wanted`, or else the lowest accepted one; nothing where the model takes none.
    pub(crate) fn effort(&self, wanted: Effort) -> Option<Effort> {
        if wanted == Effort::None {
            // Less than `minimal` would still be thinking that the agent did not want.
            return self
                .efforts
                .iter()
                .find(|effort| **effort <= Effort::Minimal)
                .copied();
        }
        let below = self.efforts.iter().rev().find(|effort| **effort <= wanted);
        below.or(self.efforts.first()).copied()
    }

    /// `wanted`, lowered to what the model can give.
    pub(crate) fn clamp_output(&self, wanted: u64) -> u64 {
        self.max_output_tokens.map_or(wanted, |limit| wanted.min(limit))
    }
}

/// A beta flag that a Claude deployment takes.
#[derive(Clone, Debug)]
pub(crate) struct Beta {
    pub(crate) flag: String,
    /// It goes with an effort, whether or not the agent named it.
    pub(crate) effort: bool,
    /// It goes with the long context, whether or not the agent named it.
    pub(crate) long_context: bool,
}

/// Which kinds of thinking a model takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) enum ThinkingKind {
    #[default]
    #[serde(rename = "none")]
    None,
    #[serde(rename = "budget")]
    Budget,
    #[serde(rename = "budget or adaptive")]
    BudgetOrAdaptive,
    #[serde(rename = "adaptive")]
    Adaptive,
}

/// What Chat Completions' limit of output tokens is called for a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MaxTokensName {
    #[default]
    MaxTokens,
    MaxCompletionTokens,
}

impl MaxTokensName {
    pub(crate) fn name(self) -> &'static str {
        match self {
            MaxTokensName::MaxTokens => "max_tokens",
            MaxTokensName::MaxCompletionTokens => "max_completion_tokens",
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteRow {
    #[expect(
        dead_code,
        reason = "rows are told apart by it where the settings folder overrides them"
    )]
    id: String,
    format: RouteName,
    fields: Vec<String>,
    #[serde(default)]
    blocks: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RouteName {
    Orchestration,
    Claude,
    Azure,
}

impl RouteName {
    fn is(self, format: ModelFormat) -> bool {
        matches!(
            (self, format),
            (RouteName::Orchestration, ModelFormat::Orchestration)
                | (RouteName::Claude, ModelFormat::Claude)
                | (RouteName::Azure, ModelFormat::AzureChat)
        )
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelRow {
    #[expect(
        dead_code,
        reason = "rows are told apart by it where the settings folder overrides them"
    )]
    id: String,
    #[serde(rename = "match")]
    patterns: Vec<String>,
    formats: Option<Vec<RouteName>>,
    thinking: Option<ThinkingKind>,
    efforts: Option<Vec<String>>,
    effort_with_tools: Option<bool>,
    #[serde(default)]
    refused: Vec<String>,
    max_temperature: Option<f64>,
    temperature_excludes_top_p: Option<bool>,
    max_output_tokens: Option<u64>,
    max_tokens_name: Option<MaxTokensName>,
    structured_output: Option<bool>,
    cache_marks: Option<bool>,
    thinking_replay: Option<bool>,
    refuses_blank_stop: Option<bool>,
    prefill: Option<bool>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BetaRow {
    #[expect(
        dead_code,
        reason = "rows are told apart by it where the settings folder overrides them"
    )]
    id: String,
    flag: String,
    #[serde(rename = "match")]
    patterns: Vec<String>,
    #[serde(default)]
    effort: bool,
    #[serde(default)]
    long_context: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ToolMemberRow {
    #[expect(
        dead_code,
        reason = "rows are told apart by it where the settings folder overrides them"
    )]
    id: String,
    names: Vec<String>,
}

impl Rules {
    /// The rules that are built in.
    pub fn embedded() -> Self {
        // That every row of it can be read is a test.
        Rules::parse(include_str!("rules.toml")).0
    }

    /// Reads rules. What cannot be read is left out and named.
    pub fn parse(text: &str) -> (Self, Vec<BadRow>) {
        let mut rules = Rules::default();
        let mut bad = Vec::new();
        let tables = match text.parse::<toml::Table>() {
            Ok(tables) => tables,
            Err(error) => {
                return (
                    rules,
                    vec![BadRow {
                        row: "the file".to_owned(),
                        problem: error.to_string(),
                    }],
                );
            }
        };
        for (table, rows) in tables {
            let rows = match rows {
                toml::Value::Array(rows) => rows,
                other => vec![other],
            };
            for row in rows {
                let id = row
                    .get("id")
                    .and_then(toml::Value::as_str)
                    .unwrap_or("without id")
                    .to_owned();
                if let Err(problem) = rules.add(&table, row) {
                    bad.push(BadRow {
                        row: format!("[[{table}]] {id}"),
                        problem,
                    });
                }
            }
        }
        (rules, bad)
    }

    fn add(&mut self, table: &str, row: toml::Value) -> Result<(), String> {
        fn read<T: serde::de::DeserializeOwned>(row: toml::Value) -> Result<T, String> {
            row.try_into()
                .map_err(|error: toml::de::Error| error.message().to_owned())
        }
        match table {
            "route" => self.routes.push(read(row)?),
            "model" => {
                let row: ModelRow = read(row)?;
                let unknown = |effort: &&String| Effort::from_word(effort).is_none();
                if let Some(effort) = row.efforts.iter().flatten().find(unknown) {
                    return Err(format!("`{effort}` is no effort"));
                }
                self.models.push(row);
            }
            "beta" => self.betas.push(read(row)?),
            "tool_member" => self.tool_members.push(read(row)?),
            _ => return Err("there is no such table".to_owned()),
        }
        Ok(())
    }

    /// What holds for one model (SAP's name) on one route.
    pub fn for_model(&self, format: ModelFormat, model: &str) -> ModelRules {
        let mut rules = ModelRules {
            effort_with_tools: true,
            prefill: true,
            ..ModelRules::default()
        };
        for row in self.routes.iter().filter(|row| row.format.is(format)) {
            rules.fields.clone_from(&row.fields);
            rules.blocks.clone_from(&row.blocks);
        }
        let applies = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, model));
        for row in self.models.iter().filter(|row| applies(&row.patterns)) {
            if row
                .formats
                .as_ref()
                .is_some_and(|formats| !formats.iter().any(|name| name.is(format)))
            {
                continue;
            }
            let efforts = row.efforts.as_ref();
            rules.efforts = efforts.map_or(rules.efforts, |efforts| {
                efforts
                    .iter()
                    .filter_map(|effort| Effort::from_word(effort))
                    .collect()
            });
            rules.thinking = row.thinking.unwrap_or(rules.thinking);
            rules.effort_with_tools = row.effort_with_tools.unwrap_or(rules.effort_with_tools);
            rules.refused.extend(row.refused.iter().cloned());
            rules.max_temperature = row.max_temperature.or(rules.max_temperature);
            rules.temperature_excludes_top_p = row
                .temperature_excludes_top_p
                .unwrap_or(rules.temperature_excludes_top_p);
            rules.max_output_tokens = row.max_output_tokens.or(rules.max_output_tokens);
            rules.max_tokens_name = row.max_tokens_name.unwrap_or(rules.max_tokens_name);
            rules.structured_output = row.structured_output.unwrap_or(rules.structured_output);
            rules.cache_marks = row.cache_marks.unwrap_or(rules.cache_marks);
            rules.thinking_replay = row.thinking_replay.unwrap_or(rules.thinking_replay);
            rules.refuses_blank_stop = row.refuses_blank_stop.unwrap_or(rules.refuses_blank_stop);
            rules.prefill = row.prefill.unwrap_or(rules.prefill);
        }
        for row in self.betas.iter().filter(|row| applies(&row.patterns)) {
            rules.betas.push(Beta {
                flag: row.flag.clone(),
                effort: row.effort,
                long_context: row.long_context,
            });
        }
        rules.tool_members = self
            .tool_members
            .iter()
            .flat_map(|row| row.names.clone())
            .collect();
        rules
    }
}

/// Whether a name fits a pattern in which `*` stands for any run of characters.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|tail| {
            tail.char_indices()
                .map(|(position, _)| position)
                .chain([tail.len()])
                .any(|position| tail.get(position..).is_some_and(|tail| matches(rest, tail)))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_row_is_read() {
        let (_, bad) = Rules::parse(include_str!("rules.toml"));
        assert_eq!(bad, []);
    }

    #[test]
    fn a_bad_row_is_named_and_the_others_hold() {
        let (rules, bad) = Rules::parse(
            "[[model]]\nid = \"a\"\nmatch = [\"x\"]\nmax_output_tokens = \"many\"\n\
             [[model]]\nid = \"b\"\nmatch = [\"x\"]\nmax_output_tokens = 5\n[[host]]\nid = \"c\"\n\
             [[model]]\nid = \"d\"\nmatch = [\"x\"]\nefforts = [\"extreme\"]\n",
        );
        let mut named: Vec<_> = bad.iter().map(|bad| bad.row.as_str()).collect();
        named.sort_unstable();
        assert_eq!(named, ["[[host]] c", "[[model]] a", "[[model]] d"]);
        assert_eq!(
            rules.for_model(ModelFormat::Claude, "x").max_output_tokens,
            Some(5)
        );
        assert_eq!(Rules::parse("= [").1.len(), 1);
    }

    #[test]
    fn later_rows_override_earlier_ones() {
        let rules = Rules::embedded();
        let opus = rules.for_model(ModelFormat::Claude, "anthropic--claude-4.8-opus");
        assert_eq!(
            (opus.thinking, opus.max_output_tokens),
            (ThinkingKind::Adaptive, Some(128_000))
        );
        assert!(opus.refuses("temperature") && !opus.takes("temperature"));
        let sonnet = rules.for_model(ModelFormat::Claude, "anthropic--claude-4.5-sonnet");
        assert_eq!(
            (sonnet.thinking, sonnet.max_output_tokens),
            (ThinkingKind::Budget, Some(64_000))
        );
        assert_eq!(sonnet.effort(Effort::Max), None);
        let sonnet = rules.for_model(ModelFormat::Orchestration, "anthropic--claude-4.5-sonnet");
        assert_eq!(sonnet.effort(Effort::Max), Some(Effort::High));
        let gpt = rules.for_model(ModelFormat::AzureChat, "gpt-5");
        assert_eq!(gpt.effort(Effort::Minimal), Some(Effort::Minimal));
        assert_eq!(gpt.max_tokens_name.name(), "max_completion_tokens");
    }

    #[test]
    fn patterns_match_whole_names() {
        assert!(matches("anthropic--claude-4*", "anthropic--claude-4.8-opus"));
        assert!(matches("*-opus", "anthropic--claude-4.8-opus"));
        assert!(!matches("gpt-5", "gpt-5-mini"));
        assert!(!matches("gpt-5*x", "gpt-5-mini"));
    }
}
