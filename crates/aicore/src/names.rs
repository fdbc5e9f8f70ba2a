//! The names of models, both ways: what an agent asks for, and what SAP calls it (sap-wire.md §5).

use crate::route::executable_by_name;

/// SAP's names that a connection can reach.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Known<'a> {
    /// All of them: a name that isn't among them does not exist.
    All(&'a [&'a str]),
    /// The list could not be had: a name that looks right is taken at its word.
    Unavailable,
}

/// What an asked name means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Resolution {
    /// SAP's name.
    pub(crate) model: String,
    /// The agent asked for the long context window, by Claude Code's suffix `[1m]`.
    pub(crate) long_context: bool,
}

/// Finds the model that an agent means: SAP's exact name, a name derived from the vendor's, otherwise the selected
/// model (which may be spelled in any of these ways). `None` if nothing fits.
pub(crate) fn resolve(asked: &str, known: Known<'_>, selected: Option<&str>) -> Option<Resolution> {
    let (name, long_context) = strip(asked);
    if let Some(model) = find(name, known) {
        return Some(Resolution { model, long_context });
    }
    let (name, selected_long) = strip(selected?);
    find(name, known).map(|model| Resolution {
        model,
        long_context: long_context || selected_long,
    })
}

/// SAP's name that an asked name most likely means, whether or not it exists.
pub(crate) fn likely(asked: &str) -> String {
    let (name, _) = strip(asked);
    derive(&name.to_ascii_lowercase()).unwrap_or_else(|| name.to_owned())
}

/// The name by which agents know one of SAP's models: `anthropic--claude-4.5-sonnet` → `claude-sonnet-4-5`,
/// `anthropic--claude-3.7-sonnet` → `claude-3-7-sonnet`. `None` if it is the same name, or agents have none.
pub fn agent_alias(sap_name: &str) -> Option<String> {
    let claude = sap_name.strip_prefix("anthropic--claude-")?;
    let (version, tier) = claude.split_once('-')?;
    let dashed = version.replace('.', "-");
    if !dashed.split('-').all(is_number)
        || tier.is_empty()
        || !tier.bytes().all(|byte| byte.is_ascii_alphabetic())
    {
        return None;
    }
    // Anthropic turned the order round with version 4.
    if dashed.starts_with('3') {
        Some(format!("claude-{dashed}-{tier}"))
    } else {
        Some(format!("claude-{tier}-{dashed}"))
    }
}

/// Prefixes by which other tools say where a model is reached, and `[1m]`, say where and how, not which model.
pub(crate) fn strip(asked: &str) -> (&str, bool) {
    const PREFIXES: [&str; 3] = ["sap", "anthropic", "openai"];
    let asked = asked.trim();
    let asked = match asked.split_once('/') {
        Some((prefix, rest)) if PREFIXES.iter().any(|known| prefix.eq_ignore_ascii_case(known)) => rest,
        _ => asked,
    };
    match asked
        .len()
        .checked_sub(4)
        .and_then(|at| asked.split_at_checked(at))
    {
        Some((name, suffix)) if suffix.eq_ignore_ascii_case("[1m]") => (name.trim_end(), true),
        _ => (asked, false),
    }
}

fn find(name: &str, known: Known<'_>) -> Option<String> {
    match known {
        Known::All(known) => {
            let spelled = |name: &str| {
                known
                    .iter()
                    .find(|known| known.eq_ignore_ascii_case(name))
                    .map(|&s| s.to_owned())
            };
            spelled(name).or_else(|| spelled(&derive(&name.to_ascii_lowercase())?))
        }
        Known::Unavailable => {
            let name = name.to_ascii_lowercase();
            let derived = derive(&name).filter(|derived| is_like_sap(derived));
            derived.or_else(|| is_like_sap(&name).then_some(name))
        }
    }
}

/// Whether a name (in lower case) is one that SAP would give.
fn is_like_sap(name: &str) -> bool {
    let known_beginning = name.contains("--")
        || name.starts_with("qwen")
        || name.starts_with("sap-")
        || executable_by_name(name).is_some();
    known_beginning
        && name.len() <= 100
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
}

/// Turns a vendor's name, in lower case, into SAP's. `None` if it is no such name, or would stay as it is.
fn derive(name: &str) -> Option<String> {
    let derived = if let Some(claude) = name
        .strip_prefix("anthropic--")
        .unwrap_or(name)
        .strip_prefix("claude-")
    {
        derive_claude(claude)?
    } else if let Some(gemini) = name
        .strip_prefix("models/")
        .unwrap_or(name)
        .strip_prefix("gemini-")
    {
        derive_gemini(gemini)
    } else {
        derive_openai(name)?
    };
    (derived != name).then_some(derived)
}

