//! The window's pages as a person works them: the connection's form, from the pasted key to the saved connection.

use std::time::Duration;

use fantoccini::key::Key;

use crate::desktop::session::Session;
use crate::desktop::window::Window;
use crate::desktop::{poll, screen, until};

impl Window {
    /// Opens a page by the navigation: `overview`, `connection`, `agents`, `settings`.
    pub async fn go_to(&self, page: &str) {
        let mark = match page {
            "overview" => "#usage",
            "connection" => "#service-key",
            "agents" => "#agent-claude-code",
            "settings" => "#port",
            other => panic!("no page {other}"),
        };
        self.click(&format!("#nav-{page}")).await;
        self.wait_for(mark).await;
    }

    /// Opens the connection's form, from the first run's page or by the navigation.
    pub async fn go_to_form(&self) {
        if self.exists("#connect").await {
            self.click("#connect").await;
            self.wait_for("#service-key").await;
        } else {
            self.go_to("connection").await;
        }
    }

    /// Pastes a service key from the clipboard, and waits until it was read.
    pub async fn paste_service_key(&self, session: &mut Session, service_key: &str) {
        screen::copy(session, service_key).await;
        self.wait_for("#service-key").await;
        let mark = "const read = find('#service-key-read'); if (read) read.dataset.old = 'yes'";
        self.script(mark, vec![]).await;
        // In place of what may still stand there.
        self.keys("#service-key", &format!("{}a", Key::Control)).await;
        self.keys("#service-key", &format!("{}v", Key::Control)).await;
        self.wait_for("#service-key-read:not([data-old])").await;
    }

    /// Chooses how models are reached.
    pub async fn use_orchestration(&self, wanted: bool) {
        self.wait_for("#orchestration").await;
        let is_chosen = async || {
            let checked = self.property("#orchestration", "checked").await == true;
            (checked == wanted).then_some(())
        };
        // A box that is drawn anew under the pointer loses a click, and a person clicks again.
        until("the choice of orchestration", async || {
            if is_chosen().await.is_none() {
                self.click("#orchestration").await;
            }
            poll(Duration::from_secs(5), &is_chosen).await
        })
        .await;
    }

    /// Types into a selection that takes any text, and leaves it.
    pub async fn choose(&self, selector: &str, text: &str) {
        self.type_into(selector, text).await;
    }

    /// Waits until the models are there, and gives what the count says.
    pub async fn models_offered(&self) -> String {
        until("the count of models", async || {
            let text = self.text("#model-count").await;
            text.starts_with(|first: char| first.is_ascii_digit())
                .then_some(text)
        })
        .await
    }

    /// Starts the test of the connection. What the test before has left is gone when it has begun.
    async fn start_test(&self) {
        until("the test begins", async || {
            let mark = "document.querySelectorAll('.step-problem, #test-result').forEach((old) => old.dataset.old = 'yes')";
            self.script(mark, vec![]).await;
            self.click("#test-connection").await;
            let begun = async || {
                let begun = self.exists(".test").await && !self.exists("[data-old]").await;
                begun.then_some(())
            };
            // The page may have moved under the mouse, as lists arrive: then there was no click.
            poll(Duration::from_secs(2), begun).await
        })
        .await;
    }

    /// Starts the test and waits until this step has failed with this code and says what to do.
    ///
    /// # Errors
    /// With what it says instead.
    pub async fn test_fails(&self, step: &str, code: &str) -> Result<(), String> {
        self.start_test().await;
        let selector = format!("#test-step-{step}");
        let mark = format!("({code})");
        let found = poll(Duration::from_secs(30), async || {
            let text = self.text(&selector).await;
            let failed = self.status(&selector).await == "failed";
            (failed && text.contains(&mark)).then_some(text)
        })
        .await;
        let Some(text) = found else {
            let said = self.text(".test").await;
            return Err(format!("{step} did not fail with {code}; the test says: {said}"));
        };
        let (sentence, next_step) = text.split_once(&mark).unwrap();
        if sentence.trim().len() < 20 || next_step.trim_matches(['.', ' ']).len() < 15 {
            return Err(format!("{code} has no sentence or no next step: {text:?}"));
        }
        Ok(())
    }

    /// Waits until the test is over, and gives what it says in all.
    pub async fn test_result(&self) -> String {
        self.start_test().await;
        until("the end of the test", async || {
            let over = self.exists("#test-result").await && !self.exists("#cancel-test").await;
            if over {
                Some(self.text(".test").await)
            } else {
                None
            }
        })
        .await
    }

    /// Saves the form, and waits until it is.
    pub async fn save_connection(&self) {
        self.click("#save-connection").await;
        let saved = poll(Duration::from_secs(30), async || {
            self.exists("#connection-saved").await.then_some(())
        })
        .await;
        assert!(
            saved.is_some(),
            "not saved: {:?} {:?}",
            self.text("#connection-problem").await,
            self.text("#save-hint").await
        );
    }

    /// Starts or stops the proxy by the button on top, and waits until the state says this.
    pub async fn toggle(&self, state: &str) {
        self.click("#run-toggle").await;
        self.text_with("#run-state", state).await;
    }
}
