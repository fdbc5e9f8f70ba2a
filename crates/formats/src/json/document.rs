//! A body of JSON as a list of where its values stand, made in one pass.
//!
//! Readers that skip an unread value do it once for each level they descend, and a conversation is four levels deep. A
//! document is scanned once; afterwards every value is a piece of the body's text, and descending costs nothing.

use super::scanner::{Node, find_string, scan};
use super::text::Text;
use crate::ReadError;
use crate::error::Path;

/// A body that is valid JSON, and where its values stand.
#[derive(Debug)]
pub struct Document<'a> {
    text: &'a str,
    nodes: Vec<Node>,
    /// Whether any member's name holds an escape, so that names cannot be compared as they are written.
    escaped_names: bool,
    surrogates: bool,
}

/// The first member `name` of the object that a body begins with, where it is a string. Nothing behind it is looked at.
/// Nothing also where that cannot be told so simply; then a [`Document`] can.
pub(crate) fn find_text<'a>(body: &'a [u8], name: &str) -> Option<Text<'a>> {
    Text::from_literal(find_string(body, name)?)
}

impl<'a> Document<'a> {
    /// Scans a body.
    ///
    /// # Errors
    /// When it is no valid JSON, is nested deeper than 256 levels or is 4 GiB long; the error says at which byte.
    pub fn read(text: &'a str) -> Result<Self, ReadError> {
        let scanned =
            scan(text).map_err(|at| ReadError::new("", format!("is not valid JSON at byte {at}")))?;
        Ok(Document {
            text,
            nodes: scanned.nodes,
            escaped_names: scanned.escaped_names,
            surrogates: scanned.surrogates,
        })
    }

    /// Whether a member's name is this one.
    #[inline]
    fn is_name(&self, member: Node, name: &str) -> bool {
        let (start, end) = (member.start as usize, member.end as usize);
        // Nearly every name that is asked for has another length than the one that stands there, or another first letter.
        if end - start == name.len() + 2 {
            let bytes = self.text.as_bytes();
            let same_first = name
                .as_bytes()
                .first()
                .is_none_or(|first| bytes.get(start + 1) == Some(first));
            return same_first && bytes.get(start + 1..end - 1) == Some(name.as_bytes());
        }
        self.escaped_names && self.is_escaped_name(member, name)
    }

    /// Names with escapes are rare, and therefore apart: the loop over the members stays small.
    #[cold]
    fn is_escaped_name(&self, member: Node, name: &str) -> bool {
        let member = self.text.get(member.start as usize..member.end as usize);
        member
            .and_then(Text::from_literal)
            .is_some_and(|member| member.is(name))
    }

    /// Whether any string holds an escape of a surrogate. Nearly always both of a pair are there, but nobody has looked.
    pub(crate) fn has_surrogates(&self) -> bool {
        self.surrogates
    }

    /// The value that is the whole body.
    pub fn root(&self) -> Value<'_> {
        Value {
            document: self,
            position: 0,
        }
    }
}

/// A value of a document: its JSON text, and what stands inside it.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a> {
    document: &'a Document<'a>,
    position: usize,
}

impl<'a> Value<'a> {
    /// The value's JSON text.
    pub fn get(self) -> &'a str {
        let text = self.document.text;
        self.node()
            .and_then(|node| text.get(node.start as usize..node.end as usize))
            .unwrap_or_default()
    }

    fn node(self) -> Option<&'a Node> {
        self.document.nodes.get(self.position)
    }

    /// The first byte of the text, which tells what kind of value it is.
    fn kind(self) -> Option<u8> {
        let start = self.node()?.start;
        self.document.text.as_bytes().get(start as usize).copied()
    }

    /// The string it is, if it is one.
    pub fn text(self) -> Option<Text<'a>> {
        Text::from_literal(self.get())
    }

    /// Whether it is `null`.
    pub fn is_null(self) -> bool {
        self.kind() == Some(b'n')
    }

    /// The object it is, if it is one.
    pub fn object(self) -> Option<Object<'a>> {
        (self.kind() == Some(b'{')).then_some(Object(self))
    }

    /// The entries of the list it is, if it is one.
    pub fn list(self) -> Option<impl Iterator<Item = Value<'a>>> {
        (self.kind() == Some(b'[')).then(|| self.inside())
    }

    /// The values directly inside this one.
    fn inside(self) -> impl Iterator<Item = Value<'a>> {
        let end = self.next();
        let mut position = self.position + 1;
        std::iter::from_fn(move || {
            let value = Value { position, ..self };
            (position < end).then(|| {
                position = value.next();
                value
            })
        })
    }

    fn next(self) -> usize {
        // Behind the last node stands nothing, which ends every loop.
        self.node().map_or(usize::MAX, |node| node.next as usize)
    }
}

/// An object of a document.
#[derive(Clone, Copy, Debug)]
pub struct Object<'a>(Value<'a>);

