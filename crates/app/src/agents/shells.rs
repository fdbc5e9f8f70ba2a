//! How each shell writes a line, so that it reads back what was meant.

use std::iter;

use super::Shell;
use crate::error::Error;

/// A line that is only read. An interactive zsh tries to run it, so it must be plain words beside quoted arguments.
pub(super) fn comment(shell: Shell, text: &str) -> String {
    if matches!(shell, Shell::Cmd) {
        format!("rem {text}")
    } else {
        format!("# {text}")
    }
}

/// A line that sets a variable for all that is started after it.
pub(super) fn assignment(shell: Shell, name: &str, value: &str) -> Result<String, Error> {
    match shell {
        Shell::Bash | Shell::Zsh => Ok(format!("export {name}={}", argument(shell, value))),
        Shell::Fish => Ok(format!("set -gx {name} {}", argument(shell, value))),
        Shell::PowerShell => Ok(format!("$env:{name} = {}", argument(shell, value))),
        // cmd takes everything between the first and the last quote as it is.
        Shell::Cmd => line(shell, format!("set \"{name}={value}\"")),
    }
}

/// The text as one word of the shell's language; for cmd the word is right once `line` went over it.
pub(super) fn argument(shell: Shell, text: &str) -> String {
    match shell {
        Shell::Bash | Shell::Zsh => format!("'{}'", text.replace('\'', r"'\''")),
        Shell::Fish => format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'")),
        Shell::PowerShell => {
            // To PowerShell a curly quote is as good as a straight one.
            let times = |character| 1 + usize::from(matches!(character, '\'' | '\u{2018}'..='\u{201b}'));
            let doubled: String = text
                .chars()
                .flat_map(|character| iter::repeat_n(character, times(character)))
                .collect();
            format!("'{doubled}'")
        }
        Shell::Cmd => program_argument(text),
    }
}

/// The text in quotes, as Windows' programs take their command line apart: a backslash before a quote makes it a
/// character, and so backslashes before a quote count double.
fn program_argument(text: &str) -> String {
    let mut out = "\"".to_owned();
    let mut backslashes = 0;
    for character in text.chars() {
        if character == '"' {
            out.extend(iter::repeat_n('\\', backslashes + 1));
        }
        backslashes = if character == '\\' { backslashes + 1 } else { 0 };
        out.push(character);
    }
    out.extend(iter::repeat_n('\\', backslashes));
    out.push('"');
    out
}

/// A line as the shell must read it. In cmd a quote begins or ends a part in which `&`, `|` and the like mean nothing;
/// outside of it each of them needs a caret. A percent sign can't be escaped.
pub(super) fn line(shell: Shell, text: String) -> Result<String, Error> {
    if !matches!(shell, Shell::Cmd) {
        return Ok(text);
    }
    let mut is_quoted = false;
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '%' => return Err(Error::LocalKeyUnquotable),
            '"' => is_quoted = !is_quoted,
            '&' | '|' | '<' | '>' | '^' | '(' | ')' if !is_quoted => out.push('^'),
            _ => {}
        }
        out.push(character);
    }
    Ok(out)
}

/// What ends a line.
pub(super) fn line_end(shell: Shell) -> &'static str {
    if matches!(shell, Shell::Cmd) { "\r\n" } else { "\n" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_programs_get_backslashes_and_quotes_as_they_are() {
        assert_eq!(program_argument("a b"), "\"a b\"");
        assert_eq!(program_argument(r#"a\b\\"c\"#), r#""a\b\\\\\"c\\""#);
    }

    #[test]
    fn cmd_gets_carets_outside_of_quotes_only() {
        let read = |text: &str| line(Shell::Cmd, text.to_owned());
        assert_eq!(read(r#"a&b "c&d" (e)"#).unwrap(), r#"a^&b "c&d" ^(e^)"#);
        assert_eq!(read(r#""a\"b|c" "d|e""#).unwrap(), r#""a\"b^|c" "d^|e""#);
        assert!(matches!(read("100%"), Err(Error::LocalKeyUnquotable)));
        assert_eq!(line(Shell::Bash, "a&b".to_owned()).unwrap(), "a&b");
    }
}
