//! What the window can ask for (`ui/src/backend/backend.ts`): each a thin way to `coretap-app` or to the desktop.
#![expect(
    clippy::needless_pass_by_value,
    reason = "Tauri hands a command's arguments over by value"
)]

use coretap_app::agents::{Agent, Form};
use coretap_app::view::{
    AgentView, ConnectionDraft, Keep, Offer, ProblemView, ServiceKeyFields, SettingsView, Snapshot, Step,
};
use coretap_app::{App, read_service_key as read_key};
use tauri::ipc::{Channel, Invoke};
use tauri::{AppHandle, State, Wry};

use crate::tray;

type Answer<T> = Result<T, ProblemView>;

/// All commands.
pub(crate) fn handler() -> impl Fn(Invoke<Wry>) -> bool + Send + Sync + 'static {
    tauri::generate_handler![
        snapshot,
        read_service_key,
        validate_connection,
        offer,
        test_connection,
        cancel_test,
        save_connection,
        forget_secret,
        select_connection,
        remove_connection,
        retry_keychain,
        use_simulator,
        leave_simulator,
        start,
        stop,
        use_free_port,
        check_again,
        select_model,
        save_settings,
        start_at_login,
        set_start_at_login,
        agents,
        snippet,
        copy_snippet,
        copy_address,
        copy_local_key,
        rotate_local_key,
    ]
}

#[tauri::command]
fn snapshot(app: State<'_, App>) -> Snapshot {
    app.snapshots().borrow().clone()
}

#[tauri::command]
fn read_service_key(text: String) -> Answer<ServiceKeyFields> {
    read_key(&text)
}

#[tauri::command]
fn validate_connection(app: State<'_, App>, draft: ConnectionDraft) -> Vec<ProblemView> {
    app.validate(&draft)
}

#[tauri::command]
async fn offer(app: State<'_, App>, draft: ConnectionDraft) -> Answer<Offer> {
    app.offer(&draft).await
}

#[tauri::command]
async fn test_connection(app: State<'_, App>, draft: ConnectionDraft, on_step: Channel<Step>) -> Answer<()> {
    app.test(&draft, |step| {
        // A window that was closed meanwhile needs no more steps.
        let _ = on_step.send(step);
    })
    .await;
    Ok(())
}

#[tauri::command]
fn cancel_test(app: State<'_, App>) {
    app.cancel_test();
}

#[tauri::command]
async fn save_connection(app: State<'_, App>, draft: ConnectionDraft, keep: Keep) -> Answer<()> {
    app.save_connection(&draft, keep).await
}

#[tauri::command]
async fn forget_secret(app: State<'_, App>, connection: String) -> Answer<()> {
    app.forget_secret(&connection).await
}

#[tauri::command]
async fn select_connection(app: State<'_, App>, name: String) -> Answer<()> {
    app.select_connection(&name).await
}

#[tauri::command]
async fn remove_connection(app: State<'_, App>, name: String) -> Answer<()> {
    app.remove_connection(&name).await
}

#[tauri::command]
async fn retry_keychain(app: State<'_, App>) -> Answer<()> {
    app.retry_keychain().await;
    Ok(())
}

#[tauri::command]
async fn use_simulator(app: State<'_, App>) -> Answer<()> {
    app.use_simulator(true).await
}

#[tauri::command]
async fn leave_simulator(app: State<'_, App>) -> Answer<()> {
    app.use_simulator(false).await
}

#[tauri::command]
async fn start(app: State<'_, App>) -> Answer<()> {
    app.start().await
}

#[tauri::command]
async fn stop(app: State<'_, App>) -> Answer<()> {
    app.stop().await;
    Ok(())
}

#[tauri::command]
async fn use_free_port(app: State<'_, App>) -> Answer<()> {
    app.use_free_port().await
}

#[tauri::command]
async fn check_again(app: State<'_, App>) -> Answer<()> {
    app.check_again().await;
    Ok(())
}

#[tauri::command]
async fn select_model(app: State<'_, App>, name: String) -> Answer<()> {
    app.select_model(&name).await
}

#[tauri::command]
async fn save_settings(app: State<'_, App>, settings: SettingsView) -> Answer<()> {
    app.save_settings(settings).await
}

#[tauri::command]
fn start_at_login(handle: AppHandle) -> Answer<bool> {
    tray::starts_at_login(&handle)
}

#[tauri::command]
fn set_start_at_login(handle: AppHandle, on: bool) -> Answer<()> {
    tray::set_start_at_login(&handle, on)
}

#[tauri::command]
fn agents() -> Vec<AgentView> {
    Agent::ALL
        .into_iter()
        .map(|(id, agent)| AgentView {
            id: id.to_owned(),
            name: agent.name().to_owned(),
            forms: agent.forms().into_iter().map(|form| form.to_string()).collect(),
            file: agent.file().map(str::to_owned),
        })
        .collect()
}

#[tauri::command]
async fn snippet(app: State<'_, App>, agent: &str, form: &str) -> Answer<String> {
    let (agent, form) = named(agent, form)?;
    app.snippet(agent, form, true).await
}

#[tauri::command]
async fn copy_snippet(handle: AppHandle, agent: String, form: String) -> Answer<()> {
    let (agent, form) = named(&agent, &form)?;
    tray::copy_setup(&handle, agent, form).await
}

#[tauri::command]
fn copy_address(handle: AppHandle, app: State<'_, App>) -> Answer<()> {
    tray::copy(&handle, app.address())
}

#[tauri::command]
async fn copy_local_key(handle: AppHandle, app: State<'_, App>) -> Answer<()> {
    let key = app.local_key().await?;
    tray::copy_key(&handle, &key)
}

#[tauri::command]
async fn rotate_local_key(app: State<'_, App>) -> Answer<()> {
    app.rotate_local_key().await
}

/// The agent and the form of these names; the window has them from [`agents`].
fn named(agent: &str, form: &str) -> Answer<(Agent, Form)> {
    let unknown = |what: &str, name: &str| ProblemView {
        code: "DESKTOP-REFUSED".to_owned(),
        sentence: format!("There is no {what} '{name}'."),
        hint: String::new(),
        field: None,
    };
    let agent_named = agent.parse().map_err(|_| unknown("agent", agent))?;
    let form_named = form.parse().map_err(|_| unknown("form", form))?;
    Ok((agent_named, form_named))
}
