//! Several connections in the real window: each has its own secret in the keychain, from the pasted key to its removal. And what
//! orchestration does beside completing, from its switch to the request that it touched.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "A panic is how a test fails."
)]

use std::net::SocketAddr;

use coretap_tests::desktop::agent::{ask, is_answered};
use coretap_tests::desktop::keychain::{self, Keychain};
use coretap_tests::desktop::session::{Session, free_port};
use coretap_tests::desktop::settings::{Settings, settings_text};
use coretap_tests::desktop::until;
use coretap_tests::desktop::window::Window;
use coretap_tests::process::Simulator;
use serde_json::{Value, json};

const MODEL: &str = "gpt-4o";

/// What a tenant's service key says under this name.
fn of_key(tenant: &Simulator, name: &str) -> String {
    let key: Value = serde_json::from_str(&tenant.service_key).unwrap();
    key[name].as_str().unwrap().to_owned()
}

/// The client secrets that the keychain holds, in order.
async fn secrets(session: &Session) -> Vec<String> {
    let mut secrets = Vec::new();
    for name in keychain::usernames(session).await {
        if name.ends_with("/client-secret") {
            secrets.push(keychain::lookup(session, &name).await);
        }
    }
    secrets.sort();
    secrets
}

/// Waits until the keychain holds these tenants' client secrets and no other.
async fn keychain_holds(session: &Session, tenants: &[&Simulator]) {
    let mut wanted: Vec<String> = tenants
        .iter()
        .map(|tenant| of_key(tenant, "clientsecret"))
        .collect();
    wanted.sort();
    until("the keychain holds what is saved", async || {
        (secrets(session).await == wanted).then_some(())
    })
    .await;
}

/// Pastes a tenant's key into the form that is open, and chooses a model of that tenant.
async fn fill(window: &Window, session: &mut Session, tenant: &Simulator) {
    window.paste_service_key(session, &tenant.service_key).await;
    window
        .wait_for_value("#client-id", &of_key(tenant, "clientid"))
        .await;
    window.use_orchestration(true).await;
    window.models_offered().await;
    window.choose("#model", MODEL).await;
}

/// Opens another saved connection's form.
async fn edit(window: &Window, name: &str) {
    window.click("#edited-connection").await;
    window
        .click(&format!("#edited-connection [data-name=\"{name}\"]"))
        .await;
    window.wait_for_value("#name", name).await;
}

/// The page, from where this element is on top.
async fn picture(window: &Window, selector: &str, name: &str) {
    // What has the focus would be scrolled back into view.
    let on_top = "document.activeElement?.blur();
        find(arguments[0]).scrollIntoView({ block: 'start', behavior: 'instant' });
        return Math.abs(find(arguments[0]).getBoundingClientRect().top)";
    until("it is on top", async || {
        let away = window.script(on_top, vec![json!(selector)]).await;
        (away.as_f64()? < 150.0).then_some(())
    })
    .await;
    window.screenshot(name).await;
}