impl<'a> Object<'a> {
    /// The object's JSON text.
    pub(crate) fn literal(self) -> &'a str {
        self.0.get()
    }

    /// The members in their order.
    pub fn members(self) -> impl Iterator<Item = (Text<'a>, Value<'a>)> {
        let mut inside = self.0.inside();
        std::iter::from_fn(move || Some((inside.next()?.text()?, inside.next()?)))
    }

    /// The value of a member. An explicit `null` counts as absent; of two members with one name the last one holds.
    pub fn get(self, name: &str) -> Option<Value<'a>> {
        let [found] = self.get_each([name]);
        found
    }

    /// What [`Object::get`] gives for each of these names, in one pass over the members.
    #[expect(
        clippy::inline_always,
        reason = "names that are known at the call are compared by their length and letters, without a loop"
    )]
    #[inline(always)]
    pub(crate) fn get_each<const N: usize>(self, names: [&str; N]) -> [Option<Value<'a>>; N] {
        let Value { document, position } = self.0;
        let nodes = document.nodes.get(..self.0.next()).unwrap_or_default();
        let mut at = position + 1;
        let mut found = [None; N];
        while let Some([member, value]) = nodes.get(at..).and_then(<[Node]>::first_chunk) {
            for (name, found) in names.iter().zip(&mut found) {
                if document.is_name(*member, name) {
                    *found = Some(at + 1);
                }
            }
            at = value.next as usize;
        }
        found.map(|position| {
            let value = Value {
                document,
                position: position?,
            };
            (!value.is_null()).then_some(value)
        })
    }

    /// Members by their names, in one pass, to be read as what they have to be.
    #[expect(clippy::inline_always, reason = "as get_each")]
    #[inline(always)]
    pub(crate) fn named<const N: usize>(self, names: [&'static str; N]) -> [Member<'a>; N] {
        let values = self.get_each(names);
        let mut members = names.map(|name| Member { name, value: None });
        for (member, value) in members.iter_mut().zip(values) {
            member.value = value;
        }
        members
    }

    /// One member.
    pub(crate) fn member(self, name: &'static str) -> Member<'a> {
        let value = self.get(name);
        Member { name, value }
    }

    /// A member that has to be a string where it is given.
    ///
    /// # Errors
    /// When it is something else; the error names the member below `path`.
    pub(crate) fn text(self, name: &'static str, path: &Path<'_>) -> Result<Option<Text<'a>>, ReadError> {
        self.member(name).text(path)
    }

    /// A string that must be there.
    ///
    /// # Errors
    /// When it is missing or something else.
    pub(crate) fn required_text(self, name: &'static str, path: &Path<'_>) -> Result<Text<'a>, ReadError> {
        self.text(name, path)?
            .ok_or_else(|| ReadError::missing(&path.member(name)))
    }

    /// A member that has to be `true` or `false` where it is given.
    ///
    /// # Errors
    /// When it is something else.
    pub(crate) fn boolean(self, name: &'static str, path: &Path<'_>) -> Result<Option<bool>, ReadError> {
        self.member(name).boolean(path)
    }

    /// A member that has to be a whole number ≥ 0 where it is given.
    ///
    /// # Errors
    /// When it is something else.
    pub(crate) fn count(self, name: &'static str, path: &Path<'_>) -> Result<Option<u64>, ReadError> {
        self.member(name).count(path)
    }

    /// A member that has to be an object where it is given.
    ///
    /// # Errors
    /// When it is something else.
    pub(crate) fn object(self, name: &'static str, path: &Path<'_>) -> Result<Option<Object<'a>>, ReadError> {
        self.member(name).object(path)
    }

    /// A member that has to be a list where it is given.
    ///
    /// # Errors
    /// When it is something else.
    pub(crate) fn list(
        self,
        name: &'static str,
        path: &Path<'_>,
    ) -> Result<Option<impl Iterator<Item = Value<'a>>>, ReadError> {
        self.member(name).typed(path, "a list", Value::list)
    }
}

/// A member that was asked for by its name; its value is nothing where it is not given. Each way to read it gives nothing then,
/// and an error that names it below `path` where it is something else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member<'a> {
    pub(crate) name: &'static str,
    pub(crate) value: Option<Value<'a>>,
}

