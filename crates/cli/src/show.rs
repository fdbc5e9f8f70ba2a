//! The commands that print something and end.

use coretap_app::agents::{Agent, Form, Setup, Shell, snippet};
use coretap_app::rules::{self, LearnedRule, Listing, OwnRule};
use coretap_app::{
    Alias, Coretap, Deployment, Error, Flags, ListedConnection, SelectableModel, Selection, Settings,
    local_key, port,
};
use serde::Serialize;

use crate::environment;
use crate::print;

/// `coretap models`
pub(crate) async fn models(json: bool, connection: Option<String>) -> Result<(), Error> {
    let coretap = connect(connection).await?;
    let selection = coretap.selection().await?;
    let aliases = coretap.aliases();
    if json {
        print_json(&Listed {
            selection: &selection,
            aliases: &aliases,
        });
        return Ok(());
    }
    let head = [
        "MODEL",
        "AGENTS SAY",
        "PROVIDER",
        "CONTEXT",
        "DEPLOYMENTS",
        "NOTE",
    ];
    let rows: Vec<_> = selection.models.iter().map(model_row).collect();
    print::out(&print::table(head, &rows));
    if !selection.embeddings.is_empty() {
        let head = ["EMBEDDINGS", "", "PROVIDER", "CONTEXT", "DEPLOYMENTS", "NOTE"];
        let rows: Vec<_> = selection.embeddings.iter().map(model_row).collect();
        print::out(&format!("\n{}", print::table(head, &rows)));
    }
    if !aliases.is_empty() {
        let rows: Vec<_> = aliases
            .iter()
            .map(|alias| [alias.name.clone(), alias.model.clone()])
            .collect();
        print::out(&format!("\n{}", print::table(["ALIAS", "MEANS"], &rows)));
    }
    Ok(())
}

/// What `coretap models --json` prints.
#[derive(Serialize)]
struct Listed<'a> {
    #[serde(flatten)]
    selection: &'a Selection,
    aliases: &'a [Alias],
}

/// `coretap connections`
pub(crate) fn connections(json: bool) -> Result<(), Error> {
    let connections = coretap_app::connections(&environment)?;
    if json {
        print_json(&connections);
        return Ok(());
    }
    let head = [
        "CONNECTION",
        "",
        "GROUP",
        "RESOURCE GROUP",
        "MODELS BY",
        "BASE URL",
    ];
    let rows: Vec<_> = connections.iter().map(connection_row).collect();
    print::out(&print::table(head, &rows));
    Ok(())
}

/// `coretap deployments`
pub(crate) async fn deployments(json: bool, connection: Option<String>) -> Result<(), Error> {
    let deployments = connect(connection).await?.deployments().await?;
    if json {
        print_json(&deployments);
        return Ok(());
    }
    let head = ["ID", "STATUS", "SCENARIO", "MODEL", "CONFIGURATION", "PROBLEM"];
    let rows: Vec<_> = deployments.iter().map(deployment_row).collect();
    print::out(&print::table(head, &rows));
    Ok(())
}

/// `coretap rules`
pub(crate) fn rules(json: bool) -> Result<(), Error> {
    let listing = Listing::read(&environment)?;
    if json {
        print_json(&listing);
        return Ok(());
    }
    let learned: Vec<_> = listing.learned.iter().map(learned_row).collect();
    let own: Vec<_> = listing.own.iter().map(own_row).collect();
    if learned.is_empty() {
        print::out("Nothing was learned from refusals.\n");
    } else {
        print::out(&print::table(
            ["ID", "SINCE", "DONE ABOUT IT", "THE WORDS"],
            &learned,
        ));
    }
    if !own.is_empty() {
        print::out("\n");
        print::out(&print::table(["OWN ROW", "ID", ""], &own));
    }
    for problem in &listing.problems {
        print::warning(problem, "");
    }
    Ok(())
}

/// `coretap rules forget`; without an id everything.
pub(crate) fn forget(id: Option<&str>) -> Result<(), Error> {
    let count = rules::forget(&environment, id)?;
    print::out(&format!("forgotten: {count}\n"));
    Ok(())
}

