//! Schemas of tools that a vendor would refuse: lists that do not say of what (`array_items.rs`), and roots that are not simply
//! an object. Arguments are an object everywhere, and OpenAI and Claude refuse a
//! root that says it in any other way: "schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the
//! top level". MCP servers have such schemas all the same, so the root is written anew. So it is where an argument has a name
//! that the model refuses.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt::Write as _;

use crate::array_items;
use crate::conversation::{Conversation, Tool};
use crate::json::{Document, Object, Text, Value, around};
use crate::model_rules::ModelRules;

/// Words that stand for a whole schema, and so cannot stand beside the members of an object at the root.
const REFUSED: [&str; 7] = ["anyOf", "oneOf", "allOf", "enum", "const", "not", "$ref"];

/// Where schemas are kept that others refer to.
const DEFINITIONS: [&str; 2] = ["$defs", "definitions"];

/// How deep alternatives and references are followed, and how many of them: a schema may refer to itself.
const DEEPEST: usize = 8;
const MOST_VISITS: usize = 2000;

/// The argument that takes what is no object.
const ONLY_ARGUMENT: &str = "input";

/// A request whose tools have roots that every vendor takes.
pub(crate) struct Repaired {
    /// The request's body.
    pub(crate) body: String,
    /// The tools whose schemas say less than they did, in the words of what was left out.
    pub(crate) dropped: Vec<Cow<'static, str>>,
}

/// Writes the schemas anew that need it; nothing where none does.
pub(crate) fn repair(
    document: &Document<'_>,
    conversation: &Conversation<'_>,
    rules: &ModelRules,
) -> Option<Repaired> {
    let plain_names = wants_plain_names(rules);
    let body = document.root().get();
    let mut places = Vec::new();
    let mut dropped = Vec::new();
    for tool in &conversation.tools {
        let Some((root, text)) = repaired(tool, plain_names, &mut dropped) else {
            continue;
        };
        let (before, after) = around(body, root.literal())?;
        places.push((before.len(), body.len() - after.len(), text));
    }
    if places.is_empty() {
        return None;
    }
    places.sort_unstable_by_key(|(start, ..)| *start);
    let mut repaired = String::with_capacity(body.len() + 64);
    let mut copied = 0;
    for (start, end, text) in places {
        // The tools of an agent may share a definition.
        if let Some(between) = body.get(copied..start) {
            repaired.push_str(between);
            repaired.push_str(&text);
            copied = end;
        }
    }
    repaired.push_str(body.get(copied..).unwrap_or_default());
    Some(Repaired {
        body: repaired,
        dropped,
    })
}

/// Leaves out tools that nobody can call: they demand an argument whose name the model refuses.
pub(crate) fn drop_uncallable(conversation: &mut Conversation<'_>, rules: &ModelRules) {
    if !wants_plain_names(rules) {
        return;
    }
    for tool in &mut conversation.tools {
        let root = tool.schema.and_then(Value::object);
        if root.is_some_and(demands_odd_name) {
            // The model can call it no more than one that only a vendor runs.
            tool.vendor_type = Some(tool.name.clone());
        }
    }
}

fn wants_plain_names(rules: &ModelRules) -> bool {
    let others = rules.fallbacks.iter().map(|fallback| &fallback.rules);
    std::iter::once(rules)
        .chain(others)
        .any(|rules| rules.plain_property_names)
}

/// Whether Claude takes an argument of this name ("Property keys should match pattern '^[a-zA-Z0-9_.-]{1,64}$'").
fn is_plain_name(name: &Text<'_>) -> bool {
    const LONGEST: usize = 64;
    let name = name.escaped().as_bytes();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    (1..=LONGEST).contains(&name.len()) && name.iter().all(plain)
}

fn has_odd_name(root: Object<'_>) -> bool {
    let properties = root.get("properties").and_then(Value::object);
    properties
        .into_iter()
        .flat_map(Object::members)
        .any(|(name, _)| !is_plain_name(&name))
}

fn demands_odd_name(root: Object<'_>) -> bool {
    has_odd_name(root) && {
        let required = root.get("required").and_then(Value::list);
        required
            .into_iter()
            .flatten()
            .filter_map(Value::text)
            .any(|name| !is_plain_name(&name))
    }
}

