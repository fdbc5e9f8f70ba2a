//! What each agent must be told to use Coretap, as text to evaluate, run or keep in a file (agents.md §2).
//!
//! This file says who the agents are, `variables` what a shell takes, `shells` how each one writes it, `files` what an
//! agent's own file holds.

mod files;
mod shells;
mod variables;

use std::fmt;
use std::str::FromStr;

use coretap_proxy::LocalKey;

use crate::error::Error;

/// The model to show where none is selected yet.
const USUAL_MODEL: &str = "anthropic--claude-4.5-sonnet";

/// The variable of the key for agents whose own file names a variable instead of holding the key.
const KEY_VARIABLE: &str = "CORETAP_API_KEY";

/// Who is to use Coretap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agent {
    /// Claude Code.
    ClaudeCode,
    /// Codex.
    Codex,
    /// Gemini CLI.
    GeminiCli,
    /// Cline.
    Cline,
    /// Kilo Code.
    KiloCode,
    /// opencode.
    Opencode,
    /// GitHub Copilot CLI.
    CopilotCli,
    /// Continue.
    Continue,
    /// Qwen Code.
    QwenCode,
    /// aider.
    Aider,
    /// Anything on OpenAI's SDKs.
    OpenAi,
    /// Anything on Anthropic's SDKs.
    Anthropic,
    /// One request by hand.
    Curl,
}

/// What evaluates the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// bash, and any other POSIX shell.
    Bash,
    /// zsh.
    Zsh,
    /// fish.
    Fish,
    /// `PowerShell`, on any system.
    PowerShell,
    /// Windows' cmd.
    Cmd,
}

/// How a set-up is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As text for a shell.
    Shell(Shell),
    /// As content of the agent's own file.
    File,
}

/// What a set-up says.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'a> {
    /// The port that Coretap listens on.
    pub port: u16,
    /// The key that the agent must show.
    pub key: &'a LocalKey,
    /// The selected model, in SAP's spelling.
    pub model: Option<&'a str>,
    /// What the variable `NO_PROXY` holds now: loopback is added to it, because most clients would send even that
    /// through a company's proxy.
    pub no_proxy: Option<&'a str>,
}

impl Agent {
    /// All, by the names that people type.
    pub const ALL: [(&'static str, Self); 13] = [
        ("claude-code", Self::ClaudeCode),
        ("codex", Self::Codex),
        ("gemini-cli", Self::GeminiCli),
        ("cline", Self::Cline),
        ("kilo-code", Self::KiloCode),
        ("opencode", Self::Opencode),
        ("copilot-cli", Self::CopilotCli),
        ("continue", Self::Continue),
        ("qwen-code", Self::QwenCode),
        ("aider", Self::Aider),
        ("openai", Self::OpenAi),
        ("anthropic", Self::Anthropic),
        ("curl", Self::Curl),
    ];

    /// The name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClaudeCode => "Claude Code",
            Self::Codex => "Codex",
            Self::GeminiCli => "Gemini CLI",
            Self::Cline => "Cline",
            Self::KiloCode => "Kilo Code",
            Self::Opencode => "opencode",
            Self::CopilotCli => "GitHub Copilot CLI",
            Self::Continue => "Continue",
            Self::QwenCode => "Qwen Code",
            Self::Aider => "aider",
            Self::OpenAi => "OpenAI SDK",
            Self::Anthropic => "Anthropic SDK",
            Self::Curl => "curl",
        }
    }

    /// The agent's own file, if it has one that helps; `~` is the person's home folder.
    pub fn file(self) -> Option<&'static str> {
        match self {
            Self::ClaudeCode => Some("~/.claude/settings.json"),
            Self::Codex => Some("~/.codex/config.toml"),
            Self::GeminiCli => Some("~/.gemini/settings.json"),
            Self::Cline => Some("~/.cline/data/settings/providers.json"),
            Self::KiloCode => Some("~/.config/kilo/kilo.json"),
            Self::Opencode => Some("~/.config/opencode/opencode.json"),
            Self::Continue => Some("~/.continue/config.yaml"),
            Self::QwenCode => Some("~/.qwen/settings.json"),
            Self::CopilotCli | Self::Aider | Self::OpenAi | Self::Anthropic | Self::Curl => None,
        }
    }

    /// How the set-up can be written, the usual one on this system first.
    pub fn forms(self) -> Vec<Form> {
        let mut forms: Vec<Form> = Shell::ALL.iter().map(|(_, shell)| Form::Shell(*shell)).collect();
        let usual = Form::Shell(Shell::usual());
        forms.sort_by_key(|form| *form != usual);
        match self.file() {
            // Their files say everything; their variables only keep loopback out of a company's proxy.
            Some(_) if matches!(self, Self::Continue | Self::KiloCode | Self::Opencode) => {
                forms.insert(0, Form::File);
            }
            Some(_) => forms.push(Form::File),
            None => {}
        }
        forms
    }

    /// Whether the shell forms only set variables, so that evaluating them starts nothing and sends nothing.
    pub fn is_variables(self) -> bool {
        !matches!(self, Self::Cline | Self::Curl)
    }
}

