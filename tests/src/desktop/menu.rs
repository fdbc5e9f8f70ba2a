//! A tray menu as the host reads it over D-Bus (com.canonical.dbusmenu).

use std::collections::HashMap;

use zbus::zvariant::{OwnedValue, Value};

/// One entry with what hangs below it. The root is an entry too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its id, by which it is clicked.
    pub id: i32,
    /// What it says, "" for a separator.
    pub label: String,
    /// Whether it can be clicked.
    pub enabled: bool,
    /// Whether it can be seen.
    pub visible: bool,
    /// Whether it has a check mark, if it can have one.
    pub checked: Option<bool>,
    /// The entries of its submenu.
    pub children: Vec<Entry>,
}

/// An answer of `GetLayout`, as D-Bus writes it: id, properties, children.
pub(crate) type Layout = (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>);

impl Entry {
    pub(crate) fn read(layout: Layout) -> Self {
        let (id, properties, children) = layout;
        let flag = |name: &str| {
            let value = properties.get(name)?;
            bool::try_from(value).ok()
        };
        let text = |name: &str| {
            let value = properties.get(name)?;
            <&str>::try_from(value).ok()
        };
        let toggle = properties
            .get("toggle-state")
            .and_then(|value| i32::try_from(value).ok());
        let checkmark = text("toggle-type").is_some_and(|kind| !kind.is_empty());
        Self {
            id,
            // A single underscore marks the key of an entry, two are one.
            label: text("label")
                .unwrap_or_default()
                .replace("__", "\0")
                .replace('_', "")
                .replace('\0', "_"),
            enabled: flag("enabled").unwrap_or(true),
            visible: flag("visible").unwrap_or(true),
            checked: checkmark.then_some(toggle == Some(1)),
            children: children
                .into_iter()
                .map(|child| Self::read(unpack(child)))
                .collect(),
        }
    }

    /// The entry that this path of labels leads to.
    pub fn at(&self, path: &[&str]) -> Option<&Entry> {
        let Some((label, rest)) = path.split_first() else {
            return Some(self);
        };
        let child = self.children.iter().find(|child| child.label == *label)?;
        child.at(rest)
    }

    /// What its entries say, without separators.
    pub fn labels(&self) -> Vec<&str> {
        self.children
            .iter()
            .filter(|child| child.visible && !child.label.is_empty())
            .map(|child| child.label.as_str())
            .collect()
    }

    /// What those of its entries say that have a check mark.
    pub fn checked(&self) -> Vec<&str> {
        self.children
            .iter()
            .filter(|child| child.checked == Some(true))
            .map(|child| child.label.as_str())
            .collect()
    }
}

/// A child is a variant that holds a layout.
fn unpack(child: OwnedValue) -> Layout {
    let Value::Structure(structure) = Value::from(child) else {
        panic!("a menu's child is no structure")
    };
    let fields: [Value<'_>; 3] = structure.into_fields().try_into().unwrap();
    let [id, properties, children] = fields;
    let owned = |value: Value<'_>| value.try_into_owned().unwrap();
    (
        i32::try_from(id).unwrap(),
        HashMap::try_from(owned(properties)).unwrap(),
        Vec::<Value<'_>>::try_from(children)
            .unwrap()
            .into_iter()
            .map(|value| match value {
                Value::Value(inner) => owned(*inner),
                plain => owned(plain),
            })
            .collect(),
    )
}
