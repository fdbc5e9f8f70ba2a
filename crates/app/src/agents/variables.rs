//! What a shell evaluates: variables, and the commands of those agents whose set-up is a command.

use super::files::quoted;
use super::shells::{argument, assignment, comment, line, line_end};
use super::{Agent, KEY_VARIABLE, Setup, Shell};
use crate::error::Error;

/// The whole text for a shell. Beside variables it holds comments only, but for the agents that are a command.
pub(super) fn text(agent: Option<Agent>, shell: Shell, setup: &Setup<'_>) -> Result<String, Error> {
    let mut lines = Vec::new();
    for (name, value) in of(agent, setup) {
        lines.push(assignment(shell, name, &value)?);
    }
    let no_proxy = with_loopback(setup.no_proxy.unwrap_or_default());
    // Windows' variables know no case, and everywhere else some programs read one spelling and some the other.
    if !matches!(shell, Shell::Cmd) {
        lines.push(assignment(shell, "no_proxy", &no_proxy)?);
    }
    lines.push(assignment(shell, "NO_PROXY", &no_proxy)?);
    if let Some(agent) = agent {
        lines.extend(file_hint(agent).map(|text| comment(shell, &text)));
        lines.extend(command(agent, shell, setup)?);
        lines.extend(
            start(agent, shell, setup)?.map(|text| comment(shell, &format!("Start it with: {text}"))),
        );
    }
    Ok(lines.into_iter().map(|line| line + line_end(shell)).collect())
}

/// The variables for an agent, or for all agents together that have names of their own.
pub(super) fn of(agent: Option<Agent>, setup: &Setup<'_>) -> Vec<(&'static str, String)> {
    let key = setup.key.expose().to_owned();
    let (base, openai_base) = (setup.base(), setup.openai_base());
    match agent {
        None => {
            let mut all = of(Some(Agent::ClaudeCode), setup);
            all.extend(of(Some(Agent::OpenAi), setup));
            all.extend(of(Some(Agent::GeminiCli), setup));
            all
        }
        Some(Agent::ClaudeCode) => {
            let mut variables = vec![
                ("ANTHROPIC_BASE_URL", base),
                ("ANTHROPIC_AUTH_TOKEN", key),
                // Fills Claude Code's picker of models with those that there are.
                ("CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY", "1".to_owned()),
            ];
            // By Anthropic's names it knows what a model can do; any other counts as the newest, with its window.
            if setup.model.is_some() {
                let model = setup.model();
                let known = coretap_aicore::agent_alias(&model).unwrap_or(model);
                variables.push(("ANTHROPIC_MODEL", known));
            }
            variables
        }
        Some(Agent::Anthropic) => vec![("ANTHROPIC_BASE_URL", base), ("ANTHROPIC_API_KEY", key)],
        Some(Agent::OpenAi) => vec![("OPENAI_BASE_URL", openai_base), ("OPENAI_API_KEY", key)],
        Some(Agent::QwenCode) => vec![
            ("OPENAI_BASE_URL", openai_base),
            ("OPENAI_API_KEY", key),
            ("OPENAI_MODEL", setup.model()),
        ],
        Some(Agent::Aider) => vec![("OPENAI_API_BASE", openai_base), ("OPENAI_API_KEY", key)],
        Some(Agent::CopilotCli) => vec![
            ("COPILOT_PROVIDER_BASE_URL", openai_base),
            ("COPILOT_PROVIDER_API_KEY", key),
            ("COPILOT_MODEL", setup.model()),
            // No sign-in at GitHub.
            ("COPILOT_OFFLINE", "true".to_owned()),
        ],
        Some(Agent::GeminiCli) => vec![("GOOGLE_GEMINI_BASE_URL", base), ("GEMINI_API_KEY", key)],
        Some(Agent::Codex) => vec![(KEY_VARIABLE, key)],
        Some(Agent::Continue | Agent::KiloCode | Agent::Opencode | Agent::Cline | Agent::Curl) => Vec::new(),
    }
}

/// What the agent's own file adds to the variables.
fn file_hint(agent: Agent) -> Option<String> {
    let file = agent.file()?;
    match agent {
        Agent::Codex => Some(format!(
            "Instead of the options below, {file} can hold address and model"
        )),
        Agent::Opencode | Agent::KiloCode | Agent::Continue => {
            Some(format!("Address, key and model stand in {file}"))
        }
        Agent::GeminiCli | Agent::QwenCode => {
            Some(format!("With {file} it does not ask for a way to sign in"))
        }
        _ => None,
    }
}

