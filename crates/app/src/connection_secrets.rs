//! The secrets of the saved connections: read once from the keychain, what the snapshot says of each, and forgotten when no
//! connection needs them.

use coretap_aicore::ServiceKey;

use crate::connections::ConnectionSettings;
use crate::error::Error;
use crate::running::{Inner, Running};
use crate::secrets::{Secret, SecretError};
use crate::snapshot;
use crate::view::{ProblemView, SecretView};

impl Inner {
    /// Removes the secret of a connection that was saved, unless one that is saved has the same.
    pub(crate) async fn forget_unused_secret(&self, former: &ConnectionSettings) -> Result<(), Error> {
        let name_of =
            |connection: &ConnectionSettings| Some(connection.without_secret().ok()??.secret_name());
        let Some(name) = name_of(former) else {
            return Ok(());
        };
        let is_used = {
            let settings = self.saved_settings();
            settings
                .connections
                .iter()
                .filter_map(name_of)
                .any(|used| used == name)
        };
        if is_used {
            return Ok(());
        }
        match self.secrets.forget(&name).await {
            // Where there is no keychain, there is nothing in it.
            Err(SecretError::NoKeychain(_)) => Ok(()),
            forgotten => Ok(forgotten?),
        }
    }

    /// Asks the keychain anew for every secret from now on.
    pub(crate) async fn forget_what_was_read(&self) {
        self.running.lock().await.secrets.clear();
    }

    /// A saved connection's service key with its secret; `None` when it names no server or the secret is missing. The
    /// snapshot says how it is with the secret.
    pub(crate) async fn whole_key(
        &self,
        running: &mut Running,
        saved: &ConnectionSettings,
    ) -> Result<Option<ServiceKey>, ProblemView> {
        let name = saved.name();
        let key = match saved.without_secret() {
            Ok(Some(key)) => key,
            Ok(None) => {
                self.note_secret(name, &SecretView::Missing);
                return Ok(None);
            }
            Err(error) => return Err(self.note_unreadable(name, error)),
        };
        let Some(secret) = self.secret(running, name, key.secret_name()).await? else {
            return Ok(None);
        };
        key.with_secret(&secret)
            .map(Some)
            .map_err(|error| self.note_unreadable(name, error))
    }

    async fn secret(
        &self,
        running: &mut Running,
        connection: &str,
        name: String,
    ) -> Result<Option<Secret>, ProblemView> {
        let known = running.secrets.get(&name).cloned();
        if known.is_some() && self.knows_secret_of(connection) {
            return Ok(known);
        }
        self.note_secret(connection, &SecretView::Asking);
        match self.secrets.get(&name).await {
            Ok(Some(found)) => {
                running.secrets.insert(name, found.secret.clone());
                let view = if found.stored {
                    SecretView::Stored
                } else {
                    SecretView::ThisRun
                };
                self.note_secret(connection, &view);
                Ok(Some(found.secret))
            }
            Ok(None) => {
                self.note_secret(connection, &SecretView::Missing);
                Ok(None)
            }
            Err(error) => Err(self.note_unreadable(connection, Error::Secret(error))),
        }
    }

    /// Whether the snapshot says already where the secret of a connection lies.
    fn knows_secret_of(&self, connection: &str) -> bool {
        let snapshot = self.snapshot.borrow();
        let mut saved = snapshot.connections.iter();
        saved.any(|saved| {
            saved.connection.name == connection
                && matches!(saved.secret, SecretView::Stored | SecretView::ThisRun)
        })
    }

    fn note_secret(&self, connection: &str, secret: &SecretView) {
        self.change(|snapshot| snapshot::take_secret(snapshot, connection, secret));
    }

    fn note_unreadable(&self, connection: &str, error: Error) -> ProblemView {
        let problem = ProblemView::from(error);
        let secret = SecretView::Unreadable {
            problem: problem.clone(),
        };
        self.note_secret(connection, &secret);
        problem
    }
}
