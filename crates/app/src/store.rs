//! The settings of a running app: read once, changed one at a time, written by one process only.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::Error;
use crate::settings_file::{FILE, SettingsFile};

/// Held by the process that may write; it holds that process's id.
const LOCK: &str = "coretap.lock";

/// The settings and the right to change them.
pub(crate) struct Store {
    folder: PathBuf,
    settings: SettingsFile,
    lock: Option<File>,
    /// Whether there is a file that this Coretap can't use but another one, or another time, can: it stays as it is.
    is_foreign: bool,
}

impl Store {
    /// Opens the settings of a folder, which is made if it isn't there. The error beside the store is for the person to
    /// see: a file that can't be understood is kept under another name and the defaults hold, or another process has
    /// the right to write.
    pub(crate) fn open(folder: &Path) -> (Self, Option<Error>) {
        let mut store = Store {
            folder: folder.to_owned(),
            settings: SettingsFile::default(),
            lock: None,
            is_foreign: false,
        };
        let trouble = store.load().err();
        (store, trouble)
    }

    fn load(&mut self) -> Result<(), Error> {
        let locked = self.lock();
        let path = self.path();
        match SettingsFile::read(&path) {
            Ok(settings) => self.settings = settings.unwrap_or_default(),
            Err(Error::SettingsFile {
                path: shown,
                problem,
                is_broken: true,
            }) => {
                locked?;
                let kept = self.keep_aside()?;
                return Err(Error::SettingsKeptAside {
                    path: shown,
                    kept: kept.display().to_string(),
                    problem,
                });
            }
            Err(error) => {
                self.is_foreign = true;
                return Err(error);
            }
        }
        locked
    }

    /// The folder of settings and data.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The settings as they are.
    pub(crate) fn settings(&self) -> &SettingsFile {
        &self.settings
    }

    /// Changes the settings and writes them. Nothing is changed if they can't be written.
    ///
    /// # Errors
    /// [`Error::SettingsLocked`] and [`Error::SettingsUnwritable`].
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut SettingsFile)) -> Result<(), Error> {
        if self.lock.is_none() || self.is_foreign {
            self.lock()?;
            // Whoever had the lock before may have written, and what could not be read may be readable now.
            if let Some(settings) = SettingsFile::read(&self.path())? {
                self.settings = settings;
            }
            self.is_foreign = false;
        }
        let mut settings = self.settings.clone();
        change(&mut settings);
        let path = self.path();
        settings
            .write(&path)
            .map_err(|source| Error::SettingsUnwritable {
                path: path.display().to_string(),
                source,
            })?;
        self.settings = settings;
        Ok(())
    }

    fn path(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    fn keep_aside(&self) -> Result<PathBuf, Error> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let kept = self
            .folder
            .join(format!("settings.broken-{}.toml", now.as_millis()));
        std::fs::rename(self.path(), &kept).map_err(|source| self.unwritable(source))?;
        Ok(kept)
    }

    fn lock(&mut self) -> Result<(), Error> {
        if self.lock.is_some() {
            return Ok(());
        }
        std::fs::create_dir_all(&self.folder).map_err(|source| self.unwritable(source))?;
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.folder.join(LOCK))
            .map_err(|source| self.unwritable(source))?;
        match file.try_lock() {
            Ok(()) => {
                // The id only helps people; without it the lock holds all the same.
                let _ = file
                    .set_len(0)
                    .and_then(|()| file.rewind())
                    .and_then(|()| write!(file, "{}", std::process::id()));
                self.lock = Some(file);
                Ok(())
            }
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let _ = file.read_to_string(&mut text);
                Err(Error::SettingsLocked {
                    pid: text.trim().parse().ok(),
                })
            }
            Err(TryLockError::Error(source)) => Err(self.unwritable(source)),
        }
    }

    fn unwritable(&self, source: std::io::Error) -> Error {
        Error::SettingsUnwritable {
            path: self.folder.display().to_string(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_writer_is_refused_with_the_pid_of_the_first() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("new");
        let (mut first, trouble) = Store::open(&folder);
        assert!(trouble.is_none());
        first.change(|settings| settings.port = Some(1)).unwrap();

        let (mut second, trouble) = Store::open(&folder);
        let refused =
            |error| matches!(error, Error::SettingsLocked { pid: Some(pid) } if pid == std::process::id());
        assert!(refused(trouble.unwrap()));
        assert_eq!(second.settings().port, Some(1), "it reads all the same");
        assert!(refused(
            second.change(|settings| settings.port = Some(2)).unwrap_err()
        ));
        first.change(|settings| settings.start_proxy = true).unwrap();
        drop(first);

        second.change(|settings| settings.port = Some(3)).unwrap();
        let written = SettingsFile::read(&folder.join(FILE)).unwrap().unwrap();
        assert_eq!(
            (written.port, written.start_proxy),
            (Some(3), true),
            "what the first wrote last is kept"
        );
    }

    #[test]
    fn a_broken_file_is_kept_aside_and_reported() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join(FILE), "version = 1\nprot = 4000\n").unwrap();
        let (mut store, trouble) = Store::open(home.path());
        let Some(Error::SettingsKeptAside { kept, problem, .. }) = trouble else {
            panic!("{trouble:?}")
        };
        assert!(problem.contains("prot"), "{problem}");
        assert_eq!(
            std::fs::read_to_string(kept).unwrap(),
            "version = 1\nprot = 4000\n"
        );
        store.change(|settings| settings.port = Some(4001)).unwrap();
        let (store, _) = Store::open(home.path());
        assert_eq!(store.settings().port, Some(4001));
    }

    #[test]
    fn a_newer_coretaps_file_stays_where_it_is() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join(FILE);
        std::fs::write(&file, "version = 2\n").unwrap();
        let (mut store, trouble) = Store::open(home.path());
        assert!(matches!(trouble, Some(Error::SettingsFile { .. })), "{trouble:?}");
        store.change(|settings| settings.port = Some(1)).unwrap_err();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "version = 2\n");
        std::fs::write(&file, "version = 1\nstart_proxy = true\n").unwrap();
        store.change(|settings| settings.port = Some(1)).unwrap();
        assert!(store.settings().start_proxy, "what stands there now is kept");
    }

    #[test]
    fn what_can_not_be_written_is_not_changed() {
        let home = tempfile::tempdir().unwrap();
        let (mut store, _) = Store::open(home.path());
        std::fs::create_dir_all(home.path().join(FILE).join("in the way")).unwrap();
        let error = store.change(|settings| settings.port = Some(1)).unwrap_err();
        assert!(matches!(error, Error::SettingsUnwritable { .. }), "{error:?}");
        assert_eq!(store.settings().port, None);
    }
}
