//! Names that a person has given to models: `claude-*` for `anthropic--claude-4.5-sonnet`.

use std::cmp::Reverse;

use serde::Serialize;

use crate::error::Error;

/// A name of the person's own and the model that it stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alias {
    /// What agents ask for; `*` stands for any run of characters, an empty one too. Upper and lower case are alike.
    pub name: String,
    /// The model that it means, in any spelling that an agent could use, but not another alias.
    pub model: String,
}

impl Alias {
    /// An alias; blanks at the ends are no part of either name.
    ///
    /// # Errors
    /// [`Error::AliasRefused`] if a name is empty or the model's holds a `*`.
    pub fn new(name: &str, model: &str) -> Result<Self, Error> {
        let (name, model) = (name.trim(), model.trim());
        let refused = |reason| {
            Err(Error::AliasRefused {
                name: name.to_owned(),
                reason,
            })
        };
        if name.is_empty() {
            return refused("has no name");
        }
        if model.is_empty() {
            return refused("names no model");
        }
        if model.contains('*') {
            return refused("names a model with '*', which only the alias itself may have");
        }
        Ok(Self {
            name: name.to_owned(),
            model: model.to_owned(),
        })
    }

    fn fits(&self, asked: &str) -> bool {
        let (name, asked) = (self.name.to_ascii_lowercase(), asked.to_ascii_lowercase());
        let Some((begin, rest)) = name.split_once('*') else {
            return name == asked;
        };
        let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
        let between = asked
            .strip_prefix(begin)
            .and_then(|asked| asked.strip_suffix(end));
        let Some(mut between) = between else {
            return false;
        };
        // The first place for each piece leaves the most for the next ones.
        for piece in middle.split('*') {
            match between.split_once(piece) {
                Some((_, behind)) if !piece.is_empty() => between = behind,
                Some(_) => {}
                None => return false,
            }
        }
        true
    }
}

/// All aliases of a connection, those that say most first: without `*`, then by how many characters they spell out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aliases(Vec<Alias>);

impl Aliases {
    /// Puts them into their order; of equals the earlier stays the earlier.
    pub fn new(mut aliases: Vec<Alias>) -> Self {
        aliases.sort_by_key(|alias| {
            let wildcards = alias.name.chars().filter(|&one| one == '*').count();
            (wildcards > 0, Reverse(alias.name.chars().count() - wildcards))
        });
        Self(aliases)
    }

    /// The aliases, the one that goes first first.
    pub fn iter(&self) -> impl Iterator<Item = &Alias> {
        self.0.iter()
    }

    /// The alias that an asked name falls under, in any of its spellings: an alias that says more goes first, whichever
    /// spelling it fits.
    pub(crate) fn find(&self, spellings: &[&str]) -> Option<&Alias> {
        let fits = |alias: &&Alias| spellings.iter().any(|asked| alias.fits(asked));
        self.0.iter().find(fits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aliases(names: &[&str]) -> Aliases {
        let aliases = names.iter().map(|name| Alias::new(name, "gpt-4o").unwrap());
        Aliases::new(aliases.collect())
    }

    #[test]
    fn a_star_is_any_run_of_characters() {
        for (pattern, asked, fits) in [
            ("fast", "FAST", true),
            ("fast", "faster", false),
            ("*", "", true),
            ("*", "anything", true),
            ("claude-*", "Claude-Sonnet-4-5", true),
            ("claude-*", "claude-", true),
            ("claude-*", "my-claude-1", false),
            ("*-mini", "gpt-4o-mini", true),
            ("gpt-*-mini", "gpt-5-mini", true),
            ("gpt-*-mini", "gpt-mini", false),
            ("a*a", "a", false),
            ("*son*4*", "claude-sonnet-4-5", true),
            ("*4*son*", "claude-sonnet-4-5", false),
            ("a*b*b*c", "abc", false),
            ("a*b*b*c", "a-b-b-c", true),
            ("a**c", "abc", true),
            ("ä*", "Ä1", false),
            ("ä*", "ä1", true),
        ] {
            assert_eq!(
                aliases(&[pattern]).find(&[asked]).is_some(),
                fits,
                "{pattern} {asked}"
            );
        }
    }

    #[test]
    fn what_says_more_goes_first() {
        let aliases = aliases(&["*", "claude-*", "claude-haiku*", "*-haiku-x*", "claude-haiku-1"]);
        for (asked, name) in [
            ("claude-haiku-1", "claude-haiku-1"),
            ("claude-haiku-2", "claude-haiku*"),
            ("claude-opus", "claude-*"),
            ("gpt-5", "*"),
        ] {
            assert_eq!(aliases.find(&[asked]).unwrap().name, name, "{asked}");
            // The catch-all fits the longer spelling, and still goes last.
            let longer = format!("sap/{asked}[1m]");
            assert_eq!(aliases.find(&[&longer, asked]).unwrap().name, name, "{longer}");
        }
    }

    #[test]
    fn an_alias_names_something_on_both_sides() {
        for (name, model) in [("", "gpt-4o"), (" ", "gpt-4o"), ("fast", " "), ("fast", "gpt-*")] {
            let error = Alias::new(name, model).unwrap_err();
            assert_eq!(error.code(), "CONFIG-ALIAS", "{name:?} {model:?}");
        }
    }
}