/// A tool's schema and what stands for it, where it cannot stay. What is lost is added to `dropped`.
fn repaired<'a>(
    tool: &Tool<'a>,
    plain_names: bool,
    dropped: &mut Vec<Cow<'static, str>>,
) -> Option<(Object<'a>, String)> {
    let schema = tool.schema.filter(|_| tool.vendor_type.is_none())?;
    let root = schema.object()?;
    if is_no_plain_object(root) || plain_names && has_odd_name(root) {
        let new = Shape::of(root, plain_names);
        if new.says_less {
            dropped.push(Cow::Owned(format!("schema of tool {}", tool.name.decode())));
        }
        let completed = array_items::complete(&new.text);
        return Some((root, completed.unwrap_or(new.text)));
    }
    array_items::are_missing(schema)
        .then(|| array_items::complete(root.literal()))
        .flatten()
        .map(|completed| (root, completed))
}

/// Whether a root says in another way than by its properties what it takes. OpenAI wants them even where there are none:
/// "object schema missing properties".
fn is_no_plain_object(root: Object<'_>) -> bool {
    let mut has_properties = false;
    let is_odd = root.members().any(|(name, value)| {
        let name = name.escaped();
        has_properties |= name == "properties";
        name == "type" && !value.is_null() && value.get() != "\"object\"" || REFUSED.contains(&name)
    });
    is_odd || !has_properties
}

/// A root written anew.
struct Shape {
    text: String,
    /// Whether it takes more than the old one.
    says_less: bool,
}

impl Shape {
    fn of(root: Object<'_>, plain_names: bool) -> Self {
        let says_less = |name: &str| REFUSED.contains(&name) && name != "$ref";
        let mut shape = Shape {
            text: String::from("{\"type\":\"object\""),
            says_less: root.members().any(|(name, _)| says_less(name.escaped())),
        };
        let tree = Tree {
            root,
            visits: Cell::new(0),
        };
        if tree.takes_object(root, 0) {
            shape.write_object(&tree, plain_names);
        } else {
            shape.says_less = true;
            shape.write_only_argument(root);
        }
        shape.text.push('}');
        shape
    }

    /// The arguments of all alternatives, none of them demanded that one alternative does without.
    fn write_object(&mut self, tree: &Tree<'_>, plain_names: bool) {
        let mut arguments = Arguments::default();
        arguments.gather(tree.root, tree, 0);
        if plain_names {
            let given = arguments.properties.len();
            arguments.properties.retain(|(name, _)| is_plain_name(name));
            let is_plain = |name: &str| Text::from_literal(name).is_none_or(|name| is_plain_name(&name));
            arguments.required.retain(|name| is_plain(name));
            self.says_less |= arguments.properties.len() < given;
        }
        self.text.push_str(",\"properties\":{");
        for (position, (name, schemas)) in arguments.properties.iter().enumerate() {
            self.text.push_str(if position > 0 { "," } else { "" });
            match schemas.as_slice() {
                [schema] => {
                    let _ = write!(self.text, "{}:{schema}", name.literal());
                }
                schemas => {
                    let schemas = schemas.join(",");
                    let _ = write!(self.text, "{}:{{\"anyOf\":[{schemas}]}}", name.literal());
                }
            }
        }
        self.text.push('}');
        if !arguments.required.is_empty() {
            let _ = write!(self.text, ",\"required\":[{}]", arguments.required.join(","));
        }
        let is_written = |name: &str| matches!(name, "type" | "properties" | "required");
        for (name, value) in tree.root.members() {
            if !is_written(name.escaped()) && !REFUSED.contains(&name.escaped()) {
                let _ = write!(self.text, ",{}:{}", name.literal(), value.get());
            }
        }
    }

    /// One argument that is what the tool wants instead of an object; none where it wants nothing.
    fn write_only_argument(&mut self, root: Object<'_>) {
        if root.get("type").is_some_and(|kind| kind.get() == "\"null\"") {
            self.text.push_str(",\"properties\":{}");
            return;
        }
        let _ = write!(
            self.text,
            ",\"properties\":{{\"{ONLY_ARGUMENT}\":{}}},\"required\":[\"{ONLY_ARGUMENT}\"]",
            root.literal()
        );
        // References begin at the root.
        for name in DEFINITIONS {
            if let Some(definitions) = root.get(name) {
                let _ = write!(self.text, ",\"{name}\":{}", definitions.get());
            }
        }
    }
}