/// The command that is the set-up itself.
fn command(agent: Agent, shell: Shell, setup: &Setup<'_>) -> Result<Option<String>, Error> {
    let argument = |text: &str| argument(shell, text);
    let command = match agent {
        Agent::Cline => format!(
            "cline auth -p openai -k {} -m {} -b {}",
            argument(setup.key.expose()),
            argument(&setup.model()),
            setup.openai_base(),
        ),
        Agent::Curl => {
            let address = format!("{}/chat/completions", setup.openai_base());
            let bearer = format!("Bearer {}", setup.key.expose());
            let body = format!(
                r#"{{"model":{},"messages":[{{"role":"user","content":"Hello"}}]}}"#,
                quoted(&setup.model())
            );
            // `curl` is another command in Windows' PowerShell, and older PowerShells lose quotes on the way to programs.
            if matches!(shell, Shell::PowerShell) {
                format!(
                    "Invoke-RestMethod {address} -Method Post -Headers @{{ authorization = {} }} \
                     -ContentType 'application/json' -Body {}",
                    argument(&bearer),
                    argument(&body),
                )
            } else {
                format!(
                    "curl {address} -H {} -H {} -d {}",
                    argument(&format!("authorization: {bearer}")),
                    argument("content-type: application/json"),
                    argument(&body),
                )
            }
        }
        _ => return Ok(None),
    };
    line(shell, command).map(Some)
}

