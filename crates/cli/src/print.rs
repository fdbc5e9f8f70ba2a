//! Writing to stdout and stderr. A reader that went away (`| head`) is no error worth a word.

use std::io::Write;

/// Writes text to stdout at once.
pub(crate) fn out(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Writes a line to stderr.
pub(crate) fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Writes what went wrong to stderr, and what to do.
pub(crate) fn error(sentence: &str, hint: &str) {
    told("error", sentence, hint);
}

/// Writes to stderr what does not work while everything goes on, and what to do.
pub(crate) fn warning(sentence: &str, hint: &str) {
    told("warning", sentence, hint);
}

fn told(kind: &str, sentence: &str, hint: &str) {
    note(&format!("{kind}: {sentence}"));
    if !hint.is_empty() {
        note(&format!("hint: {hint}"));
    }
}

/// Rows as lines with aligned columns, the first row above a blank-free rule of dashes.
pub(crate) fn table<const COLUMNS: usize>(head: [&str; COLUMNS], rows: &[[String; COLUMNS]]) -> String {
    let mut widths = head.map(|name| name.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: [&str; COLUMNS]| {
        let padded: Vec<String> = cells
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let mut text = line(head);
    for row in rows {
        text.push_str(&line(row.each_ref().map(String::as_str)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [
            ["gpt-4o".to_owned(), "läuft".to_owned(), "x".to_owned()],
            ["a".to_owned(), String::new(), String::new()],
        ];
        assert_eq!(
            table(["MODEL", "S", ""], &rows),
            "MODEL   S\ngpt-4o  läuft  x\na\n"
        );
    }
}
