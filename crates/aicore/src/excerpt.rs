//! What others wrote, made fit for a sentence of ours.

/// Foreign text made fit for one line: control characters become blanks, at most `most` characters remain.
pub(crate) fn excerpt(text: &str, most: usize) -> String {
    let mut out = String::new();
    for (index, word) in text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|w| !w.is_empty())
        .enumerate()
    {
        if index > 0 {
            out.push(' ');
        }
        out.push_str(word);
        if out.len() > 4 * most {
            break;
        }
    }
    if out.chars().nth(most).is_some() {
        out = out.chars().take(most).chain(std::iter::once('…')).collect();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_one_short_line() {
        assert_eq!(
            excerpt("RBAC:\r\n access\u{1b}[31m  denied\n", 100),
            "RBAC: access [31m denied"
        );
        assert_eq!(excerpt(&"ä".repeat(50), 5), "äääää…");
        assert_eq!(excerpt("", 5), "");
    }
}