impl Shell {
    /// All, by the names that people type.
    pub const ALL: [(&'static str, Self); 5] = [
        ("bash", Self::Bash),
        ("zsh", Self::Zsh),
        ("fish", Self::Fish),
        ("powershell", Self::PowerShell),
        ("cmd", Self::Cmd),
    ];

    /// The one that people have here unless they chose another.
    fn usual() -> Self {
        if cfg!(windows) {
            Self::PowerShell
        } else if cfg!(target_os = "macos") {
            Self::Zsh
        } else {
            Self::Bash
        }
    }
}

/// A name that stands for nothing here.
#[derive(Debug, thiserror::Error)]
#[error("unknown name")]
pub struct UnknownName;

impl FromStr for Agent {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .into_iter()
            .find(|(known, _)| *known == name)
            .map(|(_, agent)| agent)
            .ok_or(UnknownName)
    }
}

impl FromStr for Shell {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .into_iter()
            .find(|(known, _)| *known == name)
            .map(|(_, shell)| shell)
            .ok_or(UnknownName)
    }
}

impl FromStr for Form {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        if name == "file" {
            Ok(Self::File)
        } else {
            name.parse().map(Self::Shell)
        }
    }
}

impl fmt::Display for Shell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
            Self::PowerShell => "powershell",
            Self::Cmd => "cmd",
        })
    }
}

impl fmt::Display for Form {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shell(shell) => shell.fmt(formatter),
            Self::File => formatter.write_str("file"),
        }
    }
}

impl Setup<'_> {
    /// Where Anthropic's clients and Google's begin.
    fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Where OpenAI's clients begin.
    fn openai_base(&self) -> String {
        format!("{}/v1", self.base())
    }

    /// The model to name. A line break in it would end a comment, and no model's name has one.
    fn model(&self) -> String {
        let model = self.model.unwrap_or(USUAL_MODEL);
        model
            .chars()
            .filter(|character| !character.is_control())
            .collect()
    }
}

/// The set-up of an agent, or with no agent the variables that serve most of them, in this form.
///
/// Evaluating a shell form of an agent that [is variables](Agent::is_variables), or of no agent, only sets variables;
/// for the other agents it is a command to run. The text is empty for a file that the agent doesn't have.
///
/// # Errors
/// When the shell can't write the key.
pub fn snippet(agent: Option<Agent>, form: Form, setup: &Setup<'_>) -> Result<String, Error> {
    match form {
        Form::Shell(shell) => variables::text(agent, shell, setup),
        Form::File => Ok(agent
            .and_then(|agent| files::text(agent, setup))
            .unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const KEY: &str = r#"sk-it's $HOME `id` "quoted" \ & | * ! #~{}()[]<>?;^="#;
    pub(super) const MODEL: &str = r#"vendor--it's "4.5" \ $x"#;

    pub(super) fn snippet_for(agent: Option<Agent>, form: Form, key: &str, model: Option<&str>) -> String {
        let key = LocalKey::new(key.to_owned()).unwrap();
        let setup = Setup {
            port: 4321,
            key: &key,
            model,
            no_proxy: Some("corp.example, localhost"),
        };
        snippet(agent, form, &setup).unwrap()
    }

    #[test]
    fn every_name_is_read_back() {
        for (name, agent) in Agent::ALL {
            assert_eq!(name.parse::<Agent>().unwrap(), agent);
        }
        for name in ["bash", "zsh", "fish", "powershell", "cmd", "file"] {
            assert_eq!(name.parse::<Form>().unwrap().to_string(), name);
        }
        assert!("plum".parse::<Agent>().is_err());
        assert!("plum".parse::<Form>().is_err());
    }

    #[test]
    fn every_agent_has_a_text_in_each_of_its_forms_and_no_other() {
        for (name, agent) in Agent::ALL {
            let forms = agent.forms();
            assert_eq!(forms.contains(&Form::File), agent.file().is_some(), "{name}");
            assert_eq!(
                forms.len(),
                Shell::ALL.len() + usize::from(agent.file().is_some())
            );
            for form in &forms {
                let text = snippet_for(Some(agent), *form, "sk-1", None);
                assert!(text.ends_with('\n'), "{name} as {form}: {text}");
            }
            if agent.file().is_none() {
                assert_eq!(snippet_for(Some(agent), Form::File, "sk-1", None), "");
            }
        }
        assert_eq!(snippet_for(None, Form::File, "sk-1", None), "");
        assert_eq!(Agent::Continue.forms().first(), Some(&Form::File));
        assert_eq!(Agent::Codex.forms().first(), Some(&Form::Shell(Shell::usual())));
    }
}
