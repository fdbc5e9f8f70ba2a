//! `learned.toml`: what deployments have refused, kept across restarts.
//!
//! Several processes may have the file in use: the app, the command, and somebody who forgets a row. Each change is made to
//! the file as it is then, under a lock that is held for no longer, so nobody takes away what another one has learned.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use coretap_proxy::Lesson;

use crate::error::Error;
use crate::learned_row::Row;

const FILE: &str = "learned.toml";
/// Held while the file is changed.
const LOCK: &str = "learned.lock";
/// Deployments change: what one has refused is tried anew after this time.
const LASTS: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How far ahead of this clock another one may be that wrote a row; a row from later than that would never grow old.
const CLOCKS_DIFFER: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a change waits for the lock. Each holder needs it for milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);
/// What stands in the file.
#[derive(Default)]
pub(crate) struct Contents {
    /// The lessons that hold.
    pub(crate) lessons: Vec<Lesson>,
    /// Rows that this Coretap does not understand; they stay in the file.
    unread: Vec<toml::Value>,
    /// What is wrong with those.
    pub(crate) troubles: Vec<Error>,
}

/// When the file was changed and how long it is: other values mean that somebody has changed it.
pub(crate) type Stamp = Option<(SystemTime, u64)>;

/// The file of a settings folder.
#[derive(Clone)]
pub(crate) struct LearnedFile {
    folder: PathBuf,
}

impl LearnedFile {
    pub(crate) fn new(folder: &Path) -> Self {
        LearnedFile {
            folder: folder.to_owned(),
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    /// What stands in the file and holds at `now`; nothing where there is no file.
    ///
    /// # Errors
    /// When it can't be read, or is no TOML.
    pub(crate) fn read(&self, now: SystemTime) -> Result<Contents, Error> {
        let text = match std::fs::read_to_string(self.path()) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Contents::default()),
            Err(error) => return Err(self.unreadable(error.to_string())),
        };
        let mut table = text
            .parse::<toml::Table>()
            .map_err(|error| self.unreadable(error.message().to_owned()))?;
        let rows = match table.remove("learned") {
            Some(toml::Value::Array(rows)) => rows,
            Some(other) => vec![other],
            None => Vec::new(),
        };
        let mut contents = Contents::default();
        for (position, row) in rows.into_iter().enumerate() {
            match Row::read(row.clone()) {
                Ok(row) => contents.lessons.push(row.into()),
                Err(problem) => {
                    contents.troubles.push(Error::RowSkipped {
                        path: self.path().display().to_string(),
                        row: format!("row {} of [[learned]]", position + 1),
                        problem,
                    });
                    contents.unread.push(row);
                }
            }
        }
        contents.lessons.retain(|lesson| holds(lesson, now));
        Ok(contents)
    }

    fn unreadable(&self, problem: String) -> Error {
        Error::LearnedFile {
            path: self.path().display().to_string(),
            problem,
        }
    }

    fn unwritable(&self, source: io::Error) -> Error {
        Error::LearnedUnwritable {
            path: self.path().display().to_string(),
            source,
        }
    }

    /// The right to change the file, for as long as the result lives.
    ///
    /// # Errors
    /// When the folder can't be written to, or somebody else has the lock for all of `patience`.
    fn lock(&self, patience: Duration) -> Result<File, Error> {
        let unwritable = |source| self.unwritable(source);
        std::fs::create_dir_all(&self.folder).map_err(unwritable)?;
        let path = self.folder.join(LOCK);
        let lock = File::create(&path).map_err(unwritable)?;
        let (sender, receiver) = std::sync::mpsc::channel();
        // The system would wait for ever. A lock that comes too late finds nobody to take it and is given up at once.
        let wait = move || sender.send(lock.lock().map(|()| lock));
        std::thread::Builder::new().spawn(wait).map_err(unwritable)?;
        match receiver.recv_timeout(patience) {
            Ok(lock) => lock.map_err(unwritable),
            Err(_) => Err(Error::LearnedLocked {
                path: path.display().to_string(),
            }),
        }
    }

    /// Changes what holds at `now` and gives the lessons that are left. The file is written as a whole or not at all; one
    /// that nobody can understand is kept under another name first.
    ///
    /// # Errors
    /// Those of [`LearnedFile::lock`].
    fn change(
        &self,
        now: SystemTime,
        change: impl FnOnce(&mut Contents),
    ) -> Result<(Vec<Lesson>, Stamp), Error> {
        let unwritable = |source| self.unwritable(source);
        let lock = self.lock(PATIENCE)?;
        let mut contents = match self.read(now) {
            Ok(contents) => contents,
            Err(error) => {
                let kept = self.keep_aside(now).map_err(unwritable)?;
                tracing::warn!(code = error.code(), %error, kept = %kept.display(), "kept under another name");
                Contents::default()
            }
        };
        change(&mut contents);
        self.write(&contents).map_err(unwritable)?;
        // The lock is given up here at the earliest: whoever writes next changes the stamp.
        let stamp = self.stamp();
        drop(lock);
        Ok((contents.lessons, stamp))
    }