/// `coretap env`
pub(crate) async fn env(agent: Option<Agent>, shell: Option<Shell>) -> Result<(), Error> {
    let shell = shell.unwrap_or_else(own_shell);
    let text = variables(agent, shell).await;
    match &text {
        Ok(text) => print::out(text),
        // `eval "$(coretap env …)" && agent` must not start the agent without its variables: it would talk to the vendor
        // instead of the company's tenant.
        Err(_) if matches!(shell, Shell::Bash | Shell::Zsh | Shell::Fish) => print::out("false\n"),
        Err(_) => {}
    }
    text.map(|_| ())
}

async fn variables(agent: Option<Agent>, shell: Shell) -> Result<String, Error> {
    let key = local_key(&environment).await?.ok_or(Error::LocalKeyMissing)?;
    let port = match port(&environment)? {
        0 => return Err(Error::PortUnknown),
        port => port,
    };
    let no_proxy = environment("NO_PROXY").or_else(|| environment("no_proxy"));
    let model = environment("CORETAP_MODEL").filter(|model| !model.trim().is_empty());
    let setup = Setup {
        port,
        key: &key,
        model: model.as_deref(),
        no_proxy: no_proxy.as_deref(),
    };
    snippet(agent, Form::Shell(shell), &setup)
}

/// The shell that the person logs in to; any unknown one is taken for a POSIX shell.
fn own_shell() -> Shell {
    if cfg!(windows) {
        return Shell::PowerShell;
    }
    let path = environment("SHELL").unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    if name == "pwsh" {
        Shell::PowerShell
    } else {
        name.parse().unwrap_or(Shell::Bash)
    }
}

async fn connect(connection: Option<String>) -> Result<Coretap, Error> {
    let flags = Flags {
        connection,
        ..Flags::default()
    };
    Coretap::new(Settings::read(&flags, &environment).await?, None).await
}

fn connection_row(connection: &ListedConnection) -> [String; 6] {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let mode = if connection.orchestration {
        "orchestration"
    } else {
        "deployments"
    };
    [
        connection.name.clone(),
        if connection.selected { "selected" } else { "" }.to_owned(),
        text(&connection.group),
        connection.resource_group.clone(),
        mode.to_owned(),
        text(&connection.base_url),
    ]
}

fn model_row(model: &SelectableModel) -> [String; 6] {
    [
        model.name.clone(),
        model.agent_alias.clone().unwrap_or_default(),
        model.provider.clone().unwrap_or_default(),
        model
            .context_length
            .map(|length| length.to_string())
            .unwrap_or_default(),
        model
            .running_deployments
            .map_or_else(|| "orchestration".to_owned(), |count| count.to_string()),
        match &model.retirement_date {
            Some(date) => format!("retires on {date}"),
            None if model.deprecated => "will be retired".to_owned(),
            None => String::new(),
        },
    ]
}

fn deployment_row(deployment: &Deployment) -> [String; 6] {
    [
        deployment.id.clone(),
        deployment.status.clone(),
        deployment.scenario_id.clone().unwrap_or_default(),
        match (&deployment.model, &deployment.restriction) {
            (Some(model), _) => model.clone(),
            (None, Some(restriction)) if restriction.allows => {
                format!("only {}", restriction.models.join(", "))
            }
            (None, Some(restriction)) => format!("all but {}", restriction.models.join(", ")),
            (None, None) => String::new(),
        },
        deployment.configuration_name.clone().unwrap_or_default(),
        deployment.problem.clone().unwrap_or_default(),
    ]
}

fn learned_row(rule: &LearnedRule) -> [String; 4] {
    [
        rule.id.clone(),
        rule.since.clone(),
        rule.effect.clone(),
        rule.words.clone(),
    ]
}

fn own_row(rule: &OwnRule) -> [String; 3] {
    let place = if rule.replaces {
        "in the place of a built-in row"
    } else {
        "added"
    };
    [format!("[[{}]]", rule.table), rule.id.clone(), place.to_owned()]
}

fn print_json(rows: &impl Serialize) {
    match serde_json::to_string_pretty(rows) {
        Ok(text) => print::out(&format!("{text}\n")),
        Err(error) => print::error(&error.to_string(), ""),
    }
}
