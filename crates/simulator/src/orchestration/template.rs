//! Templating (sap-wire.md §4.2): placeholders in the template get their values, and whatever else looks like
//! Jinja is refused, because nobody knows what the service makes of it.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// A templating error: the message and the location that the service gives.
pub(super) struct TemplateError {
    /// What is wrong.
    pub(super) message: String,
    /// Which module says so.
    pub(super) location: &'static str,
}

/// The template's messages with every placeholder filled.
///
/// `elsewhere` are placeholders that another module fills or reads. Values are put in as they are: they are not
/// looked at for placeholders again.
pub(super) fn render(
    template: &[Value],
    values: &Map<String, Value>,
    defaults: &Map<String, Value>,
    elsewhere: &BTreeSet<&str>,
) -> Result<Vec<Value>, TemplateError> {
    let mut rendering = Rendering {
        values,
        defaults,
        elsewhere,
        used: BTreeSet::new(),
        missing: Vec::new(),
    };
    let messages: Vec<Value> = template
        .iter()
        .map(|message| rendering.value(message))
        .collect::<Result<_, _>>()?;
    if !rendering.missing.is_empty() {
        // The service calls placeholders without a value "unused parameters".
        return Err(parameters("Unused parameters", &rendering.missing));
    }
    let idle: Vec<String> = values
        .keys()
        .filter(|name| !rendering.used.contains(*name) && !elsewhere.contains(name.as_str()))
        .cloned()
        .collect();
    if !idle.is_empty() {
        return Err(parameters("Unknown parameters", &idle));
    }
    Ok(messages)
}

fn parameters(what: &str, names: &[String]) -> TemplateError {
    let names: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
    TemplateError {
        message: format!(
            "400 - Input Parameters: Error validating parameters. {what}: [{}].",
            names.join(", ")
        ),
        location: "Input Parameters",
    }
}

fn stray(delimiter: &str, text: &str) -> TemplateError {
    let around: String = text.chars().take(60).collect();
    TemplateError {
        message: format!(
            "400 - Templating Module: Error rendering the template: unexpected '{delimiter}' in '{around}'."
        ),
        location: "Templating Module",
    }
}

/// Refuses Jinja's delimiters in any string of `value`, keys included: in tools and response formats it is not
/// known whether they are templated.
pub(super) fn refuse_delimiters(value: &Value) -> Result<(), TemplateError> {
    match value {
        Value::String(text) => first_delimiter(text).map_or(Ok(()), |delimiter| Err(stray(delimiter, text))),
        Value::Array(items) => items.iter().try_for_each(refuse_delimiters),
        Value::Object(members) => members.iter().try_for_each(|(key, member)| {
            first_delimiter(key).map_or(Ok(()), |delimiter| Err(stray(delimiter, key)))?;
            refuse_delimiters(member)
        }),
        _ => Ok(()),
    }
}

fn first_delimiter(text: &str) -> Option<&'static str> {
    ["{{", "{%", "{#"]
        .into_iter()
        .find(|delimiter| text.contains(delimiter))
}

struct Rendering<'a> {
    values: &'a Map<String, Value>,
    defaults: &'a Map<String, Value>,
    elsewhere: &'a BTreeSet<&'a str>,
    used: BTreeSet<String>,
    missing: Vec<String>,
}

impl Rendering<'_> {
    fn value(&mut self, value: &Value) -> Result<Value, TemplateError> {
        Ok(match value {
            Value::String(text) => Value::String(self.text(text)?),
            Value::Array(items) => Value::Array(
                items
                    .iter()
                    .map(|item| self.value(item))
                    .collect::<Result<_, _>>()?,
            ),
            Value::Object(members) => Value::Object(
                members
                    .iter()
                    .map(|(key, member)| Ok((key.clone(), self.value(member)?)))
                    .collect::<Result<_, TemplateError>>()?,
            ),
            other => other.clone(),
        })
    }

    fn text(&mut self, text: &str) -> Result<String, TemplateError> {
        let mut rendered = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            if let Some(delimiter) = first_delimiter(before) {
                return Err(stray(delimiter, text));
            }
            rendered.push_str(before);
            let Some((name, behind)) = placeholder(after) else {
                return Err(stray("{{", text));
            };
            match self
                .values
                .get(name)
                .or_else(|| self.defaults.get(name))
                .and_then(Value::as_str)
            {
                Some(value) => rendered.push_str(value),
                None if self.elsewhere.contains(name) => rendered.push_str("(nothing was found)"),
                None => self.missing.push(name.to_owned()),
            }
            self.used.insert(name.to_owned());
            rest = behind;
        }
        if let Some(delimiter) = first_delimiter(rest) {
            return Err(stray(delimiter, text));
        }
        rendered.push_str(rest);
        Ok(rendered)
    }
}

/// The name in ` ?name }}`, and what is behind it.
fn placeholder(after: &str) -> Option<(&str, &str)> {
    let (inside, behind) = after.split_once("}}")?;
    let name = inside.trim().strip_prefix('?')?.trim();
    let plain = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-');
    (!name.is_empty() && name.chars().all(plain)).then_some((name, behind))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rendered(template: &Value, values: &Value) -> Result<Value, String> {
        let defaults = json!({"d": "default"});
        render(
            template.as_array().unwrap(),
            values.as_object().unwrap(),
            defaults.as_object().unwrap(),
            &BTreeSet::new(),
        )
        .map(Value::Array)
        .map_err(|error| error.message)
    }

    #[test]
    fn placeholders_get_their_values_word_for_word() {
        let template = json!([{"role": "tool", "content": [{"text": "{{?a}} {{ ?d }}{{?a}}"}]}]);
        assert_eq!(
            rendered(&template, &json!({"a": "{{?x}} {% raw %}"})),
            Ok(json!([{"role": "tool", "content": [{"text": "{{?x}} {% raw %} default{{?x}} {% raw %}"}]}]))
        );
    }

    #[test]
    fn a_placeholder_needs_a_value_and_a_value_a_placeholder() {
        let error = rendered(&json!([{"content": "{{?x}}"}]), &json!({})).unwrap_err();
        assert_eq!(
            error,
            "400 - Input Parameters: Error validating parameters. Unused parameters: ['x']."
        );
        let error = rendered(&json!([{"content": "x"}]), &json!({"y": "1"})).unwrap_err();
        assert_eq!(
            error,
            "400 - Input Parameters: Error validating parameters. Unknown parameters: ['y']."
        );
    }

    #[test]
    fn other_delimiters_are_refused() {
        for text in ["{{ name }}", "{% if %}", "a{#b", "{{?a b}}", "{{", "{{'{{?x}}'}}"] {
            assert!(
                rendered(&json!([{"content": text}]), &json!({})).is_err(),
                "{text}"
            );
        }
        assert!(rendered(&json!([{"content": "{ {?x}} }} %} { # "}]), &json!({})).is_ok());
        assert!(refuse_delimiters(&json!({"a": [{"{{": 1}]})).is_err());
    }
}
