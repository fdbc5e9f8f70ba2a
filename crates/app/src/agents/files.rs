//! What stands in an agent's own file.

use std::fmt::Write as _;

use super::{Agent, KEY_VARIABLE, Setup, variables};

/// The content that makes an agent use Coretap, or none if it has no such file.
pub(super) fn text(agent: Agent, setup: &Setup<'_>) -> Option<String> {
    match agent {
        Agent::ClaudeCode => Some(claude_code(setup)),
        Agent::Codex => Some(codex(setup)),
        // The address and the key are variables only; the file keeps the agent from asking for a way to sign in.
        Agent::GeminiCli => Some(sign_in("gemini-api-key")),
        Agent::QwenCode => Some(sign_in("openai")),
        Agent::Cline => Some(cline(setup)),
        Agent::KiloCode | Agent::Opencode => Some(opencode(setup)),
        Agent::Continue => Some(continue_(setup)),
        Agent::CopilotCli | Agent::Aider | Agent::OpenAi | Agent::Anthropic | Agent::Curl => None,
    }
}

/// The variables, which Claude Code also takes from its settings.
fn claude_code(setup: &Setup<'_>) -> String {
    let variables: Vec<String> = variables::of(Some(Agent::ClaudeCode), setup)
        .iter()
        .map(|(name, value)| format!("    \"{name}\": {}", quoted(value)))
        .collect();
    format!("{{\n  \"env\": {{\n{}\n  }}\n}}\n", variables.join(",\n"))
}

fn codex(setup: &Setup<'_>) -> String {
    format!(
        "\
# The key is not in this file: Codex takes it from the variable {KEY_VARIABLE}.
# These two lines belong above every [table] of the file.
model = {model}
model_provider = \"coretap\"

[model_providers.coretap]
name = \"Coretap\"
base_url = \"{base}\"
env_key = \"{KEY_VARIABLE}\"
wire_api = \"responses\"
",
        model = quoted(&setup.model()),
        base = setup.openai_base(),
    )
}

fn sign_in(way: &str) -> String {
    format!(
        r#"{{
  "security": {{
    "auth": {{ "selectedType": "{way}" }}
  }}
}}
"#
    )
}

/// What `cline auth -p openai` writes. Cline throws the file away when a provider's `updatedAt` is missing; it only notes
/// there when it wrote, so any time does.
fn cline(setup: &Setup<'_>) -> String {
    format!(
        r#"{{
  "version": 1,
  "lastUsedProvider": "openai-compatible",
  "providers": {{
    "openai-compatible": {{
      "settings": {{
        "provider": "openai-compatible",
        "apiKey": {key},
        "model": {model},
        "baseUrl": "{base}"
      }},
      "updatedAt": "2026-01-01T00:00:00.000Z"
    }}
  }}
}}
"#,
        key = quoted(setup.key.expose()),
        model = quoted(&setup.model()),
        base = setup.openai_base(),
    )
}

/// opencode's file, which Kilo Code reads too. The small model writes titles; unset it may be another provider's.
fn opencode(setup: &Setup<'_>) -> String {
    let model = setup.model();
    format!(
        r#"{{
  "model": {path},
  "small_model": {path},
  "provider": {{
    "coretap": {{
      "npm": "@ai-sdk/openai-compatible",
      "name": "Coretap",
      "options": {{
        "baseURL": "{base}",
        "apiKey": {key}
      }},
      "models": {{
        {model}: {{ "name": {model} }}
      }}
    }}
  }}
}}
"#,
        key = quoted(setup.key.expose()),
        path = quoted(&format!("coretap/{model}")),
        model = quoted(&model),
        base = setup.openai_base(),
    )
}

fn continue_(setup: &Setup<'_>) -> String {
    format!(
        "\
name: Coretap
version: 1.0.0
schema: v1
models:
  - name: {model}
    provider: openai
    model: {model}
    apiBase: \"{base}\"
    apiKey: {key}
    roles: [chat, edit, apply]
",
        key = quoted(setup.key.expose()),
        model = quoted(&setup.model()),
        base = setup.openai_base(),
    )
}

