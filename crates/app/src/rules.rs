//! The rules of the settings folder, and what `coretap rules` shows and forgets.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use coretap_formats::rules::{Rules, TakenRow};
use coretap_proxy::Lesson;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::Error;
use crate::learned_file::LearnedFile;
use crate::settings_file::folder;

const FILE: &str = "rules.toml";

/// The rules that hold with a settings folder.
pub(crate) struct OwnRules {
    /// The built-in ones with those of the folder merged into them by id.
    pub(crate) rules: Rules,
    /// The rows that were taken from the folder.
    taken: Vec<TakenRow>,
    /// What is wrong with others. They are skipped, and the file stays as it is: it is the person's own.
    pub(crate) troubles: Vec<Error>,
}

/// Reads the rules of a settings folder; without a file the built-in ones hold.
pub(crate) fn read(folder: &Path) -> OwnRules {
    let path = folder.join(FILE);
    let mut own = OwnRules {
        rules: Rules::embedded(),
        taken: Vec::new(),
        troubles: Vec::new(),
    };
    let skipped = |row: String, problem: String| Error::RowSkipped {
        path: path.display().to_string(),
        row,
        problem,
    };
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let (taken, bad) = own.rules.merge(&text);
            own.taken = taken;
            own.troubles = bad.into_iter().map(|bad| skipped(bad.row, bad.problem)).collect();
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => own
            .troubles
            .push(skipped("the file".to_owned(), error.to_string())),
    }
    own
}

/// What differs from the built-in rules, and why.
#[derive(Debug, Serialize)]
pub struct Listing {
    /// Where `learned.toml` and `rules.toml` lie.
    pub folder: PathBuf,
    /// What deployments have refused.
    pub learned: Vec<LearnedRule>,
    /// Rows of the person's own `rules.toml`.
    pub own: Vec<OwnRule>,
    /// Sentences about rows and files that could not be used.
    pub problems: Vec<String>,
}

/// Something that a deployment has refused and that is left out for it since.
#[derive(Debug, Serialize)]
pub struct LearnedRule {
    /// What `forget` takes.
    pub id: String,
    /// The deployment's id.
    pub deployment: String,
    /// SAP's name of the model.
    pub model: String,
    /// What is done about it.
    pub effect: String,
    /// When it was learned, in UTC: `2026-01-31T12:00:00Z`.
    pub since: String,
    /// What it refused, in Coretap's words.
    pub words: String,
}

/// A row of the person's own rules.
#[derive(Debug, Serialize)]
pub struct OwnRule {
    /// Its table: `route`, `model`, `beta` or `tool_member`.
    pub table: String,
    /// Its id.
    pub id: String,
    /// Whether it stands in the place of a built-in row.
    pub replaces: bool,
}

impl From<Lesson> for LearnedRule {
    fn from(lesson: Lesson) -> Self {
        let since = OffsetDateTime::from(lesson.since).format(&Rfc3339);
        LearnedRule {
            id: lesson.id(),
            effect: lesson.limitation.to_string(),
            deployment: lesson.deployment,
            model: lesson.model,
            since: since.unwrap_or_default(),
            words: lesson.words,
        }
    }
}

impl Listing {
    /// What there is in the settings folder. Nothing is sent anywhere, and no file is changed.
    ///
    /// # Errors
    /// When the system names no folder for settings.
    pub fn read(environment: &impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let folder = folder(environment).ok_or(Error::NoFolder)?;
        let own = read(&folder);
        let mut problems = own.troubles;
        let lessons = match LearnedFile::new(&folder).read(SystemTime::now()) {
            Ok(contents) => {
                problems.extend(contents.troubles);
                contents.lessons
            }
            Err(error) => {
                problems.push(error);
                Vec::new()
            }
        };
        Ok(Listing {
            folder,
            learned: lessons.into_iter().map(LearnedRule::from).collect(),
            own: own
                .taken
                .into_iter()
                .map(|TakenRow { table, id, replaces }| OwnRule { table, id, replaces })
                .collect(),
            problems: problems.iter().map(ToString::to_string).collect(),
        })
    }
}

/// Forgets what was learned: the row of this id, or all, even those that can't be used. A running Coretap follows within a few
/// seconds. Gives the number of rows. A file that nobody can understand is kept under another name.
///
/// # Errors
/// When there is no such row, or the settings folder can't be written to.
pub fn forget(environment: &impl Fn(&str) -> Option<String>, id: Option<&str>) -> Result<usize, Error> {
    let folder = folder(environment).ok_or(Error::NoFolder)?;
    let file = LearnedFile::new(&folder);
    match id {
        Some(id) => file.forget(id, SystemTime::now()),
        None => file.forget_all(SystemTime::now()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_the_folder_are_merged_and_bad_ones_reported() {
        let home = tempfile::tempdir().unwrap();
        assert!(read(home.path()).troubles.is_empty());
        let path = home.path().join(FILE);
        let text = "[[model]]\nid = \"gpt-4o\"\nmatch = [\"gpt-4o*\"]\nmax_output_tokens = 9\n\
                    [[model]]\nid = \"b\"\nmatch = [\"x\"]\nbase_url = \"https://evil.example.com\"\n";
        std::fs::write(&path, text).unwrap();
        let own = read(home.path());
        assert_eq!((own.taken.len(), own.troubles.len()), (1, 1));
        assert!(own.taken[0].replaces);
        let sentence = own.troubles[0].to_string();
        assert!(
            sentence.contains("[[model]] b") && sentence.contains("base_url") && sentence.contains(FILE),
            "{sentence}"
        );

        std::fs::write(&path, "= [").unwrap();
        let own = read(home.path());
        assert!(own.taken.is_empty() && own.troubles[0].to_string().contains("line 1"));
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "= [",
            "it is the person's own"
        );
    }
}