    fn keep_aside(&self, now: SystemTime) -> io::Result<PathBuf> {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let kept = self
            .folder
            .join(format!("learned.broken-{}.toml", now.as_millis()));
        std::fs::rename(self.path(), &kept)?;
        Ok(kept)
    }

    fn write(&self, contents: &Contents) -> io::Result<()> {
        let rows = contents
            .lessons
            .iter()
            .map(|lesson| toml::Value::try_from(Row::from(lesson)));
        let mut rows = rows.collect::<Result<Vec<_>, _>>().map_err(io::Error::other)?;
        rows.extend(contents.unread.iter().cloned());
        let table = toml::Table::from_iter([("learned".to_owned(), toml::Value::Array(rows))]);
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(
            b"# What deployments have refused and Coretap leaves out for them since; `coretap rules` shows it, `coretap rules\n\
              # forget` takes it back. After 30 days each is tried anew.\n\n",
        )?;
        file.write_all(table.to_string().as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(self.path())?;
        Ok(())
    }

    /// Adds lessons; each takes the place of the one that is about the same thing.
    pub(crate) fn add(&self, new: Vec<Lesson>, now: SystemTime) -> Result<(Vec<Lesson>, Stamp), Error> {
        self.change(now, |Contents { lessons, .. }| {
            for lesson in new {
                lessons.retain(|former| !former.is_about_the_same(&lesson));
                lessons.push(lesson);
            }
        })
    }

    /// Forgets the lessons of this id and says how many it were.
    ///
    /// # Errors
    /// When there is none of this id, or the file can't be read or changed.
    pub(crate) fn forget(&self, id: &str, now: SystemTime) -> Result<usize, Error> {
        let contents = self.read(now)?;
        let is_meant = |lesson: &Lesson| lesson.id() == id;
        let count = contents.lessons.iter().filter(|lesson| is_meant(lesson)).count();
        if count == 0 {
            return Err(Error::NotLearned { id: id.to_owned() });
        }
        self.change(now, |Contents { lessons, .. }| {
            lessons.retain(|lesson| !is_meant(lesson));
        })?;
        Ok(count)
    }

    /// Forgets every row, those that this Coretap does not understand too, and says how many it were.
    ///
    /// # Errors
    /// When the file can't be changed.
    pub(crate) fn forget_all(&self, now: SystemTime) -> Result<usize, Error> {
        if !self.path().try_exists().map_err(|error| self.unwritable(error))? {
            return Ok(0);
        }
        let mut count = 0;
        self.change(now, |contents| {
            count = contents.lessons.len() + contents.unread.len();
            *contents = Contents::default();
        })?;
        Ok(count)
    }

    /// What the file is like now; nothing where there is none.
    pub(crate) fn stamp(&self) -> Stamp {
        let file = std::fs::metadata(self.path()).ok()?;
        Some((file.modified().ok()?, file.len()))
    }
}

/// Whether a lesson is not too old.
pub(crate) fn holds(lesson: &Lesson, now: SystemTime) -> bool {
    match now.duration_since(lesson.since) {
        Ok(age) => age < LASTS,
        Err(ahead) => ahead.duration() <= CLOCKS_DIFFER,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use coretap_formats::ModelFormat;
    use coretap_formats::limitation::Limitation;
    use coretap_formats::rules::{MaxTokensName, ThinkingKind};

    use super::*;

    pub(crate) fn lesson(model: &str, limitation: Limitation, since: SystemTime) -> Lesson {
        Lesson {
            deployment: "d1".to_owned(),
            model: model.to_owned(),
            format: ModelFormat::Claude,
            limitation,
            since,
            words: "top_k: Extra inputs are \"not\" permitted".to_owned(),
        }
    }

    /// The file's own time has whole seconds.
    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    pub(crate) fn file() -> (tempfile::TempDir, LearnedFile) {
        let home = tempfile::tempdir().unwrap();
        let file = LearnedFile::new(&home.path().join("new"));
        (home, file)
    }

    #[test]
    fn every_lesson_is_the_same_when_it_is_read_again() {
        let (_home, file) = file();
        assert!(file.read(now()).unwrap().lessons.is_empty());
        let limitations = [
            Limitation::Field("tools.strict".to_owned()),
            Limitation::Beta("effort-2025-11-24".to_owned()),
            Limitation::Betas,
            Limitation::MaxOutputTokens(8192),
            Limitation::MaxTokensName(MaxTokensName::MaxCompletionTokens),
            Limitation::Thinking(ThinkingKind::Adaptive),
            Limitation::Effort("max".to_owned()),
            Limitation::EffortWithTools,
            Limitation::TemperatureWithTopP,
            Limitation::Prefill,
            Limitation::StructuredOutput,
            Limitation::CacheMarks,
            Limitation::CacheTtl,
            Limitation::ThinkingReplay,
            Limitation::Streaming,
        ];
        let of_its_format = |limitation| {
            let format = match limitation {
                Limitation::MaxTokensName(_) => ModelFormat::AzureChat,
                Limitation::ThinkingReplay => ModelFormat::Orchestration,
                _ => ModelFormat::Claude,
            };
            Lesson {
                format,
                ..lesson("m", limitation, now())
            }
        };
        let lessons: Vec<_> = limitations.into_iter().map(of_its_format).collect();
        let (written, stamp) = file.add(lessons.clone(), now()).unwrap();
        assert_eq!(written, lessons);
        assert_eq!(stamp, file.stamp());
        assert_eq!(file.read(now()).unwrap().lessons, lessons);
        let ids: std::collections::BTreeSet<_> = lessons.iter().map(Lesson::id).collect();
        assert_eq!(ids.len(), lessons.len());
    }

    #[test]
    fn two_writers_keep_each_others_lessons_and_a_newer_limit_takes_the_olders_place() {
        let (_home, one) = file();
        let other = one.clone();
        let limit = |most| lesson("m", Limitation::MaxOutputTokens(most), now());
        std::thread::scope(|threads| {
            for (name, file) in [("a", &one), ("b", &other)] {
                threads.spawn(move || {
                    for number in 0..20 {
                        let field = Limitation::Field(format!("{name}{number}"));
                        file.add(vec![lesson("m", field, now())], now()).unwrap();
                    }
                });
            }
        });
        assert_eq!(one.read(now()).unwrap().lessons.len(), 40);
        one.add(vec![limit(9)], now()).unwrap();
        let (lessons, _) = other.add(vec![limit(5)], now()).unwrap();
        assert_eq!((lessons.len(), lessons.last()), (41, Some(&limit(5))));
    }

    #[test]
    fn what_is_old_is_tried_anew() {
        let (_home, file) = file();
        let old = lesson("old", Limitation::Prefill, now() - LASTS);
        let young = lesson(
            "young",
            Limitation::Prefill,
            now() - LASTS + Duration::from_secs(1),
        );
        let ahead = lesson("ahead", Limitation::Prefill, now() + CLOCKS_DIFFER);
        let never = lesson(
            "never",
            Limitation::Prefill,
            now() + CLOCKS_DIFFER + Duration::from_secs(1),
        );
        file.add(vec![old, young.clone(), ahead.clone(), never], now())
            .unwrap();
        assert_eq!(file.read(now()).unwrap().lessons, [young, ahead]);
    }

    #[test]
    fn one_is_forgotten_or_all_are() {
        let (_home, file) = file();
        let lessons = ["a", "b", "c"].map(|model| lesson(model, Limitation::Betas, now()));
        file.add(lessons.to_vec(), now()).unwrap();
        assert_eq!(file.forget("d1/b/anthropic_beta", now()).unwrap(), 1);
        assert_eq!(
            file.read(now()).unwrap().lessons,
            [lessons[0].clone(), lessons[2].clone()]
        );
        let error = file.forget("d1/b/anthropic_beta", now()).unwrap_err();
        assert_eq!(error.code(), "RULES-NOT-LEARNED");
        assert_eq!(file.forget_all(now()).unwrap(), 2);
        assert_eq!(file.forget_all(now()).unwrap(), 0);
    }

    #[test]
    fn all_is_forgotten_even_what_can_not_be_read() {
        let (_home, file) = file();
        assert_eq!(file.forget_all(now()).unwrap(), 0);
        assert!(!file.folder.exists(), "nothing is made for it");
        file.add(vec![lesson("m", Limitation::Betas, now())], now())
            .unwrap();
        let text = std::fs::read_to_string(file.path()).unwrap();
        std::fs::write(file.path(), format!("{text}\n[[learned]]\nrule = \"plum\"\n")).unwrap();
        assert_eq!(file.read(now()).unwrap().troubles.len(), 1);
        assert_eq!(file.forget_all(now()).unwrap(), 2);
        assert!(file.read(now()).unwrap().troubles.is_empty());
        // A broken file is set aside, not lost.
        std::fs::write(file.path(), "= [").unwrap();
        assert_eq!(file.forget_all(now()).unwrap(), 0);
        assert!(file.read(now()).unwrap().troubles.is_empty());
        assert_eq!(set_aside(&file), ["= ["]);
    }

    #[test]
    fn who_holds_the_lock_is_not_waited_for_for_ever() {
        let (_home, file) = file();
        let held = file.lock(PATIENCE).unwrap();
        let error = file.lock(Duration::ZERO).unwrap_err();
        assert_eq!(error.code(), "CONFIG-LEARNED");
        assert!(error.to_string().contains(LOCK), "{error}");
        drop(held);
        file.lock(PATIENCE).unwrap();
    }

    /// What of the file's earlier contents was kept under another name.
    fn set_aside(file: &LearnedFile) -> Vec<String> {
        let entries = std::fs::read_dir(&file.folder).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths
            .filter(|path| path.display().to_string().contains("learned.broken-"))
            .map(|path| std::fs::read_to_string(path).unwrap())
            .collect()
    }

    #[test]
    fn a_row_that_no_refusal_can_have_taught_is_skipped_and_reported() {
        let (_home, file) = file();
        std::fs::create_dir_all(&file.folder).unwrap();
        let row = |format: &str, rest: &str| {
            format!(
                "[[learned]]\ndeployment = \"d\"\nmodel = \"m\"\nformat = \"{format}\"\n\
                 since = \"2027-01-15T08:00:00Z\"\nwords = \"\"\n{rest}\n"
            )
        };
        for (format, rest, named) in [
            (
                "claude",
                "rule = \"betas\"\nbase_url = \"https://evil.example\"",
                "base_url",
            ),
            (
                "claude",
                "rule = \"field\"\nvalue = \"top_k\"\ntoken = \"x\"",
                "token",
            ),
            ("claude", "rule = \"max_output_tokens\"\nvalue = 0", "value"),
            ("claude", "rule = \"max_output_tokens\"\nvalue = -1", "-1"),
            ("claude", "rule = \"field\"\nvalue = \"messages\"", "value"),
            ("claude", "rule = \"field\"\nvalue = \"tools.name\"", "value"),
            ("claude", "rule = \"field\"\nvalue = \"config.model\"", "value"),
            ("claude", "rule = \"field\"\nvalue = \"a b\"", "value"),
            ("claude", "rule = \"effort\"\nvalue = \"extreme\"", "value"),
            ("claude", "rule = \"beta\"\nvalue = \"x\"", "value"),
            (
                "claude",
                "rule = \"thinking\"\nvalue = \"budget or adaptive\"",
                "value",
            ),
            ("azure", "rule = \"betas\"", "value"),
        ] {
            std::fs::write(
                file.path(),
                row(format, rest) + &row("claude", "rule = \"prefill\""),
            )
            .unwrap();
            let contents = file.read(now()).unwrap();
            assert_eq!(contents.lessons.len(), 1, "{rest}");
            let told: Vec<_> = contents.troubles.iter().map(ToString::to_string).collect();
            assert!(told.len() == 1 && told[0].contains(named), "{rest}: {told:?}");
        }
    }

    #[test]
    fn a_row_nobody_knows_is_reported_and_stays_and_a_broken_file_is_kept() {
        let (_home, file) = file();
        std::fs::create_dir_all(&file.folder).unwrap();
        let newer = "[[learned]]\ndeployment = \"d\"\nmodel = \"m\"\nformat = \"claude\"\nrule = \"plum\"\n\
                     since = \"2026-01-01T00:00:00Z\"\nwords = \"\"\n";
        std::fs::write(file.path(), newer).unwrap();
        let contents = file.read(now()).unwrap();
        assert_eq!((contents.lessons.len(), contents.troubles.len()), (0, 1));
        assert!(
            contents.troubles[0].to_string().contains("plum"),
            "{}",
            contents.troubles[0]
        );
        file.add(vec![lesson("m", Limitation::Betas, now())], now())
            .unwrap();
        assert!(std::fs::read_to_string(file.path()).unwrap().contains("plum"));

        std::fs::write(file.path(), "= [").unwrap();
        assert_eq!(file.read(now()).err().unwrap().code(), "CONFIG-LEARNED");
        file.add(vec![lesson("m", Limitation::Betas, now())], now())
            .unwrap();
        assert_eq!(file.read(now()).unwrap().lessons.len(), 1);
        assert_eq!(set_aside(&file), ["= ["]);
    }
}