impl<'a> Member<'a> {
    /// A string.
    pub(crate) fn text(self, path: &Path<'_>) -> Result<Option<Text<'a>>, ReadError> {
        self.typed(path, "a string", Value::text)
    }

    /// `true` or `false`.
    pub(crate) fn boolean(self, path: &Path<'_>) -> Result<Option<bool>, ReadError> {
        self.typed(path, "true or false", |value| value.get().parse().ok())
    }

    /// A whole number ≥ 0.
    pub(crate) fn count(self, path: &Path<'_>) -> Result<Option<u64>, ReadError> {
        self.typed(path, "a whole number, 0 or more", |value| {
            // Some agents write whole numbers as 32000.0.
            value.get().strip_suffix(".0").unwrap_or(value.get()).parse().ok()
        })
    }

    /// An object.
    pub(crate) fn object(self, path: &Path<'_>) -> Result<Option<Object<'a>>, ReadError> {
        self.typed(path, "an object", Value::object)
    }

    fn typed<T>(
        self,
        path: &Path<'_>,
        expected: &str,
        read: impl FnOnce(Value<'a>) -> Option<T>,
    ) -> Result<Option<T>, ReadError> {
        match self.value {
            None => Ok(None),
            Some(value) => read(value)
                .map(Some)
                .ok_or_else(|| ReadError::expected(&path.member(self.name), expected)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads a value through the document, for comparison with another reader's.
    fn tree(value: Value<'_>) -> serde_json::Value {
        if let Some(object) = value.object() {
            object
                .members()
                .map(|(name, value)| (name.decode().into_owned(), tree(value)))
                .collect()
        } else if let Some(list) = value.list() {
            list.map(tree).collect()
        } else {
            serde_json::from_str(value.get()).unwrap()
        }
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f32>().prop_map(|number| f64::from(number).into()),
            ".*".prop_map(Into::into),
        ];
        leaf.prop_recursive(6, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::btree_map(".{0,5}", inner, 0..6)
                    .prop_map(|members| members.into_iter().collect::<serde_json::Map<_, _>>().into()),
            ]
        })
    }

    #[test]
    fn the_last_of_two_members_holds_and_null_is_absent() {
        let document = Document::read(r#"{"a":1, "b" : null,"\u0061":[2 ,{}]}"#).unwrap();
        let object = document.root().object().unwrap();
        assert_eq!(object.get("a").unwrap().get(), "[2 ,{}]");
        assert!(object.get("b").is_none());
        assert_eq!(object.members().count(), 3);
    }

    #[test]
    fn several_members_are_found_as_each_of_them_is() {
        let body = r#"{"top":1,"tap":2,"":3,"t\u006fp":4,"none":null,"deep":{"tip":5}}"#;
        let document = Document::read(body).unwrap();
        let object = document.root().object().unwrap();
        let names = ["top", "tap", "tip", "", "none", "deep"];
        let found = object.get_each(names).map(|value| value.map(Value::get));
        assert_eq!(
            found,
            [Some("4"), Some("2"), None, Some("3"), None, Some(r#"{"tip":5}"#)]
        );
        assert_eq!(found, names.map(|name| object.get(name).map(Value::get)));
    }

    #[test]
    fn a_text_is_found_at_the_outermost_object_only() {
        let found =
            |body: &'static str| find_text(body.as_bytes(), "model").map(|text| text.decode().into_owned());
        let nested =
            r#"{"a":{"model":"x","b":["}\"]",{"model":"y"}]}, "n" : -1.5e3 ,"model" : "z","model":"later"#;
        assert_eq!(found(nested).as_deref(), Some("z"));
        for body in [
            r#"["model","x"]"#,
            r#"{"a":"model"}"#,
            r#"{"model":["x"]}"#,
            r#"{"a":]"model":"x"}"#,
            r#"{"model":"x"#,
            "{}",
            "",
        ] {
            assert_eq!(found(body), None, "{body}");
        }
    }

    #[test]
    fn what_is_no_json_is_refused_where_it_stops_being_it() {
        let cases = [
            ("", 0),
            (" ", 1),
            ("{", 1),
            ("[1,]", 3),
            (r#"{"a":1,}"#, 7),
            ("[,]", 1),
            ("{,}", 1),
            ("01", 0),
            ("1.", 0),
            ("1e", 0),
            ("-", 0),
            ("+1", 0),
            ("tru", 0),
            ("nulll", 4),
            ("[1 2]", 3),
            (r#"{"a" 1}"#, 5),
            (r#"{"a":}"#, 5),
            ("{1:2}", 1),
            (r#""a"#, 0),
            ("\"a\nb\"", 2),
            (r#""\x""#, 1),
            (r#""\u12g4""#, 1),
            ("[]]", 2),
            ("{} x", 3),
            ("[}", 1),
            (r#"{"a":1]"#, 6),
        ];
        for (body, at) in cases {
            assert!(serde_json::from_str::<serde_json::Value>(body).is_err(), "{body}");
            let error = Document::read(body).unwrap_err().to_string();
            assert_eq!(error, format!("body: is not valid JSON at byte {at}"), "{body}");
        }
        assert!(Document::read(&format!("{}{}", "[".repeat(256), "]".repeat(256))).is_ok());
        assert!(Document::read(&format!("{}{}", "[".repeat(257), "]".repeat(257))).is_err());
    }

    proptest! {
        #[test]
        fn a_document_is_the_same_value(value in any_json(), pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            let document = Document::read(&text).unwrap();
            prop_assert_eq!(document.root().get(), text.as_str());
            prop_assert_eq!(tree(document.root()), serde_json::from_str::<serde_json::Value>(&text).unwrap());
        }

        #[test]
        fn damaged_json_is_judged_as_another_reader_judges_it(value in any_json(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut text = value.to_string().into_bytes();
            let at = at.index(text.len());
            text[at] = byte;
            if let Ok(text) = String::from_utf8(text) {
                // The other reader also refuses lone surrogates and numbers beyond its types, where it decodes them.
                let theirs = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
                prop_assert_eq!(Document::read(&text).is_ok(), theirs, "{}", text);
            }
        }
    }
}
