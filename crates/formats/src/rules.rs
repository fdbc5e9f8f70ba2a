//! What differs by model or changes with time, as data: the rows of `rules.toml`.
//!
//! Architecture Invariant: no rule can change a host, a path or a credential; a row that cannot be read is reported and
//! skipped, the others hold.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Deserialize;

use crate::ModelFormat;
use crate::conversation::Effort;
use crate::limitation::Limitation;
use crate::model_rules::{Beta, Fallback};
pub use crate::model_rules::{MaxTokensName, ModelRules, ThinkingKind};
use crate::orchestration::modules::{ModulePieces, OrchestrationModules};

/// Members that Coretap writes itself, so that no row can have an agent's written beside them.
const WRITTEN: [&str; 8] = [
    "anthropic_version",
    "anthropic_beta",
    "input",
    "instructions",
    "max_completion_tokens",
    "messages",
    "model",
    "stream",
];

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

/// A row of a file that was taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenRow {
    /// Its table: `route`, `model`, `beta` or `tool_member`.
    pub table: String,
    /// Its id.
    pub id: String,
    /// Whether it stands in the place of an earlier row of this id.
    pub replaces: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteRow {
    id: String,
    format: ModelFormat,
    fields: Vec<String>,
    #[serde(default)]
    blocks: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelRow {
    id: String,
    #[serde(rename = "match")]
    patterns: Vec<String>,
    formats: Option<Vec<ModelFormat>>,
    thinking: Option<ThinkingKind>,
    thinking_budgets: Option<[u64; 2]>,
    thinking_off: Option<bool>,
    efforts: Option<Vec<String>>,
    effort_with_tools: Option<bool>,
    #[serde(default)]
    refused: Vec<String>,
    max_temperature: Option<f64>,
    temperature_excludes_top_p: Option<bool>,
    max_output_tokens: Option<u64>,
    max_tokens_name: Option<MaxTokensName>,
    structured_output: Option<bool>,
    structured_output_with_tools: Option<bool>,
    signed_calls: Option<bool>,
    cache_marks: Option<bool>,
    cache_ttl: Option<bool>,
    thinking_replay: Option<bool>,
    refuses_blank_stop: Option<bool>,
    plain_property_names: Option<bool>,
    prefill: Option<bool>,
    streaming: Option<bool>,
    tools: Option<bool>,
    max_tools: Option<usize>,
    short_call_ids: Option<bool>,
    user_after_results: Option<bool>,
    calls_without_tools: Option<bool>,
    chat_completions: Option<bool>,
    responses: Option<bool>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BetaRow {
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
        let (_, bad) = rules.merge(text);
        (rules, bad)
    }

    /// Takes in the rows of a file: one whose table has a row of the same id takes its place as a whole, any other is
    /// appended. Says which were taken, in the order of their tables' names, and which could not be read.
    pub fn merge(&mut self, text: &str) -> (Vec<TakenRow>, Vec<BadRow>) {
        let tables = match text.parse::<toml::Table>() {
            Ok(tables) => tables,
            Err(error) => {
                let before = error.span().and_then(|span| text.get(..span.start));
                let line = before.map_or(1, |before| before.matches('\n').count() + 1);
                let bad = BadRow {
                    row: "the file".to_owned(),
                    problem: format!("line {line}: {}", error.message().replace('\n', ", ")),
                };
                return (Vec::new(), vec![bad]);
            }
        };
        let (mut taken, mut bad) = (Vec::new(), Vec::new());
        for (table, rows) in tables {
            let rows = match rows {
                toml::Value::Array(rows) => rows,
                other => vec![other],
            };
            let mut ids = BTreeSet::new();
            for row in rows {
                let id = row.get("id").and_then(toml::Value::as_str);
                let id = id.unwrap_or("without id").to_owned();
                let read = if ids.insert(id.clone()) {
                    self.add(&table, row)
                } else {
                    Err("an earlier row has this id".to_owned())
                };
                match read {
                    Ok(replaces) => taken.push(TakenRow {
                        table: table.clone(),
                        id,
                        replaces,
                    }),
                    Err(problem) => bad.push(BadRow {
                        row: format!("[[{table}]] {id}"),
                        problem,
                    }),
                }
            }
        }
        (taken, bad)
    }

    /// Adds a row, or says what is wrong with it. Whether it stands in an earlier one's place comes back.
    fn add(&mut self, table: &str, row: toml::Value) -> Result<bool, String> {
        fn read<T: serde::de::DeserializeOwned>(row: toml::Value) -> Result<T, String> {
            row.try_into()
                .map_err(|error: toml::de::Error| error.message().replace('\n', ", "))
        }
        fn put<R>(rows: &mut Vec<R>, row: R, id: fn(&R) -> &str) -> bool {
            if let Some(former) = rows.iter_mut().find(|former| id(former) == id(&row)) {
                *former = row;
                return true;
            }
            rows.push(row);
            false
        }
        Ok(match table {
            "route" => put(&mut self.routes, checked_route(read(row)?)?, |row| &row.id),
            "model" => put(&mut self.models, checked_model(read(row)?)?, |row| &row.id),
            "beta" => put(&mut self.betas, read(row)?, |row| &row.id),
            "tool_member" => put(&mut self.tool_members, read(row)?, |row| &row.id),
            _ => return Err("there is no such table".to_owned()),
        })
    }

    /// What holds for one model (SAP's name) on one route.
    pub fn for_model(&self, format: ModelFormat, model: &str) -> ModelRules {
        let mut rules = ModelRules {
            effort_with_tools: true,
            structured_output_with_tools: true,
            prefill: true,
            cache_ttl: true,
            signatures: true,
            streaming: true,
            tools: true,
            user_after_results: true,
            calls_without_tools: true,
            chat_completions: true,
            responses: true,
            ..ModelRules::default()
        };
        for row in self.routes.iter().filter(|row| row.format == format) {
            rules.fields.clone_from(&row.fields);
            rules.blocks.clone_from(&row.blocks);
        }
        let applies = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, model));
        for row in self.models.iter().filter(|row| applies(&row.patterns)) {
            if row
                .formats
                .as_ref()
                .is_some_and(|formats| !formats.contains(&format))
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
            if let Some([least, most]) = row.thinking_budgets {
                rules.thinking_budgets = (least, most);
            }
            rules.thinking_off = row.thinking_off.unwrap_or(rules.thinking_off);
            rules.effort_with_tools = row.effort_with_tools.unwrap_or(rules.effort_with_tools);
            for field in &row.refused {
                rules.limit(&Limitation::Field(field.clone()));
            }
            rules.max_temperature = row.max_temperature.or(rules.max_temperature);
            rules.temperature_excludes_top_p = row
                .temperature_excludes_top_p
                .unwrap_or(rules.temperature_excludes_top_p);
            rules.max_output_tokens = row.max_output_tokens.or(rules.max_output_tokens);
            rules.max_tokens_name = row.max_tokens_name.unwrap_or(rules.max_tokens_name);
            rules.structured_output = row.structured_output.unwrap_or(rules.structured_output);
            rules.structured_output_with_tools = row
                .structured_output_with_tools
                .unwrap_or(rules.structured_output_with_tools);
            rules.signed_calls = row.signed_calls.unwrap_or(rules.signed_calls);
            rules.cache_marks = row.cache_marks.unwrap_or(rules.cache_marks);
            rules.thinking_replay = row.thinking_replay.unwrap_or(rules.thinking_replay);
            rules.refuses_blank_stop = row.refuses_blank_stop.unwrap_or(rules.refuses_blank_stop);
            rules.plain_property_names = row.plain_property_names.unwrap_or(rules.plain_property_names);
            rules.prefill = row.prefill.unwrap_or(rules.prefill);
            rules.cache_ttl = row.cache_ttl.unwrap_or(rules.cache_ttl);
            rules.streaming = row.streaming.unwrap_or(rules.streaming);
            rules.tools = row.tools.unwrap_or(rules.tools);
            rules.max_tools = row.max_tools.or(rules.max_tools);
            rules.short_call_ids = row.short_call_ids.unwrap_or(rules.short_call_ids);
            rules.user_after_results = row.user_after_results.unwrap_or(rules.user_after_results);
            rules.calls_without_tools = row.calls_without_tools.unwrap_or(rules.calls_without_tools);
            rules.chat_completions = row.chat_completions.unwrap_or(rules.chat_completions);
            rules.responses = row.responses.unwrap_or(rules.responses);
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

    /// The same for a connection whose orchestration has these modules; other formats have none.
    pub fn for_model_with(
        &self,
        format: ModelFormat,
        model: &str,
        modules: &OrchestrationModules,
    ) -> ModelRules {
        let mut rules = self.for_model(format, model);
        if format == ModelFormat::Orchestration {
            rules.modules = Arc::new(ModulePieces::of(modules));
            let others = modules.fallbacks.iter().map(|name| name.trim());
            rules.fallbacks = others
                .filter(|name| *name != model)
                .map(|name| Fallback {
                    model: name.to_owned(),
                    rules: self.for_model(format, name),
                })
                .collect();
        }
        rules
    }
}

/// The row, unless it lets a member through that Coretap writes itself: the body would have it twice.
fn checked_route(row: RouteRow) -> Result<RouteRow, String> {
    match row.fields.iter().find(|field| WRITTEN.contains(&field.as_str())) {
        Some(field) => Err(format!("fields: Coretap writes `{field}` itself")),
        None => Ok(row),
    }
}

/// The row, unless a value in it can't be sent.
fn checked_model(row: ModelRow) -> Result<ModelRow, String> {
    let unknown = |effort: &&String| Effort::from_word(effort).is_none();
    if let Some(effort) = row.efforts.iter().flatten().find(unknown) {
        return Err(format!("efforts: `{effort}` is no effort"));
    }
    if row.max_output_tokens == Some(0) {
        return Err("max_output_tokens: at least 1 is expected".to_owned());
    }
    if row
        .max_temperature
        .is_some_and(|highest| !(0.0..=2.0).contains(&highest))
    {
        return Err("max_temperature: a number from 0 to 2 is expected".to_owned());
    }
    Ok(row)
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
    fn a_row_of_the_same_id_takes_the_place_of_the_former_one() {
        let mut rules = Rules::embedded();
        let (taken, bad) = rules.merge(
            "[[model]]\nid = \"gpt-4o\"\nmatch = [\"gpt-4o*\"]\nmax_output_tokens = 9\n\
             [[model]]\nid = \"own\"\nmatch = [\"gpt-4o\"]\nrefused = [\"seed\", \"tools.strict\"]\n\
             [[model]]\nid = \"own\"\nmatch = [\"gpt-4o\"]\n",
        );
        let named = |row: &TakenRow| (row.table.clone(), row.id.clone(), row.replaces);
        assert_eq!(
            taken.iter().map(named).collect::<Vec<_>>(),
            [
                ("model".to_owned(), "gpt-4o".to_owned(), true),
                ("model".to_owned(), "own".to_owned(), false)
            ]
        );
        assert_eq!(bad.len(), 1, "{bad:?}");
        let gpt = rules.for_model(ModelFormat::AzureChat, "gpt-4o");
        assert_eq!(gpt.max_output_tokens, Some(9));
        assert!(gpt.refuses("seed") && gpt.refuses("top_k"));
        assert_eq!(gpt.refused_tool_members, ["strict"]);
        let other = rules.for_model(ModelFormat::AzureChat, "gpt-4.1");
        assert_eq!(other.max_output_tokens, Some(32_768), "the other rows stay");
    }

    /// Architecture Invariant: no rule can change a host, a path or a credential.
    #[test]
    fn no_row_has_a_place_for_a_host_a_path_or_a_credential() {
        let rows = [
            ("route", "format = \"claude\"\nfields = []"),
            ("model", "match = [\"*\"]"),
            ("beta", "flag = \"x\"\nmatch = [\"*\"]"),
            ("tool_member", "names = []"),
        ];
        for (table, needed) in rows {
            let row = format!("[[{table}]]\nid = \"x\"\n{needed}\n");
            assert_eq!(Rules::parse(&row).1, [], "{row}");
            for member in [
                "url",
                "base_url",
                "auth_url",
                "host",
                "path",
                "query",
                "headers",
                "authorization",
                "token",
                "client_id",
                "client_secret",
                "api_key",
                "resource_group",
                "deployment",
            ] {
                let row = format!("{row}{member} = \"https://evil.example.com\"\n");
                let (_, bad) = Rules::parse(&row);
                assert!(
                    bad.len() == 1 && bad[0].problem.contains(member),
                    "{row}: {bad:?}"
                );
            }
        }
        for table in ["connections", "host", "headers"] {
            assert_eq!(Rules::parse(&format!("[{table}]\nid = \"x\"\n")).1.len(), 1);
        }
        let route = "[[route]]\nid = \"x\"\nformat = \"claude\"\nfields = [\"anthropic_version\"]\n";
        assert!(Rules::parse(route).1[0].problem.contains("anthropic_version"));
        for wrong in [
            "max_temperature = nan",
            "max_temperature = -1",
            "max_output_tokens = 0",
        ] {
            let row = format!("[[model]]\nid = \"x\"\nmatch = [\"*\"]\n{wrong}\n");
            assert_eq!(Rules::parse(&row).1.len(), 1, "{wrong}");
        }
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