#[tokio::test]
async fn each_has_its_own_secret_from_the_pasted_key_to_its_removal() {
    let Some(mut session) = Session::start("desktop: several connections").await else {
        return;
    };
    let _keychain = Keychain::start(&session).await;
    let first = Simulator::of_tenant("first").await;
    let second = Simulator::of_tenant("second").await;
    let third = Simulator::of_tenant("third").await;
    let port = free_port();
    Settings::on(port).write(&session);
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let window = Window::open(&session).await;
    window.go_to_form().await;
    fill(&window, &mut session, &first).await;
    window.save_connection().await;
    keychain_holds(&session, &[&first]).await;

    // A new one needs a name of its own, and does not take the place of the one in use.
    window.click("#add-connection").await;
    window.wait_for_value("#client-id", "").await;
    window.type_into("#name", "SAP AI Core").await;
    window
        .text_with(
            "#problem-name",
            "There is a connection 'SAP AI Core' already (CONFIG-CONNECTION).",
        )
        .await;
    fill(&window, &mut session, &second).await;
    assert!(!window.enabled("#save-connection").await, "two of one name");
    window.type_into("#name", "Second tenant").await;
    window.type_into("#group", "team").await;
    window.save_connection().await;
    window
        .text_with("#connection-saved", "Your agents use another connection")
        .await;
    keychain_holds(&session, &[&first, &second]).await;

    window.toggle(&format!("Running on 127.0.0.1:{port}")).await;
    let local_key = keychain::local_key(&session).await;
    is_answered(address, &local_key, MODEL).await;
    assert_eq!(first.inference().await.len(), 1);
    assert!(second.inference().await.is_empty());

    // Another name and a group are no reason to lose a secret.
    edit(&window, "SAP AI Core").await;
    window.text_with("#secret-state", "stored in the keychain").await;
    window.type_into("#name", "Production").await;
    window.type_into("#group", "team").await;
    window.save_connection().await;
    window.text_with("#secret-state", "stored in the keychain").await;
    keychain_holds(&session, &[&first, &second]).await;
    let text = settings_text(&session);
    assert!(
        text.contains("name = \"Production\"") && !text.contains("SAP AI Core"),
        "{text}"
    );
    window.models_offered().await;
    until("the form is settled", async || {
        window.enabled("#save-connection").await.then_some(())
    })
    .await;
    picture(&window, ".form", "connections").await;
    window.go_to("overview").await;
    window.text_with("#connection-in-use", "Production").await;
    window.screenshot("overview-connections").await;

    // A pasted key goes into the connection that is open, and the secret that it replaces is gone.
    window.go_to("connection").await;
    edit(&window, "Second tenant").await;
    fill(&window, &mut session, &third).await;
    window.save_connection().await;
    keychain_holds(&session, &[&first, &third]).await;
    let text = settings_text(&session);
    assert!(!text.contains(&of_key(&second, "clientid")), "{text}");

    // Removed, its secret is too; the other one goes on.
    window.click("#remove-connection").await;
    window.click("#remove-connection-confirm").await;
    window.wait_for_value("#name", "Production").await;
    keychain_holds(&session, &[&first]).await;
    is_answered(address, &local_key, MODEL).await;
    for tenant in [&first, &second, &third] {
        assert_eq!(tenant.refusals().await, Vec::<String>::new());
    }
    window.end().await;
}

#[tokio::test]
async fn what_orchestration_does_is_off_until_it_is_turned_on_and_shown_at_what_it_touched() {
    let Some(session) = Session::start("desktop: orchestration's modules").await else {
        return;
    };
    let _keychain = Keychain::start(&session).await;
    let simulator = Simulator::start().await;
    keychain::store_client_secret(&session, &simulator.service_key).await;
    let port = free_port();
    Settings::on(port)
        .with_connection(&simulator.service_key, true)
        .write(&session);
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let window = Window::open(&session).await;
    window.go_to("connection").await;
    window.models_offered().await;
    window.choose("#model", MODEL).await;
    let header = async || {
        let text = window.property("#orchestration-modules", "headerText").await;
        text.as_str().unwrap_or_default().to_owned()
    };
    assert!(header().await.ends_with("(off)"), "{}", header().await);
    window
        .script("find('#orchestration-modules').collapsed = false", vec![])
        .await;
    window.click("#masking").await;
    window.wait_for("#masking-method").await;
    picture(&window, "#masking", "connection-masking").await;
    window.click("#output-filter").await;
    window.click("#output-llama-guard").await;
    window.wait_for("#output-category-hate").await;
    picture(&window, "#orchestration-modules", "connection-orchestration").await;
    window.type_into("#timeout", "1201").await;
    window
        .text_with("#problem-orchestrationModules", "(CONFIG-ORCHESTRATION)")
        .await;
    assert!(!window.enabled("#save-connection").await);
    window.type_into("#timeout", "600").await;
    window.save_connection().await;
    let on = "Orchestration: filters, masking, time budget on";
    until("the section says what is on", async || {
        (header().await == on).then_some(())
    })
    .await;

    window.toggle(&format!("Running on 127.0.0.1:{port}")).await;
    let local_key = keychain::local_key(&session).await;
    let answer = ask(address, &local_key, MODEL).await;
    let touched = (answer.status, answer.header("x-coretap-orchestration"));
    assert_eq!(touched, (200, "filtering,masking,timeout"));
    window.go_to("overview").await;
    for line in [
        "with filters on: 1 request",
        "with masking on: 1 request",
        "with time budget on: 1 request",
    ] {
        window.text_with("#usage", line).await;
    }
    window.screenshot("overview-orchestration").await;
    simulator.refused_nothing().await;
    window.end().await;
}