/// A schema that is looked through, with what it refers to.
struct Tree<'a> {
    root: Object<'a>,
    visits: Cell<usize>,
}

impl<'a> Tree<'a> {
    /// Whether one more schema is looked at, so deep below the root.
    fn visit(&self, depth: usize) -> bool {
        self.visits.set(self.visits.get() + 1);
        depth <= DEEPEST && self.visits.get() <= MOST_VISITS
    }

    /// Whether an object can follow the schema.
    fn takes_object(&self, schema: Object<'a>, depth: usize) -> bool {
        if !self.visit(depth) {
            return false;
        }
        if let Some(kind) = schema.get("type") {
            let is_object = |kind: Value<'_>| kind.get() == "\"object\"";
            return is_object(kind) || kind.list().is_some_and(|mut kinds| kinds.any(is_object));
        }
        if schema.get("enum").is_some() || schema.get("const").is_some() {
            return false;
        }
        if let Some(meant) = self.referred(schema) {
            return self.takes_object(meant, depth + 1);
        }
        let takes_object = |branch| self.takes_object(branch, depth + 1);
        branches(schema, "allOf").all(takes_object)
            && ["anyOf", "oneOf"].into_iter().all(|word| {
                let mut branches = branches(schema, word).peekable();
                branches.peek().is_none() || branches.any(takes_object)
            })
    }

    /// The schema that another one refers to.
    fn referred(&self, schema: Object<'a>) -> Option<Object<'a>> {
        let reference = schema.get("$ref")?.text()?;
        let reference = reference.decode();
        let steps = reference.strip_prefix('#')?.split('/').skip(1);
        steps
            .map(|step| step.replace("~1", "/").replace("~0", "~"))
            .try_fold(self.root, |object, step| object.get(&step)?.object())
    }
}

fn branches<'a>(schema: Object<'a>, word: &str) -> impl Iterator<Item = Object<'a>> {
    let list = schema.get(word).and_then(Value::list);
    list.into_iter().flatten().filter_map(Value::object)
}

/// What an object may and must hold.
#[derive(Default)]
struct Arguments<'a> {
    /// Each name with its schemas in the alternatives.
    properties: Vec<(Text<'a>, Vec<&'a str>)>,
    required: Vec<&'a str>,
}

impl<'a> Arguments<'a> {
    fn gather(&mut self, schema: Object<'a>, tree: &Tree<'a>, depth: usize) {
        if !tree.visit(depth) {
            return;
        }
        let properties = schema.get("properties").and_then(Value::object);
        for (name, property) in properties.into_iter().flat_map(Object::members) {
            self.add(name, property.get());
        }
        let required = schema.get("required").and_then(Value::list);
        for name in required.into_iter().flatten() {
            self.demand(name.get());
        }
        if let Some(meant) = tree.referred(schema) {
            self.gather(meant, tree, depth + 1);
        }
        for branch in branches(schema, "allOf") {
            self.gather(branch, tree, depth + 1);
        }
        for word in ["anyOf", "oneOf"] {
            self.gather_alternatives(branches(schema, word), tree, depth + 1);
        }
    }

    fn gather_alternatives(
        &mut self,
        branches: impl Iterator<Item = Object<'a>>,
        tree: &Tree<'a>,
        depth: usize,
    ) {
        let mut demanded: Option<Vec<&str>> = None;
        for branch in branches.filter(|branch| tree.takes_object(*branch, depth)) {
            let mut arguments = Arguments::default();
            arguments.gather(branch, tree, depth);
            for (name, schemas) in arguments.properties {
                for schema in schemas {
                    self.add(name.clone(), schema);
                }
            }
            demanded = Some(match demanded {
                None => arguments.required,
                Some(mut demanded) => {
                    demanded.retain(|name| arguments.required.contains(name));
                    demanded
                }
            });
        }
        for name in demanded.into_iter().flatten() {
            self.demand(name);
        }
    }

    fn add(&mut self, name: Text<'a>, schema: &'a str) {
        match self.properties.iter_mut().find(|(known, _)| *known == name) {
            Some((_, schemas)) if schemas.contains(&schema) => {}
            Some((_, schemas)) => schemas.push(schema),
            None => self.properties.push((name, vec![schema])),
        }
    }

    fn demand(&mut self, name: &'a str) {
        if !self.required.contains(&name) {
            self.required.push(name);
        }
    }
}
