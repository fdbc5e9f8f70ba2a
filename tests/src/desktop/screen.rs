//! What is on a session's screen and in its clipboard, and a hand at its keyboard and mouse.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;

use crate::desktop::session::Session;
use crate::desktop::until;

/// The title of the app's window.
const TITLE: &str = "^Coretap$";

/// A window as the window manager sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowState {
    /// There is none.
    Absent,
    /// It is there, but put away.
    Minimised,
    /// It can be seen.
    Shown,
}

/// What the app's window is now.
pub async fn window_state(session: &Session) -> WindowState {
    let Some(window) = app_window(session).await else {
        return WindowState::Absent;
    };
    let state = session.output("xprop", &["-id", &window, "WM_STATE"]).await;
    if state.contains("Iconic") {
        WindowState::Minimised
    } else if state.contains("Normal") {
        WindowState::Shown
    } else {
        WindowState::Absent
    }
}

/// Waits until the app's window is in this state.
pub async fn wait_for_window(session: &Session, wanted: WindowState) {
    let what = format!("the window is {wanted:?}");
    until(&what, async || {
        (window_state(session).await == wanted).then_some(())
    })
    .await;
}

/// The id of the app's window, managed or not. GTK has more windows than one that nobody ever sees.
async fn app_window(session: &Session) -> Option<String> {
    let list = session.output("xprop", &["-root", "_NET_CLIENT_LIST"]).await;
    let (_, ids) = list.split_once('#')?;
    for id in ids.split(',') {
        let id = id.trim();
        let name = session.output("xdotool", &["getwindowname", id]).await;
        if name == TITLE.trim_matches(['^', '$']) {
            return Some(id.to_owned());
        }
    }
    None
}

/// Closes the app's window as a person does: by the window manager's keys.
pub async fn close_window(session: &Session) {
    let window = app_window(session).await.expect("a window to close");
    session
        .output("xdotool", &["windowactivate", "--sync", &window])
        .await;
    session.output("xdotool", &["key", "alt+F4"]).await;
}

/// The clipboard's text, "" when it holds none.
pub async fn clipboard(session: &Session) -> String {
    session
        .output(
            "xclip",
            &["-selection", "clipboard", "-out", "-target", "UTF8_STRING"],
        )
        .await
}

/// Waits until the clipboard holds this, and gives all of it.
pub async fn clipboard_with(session: &Session, wanted: &str) -> String {
    until(&format!("the clipboard holds {wanted:?}"), async || {
        let text = clipboard(session).await;
        text.contains(wanted).then_some(text)
    })
    .await
}

/// Puts a text into the clipboard, as a person does who copies it elsewhere.
pub async fn copy(session: &mut Session, text: &str) {
    let mut command = session.command("xclip");
    // It stays to hand the text over, until somebody else copies something.
    command
        .args(["-quiet", "-selection", "clipboard", "-in"])
        .stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(text.as_bytes()).await.unwrap();
    drop(input);
    session.keep(child);
    clipboard_with(session, text).await;
}

/// The folder for screenshots: `$CORETAP_SCREENSHOTS`, or one of the system's temporary folders.
pub fn screenshots() -> PathBuf {
    let folder = std::env::var_os("CORETAP_SCREENSHOTS")
        .map_or_else(|| std::env::temp_dir().join("coretap-screenshots"), PathBuf::from);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Keeps the whole screen as a picture.
pub async fn screenshot(session: &Session, name: &str) -> PathBuf {
    let file = screenshots().join(format!("{name}.png"));
    let output = session
        .run("import", &["-window", "root", file.to_str().unwrap()])
        .await;
    assert!(output.status.success(), "{output:?}");
    file
}

/// The pixels of a picture, as red, green, blue and opacity. Pictures that look alike have the same.
pub async fn pixels(session: &Session, picture: &Path) -> Vec<u8> {
    // Debian's own: another program of this name may stand before it in PATH.
    let output = session
        .run(
            "/usr/bin/convert",
            &[picture.to_str().unwrap(), "-depth", "8", "rgba:-"],
        )
        .await;
    assert!(
        output.status.success() && !output.stdout.is_empty(),
        "{}: {output:?}",
        picture.display()
    );
    output.stdout
}
