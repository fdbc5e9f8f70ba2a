//! The list of models as agents ask for it, in OpenAI's shape, in Anthropic's and in Google's (agents.md §3).

use crate::json::{write_count, write_string};
use crate::{AgentFormat, gemini};

/// A model that agents may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedModel<'a> {
    /// The name agents send.
    pub id: &'a str,
    /// The name people read; Claude Code's picker shows it.
    pub display_name: &'a str,
    /// Who offers it: OpenAI's `owned_by`.
    pub owner: &'a str,
    /// When it was made, in seconds since 1970; 0 where nobody knows.
    pub created: u64,
    /// Whether it will be retired: OpenAI's list says so by members of Coretap's own.
    pub deprecated: bool,
    /// When, as SAP writes it, if that is known.
    pub retirement_date: Option<&'a str>,
    /// Whether it makes embeddings instead of answers: Google's list says what a model does.
    pub embeds: bool,
    /// Tokens that fit into one request and its answer, if that is known.
    pub context_length: Option<u64>,
}

/// The body of `GET /v1/models`: OpenAI's `{"object":"list","data":[…]}`, or for [`AgentFormat::Messages`] Anthropic's
/// `{"data":[…],"has_more":false,"first_id":…,"last_id":…}`, or for [`AgentFormat::Gemini`] Google's `{"models":[…]}`. The
/// list is always whole.
pub fn model_list(agent: AgentFormat, models: &[ListedModel<'_>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + models.len() * 128);
    out.extend_from_slice(match agent {
        AgentFormat::Messages => b"{\"data\":[".as_slice(),
        AgentFormat::ChatCompletions | AgentFormat::Responses => b"{\"object\":\"list\",\"data\":[",
        AgentFormat::Gemini => b"{\"models\":[",
    });
    for (position, model) in models.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        write_entry(agent, model, &mut out);
    }
    out.push(b']');
    if agent == AgentFormat::Messages {
        out.extend_from_slice(b",\"has_more\":false,\"first_id\":");
        write_optional(models.first().map(|model| model.id), &mut out);
        out.extend_from_slice(b",\"last_id\":");
        write_optional(models.last().map(|model| model.id), &mut out);
    }
    out.push(b'}');
    out
}

/// The body of `GET /v1/models/{id}`: one entry of the list.
pub fn model_entry(agent: AgentFormat, model: &ListedModel<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    write_entry(agent, model, &mut out);
    out
}

fn write_entry(agent: AgentFormat, model: &ListedModel<'_>, out: &mut Vec<u8>) {
    match agent {
        AgentFormat::Messages => {
            out.extend_from_slice(b"{\"type\":\"model\",\"id\":");
            write_string(out, model.id);
            out.extend_from_slice(b",\"display_name\":");
            write_string(out, model.display_name);
            out.extend_from_slice(b",\"created_at\":\"");
            out.extend_from_slice(date_and_time(model.created).as_bytes());
            out.push(b'"');
        }
        AgentFormat::Gemini => gemini::models::write_entry(model, out),
        AgentFormat::ChatCompletions | AgentFormat::Responses => {
            out.extend_from_slice(b"{\"id\":");
            write_string(out, model.id);
            out.extend_from_slice(b",\"object\":\"model\",\"created\":");
            write_count(out, model.created);
            out.extend_from_slice(b",\"owned_by\":");
            write_string(out, model.owner);
            if model.deprecated {
                out.extend_from_slice(b",\"deprecated\":true");
            }
            if let Some(date) = model.retirement_date {
                out.extend_from_slice(b",\"retirement_date\":");
                write_string(out, date);
            }
        }
    }
    out.push(b'}');
}

fn write_optional(id: Option<&str>, out: &mut Vec<u8>) {
    match id {
        Some(id) => write_string(out, id),
        None => out.extend_from_slice(b"null"),
    }
}

/// RFC 3339 in UTC, as Anthropic spells times.
fn date_and_time(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years are counted from March, so that the leap day is the last one: then a month's days follow one line,
    // and 400 years always have 146,097 days. 719,468 days lie between 0000-03-01 and 1970-01-01.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODELS: [ListedModel<'static>; 2] = [
        ListedModel {
            id: "claude-sonnet-4-5",
            display_name: "Claude \"4.5\"",
            owner: "Anthropic",
            created: 0,
            deprecated: false,
            retirement_date: None,
            embeds: false,
            context_length: None,
        },
        ListedModel {
            id: "gpt-4o",
            display_name: "GPT-4o",
            owner: "OpenAI",
            created: 1_709_251_199,
            deprecated: true,
            retirement_date: Some("2026-12-31"),
            embeds: false,
            context_length: Some(128_000),
        },
    ];

    #[test]
    fn anthropics_list_names_its_first_and_last() {
        assert_eq!(
            String::from_utf8(model_list(AgentFormat::Messages, &MODELS)).unwrap(),
            concat!(
                r#"{"data":[{"type":"model","id":"claude-sonnet-4-5","display_name":"Claude \"4.5\"","#,
                r#""created_at":"1970-01-01T00:00:00Z"},{"type":"model","id":"gpt-4o","display_name":"GPT-4o","#,
                r#""created_at":"2024-02-29T23:59:59Z"}],"#,
                r#""has_more":false,"first_id":"claude-sonnet-4-5","last_id":"gpt-4o"}"#,
            )
        );
        assert_eq!(
            model_list(AgentFormat::Messages, &[]),
            br#"{"data":[],"has_more":false,"first_id":null,"last_id":null}"#
        );
    }

    #[test]
    fn openais_list_and_entry() {
        assert_eq!(
            String::from_utf8(model_list(AgentFormat::ChatCompletions, &MODELS)).unwrap(),
            concat!(
                r#"{"object":"list","data":[{"id":"claude-sonnet-4-5","object":"model","created":0,"#,
                r#""owned_by":"Anthropic"},{"id":"gpt-4o","object":"model","created":1709251199,"owned_by":"OpenAI","deprecated":true,"retirement_date":"2026-12-31"}]}"#,
            )
        );
        let entry = model_entry(AgentFormat::ChatCompletions, &MODELS[1]);
        assert_eq!(
            entry,
            br#"{"id":"gpt-4o","object":"model","created":1709251199,"owned_by":"OpenAI","deprecated":true,"retirement_date":"2026-12-31"}"#
        );
    }

    #[test]
    fn googles_list_says_what_each_model_does() {
        let mut models = MODELS;
        models[0].embeds = true;
        assert_eq!(
            String::from_utf8(model_list(AgentFormat::Gemini, &models)).unwrap(),
            concat!(
                r#"{"models":[{"name":"models/claude-sonnet-4-5","version":"latest","displayName":"Claude \"4.5\"","#,
                r#""supportedGenerationMethods":["embedContent","batchEmbedContents"]},"#,
                r#"{"name":"models/gpt-4o","version":"latest","displayName":"GPT-4o","inputTokenLimit":128000,"#,
                r#""supportedGenerationMethods":["generateContent","streamGenerateContent","countTokens"]}]}"#,
            )
        );
    }

    #[test]
    fn times_are_right_around_leap_days() {
        assert_eq!(date_and_time(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(date_and_time(951_868_800), "2000-03-01T00:00:00Z");
        assert_eq!(date_and_time(1_735_689_599), "2024-12-31T23:59:59Z");
        assert_eq!(date_and_time(4_107_542_400), "2100-03-01T00:00:00Z");
    }
}