/// The text as a string of JSON, which is also a basic string of TOML and a double-quoted one of YAML.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            // Control characters all lie below U+00A0, so that four digits do.
            _ if character.is_control() => {
                // Writing into a String can't fail.
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            _ => out.push(character),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::Form;
    use super::super::tests::{KEY, MODEL, snippet_for};
    use super::*;

    fn file(agent: Agent, model: Option<&str>) -> Value {
        let text = snippet_for(Some(agent), Form::File, KEY, model);
        match agent {
            Agent::Codex => toml::from_str(&text).unwrap(),
            Agent::Continue => serde_yaml_ng::from_str(&text).unwrap(),
            _ => serde_json::from_str(&text).unwrap(),
        }
    }

    #[test]
    fn every_file_gives_back_the_key_and_the_model() {
        assert_eq!(
            file(Agent::ClaudeCode, Some(MODEL)),
            json!({"env": {
                "ANTHROPIC_BASE_URL": "http://127.0.0.1:4321",
                "ANTHROPIC_AUTH_TOKEN": KEY,
                "CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY": "1",
                "ANTHROPIC_MODEL": MODEL,
            }})
        );
        assert_eq!(
            file(Agent::Codex, Some(MODEL)),
            json!({
                "model": MODEL,
                "model_provider": "coretap",
                "model_providers": {"coretap": {
                    "name": "Coretap",
                    "base_url": "http://127.0.0.1:4321/v1",
                    "env_key": "CORETAP_API_KEY",
                    "wire_api": "responses",
                }},
            })
        );
        assert_eq!(
            file(Agent::Cline, Some(MODEL)),
            json!({
                "version": 1,
                "lastUsedProvider": "openai-compatible",
                "providers": {"openai-compatible": {
                    "settings": {
                        "provider": "openai-compatible",
                        "apiKey": KEY,
                        "model": MODEL,
                        "baseUrl": "http://127.0.0.1:4321/v1",
                    },
                    "updatedAt": "2026-01-01T00:00:00.000Z",
                }},
            })
        );
        assert_eq!(
            file(Agent::Continue, Some(MODEL))["models"],
            json!([{
                "name": MODEL,
                "provider": "openai",
                "model": MODEL,
                "apiBase": "http://127.0.0.1:4321/v1",
                "apiKey": KEY,
                "roles": ["chat", "edit", "apply"],
            }])
        );
        for (agent, way) in [(Agent::GeminiCli, "gemini-api-key"), (Agent::QwenCode, "openai")] {
            assert_eq!(
                file(agent, Some(MODEL)),
                json!({"security": {"auth": {"selectedType": way}}})
            );
        }
    }

    #[test]
    fn opencode_and_kilo_code_find_everything_in_their_file() {
        let path = format!("coretap/{MODEL}");
        for agent in [Agent::Opencode, Agent::KiloCode] {
            assert_eq!(
                file(agent, Some(MODEL)),
                json!({
                    "model": path,
                    "small_model": path,
                    "provider": {"coretap": {
                        "npm": "@ai-sdk/openai-compatible",
                        "name": "Coretap",
                        "options": {"baseURL": "http://127.0.0.1:4321/v1", "apiKey": KEY},
                        "models": {MODEL: {"name": MODEL}},
                    }},
                })
            );
            assert_eq!(agent.forms().first(), Some(&Form::File));
        }
    }

    #[test]
    fn without_a_selected_model_files_name_a_usual_one() {
        assert_eq!(file(Agent::Codex, None)["model"], "anthropic--claude-4.5-sonnet");
        assert_eq!(
            file(Agent::Continue, None)["models"][0]["model"],
            "anthropic--claude-4.5-sonnet"
        );
        // Claude Code chooses for itself unless a model is selected.
        assert_eq!(file(Agent::ClaudeCode, None)["env"].get("ANTHROPIC_MODEL"), None);
    }

    #[test]
    fn one_quoting_serves_all_three_formats() {
        let text = "\" \\ \n \t \u{0} \u{7f} \u{85} ä \u{1f600} ' $ # {{ ${{ %";
        let quoted = quoted(text);
        assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), text);
        assert_eq!(serde_yaml_ng::from_str::<String>(&quoted).unwrap(), text);
        let table: toml::Table = toml::from_str(&format!("key = {quoted}")).unwrap();
        assert_eq!(table["key"].as_str(), Some(text));
    }
}
