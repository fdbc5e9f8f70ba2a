//! What each agent must be told to use Coretap, as text that a shell evaluates (agents.md §2).

use std::str::FromStr;

use coretap_proxy::LocalKey;

use crate::error::Error;

/// Who is to use Coretap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agent {
    /// Claude Code.
    ClaudeCode,
    /// Anything on OpenAI's SDKs.
    OpenAi,
    /// Anything on Anthropic's SDKs.
    Anthropic,
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

impl Agent {
    /// All, by the names that people type.
    pub const ALL: [(&str, Self); 3] = [
        ("claude-code", Self::ClaudeCode),
        ("openai", Self::OpenAi),
        ("anthropic", Self::Anthropic),
    ];
}

impl Shell {
    /// All, by the names that people type.
    pub const ALL: [(&str, Self); 5] = [
        ("bash", Self::Bash),
        ("zsh", Self::Zsh),
        ("fish", Self::Fish),
        ("powershell", Self::PowerShell),
        ("cmd", Self::Cmd),
    ];
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

/// The variables for an agent, or for all agents together, one line each.
///
/// `no_proxy` is what the variable `NO_PROXY` holds now: loopback is added to it, because most clients would send even
/// that through a company's proxy.
///
/// # Errors
/// When the shell can't write the key.
pub fn snippet(
    agent: Option<Agent>,
    shell: Shell,
    port: u16,
    key: &LocalKey,
    no_proxy: Option<&str>,
) -> Result<String, Error> {
    let base = format!("http://127.0.0.1:{port}");
    let key = key.expose();
    let wants = |one| agent.is_none_or(|agent| agent == one);
    let mut variables: Vec<(&str, String)> = Vec::new();
    if wants(Agent::ClaudeCode) || wants(Agent::Anthropic) {
        variables.push(("ANTHROPIC_BASE_URL", base.clone()));
    }
    if wants(Agent::ClaudeCode) {
        variables.push(("ANTHROPIC_AUTH_TOKEN", key.to_owned()));
        // Fills Claude Code's picker of models with those that there are.
        variables.push(("CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY", "1".to_owned()));
    }
    // Beside the token of Claude Code, which the SDKs read too, a second credential would only be warned of.
    if agent == Some(Agent::Anthropic) {
        variables.push(("ANTHROPIC_API_KEY", key.to_owned()));
    }
    if wants(Agent::OpenAi) {
        variables.push(("OPENAI_BASE_URL", format!("{base}/v1")));
        variables.push(("OPENAI_API_KEY", key.to_owned()));
    }
    let no_proxy = with_loopback(no_proxy.unwrap_or_default());
    // Windows' variables know no case, and everywhere else some programs read one spelling and some the other.
    if !matches!(shell, Shell::Cmd) {
        variables.push(("no_proxy", no_proxy.clone()));
    }
    variables.push(("NO_PROXY", no_proxy));
    variables
        .iter()
        .map(|(name, value)| assignment(shell, name, value))
        .collect()
}

/// The list with the names of this machine in it, each once.
fn with_loopback(list: &str) -> String {
    let mut names: Vec<&str> = list
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    for name in ["127.0.0.1", "localhost"] {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(",")
}

fn assignment(shell: Shell, name: &str, value: &str) -> Result<String, Error> {
    Ok(match shell {
        Shell::Bash | Shell::Zsh => format!("export {name}='{}'\n", value.replace('\'', r"'\''")),
        Shell::Fish => {
            format!(
                "set -gx {name} '{}'\n",
                value.replace('\\', r"\\").replace('\'', r"\'")
            )
        }
        Shell::PowerShell => format!("$env:{name} = '{}'\n", value.replace('\'', "''")),
        Shell::Cmd => format!("set \"{name}={}\"\r\n", cmd_quoted(value)?),
    })
}

/// cmd takes everything between the first and the last quote. A quote in between ends and begins the part in which
/// `&`, `|` and the like mean nothing; outside of it each of them needs a caret. A percent sign can't be escaped.
fn cmd_quoted(value: &str) -> Result<String, Error> {
    let mut quoted = true;
    let mut out = String::with_capacity(value.len());
    for character in value.chars() {
        match character {
            '%' => return Err(Error::LocalKeyUnquotable),
            '"' => quoted = !quoted,
            '&' | '|' | '<' | '>' | '^' | '(' | ')' if !quoted => out.push('^'),
            _ => {}
        }
        out.push(character);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const KEY: &str = r#"sk-it's $HOME `id` "quoted" \ & | * ! #~{}()[]<>?;^="#;

    fn snippet_for(agent: Option<Agent>, shell: Shell, key: &str) -> String {
        let key = LocalKey::new(key.to_owned()).unwrap();
        snippet(agent, shell, 4321, &key, Some("corp.example, localhost")).unwrap()
    }

    #[test]
    fn each_shell_that_is_here_gets_the_key_as_it_is() {
        for (name, shell, program) in [
            ("bash", Shell::Bash, "bash"),
            ("sh", Shell::Bash, "sh"),
            ("zsh", Shell::Zsh, "zsh"),
            ("fish", Shell::Fish, "fish"),
        ] {
            let script = format!(
                "{}printf '%s\\n' \"$OPENAI_BASE_URL\" \"$OPENAI_API_KEY\" \"$ANTHROPIC_AUTH_TOKEN\" \"$NO_PROXY\"",
                snippet_for(None, shell, KEY)
            );
            let Ok(output) = Command::new(program).arg("-c").arg(script).output() else {
                eprintln!("SKIPPED quoting for {name}: it is not installed");
                continue;
            };
            assert_eq!(
                String::from_utf8(output.stdout).unwrap(),
                format!("http://127.0.0.1:4321/v1\n{KEY}\n{KEY}\ncorp.example,localhost,127.0.0.1\n"),
                "{name}"
            );
        }
    }

    #[test]
    fn powershell_and_cmd_quote_in_their_own_way() {
        let powershell = snippet_for(Some(Agent::OpenAi), Shell::PowerShell, "sk-it's $x");
        assert!(
            powershell.contains("$env:OPENAI_API_KEY = 'sk-it''s $x'\n"),
            "{powershell}"
        );
        let cmd = snippet_for(Some(Agent::OpenAi), Shell::Cmd, r#"sk-a&b"c&d"e"#);
        assert!(
            cmd.contains("set \"OPENAI_API_KEY=sk-a&b\"c^&d\"e\"\r\n"),
            "{cmd}"
        );
        let key = LocalKey::new("sk-100%".to_owned()).unwrap();
        assert!(matches!(
            snippet(None, Shell::Cmd, 1, &key, None),
            Err(Error::LocalKeyUnquotable)
        ));
    }

    #[test]
    fn each_agent_gets_its_own_variables() {
        let names = |agent| -> Vec<String> {
            snippet_for(agent, Shell::Bash, "k")
                .lines()
                .map(|line| {
                    line.strip_prefix("export ")
                        .unwrap()
                        .split('=')
                        .next()
                        .unwrap()
                        .to_owned()
                })
                .collect()
        };
        assert_eq!(
            names(Some(Agent::ClaudeCode)),
            [
                "ANTHROPIC_BASE_URL",
                "ANTHROPIC_AUTH_TOKEN",
                "CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY",
                "no_proxy",
                "NO_PROXY"
            ]
        );
        assert_eq!(
            names(Some(Agent::Anthropic)),
            ["ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY", "no_proxy", "NO_PROXY"]
        );
        assert_eq!(
            names(Some(Agent::OpenAi)),
            ["OPENAI_BASE_URL", "OPENAI_API_KEY", "no_proxy", "NO_PROXY"]
        );
        assert_eq!(names(None).len(), 7);
    }

    #[test]
    fn loopback_is_added_once() {
        assert_eq!(with_loopback(""), "127.0.0.1,localhost");
        assert_eq!(with_loopback("a, ,localhost,b"), "a,localhost,b,127.0.0.1");
        assert_eq!(with_loopback("127.0.0.1,localhost"), "127.0.0.1,localhost");
    }
}
