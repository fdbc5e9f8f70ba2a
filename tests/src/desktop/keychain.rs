//! The keychain of a session: the real gnome-keyring, and what a person sees in it by `secret-tool`.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

use crate::desktop::session::Session;
use crate::desktop::until;
use crate::process::in_time;

/// The name under which every Secret Service is found.
const SECRET_SERVICE: &str = "org.freedesktop.secrets";
/// The login keychain's password.
pub const PASSWORD: &str = "the login password";

/// A running gnome-keyring. Dropping it ends it; what it holds stays in the session's home.
pub struct Keychain {
    daemon: Child,
}

impl Keychain {
    /// Starts one whose login keychain is open, as it is when somebody has logged in.
    pub async fn start(session: &Session) -> Self {
        let mut command = daemon(session);
        command.arg("--unlock").stdin(Stdio::piped());
        let mut daemon = command.spawn().unwrap();
        let mut input = daemon.stdin.take().unwrap();
        input.write_all(PASSWORD.as_bytes()).await.unwrap();
        drop(input);
        Self::ready(session, daemon).await
    }

    /// Starts one whose login keychain is locked: nobody gave it the password.
    pub async fn start_locked(session: &Session) -> Self {
        let daemon = daemon(session).spawn().unwrap();
        Self::ready(session, daemon).await
    }

    async fn ready(session: &Session, daemon: Child) -> Self {
        until("the keychain's service", async || {
            session.owned(SECRET_SERVICE).await.then_some(())
        })
        .await;
        Self { daemon }
    }

    /// Ends it, and waits until it is gone.
    pub async fn stop(mut self, session: &Session) {
        self.daemon.start_kill().unwrap();
        in_time("the keychain's end", self.daemon.wait()).await.unwrap();
        until("the keychain's name is free", async || {
            (!session.owned(SECRET_SERVICE).await).then_some(())
        })
        .await;
    }
}

fn daemon(session: &Session) -> Command {
    let mut command = session.command("gnome-keyring-daemon");
    command.args(["--foreground", "--components=secrets"]);
    command
}

/// What the keychain holds for Coretap under this user name, "" when nothing.
pub async fn lookup(session: &Session, username: &str) -> String {
    session
        .output(
            "secret-tool",
            &["lookup", "service", "coretap", "username", username],
        )
        .await
}

/// The user names of everything that Coretap has in the keychain.
pub async fn usernames(session: &Session) -> Vec<String> {
    // It writes attributes to stderr, secrets to stdout.
    let output = session
        .run("secret-tool", &["search", "--all", "service", "coretap"])
        .await;
    let text = format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let mut names: Vec<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("attribute.username = "))
        .map(str::to_owned)
        .collect();
    names.sort();
    names
}

/// The client secret of the saved connection, if the keychain holds one.
pub async fn client_secret(session: &Session) -> Option<String> {
    let names = usernames(session).await;
    let name = names.iter().find(|name| name.ends_with("/client-secret"))?;
    Some(lookup(session, name).await)
}

/// The key that agents show, which the keychain holds.
pub async fn local_key(session: &Session) -> String {
    lookup(session, "local-key").await
}

/// Puts the secret of a service key where Coretap looks for it: its name is made from the client id and the origins
/// of both URLs.
pub async fn store_client_secret(session: &Session, service_key: &str) {
    let key: Value = serde_json::from_str(service_key).unwrap();
    let parts = [&key["clientid"], &key["url"], &key["serviceurls"]["AI_API_URL"]];
    let mut arguments = vec!["-c", r#"printf '%s\0' "$@" | sha256sum | cut -c1-32"#, "sh"];
    arguments.extend(parts.map(|part| part.as_str().unwrap()));
    let id = session.output("sh", &arguments).await;
    let username = format!("{id}/client-secret");
    let mut command = session.command("secret-tool");
    command
        .args([
            "store",
            "--label=Coretap",
            "service",
            "coretap",
            "username",
            &username,
        ])
        .stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let secret = key["clientsecret"].as_str().unwrap();
    input.write_all(secret.as_bytes()).await.unwrap();
    drop(input);
    let status = in_time("secret-tool", child.wait()).await.unwrap();
    assert!(status.success(), "secret-tool did not store the secret");
}
