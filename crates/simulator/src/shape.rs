//! What a request body may look like, written down as data and checked strictly.
//!
//! A [`Shape`] reads like the schema it stands for: closed objects, lists with a least length, enums, numbers
//! with bounds. [`check`] says where a value differs first; each dialect words the [`Misfit`] as its service
//! does. Nothing is coerced: `null` is no string, `1.0` is no integer, and a key given twice is refused by
//! [`crate::json::parse`] before any shape is looked at.

use std::fmt;

use serde_json::{Map, Value};

/// What one JSON value may be.
pub(crate) enum Shape {
    /// Any value, `null` included.
    Anything,
    /// Any string.
    Text,
    /// A string of at least one character.
    FilledText,
    /// A string of at most so many characters.
    ShortText { longest: usize },
    /// A string of 1 to `longest` letters, digits, `-` and `_`.
    Name { longest: usize },
    /// One of these strings.
    OneOf(&'static [&'static str]),
    /// `true` or `false`.
    Boolean,
    /// An integer within the bounds, both included.
    Integer { least: i64, most: i64 },
    /// One of these integers.
    OneOfIntegers(&'static [i64]),
    /// A number within the bounds, both included.
    Number { least: f64, most: f64 },
    /// A list of values of one shape.
    List {
        of: &'static Shape,
        least: usize,
        most: usize,
    },
    /// An object with any keys whose values have one shape.
    Map(&'static Shape),
    /// An object with known keys.
    Object(Fields),
    /// An object whose form is named by a member; without the member it is of the `default` form.
    Tagged {
        key: &'static str,
        forms: &'static [(&'static str, &'static Shape)],
        default: Option<&'static str>,
    },
    /// Exactly one of the shapes fits (JSON Schema's `oneOf`).
    Either(&'static [&'static Shape]),
    /// `null` or the shape.
    OrNull(&'static Shape),
}

/// The keys of an object.
pub(crate) struct Fields {
    /// The keys with a meaning.
    pub(crate) known: &'static [Field],
    /// Whether other keys are let through.
    pub(crate) open: bool,
    /// How many keys there must be at least.
    pub(crate) least: usize,
    /// How many keys there may be at most.
    pub(crate) most: usize,
}

/// One key of an object.
pub(crate) struct Field {
    name: &'static str,
    shape: &'static Shape,
    required: bool,
}

/// A key that must be there.
pub(crate) const fn must(name: &'static str, shape: &'static Shape) -> Field {
    Field {
        name,
        shape,
        required: true,
    }
}

/// A key that may be there.
pub(crate) const fn may(name: &'static str, shape: &'static Shape) -> Field {
    Field {
        name,
        shape,
        required: false,
    }
}

/// An object that takes no other keys.
pub(crate) const fn closed(known: &'static [Field]) -> Shape {
    Shape::Object(Fields {
        known,
        open: false,
        least: 0,
        most: usize::MAX,
    })
}

/// An object that takes other keys too.
pub(crate) const fn open(known: &'static [Field]) -> Shape {
    Shape::Object(Fields {
        known,
        open: true,
        least: 0,
        most: usize::MAX,
    })
}

/// An object whose form is named by its `type`.
pub(crate) const fn typed(forms: &'static [(&'static str, &'static Shape)]) -> Shape {
    Shape::Tagged {
        key: "type",
        forms,
        default: None,
    }
}

/// A list of any length.
pub(crate) const fn list(of: &'static Shape) -> Shape {
    Shape::List {
        of,
        least: 0,
        most: usize::MAX,
    }
}

/// A list with at least one item.
pub(crate) const fn filled(of: &'static Shape) -> Shape {
    Shape::List {
        of,
        least: 1,
        most: usize::MAX,
    }
}

/// Where a value differs from its shape, and how.
#[derive(Debug)]
pub(crate) struct Misfit {
    /// From the root to the value; the innermost step is last.
    pub(crate) path: Vec<Step>,
    /// What is wrong there.
    pub(crate) problem: Problem,
}

/// One step into a value.
#[derive(Debug)]
pub(crate) enum Step {
    /// Into a member.
    Key(String),
    /// Into an item.
    Index(usize),
    /// Into a named form of [`Shape::Tagged`]: not a step in the JSON, but Anthropic's errors name it.
    Form(&'static str),
}

/// What is wrong with a value.
#[derive(Debug)]
pub(crate) enum Problem {
    /// A required key is missing.
    Missing(&'static str),
    /// A key nobody knows.
    Unknown(String),
    /// Another type; `expected` is JSON Schema's word for it.
    Type { expected: &'static str, found: Value },
    /// Not one of the allowed strings or integers.
    NotOneOf { allowed: Vec<String>, found: Value },
    /// The member that names the form holds an unknown name.
    UnknownForm {
        key: &'static str,
        allowed: Vec<&'static str>,
        found: String,
    },
    /// Too few items or keys.
    TooFew { found: Value, least: usize },
    /// Too many items, keys or characters.
    TooMany { most: usize },
    /// A number below its bound.
    TooSmall { found: Value, least: String },
    /// A number above its bound.
    TooLarge { found: Value, most: String },
    /// A name with other characters, empty or too long.
    BadName { found: String, longest: usize },
    /// More than one of the forms fits.
    Ambiguous,
}

impl Misfit {
    fn here(problem: Problem) -> Self {
        Self {
            path: Vec::new(),
            problem,
        }
    }

    /// The path in JSON with dots between its steps, `more` behind them where it is not empty.
    pub(crate) fn dotted(&self, more: &str) -> String {
        let steps = self.path.iter().filter_map(|step| match step {
            Step::Key(key) => Some(key.clone()),
            Step::Index(index) => Some(index.to_string()),
            Step::Form(_) => None,
        });
        let more = Some(more.to_owned()).filter(|more| !more.is_empty());
        steps.chain(more).collect::<Vec<_>>().join(".")
    }

    fn within(mut self, step: Step) -> Self {
        self.path.insert(0, step);
        self
    }
}

/// Whether `value` has `shape`; the first difference otherwise.
pub(crate) fn check(shape: &Shape, value: &Value) -> Result<(), Misfit> {
    let wrong = |expected| {
        Err(Misfit::here(Problem::Type {
            expected,
            found: value.clone(),
        }))
    };
    match shape {
        Shape::Anything => Ok(()),
        Shape::Text => value.as_str().map_or_else(|| wrong("string"), |_| Ok(())),
        Shape::FilledText => match value.as_str() {
            None => wrong("string"),
            Some("") => Err(Misfit::here(Problem::TooFew {
                found: value.clone(),
                least: 1,
            })),
            Some(_) => Ok(()),
        },
        Shape::ShortText { longest } => match value.as_str() {
            None => wrong("string"),
            Some(text) if text.chars().count() <= *longest => Ok(()),
            Some(_) => Err(Misfit::here(Problem::TooMany { most: *longest })),
        },
        Shape::Name { longest } => match value.as_str() {
            None => wrong("string"),
            Some(text) if is_name(text, *longest) => Ok(()),
            Some(text) => Err(Misfit::here(Problem::BadName {
                found: text.to_owned(),
                longest: *longest,
            })),
        },
        Shape::OneOf(allowed) => match value.as_str() {
            None => wrong("string"),
            Some(text) if allowed.contains(&text) => Ok(()),
            Some(_) => Err(Misfit::here(Problem::NotOneOf {
                allowed: allowed.iter().map(|&text| text.to_owned()).collect(),
                found: value.clone(),
            })),
        },
        Shape::Boolean => value.as_bool().map_or_else(|| wrong("boolean"), |_| Ok(())),
        Shape::Integer { least, most } => match value.as_i64() {
            None => wrong("integer"),
            Some(number) => bounded(value, number < *least, number > *most, least, most),
        },
        Shape::OneOfIntegers(allowed) => match value.as_i64() {
            None => wrong("integer"),
            Some(number) if allowed.contains(&number) => Ok(()),
            Some(_) => Err(Misfit::here(Problem::NotOneOf {
                allowed: allowed.iter().map(ToString::to_string).collect(),
                found: value.clone(),
            })),
        },
        Shape::Number { least, most } => match value.as_f64() {
            None => wrong("number"),
            Some(number) => bounded(value, number < *least, number > *most, least, most),
        },
        Shape::List { of, least, most } => match value {
            Value::Array(items) => check_list(of, *least, *most, value, items),
            _ => wrong("array"),
        },
        Shape::Map(of) => match value {
            Value::Object(members) => members.iter().try_for_each(|(key, member)| {
                check(of, member).map_err(|misfit| misfit.within(Step::Key(key.clone())))
            }),
            _ => wrong("object"),
        },
        Shape::Object(fields) => match value {
            Value::Object(members) => check_members(fields, value, members),
            _ => wrong("object"),
        },
        Shape::Tagged { key, forms, default } => match value {
            Value::Object(members) => check_form(key, forms, *default, value, members),
            _ => wrong("object"),
        },
        Shape::Either(shapes) => check_either(shapes, value),
        Shape::OrNull(shape) => {
            if value.is_null() {
                Ok(())
            } else {
                check(shape, value)
            }
        }
    }
}

/// Whether a text is a name of 1 to `longest` letters, digits, `-` and `_`.
pub(crate) fn is_name(text: &str, longest: usize) -> bool {
    !text.is_empty()
        && text.len() <= longest
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn bounded(
    value: &Value,
    small: bool,
    large: bool,
    least: &dyn fmt::Display,
    most: &dyn fmt::Display,
) -> Result<(), Misfit> {
    if small {
        Err(Misfit::here(Problem::TooSmall {
            found: value.clone(),
            least: least.to_string(),
        }))
    } else if large {
        Err(Misfit::here(Problem::TooLarge {
            found: value.clone(),
            most: most.to_string(),
        }))
    } else {
        Ok(())
    }
}

fn check_list(of: &Shape, least: usize, most: usize, value: &Value, items: &[Value]) -> Result<(), Misfit> {
    if items.len() < least {
        return Err(Misfit::here(Problem::TooFew {
            found: value.clone(),
            least,
        }));
    }
    if items.len() > most {
        return Err(Misfit::here(Problem::TooMany { most }));
    }
    items
        .iter()
        .enumerate()
        .try_for_each(|(index, item)| check(of, item).map_err(|misfit| misfit.within(Step::Index(index))))
}

fn check_members(fields: &Fields, value: &Value, members: &Map<String, Value>) -> Result<(), Misfit> {
    for field in fields.known {
        match members.get(field.name) {
            Some(member) => check(field.shape, member)
                .map_err(|misfit| misfit.within(Step::Key(field.name.to_owned())))?,
            None if field.required => return Err(Misfit::here(Problem::Missing(field.name))),
            None => {}
        }
    }
    let unknown = members
        .keys()
        .find(|key| fields.known.iter().all(|field| field.name != key.as_str()));
    if let (false, Some(key)) = (fields.open, unknown) {
        return Err(Misfit::here(Problem::Unknown(key.clone())));
    }
    if members.len() < fields.least {
        return Err(Misfit::here(Problem::TooFew {
            found: value.clone(),
            least: fields.least,
        }));
    }
    if members.len() > fields.most {
        return Err(Misfit::here(Problem::TooMany { most: fields.most }));
    }
    Ok(())
}

fn check_form(
    key: &'static str,
    forms: &'static [(&'static str, &'static Shape)],
    default: Option<&'static str>,
    value: &Value,
    members: &Map<String, Value>,
) -> Result<(), Misfit> {
    let name = match (members.get(key), default) {
        (None, None) => return Err(Misfit::here(Problem::Missing(key))),
        (None, Some(name)) => name,
        (Some(Value::String(name)), _) => name,
        (Some(other), _) => {
            let wrong = Misfit::here(Problem::Type {
                expected: "string",
                found: other.clone(),
            });
            return Err(wrong.within(Step::Key(key.to_owned())));
        }
    };
    match forms.iter().find(|(form, _)| *form == name) {
        Some((form, shape)) => check(shape, value).map_err(|misfit| misfit.within(Step::Form(form))),
        None => Err(Misfit::here(Problem::UnknownForm {
            key,
            allowed: forms.iter().map(|(form, _)| *form).collect(),
            found: name.to_owned(),
        })),
    }
}

/// When no shape fits, the one that got deepest tells what is wrong: it is the one that was meant.
fn check_either(shapes: &[&'static Shape], value: &Value) -> Result<(), Misfit> {
    let mut fits = 0;
    let mut deepest: Option<Misfit> = None;
    for shape in shapes {
        match check(shape, value) {
            Ok(()) => fits += 1,
            Err(misfit)
                if deepest
                    .as_ref()
                    .is_none_or(|best| telling(&misfit) > telling(best)) =>
            {
                deepest = Some(misfit);
            }
            Err(_) => {}
        }
    }
    match (fits, deepest) {
        (1, _) => Ok(()),
        (0, Some(misfit)) => Err(misfit),
        _ => Err(Misfit::here(Problem::Ambiguous)),
    }
}

/// How much a difference says about which form was meant: depth first; a wrong type says less than a missing
/// key, and another name of the form says least.
fn telling(misfit: &Misfit) -> (usize, bool) {
    let names_form = matches!(misfit.path.last(), Some(Step::Key(key)) if ["role", "type", "method"].contains(&key.as_str()));
    let depth = misfit.path.len();
    match misfit.problem {
        Problem::NotOneOf { .. } if names_form => (depth.saturating_sub(2), false),
        Problem::Type { .. } => (depth, false),
        _ => (depth, true),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_is_coerced() {
        static SHAPE: Shape = closed(&[may("n", &Shape::Integer { least: 1, most: 5 })]);
        assert!(check(&SHAPE, &json!({"n": 5})).is_ok());
        for wrong in [
            json!({"n": 6}),
            json!({"n": 1.0}),
            json!({"n": null}),
            json!({"m": 1}),
            json!([]),
        ] {
            assert!(check(&SHAPE, &wrong).is_err(), "{wrong}");
        }
    }
}