/// Both orders, with points or dashes, dated or `latest`: `sonnet-4-5-20250929`, `3-7-sonnet-latest`, `opus-4.8`.
fn derive_claude(name: &str) -> Option<String> {
    let name = name.strip_suffix("-latest").unwrap_or(name);
    let (mut tier, mut version) = (None, Vec::new());
    for part in name.split(['-', '.']) {
        if is_number(part) {
            // Eight digits are the day of the release.
            if part.len() < 8 {
                version.push(part);
            }
        } else if tier.replace(part).is_some() || !part.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return None;
        }
    }
    let tier = tier.filter(|tier| !tier.is_empty())?;
    match version.as_slice() {
        // Anthropic writes claude-opus-4-0 for what SAP calls anthropic--claude-4-opus.
        [major] | [major, "0"] => Some(format!("anthropic--claude-{major}-{tier}")),
        [major, minor] => Some(format!("anthropic--claude-{major}.{minor}-{tier}")),
        _ => None,
    }
}

/// `gemini-2.5-pro-preview-05-06`, `gemini-2.0-flash-001`, `gemini-2.5-pro-latest`.
fn derive_gemini(name: &str) -> String {
    let name = match name.split_once("-preview-") {
        // A preview by its day; SAP's own previews end in letters.
        Some((stable, day)) if day.split('-').all(is_number) => stable,
        _ => name,
    };
    let name = name.strip_suffix("-latest").unwrap_or(name);
    let name = match name.rsplit_once('-') {
        Some((stable, revision)) if revision.len() == 3 && is_number(revision) => stable,
        _ => name,
    };
    format!("gemini-{name}")
}

/// `gpt-4o-2024-08-06`, `gpt-3.5-turbo`. A dated name of anything else is without its date, too.
fn derive_openai(name: &str) -> Option<String> {
    let undated = match name
        .len()
        .checked_sub(11)
        .and_then(|at| name.split_at_checked(at))
    {
        Some((name, date)) if is_date(date) => name,
        _ => name.strip_suffix("-latest").unwrap_or(name),
    };
    let name = match undated.strip_prefix("gpt-3.5") {
        Some(rest) => format!("gpt-35{rest}"),
        None => undated.to_owned(),
    };
    is_like_sap(&name).then_some(name)
}