/// The command line that starts the agent, where its name alone doesn't.
fn start(agent: Agent, shell: Shell, setup: &Setup<'_>) -> Result<Option<String>, Error> {
    let model = setup.model();
    let command = match agent {
        Agent::Aider => format!("aider --model {}", argument(shell, &format!("openai/{model}"))),
        Agent::GeminiCli => format!("gemini -m {}", argument(shell, &model)),
        Agent::Codex => {
            let options = [
                "model_provider=\"coretap\"".to_owned(),
                "model_providers.coretap.name=\"Coretap\"".to_owned(),
                format!("model_providers.coretap.base_url=\"{}\"", setup.openai_base()),
                format!("model_providers.coretap.env_key=\"{KEY_VARIABLE}\""),
                "model_providers.coretap.wire_api=\"responses\"".to_owned(),
            ];
            let options = options.map(|option| format!(" -c {}", argument(shell, &option)));
            format!("codex -m {}{}", argument(shell, &model), options.concat())
        }
        _ => return Ok(None),
    };
    line(shell, command).map(Some)
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

#[cfg(test)]
mod tests {
    use std::process::Command;

    use coretap_proxy::LocalKey;

    use super::super::tests::{KEY, MODEL, snippet_for};
    use super::super::{Form, snippet};
    use super::*;

    /// Runs the program, or says that it is not there.
    fn evaluated(program: &str, script: &str) -> Option<String> {
        let Ok(output) = Command::new(program).arg("-c").arg(script).output() else {
            eprintln!("SKIPPED quoting for {program}: it is not installed");
            return None;
        };
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{program}: {script}");
        Some(String::from_utf8(output.stdout).unwrap())
    }

    const PROGRAMS: [(Shell, &str); 4] = [
        (Shell::Bash, "bash"),
        (Shell::Bash, "sh"),
        (Shell::Zsh, "zsh"),
        (Shell::Fish, "fish"),
    ];

    #[test]
    fn each_shell_that_is_here_gets_every_variable_as_it_is() {
        let key = LocalKey::new(KEY.to_owned()).unwrap();
        let setup = Setup {
            port: 4321,
            key: &key,
            model: Some(MODEL),
            no_proxy: None,
        };
        let agents = Agent::ALL.into_iter().map(|(_, agent)| Some(agent));
        for agent in agents
            .chain([None])
            .filter(|agent| agent.is_none_or(Agent::is_variables))
        {
            let mut variables = of(agent, &setup);
            let no_proxy = "corp.example,localhost,127.0.0.1".to_owned();
            variables.extend([("no_proxy", no_proxy.clone()), ("NO_PROXY", no_proxy)]);
            for (shell, program) in PROGRAMS {
                let shown: Vec<String> = variables.iter().map(|(name, _)| format!("\"${name}\"")).collect();
                let snippet = snippet_for(agent, Form::Shell(shell), KEY, Some(MODEL));
                let script = format!("{snippet}printf '%s\\n' {}", shown.join(" "));
                let Some(out) = evaluated(program, &script) else {
                    continue;
                };
                let expected: Vec<&str> = variables.iter().map(|(_, value)| value.as_str()).collect();
                assert_eq!(
                    out.lines().collect::<Vec<_>>(),
                    expected,
                    "{agent:?} in {program}"
                );
            }
        }
    }

    #[test]
    fn each_shell_that_is_here_gives_commands_their_arguments_as_they_are() {
        let model = serde_json::to_string(MODEL).unwrap();
        let body = format!(r#"{{"model":{model},"messages":[{{"role":"user","content":"Hello"}}]}}"#);
        let expected = [
            (
                Agent::Curl,
                "curl",
                format!(
                    "http://127.0.0.1:4321/v1/chat/completions\n-H\nauthorization: Bearer {KEY}\n\
                     -H\ncontent-type: application/json\n-d\n{body}\n"
                ),
            ),
            (
                Agent::Cline,
                "cline",
                format!("auth\n-p\nopenai\n-k\n{KEY}\n-m\n{MODEL}\n-b\nhttp://127.0.0.1:4321/v1\n"),
            ),
        ];
        for (agent, name, arguments) in expected {
            assert!(!agent.is_variables());
            for (shell, program) in PROGRAMS {
                let stand_in = if shell == Shell::Fish {
                    format!("function {name}; printf '%s\\n' $argv; end\n")
                } else {
                    format!("{name}() {{ printf '%s\\n' \"$@\"; }}\n")
                };
                let text = snippet_for(Some(agent), Form::Shell(shell), KEY, Some(MODEL));
                if let Some(out) = evaluated(program, &(stand_in + &text)) {
                    assert_eq!(out, arguments, "{name} in {program}");
                }
            }
        }
    }

    #[test]
    fn what_is_variables_holds_nothing_but_assignments_and_comments() {
        for (name, agent) in Agent::ALL {
            for (shell_name, shell) in Shell::ALL {
                let text = snippet_for(Some(agent), Form::Shell(shell), "sk-1", Some("gpt\n; plum"));
                let starts = match shell {
                    Shell::Bash | Shell::Zsh => ["export ", "# "],
                    Shell::Fish => ["set -gx ", "# "],
                    Shell::PowerShell => ["$env:", "# "],
                    Shell::Cmd => ["set \"", "rem "],
                };
                let other = text
                    .lines()
                    .filter(|line| !starts.iter().any(|start| line.starts_with(start)));
                assert_eq!(
                    other.count(),
                    usize::from(!agent.is_variables()),
                    "{name} in {shell_name}: {text}"
                );
                assert!(text.contains("127.0.0.1,localhost") || text.contains("localhost,127.0.0.1"));
            }
        }
    }

    #[test]
    fn comments_do_no_harm_where_a_shell_takes_them_for_commands() {
        for (name, agent) in Agent::ALL {
            let text = snippet_for(Some(agent), Form::Shell(Shell::Zsh), "sk-1", None);
            for line in text.lines().filter(|line| line.starts_with('#')) {
                assert!(
                    !line.contains(['`', '$', ';', '&', '|', '<', '>', '(', ')', '*', '?', '!']),
                    "{name}: {line}"
                );
                assert_eq!(line.matches('\'').count() % 2, 0, "{name}: {line}");
            }
        }
    }

    #[test]
    fn powershell_quotes_in_its_own_way() {
        let text = |agent| {
            snippet_for(
                Some(agent),
                Form::Shell(Shell::PowerShell),
                "sk-it's $x",
                Some("it\u{2019}s"),
            )
        };
        let no_proxy = "$env:no_proxy = 'corp.example,localhost,127.0.0.1'\n\
                        $env:NO_PROXY = 'corp.example,localhost,127.0.0.1'\n";
        assert_eq!(
            text(Agent::OpenAi),
            format!(
                "$env:OPENAI_BASE_URL = 'http://127.0.0.1:4321/v1'\n$env:OPENAI_API_KEY = 'sk-it''s $x'\n{no_proxy}"
            )
        );
        assert_eq!(
            text(Agent::Codex),
            format!(
                "$env:CORETAP_API_KEY = 'sk-it''s $x'\n{no_proxy}\
                 # Instead of the options below, ~/.codex/config.toml can hold address and model\n\
                 # Start it with: codex -m 'it\u{2019}\u{2019}s' -c 'model_provider=\"coretap\"' \
                 -c 'model_providers.coretap.name=\"Coretap\"' \
                 -c 'model_providers.coretap.base_url=\"http://127.0.0.1:4321/v1\"' \
                 -c 'model_providers.coretap.env_key=\"CORETAP_API_KEY\"' \
                 -c 'model_providers.coretap.wire_api=\"responses\"'\n"
            )
        );
        assert_eq!(
            text(Agent::Cline),
            format!(
                "{no_proxy}cline auth -p openai -k 'sk-it''s $x' -m 'it\u{2019}\u{2019}s' -b http://127.0.0.1:4321/v1\n"
            )
        );
        assert_eq!(
            text(Agent::Curl),
            format!(
                "{no_proxy}Invoke-RestMethod http://127.0.0.1:4321/v1/chat/completions -Method Post \
                 -Headers @{{ authorization = 'Bearer sk-it''s $x' }} -ContentType 'application/json' \
                 -Body '{{\"model\":\"it\u{2019}\u{2019}s\",\"messages\":[{{\"role\":\"user\",\"content\":\"Hello\"}}]}}'\n"
            )
        );
    }

    #[test]
    fn cmd_quotes_in_its_own_way() {
        let text = |agent, key| snippet_for(Some(agent), Form::Shell(Shell::Cmd), key, Some("gpt-4o"));
        let no_proxy = "set \"NO_PROXY=corp.example,localhost,127.0.0.1\"\r\n";
        assert_eq!(
            text(Agent::OpenAi, r#"sk-a&b"c&d"e"#),
            format!(
                "set \"OPENAI_BASE_URL=http://127.0.0.1:4321/v1\"\r\n\
                 set \"OPENAI_API_KEY=sk-a&b\"c^&d\"e\"\r\n{no_proxy}"
            )
        );
        assert_eq!(
            text(Agent::Aider, "sk-1"),
            format!(
                "set \"OPENAI_API_BASE=http://127.0.0.1:4321/v1\"\r\nset \"OPENAI_API_KEY=sk-1\"\r\n{no_proxy}\
                 rem Start it with: aider --model \"openai/gpt-4o\"\r\n"
            )
        );
        assert_eq!(
            text(Agent::Cline, r#"sk-\"a&b"#),
            format!(
                "{no_proxy}cline auth -p openai -k \"sk-\\\\\\\"a^&b\" -m \"gpt-4o\" -b http://127.0.0.1:4321/v1\r\n"
            )
        );
        assert_eq!(
            text(Agent::Curl, "sk-(1)"),
            format!(
                "{no_proxy}curl http://127.0.0.1:4321/v1/chat/completions -H \"authorization: Bearer sk-(1)\" \
                 -H \"content-type: application/json\" -d \"{{\\\"model\\\":\\\"gpt-4o\\\",\\\"messages\\\":\
                 [{{\\\"role\\\":\\\"user\\\",\\\"content\\\":\\\"Hello\\\"}}]}}\"\r\n"
            )
        );
        let key = LocalKey::new("sk-100%".to_owned()).unwrap();
        let setup = Setup {
            port: 1,
            key: &key,
            model: None,
            no_proxy: None,
        };
        for agent in [None, Some(Agent::Cline), Some(Agent::Curl)] {
            assert!(matches!(
                snippet(agent, Form::Shell(Shell::Cmd), &setup),
                Err(Error::LocalKeyUnquotable)
            ));
        }
    }

    #[test]
    fn each_agent_gets_its_own_variables() {
        let names = |agent, model| -> Vec<String> {
            snippet_for(agent, Form::Shell(Shell::Bash), "k", model)
                .lines()
                .filter_map(|line| line.strip_prefix("export "))
                .map(|line| line.split('=').next().unwrap().to_owned())
                .collect()
        };
        assert_eq!(
            names(Some(Agent::ClaudeCode), None),
            [
                "ANTHROPIC_BASE_URL",
                "ANTHROPIC_AUTH_TOKEN",
                "CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY",
                "no_proxy",
                "NO_PROXY"
            ]
        );
        assert_eq!(
            names(Some(Agent::Anthropic), None),
            ["ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY", "no_proxy", "NO_PROXY"]
        );
        assert_eq!(
            names(Some(Agent::OpenAi), None),
            ["OPENAI_BASE_URL", "OPENAI_API_KEY", "no_proxy", "NO_PROXY"]
        );
        assert_eq!(
            names(Some(Agent::CopilotCli), None),
            [
                "COPILOT_PROVIDER_BASE_URL",
                "COPILOT_PROVIDER_API_KEY",
                "COPILOT_MODEL",
                "COPILOT_OFFLINE",
                "no_proxy",
                "NO_PROXY"
            ]
        );
        // Beside the token of Claude Code, which the SDKs read too, ANTHROPIC_API_KEY would only be warned of.
        assert_eq!(names(None, None).len(), 9);
        let selected = Some("anthropic--claude-4.5-sonnet");
        let text = snippet_for(Some(Agent::ClaudeCode), Form::Shell(Shell::Bash), "k", selected);
        assert!(
            text.contains("export ANTHROPIC_MODEL='claude-sonnet-4-5'\n"),
            "{text}"
        );
    }

    #[test]
    fn loopback_is_added_once() {
        assert_eq!(with_loopback(""), "127.0.0.1,localhost");
        assert_eq!(with_loopback("a, ,localhost,b"), "a,localhost,b,127.0.0.1");
        assert_eq!(with_loopback("127.0.0.1,localhost"), "127.0.0.1,localhost");
    }
}
