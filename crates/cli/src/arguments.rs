//! What can be typed behind `coretap`.
#![expect(
    clippy::doc_markdown,
    reason = "these texts are shown as they are, and a terminal knows no Markdown"
)]

use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Parser, Subcommand};
use coretap_app::agents::{Agent, Shell};

const ENVIRONMENT: &str = "\
Environment:
  AICORE_SERVICE_KEY     the service key of SAP AI Core, as JSON
  AICORE_CLIENT_ID, AICORE_CLIENT_SECRET, AICORE_AUTH_URL, AICORE_BASE_URL
                         its parts instead; they go before AICORE_SERVICE_KEY
  AICORE_CERT_STR, AICORE_KEY_STR, AICORE_CERT_URL
                         of an x509 key, in place of secret and Auth URL; files instead are named by
                         AICORE_CERT_FILE_PATH, AICORE_KEY_FILE_PATH
  AICORE_CONFIG, AICORE_HOME, AICORE_PROFILE
                         which config file of SAP's SDKs, behind AICORE_SERVICE_KEY
                         [default: ~/.aicore/config.json, behind what the window has saved]
  VCAP_SERVICES          Cloud Foundry's binding, when there is nothing else
  AICORE_RESOURCE_GROUP  the resource group [default: default]
  CORETAP_API_KEY        the local key that agents must show [default: a random one for each run]
  CORETAP_PORT           the port on 127.0.0.1; 0 picks a free one [default: 4000]
  CORETAP_ORCHESTRATION  true: all models through the orchestration deployment; false: each through
                         a deployment of its own [default: false, with --demo true]
  CORETAP_MODEL          the model for names that SAP AI Core does not know [default: none]
  CORETAP_DEPLOYMENT     the id of the deployment to use while it runs; in orchestration mode for all
                         models, else for its own [default: all that run]
  CORETAP_CONNECTION     the name of the saved connection to use, whatever the variables above say
                         [default: the one that is selected in the window]
  CORETAP_CA_FILE        a PEM file with certificate authorities to trust beside the system's
  CORETAP_HOME           the folder of settings.toml [default: the platform's folder for settings]
  RUST_LOG               how much is logged on stderr [default: info]

Exit codes: 1 a check failed, 2 wrong usage, 3 wrong configuration, 4 the port is taken,
5 nothing runs, 6 it runs with another local key ('coretap status').";

/// Use the models of SAP AI Core with any coding agent, through one address on this machine.
#[derive(Parser)]
#[command(name = "coretap", version, after_help = ENVIRONMENT)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Serve agents on 127.0.0.1 until Ctrl-C or SIGTERM
    ///
    /// Anthropic clients use http://127.0.0.1:PORT, OpenAI clients http://127.0.0.1:PORT/v1; `coretap env` prints what
    /// an agent must be told. Without CORETAP_API_KEY a random local key is made for this run and printed on stderr.
    #[command(after_help = ENVIRONMENT)]
    Serve {
        /// The port on 127.0.0.1; 0 picks a free one [default: CORETAP_PORT, or 4000]
        #[arg(long)]
        port: Option<u16>,
        /// Answer from a built-in simulator: no SAP account, no network
        #[arg(long)]
        demo: bool,
        /// The saved connection to use [default: CORETAP_CONNECTION, or the selected one]
        #[arg(long, value_name = "NAME", conflicts_with = "demo")]
        connection: Option<String>,
    },
    /// List the saved connections; connections of one group answer for each other
    Connections {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Run a strict stand-in for SAP AI Core and print a service key for it
    ///
    /// It answers like SAP AI Core, from a deterministic model, and refuses what SAP AI Core refuses. Paste the printed
    /// service key into AICORE_SERVICE_KEY of another terminal.
    Simulate {
        /// The port on 127.0.0.1; 0 picks a free one
        #[arg(long, default_value_t = 4100)]
        port: u16,
    },
    /// Tell whether Coretap runs, and whether SAP AI Core answers it
    ///
    /// Asks the desktop app or 'coretap serve' on this machine. What it tells is for the holder of the local key:
    /// CORETAP_API_KEY, else the app's.
    ///
    /// Exit codes: 0 it runs and what was measured last worked; 1 it runs, but SAP AI Core can't be used; 3 wrong
    /// configuration; 4 another program has the port; 5 it does not run; 6 it runs with another local key.
    Status {
        /// The port to ask [default: CORETAP_PORT, or the app's, or 4000]
        #[arg(long)]
        port: Option<u16>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Check every step from the settings to a model's answer, and say what is wrong
    ///
    /// Settings, token, resource group, deployments, models and one answer of a few tokens, which SAP bills; then the
    /// clock, the port and the proxy variables.
    ///
    /// Exit codes: 0 all is well; 1 a check failed; 3 the configuration is incomplete.
    Doctor {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// The saved connection to use [default: CORETAP_CONNECTION, or the selected one]
        #[arg(long, value_name = "NAME")]
        connection: Option<String>,
    },
    /// List the models that agents can ask for
    Models {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// The saved connection to use [default: CORETAP_CONNECTION, or the selected one]
        #[arg(long, value_name = "NAME")]
        connection: Option<String>,
    },
    /// List the deployments of the resource group
    Deployments {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// The saved connection to use [default: CORETAP_CONNECTION, or the selected one]
        #[arg(long, value_name = "NAME")]
        connection: Option<String>,
    },
    /// Show what differs from the built-in rules
    ///
    /// What a deployment has refused is left out for it from then on and tried anew after 30 days. Rows of your own stand
    /// in rules.toml, beside settings.toml: one with the id of a built-in row takes its place, any other is added.
    Rules {
        #[command(subcommand)]
        command: Option<RulesCommand>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the variables that point an agent here
    ///
    /// For bash and zsh: eval "$(coretap env claude-code)". For fish: coretap env claude-code --shell fish | source.
    /// For PowerShell: coretap env claude-code --shell powershell | Out-String | Invoke-Expression.
    /// The local key is taken from CORETAP_API_KEY, the port from CORETAP_PORT.
    Env {
        /// Which agent; all of them by default
        #[arg(value_parser = one_of::<Agent>(agents_of_variables()))]
        agent: Option<Agent>,
        /// Which shell evaluates the text [default: the one of $SHELL, on Windows powershell]
        #[arg(long, value_parser = one_of::<Shell>(Shell::ALL.map(|(name, _)| name)))]
        shell: Option<Shell>,
    },
}

#[derive(Subcommand)]
pub(crate) enum RulesCommand {
    /// Forget what was learned, so that it is tried anew; a running Coretap follows within a few seconds
    Forget {
        /// Which one, as `coretap rules` lists it
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Option<String>,
        /// Everything
        #[arg(long)]
        all: bool,
    },
}

/// What `eval` takes must start nothing, so agents whose set-up is a command are left to the window.
fn agents_of_variables() -> impl Iterator<Item = &'static str> {
    Agent::ALL
        .into_iter()
        .filter(|(_, agent)| agent.is_variables())
        .map(|(name, _)| name)
}

/// A parser for one of these names.
fn one_of<T>(names: impl IntoIterator<Item = &'static str>) -> impl TypedValueParser<Value = T>
where
    T: FromStr + Clone + Send + Sync + 'static,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).try_map(|name| name.parse::<T>())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn agents_and_shells_are_known_by_name() {
        let parsed = Arguments::try_parse_from(["coretap", "env", "claude-code", "--shell", "fish"]).unwrap();
        let Command::Env { agent, shell } = parsed.command else {
            panic!("not env")
        };
        assert_eq!((agent, shell), (Some(Agent::ClaudeCode), Some(Shell::Fish)));
        for (name, agent) in Agent::ALL {
            let parsed = Arguments::try_parse_from(["coretap", "env", name]);
            assert_eq!(parsed.is_ok(), agent.is_variables(), "{name}");
        }
        for wrong in [
            &["coretap", "env", "plum"][..],
            &["coretap", "env", "--shell", "plum"],
            &["coretap", "rules", "forget"],
            &["coretap", "rules", "forget", "a", "--all"],
            &["coretap"],
        ] {
            assert_eq!(
                Arguments::try_parse_from(wrong).err().unwrap().exit_code(),
                2,
                "{wrong:?}"
            );
        }
    }
}
