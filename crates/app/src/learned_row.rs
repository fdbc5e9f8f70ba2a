//! One lesson as it stands in `learned.toml`.

use coretap_formats::limitation::Limitation;
use coretap_formats::{ModelFormat, could_be_left_out};
use coretap_proxy::Lesson;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// The members of a row.
const MEMBERS: [&str; 7] = ["deployment", "model", "format", "rule", "value", "since", "words"];

/// One lesson as it stands in the file.
#[derive(Deserialize, Serialize)]
pub(crate) struct Row {
    deployment: String,
    model: String,
    format: ModelFormat,
    #[serde(flatten)]
    limitation: Limitation,
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
    words: String,
}

impl Row {
    /// The row of a table, or what is wrong with it.
    pub(crate) fn read(row: toml::Value) -> Result<Self, String> {
        // Serde refuses no unknown members beside flattened ones.
        let unknown = row.as_table().and_then(|row| {
            let mut names = row.keys();
            names.find(|name| !MEMBERS.contains(&name.as_str()))
        });
        if let Some(name) = unknown {
            return Err(format!("unknown field `{name}`"));
        }
        let row: Row = row
            .try_into()
            .map_err(|error: toml::de::Error| error.message().replace('\n', ", "))?;
        if row.limitation.lasts() && could_be_left_out(&row.limitation, row.format) {
            Ok(row)
        } else {
            Err("value: no deployment can have refused that".to_owned())
        }
    }
}

impl From<&Lesson> for Row {
    fn from(lesson: &Lesson) -> Self {
        let since = OffsetDateTime::from(lesson.since);
        Row {
            deployment: lesson.deployment.clone(),
            model: lesson.model.clone(),
            format: lesson.format,
            limitation: lesson.limitation.clone(),
            since: since.replace_nanosecond(0).unwrap_or(since),
            words: lesson.words.clone(),
        }
    }
}

impl From<Row> for Lesson {
    fn from(row: Row) -> Self {
        Lesson {
            deployment: row.deployment,
            model: row.model,
            format: row.format,
            limitation: row.limitation,
            since: row.since.into(),
            words: row.words.replace(char::is_control, " "),
        }
    }
}