/// `-2024-08-06`
fn is_date(text: &str) -> bool {
    let mut parts = text.split('-');
    parts.next() == Some("")
        && [4, 2, 2].iter().all(|&digits| {
            parts
                .next()
                .is_some_and(|part| part.len() == digits && is_number(part))
        })
        && parts.next().is_none()
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &[
        "anthropic--claude-3-opus",
        "anthropic--claude-3-haiku",
        "anthropic--claude-3.5-sonnet",
        "anthropic--claude-3.5-haiku",
        "anthropic--claude-3.7-sonnet",
        "anthropic--claude-4-sonnet",
        "anthropic--claude-4-opus",
        "anthropic--claude-4.5-sonnet",
        "anthropic--claude-4.5-haiku",
        "anthropic--claude-4.8-opus",
        "amazon--nova-pro",
        "gpt-35-turbo",
        "gpt-4",
        "gpt-4-0613",
        "gpt-4o",
        "gpt-4o-mini",
        "gpt-5",
        "o3-mini",
        "gemini-2.0-flash",
        "gemini-2.5-pro",
        "gemini-3.1-pro-preview-ea",
        "sonar-pro",
        "MyOwn-Model",
    ];

    /// (asked, SAP's name, long context)
    const TABLE: &[(&str, &str, bool)] = &[
        // SAP's own names
        (
            "anthropic--claude-4.5-sonnet",
            "anthropic--claude-4.5-sonnet",
            false,
        ),
        (
            "Anthropic--Claude-4.5-Sonnet",
            "anthropic--claude-4.5-sonnet",
            false,
        ),
        (
            "sap/anthropic--claude-4.5-sonnet",
            "anthropic--claude-4.5-sonnet",
            false,
        ),
        ("SAP/gpt-4o", "gpt-4o", false),
        // as other tools spell where a model comes from
        ("openai/gpt-4o", "gpt-4o", false),
        (
            "anthropic/claude-sonnet-4-5",
            "anthropic--claude-4.5-sonnet",
            false,
        ),
        (" gpt-4o ", "gpt-4o", false),
        ("gpt-4-0613", "gpt-4-0613", false),
        ("myown-model", "MyOwn-Model", false),
        ("gemini-3.1-pro-preview-ea", "gemini-3.1-pro-preview-ea", false),
        // the long context window
        ("claude-opus-4-8[1m]", "anthropic--claude-4.8-opus", true),
        (
            "sap/anthropic--claude-4.8-opus[1M]",
            "anthropic--claude-4.8-opus",
            true,
        ),
        // Anthropic's ids, both orders
        ("claude-sonnet-4-5", "anthropic--claude-4.5-sonnet", false),
        (
            "claude-sonnet-4-5-20250929",
            "anthropic--claude-4.5-sonnet",
            false,
        ),
        ("claude-sonnet-4-5-latest", "anthropic--claude-4.5-sonnet", false),
        ("claude-sonnet-4.5", "anthropic--claude-4.5-sonnet", false),
        ("CLAUDE-Sonnet-4.5", "anthropic--claude-4.5-sonnet", false),
        ("claude-4.5-sonnet", "anthropic--claude-4.5-sonnet", false),
        (
            "claude-4-5-sonnet-20250929",
            "anthropic--claude-4.5-sonnet",
            false,
        ),
        (
            "anthropic--claude-sonnet-4-5",
            "anthropic--claude-4.5-sonnet",
            false,
        ),
        ("claude-haiku-4-5-20251001", "anthropic--claude-4.5-haiku", false),
        ("claude-opus-4-8", "anthropic--claude-4.8-opus", false),
        ("claude-sonnet-4-20250514", "anthropic--claude-4-sonnet", false),
        ("claude-sonnet-4", "anthropic--claude-4-sonnet", false),
        ("claude-opus-4-0", "anthropic--claude-4-opus", false),
        ("claude-3-7-sonnet-latest", "anthropic--claude-3.7-sonnet", false),
        (
            "claude-3-7-sonnet-20250219",
            "anthropic--claude-3.7-sonnet",
            false,
        ),
        ("claude-3-5-haiku", "anthropic--claude-3.5-haiku", false),
        (
            "claude-3-5-sonnet-20241022",
            "anthropic--claude-3.5-sonnet",
            false,
        ),
        ("claude-3-opus-20240229", "anthropic--claude-3-opus", false),
        ("claude-3-haiku-20240307", "anthropic--claude-3-haiku", false),
        // OpenAI's and Google's
        ("gpt-4o-2024-08-06", "gpt-4o", false),
        ("gpt-4o-mini-2024-07-18", "gpt-4o-mini", false),
        ("gpt-5-2025-08-07", "gpt-5", false),
        ("o3-mini-2025-01-31", "o3-mini", false),
        ("gpt-3.5-turbo", "gpt-35-turbo", false),
        ("gemini-2.0-flash-001", "gemini-2.0-flash", false),
        ("models/gemini-2.5-pro", "gemini-2.5-pro", false),
        ("gemini-2.5-pro-preview-05-06", "gemini-2.5-pro", false),
        ("gemini-2.5-pro-latest", "gemini-2.5-pro", false),
    ];

    #[test]
    fn every_spelling_finds_its_model() {
        for (asked, model, long_context) in TABLE {
            let expected = Resolution {
                model: (*model).to_owned(),
                long_context: *long_context,
            };
            assert_eq!(resolve(asked, Known::All(KNOWN), None), Some(expected), "{asked}");
        }
    }

    #[test]
    fn a_name_that_does_not_exist_is_the_selected_model_or_nothing() {
        for asked in [
            "",
            "[1m]",
            "sap/",
            "claude",
            "claude-",
            "claude-sonnet",
            "claude-sonnet-9-9",
            "claude-sonnet-4-5-6",
            "claude-sonnet-4-5-fast",
            "claude-instant-1.2",
            "gpt-9",
            "gpt-4o-2024-08",
            "gemini-9",
            "anthropic--claude-9-opus",
            "my-sonnet",
            "💥[1m]💥",
        ] {
            assert_eq!(resolve(asked, Known::All(KNOWN), None), None, "{asked}");
            for selected in [
                "anthropic--claude-4.5-sonnet",
                "claude-sonnet-4-5",
                "sap/claude-sonnet-4.5",
            ] {
                let resolution = resolve(asked, Known::All(KNOWN), Some(selected)).unwrap();
                assert_eq!(
                    resolution.model, "anthropic--claude-4.5-sonnet",
                    "{asked} {selected}"
                );
            }
        }
        assert_eq!(
            resolve("x", Known::All(KNOWN), Some("y")),
            None,
            "a selected model must exist as well"
        );
        assert!(
            resolve("my-sonnet[1m]", Known::All(KNOWN), Some("gpt-4o"))
                .unwrap()
                .long_context
        );
        assert!(
            resolve("my-sonnet", Known::All(KNOWN), Some("claude-opus-4-8[1m]"))
                .unwrap()
                .long_context
        );
    }

    #[test]
    fn without_a_list_names_that_look_right_are_taken_at_their_word() {
        for (asked, model) in [
            ("anthropic--claude-9-opus", "anthropic--claude-9-opus"),
            ("amazon--nova-next", "amazon--nova-next"),
            ("gpt-9", "gpt-9"),
            ("gpt-9-2027-01-01", "gpt-9"),
            ("gemini-9-pro", "gemini-9-pro"),
            ("gemini-3.1-pro-preview-ea", "gemini-3.1-pro-preview-ea"),
            ("gemini-2.5-pro-preview-05-06", "gemini-2.5-pro"),
            ("qwen3-max", "qwen3-max"),
            ("sap-abap-1", "sap-abap-1"),
            ("claude-opus-9-1", "anthropic--claude-9.1-opus"),
        ] {
            assert_eq!(
                resolve(asked, Known::Unavailable, Some("gpt-4o")).unwrap().model,
                model,
                "{asked}"
            );
        }
        let long = format!("gpt-{}", "9".repeat(100));
        for asked in [
            "my-sonnet",
            "default",
            "claude",
            "gpt-9\r\nx: y",
            "gpt-9 \"",
            "gemini-x\nFORGED LINE-latest",
            "gemini-x\u{1b}[31m-latest",
            "models/gemini-x\r\ny: z",
            "gpt-9\n-2027-01-01",
            "claude-opus\n-9",
            "--é",
            &long,
        ] {
            assert_eq!(resolve(asked, Known::Unavailable, None), None, "{asked}");
            assert_eq!(
                resolve(asked, Known::Unavailable, Some("gpt-4o")).unwrap().model,
                "gpt-4o",
                "{asked}"
            );
        }
    }

    #[test]
    fn aliases_lead_back_to_their_model() {
        for (model, alias) in [
            ("anthropic--claude-4.5-sonnet", Some("claude-sonnet-4-5")),
            ("anthropic--claude-4.8-opus", Some("claude-opus-4-8")),
            ("anthropic--claude-4-sonnet", Some("claude-sonnet-4")),
            ("anthropic--claude-3.7-sonnet", Some("claude-3-7-sonnet")),
            ("anthropic--claude-3-opus", Some("claude-3-opus")),
            ("anthropic--claude-next", None),
            ("anthropic--claude-4.5-", None),
            ("anthropic--claude-", None),
            ("gpt-4o", None),
            ("amazon--nova-pro", None),
        ] {
            assert_eq!(agent_alias(model).as_deref(), alias, "{model}");
        }
        for model in KNOWN {
            if let Some(alias) = agent_alias(model) {
                assert_eq!(
                    resolve(&alias, Known::All(KNOWN), None).unwrap().model,
                    *model,
                    "{alias}"
                );
            }
        }
    }

    #[test]
    fn the_likely_name_is_the_one_to_deploy() {
        assert_eq!(likely("claude-sonnet-9-9[1m]"), "anthropic--claude-9.9-sonnet");
        assert_eq!(likely("sap/gpt-9-2027-01-01"), "gpt-9");
        assert_eq!(likely("My-Sonnet"), "My-Sonnet");
    }

    /// The names that are known of SAP's catalogue, from the shared facts.
    #[test]
    fn names_that_are_known_of_sap_lead_where_its_catalogue_says() {
        let shared = std::env::var("CORETAP_SHARED")
            .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared").to_owned());
        let Ok(json) = std::fs::read_to_string(format!("{shared}/spec/models-known.json")) else {
            eprintln!("SKIPPED names of SAP's catalogue: no spec/models-known.json in {shared}");
            return;
        };
        let table: serde_json::Value = serde_json::from_str(&json).unwrap();
        let models = table["models"].as_array().unwrap();
        assert!(models.len() > 50);
        for model in models {
            let name = model["name"].as_str().unwrap();
            let executable = model["executableId"].as_str();
            if let Some(guess) = executable_by_name(name) {
                assert_eq!(Some(guess), executable, "{name}");
            }
            let alias = agent_alias(name);
            assert_eq!(alias.is_some(), name.starts_with("anthropic--"), "{name}");
            for known in [Known::Unavailable, Known::All(&[name])] {
                let asked = [Some(name.to_owned()), Some(format!("sap/{name}")), alias.clone()];
                for asked in asked
                    .into_iter()
                    .flatten()
                    .filter(|_| matches!(known, Known::All(_)) || is_like_sap(name))
                {
                    assert_eq!(
                        resolve(&asked, known, None).map(|found| found.model).as_deref(),
                        Some(name)
                    );
                }
            }
        }
    }
}
