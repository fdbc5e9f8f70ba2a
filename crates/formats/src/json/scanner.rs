//! Finds where the values of a body of JSON stand, in one pass.

use super::special::find_special;

/// How deep values may lie in each other. Schemas of tools reach some twenty levels.
const DEEPEST: usize = 256;

/// One value. The values inside it follow it directly; members of an object are a name and a value in turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) start: u32,
    pub(super) end: u32,
    /// The position of the first node behind this value and everything in it; while an object or list is still open, the
    /// position of the one around it.
    pub(super) next: u32,
}

/// The values of a body.
pub(super) struct Scanned {
    pub(super) nodes: Vec<Node>,
    /// Whether any member's name holds an escape.
    pub(super) escaped_names: bool,
    /// Whether any string holds an escape of a surrogate, which may be a lone one.
    pub(super) surrogates: bool,
}

/// Scans a body.
///
/// # Errors
/// The byte at which it stops being JSON, or at which it is nested deeper than 256 levels.
pub(super) fn scan(text: &str) -> Result<Scanned, usize> {
    // Where there is little text there is a node for each 20 bytes or so; a large body is mostly text.
    let mut scanner = Scanner::new(text.as_bytes(), (text.len() / 16).clamp(16, 4096));
    match scanner.scan() {
        Some(()) => Ok(Scanned {
            nodes: scanner.nodes,
            escaped_names: scanner.escaped_names,
            surrogates: scanner.surrogates,
        }),
        None => Err(scanner.at),
    }
}

/// The string that JSON text begins with, quotes included, and what stands behind it; nothing where it begins with
/// anything else.
pub(super) fn split_string(text: &str) -> Option<(&str, &str)> {
    if !text.starts_with('"') {
        return None;
    }
    // Its place is not noted: a list for one place would cost more than the scan.
    let mut scanner = Scanner::new(text.as_bytes(), 0);
    scanner.skip_string()?;
    text.split_at_checked(scanner.at)
}

/// The literal of the member `name` of the object that a body begins with, where it is a string. Nothing behind it is
/// looked at. Nothing also where that cannot be told so simply; then the body has to be read as a whole.
pub(super) fn find_string<'a>(body: &'a [u8], name: &str) -> Option<&'a str> {
    u32::try_from(body.len()).ok()?;
    let mut scanner = Scanner::new(body, 16);
    if scanner.skip_space()? != b'{' {
        return None;
    }
    while !(scanner.depth == 1 && scanner.is_behind_name(name)) {
        if !scanner.value()? && !scanner.leave()? {
            return None;
        }
    }
    if scanner.skip_space()? != b'"' {
        return None;
    }
    let start = scanner.at;
    scanner.string()?;
    std::str::from_utf8(body.get(start..scanner.at)?).ok()
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
    /// The position of the innermost object or list that is open; `OUTSIDE` where none is.
    open: u32,
    /// Whether it is an object.
    in_object: bool,
    depth: usize,
    escaped_names: bool,
    surrogates: bool,
}

/// No node has this position.
const OUTSIDE: u32 = u32::MAX;

impl<'a> Scanner<'a> {
    fn new(bytes: &'a [u8], nodes: usize) -> Self {
        Scanner {
            bytes,
            at: 0,
            nodes: Vec::with_capacity(nodes),
            open: OUTSIDE,
            in_object: false,
            depth: 0,
            escaped_names: false,
            surrogates: false,
        }
    }

    /// Scans one value and the end of the body. Nothing when it is no JSON; `at` is the place then.
    fn scan(&mut self) -> Option<()> {
        u32::try_from(self.bytes.len()).ok()?;
        loop {
            let entered = self.value()?;
            if !entered && !self.leave()? {
                return Some(());
            }
        }
    }

    /// Scans a string, number or literal, or enters an object or list; says whether it entered one that is not empty.
    fn value(&mut self) -> Option<bool> {
        match self.skip_space()? {
            b'"' => {
                self.string()?;
            }
            b'{' => return self.enter(true),
            b'[' => return self.enter(false),
            b't' => self.literal(b"true")?,
            b'f' => self.literal(b"false")?,
            b'n' => self.literal(b"null")?,
            b'-' | b'0'..=b'9' => self.number()?,
            _ => return None,
        }
        Some(false)
    }

    fn enter(&mut self, object: bool) -> Option<bool> {
        if self.depth == DEEPEST {
            return None;
        }
        let container = u32::try_from(self.nodes.len()).ok()?;
        self.push(self.at, self.at);
        self.nodes.last_mut()?.next = self.open;
        self.open = container;
        self.in_object = object;
        self.depth += 1;
        self.at += 1;
        let end = if object { b'}' } else { b']' };
        if self.skip_space()? == end {
            return Some(false);
        }
        if object {
            self.name()?;
        }
        Some(true)
    }

    /// Goes on behind a value: to the next one of the same object or list, or out of those that end here. Says whether
    /// there is a next one; there is none at the end of the body.
    fn leave(&mut self) -> Option<bool> {
        while self.open != OUTSIDE {
            let container = self.open as usize;
            let byte = self.skip_space()?;
            // An empty object or list comes here straight from its beginning, so a comma is no use there.
            if byte == b',' && self.nodes.len() > container + 1 {
                self.at += 1;
                if self.in_object {
                    self.name()?;
                }
                return Some(true);
            }
            if byte != if self.in_object { b'}' } else { b']' } {
                return None;
            }
            self.at += 1;
            self.depth -= 1;
            let (end, behind) = (self.at, self.nodes.len());
            let node = self.nodes.get_mut(container)?;
            self.open = node.next;
            node.end = u32::try_from(end).ok()?;
            node.next = u32::try_from(behind).ok()?;
            let outer = self.nodes.get(self.open as usize);
            self.in_object = outer.is_some_and(|outer| self.bytes.get(outer.start as usize) == Some(&b'{'));
        }
        self.skip_space().is_none().then_some(false)
    }

    /// Whether what was read last is this name, which needs no escape.
    fn is_behind_name(&self, name: &str) -> bool {
        self.nodes.last().is_some_and(|node| {
            // Between its quotes.
            let letters = self
                .bytes
                .get(node.start as usize + 1..(node.end as usize).saturating_sub(1));
            letters == Some(name.as_bytes())
        })
    }

    /// The name of a member and its colon.
    fn name(&mut self) -> Option<()> {
        if self.skip_space()? != b'"' {
            return None;
        }
        self.escaped_names |= self.string()?;
        if self.skip_space()? != b':' {
            return None;
        }
        self.at += 1;
        Some(())
    }

    /// The first byte that is no white space.
    fn skip_space(&mut self) -> Option<u8> {
        loop {
            let byte = *self.bytes.get(self.at)?;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Scans a string, and says whether it holds an escape.
    fn string(&mut self) -> Option<bool> {
        let start = self.at;
        let escaped = self.skip_string()?;
        self.push(start, self.at);
        Some(escaped)
    }

    /// Goes behind a string, and says whether it holds an escape.
    #[inline]
    fn skip_string(&mut self) -> Option<bool> {
        let mut at = self.at + 1;
        let mut escaped = false;
        loop {
            at = find_special(self.bytes, at)?;
            match (self.bytes.get(at)?, self.bytes.get(at + 1)) {
                (b'"', _) => break,
                (b'\\', Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't')) => at += 2,
                (b'\\', Some(b'u')) if self.code_unit(at + 2)? => at += 6,
                _ => {
                    self.at = at;
                    return None;
                }
            }
            escaped = true;
        }
        self.at = at + 1;
        Some(escaped)
    }

    /// Whether four hexadecimal digits stand at `at`; nothing when there is no room for them. They are rare, and therefore
    /// apart: the loop over the letters stays small.
    #[inline(never)]
    fn code_unit(&mut self, at: usize) -> Option<bool> {
        let digits = self.bytes.get(at..)?.get(..4)?;
        self.surrogates |= matches!(digits, [b'd' | b'D', ..]);
        Some(digits.iter().all(u8::is_ascii_hexdigit))
    }

    fn literal(&mut self, literal: &[u8]) -> Option<()> {
        let start = self.at;
        let end = start + literal.len();
        if self.bytes.get(start..end)? != literal {
            return None;
        }
        self.at = end;
        self.push(start, end);
        Some(())
    }

    fn number(&mut self) -> Option<()> {
        let start = self.at;
        let mut at = start;
        let digits = |at: usize| {
            let rest = self.bytes.get(at..).unwrap_or_default();
            at + rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
        };
        at += usize::from(self.bytes.get(at) == Some(&b'-'));
        let whole = at;
        at = digits(at);
        let leading_zero = self.bytes.get(whole) == Some(&b'0') && at > whole + 1;
        if at == whole || leading_zero {
            return None;
        }
        if self.bytes.get(at) == Some(&b'.') {
            let fraction = at + 1;
            at = digits(fraction);
            if at == fraction {
                return None;
            }
        }
        if matches!(self.bytes.get(at), Some(b'e' | b'E')) {
            at += 1;
            at += usize::from(matches!(self.bytes.get(at), Some(b'+' | b'-')));
            let exponent = at;
            at = digits(exponent);
            if at == exponent {
                return None;
            }
        }
        self.at = at;
        self.push(start, at);
        Some(())
    }

    /// Adds a value without inner ones. A body is shorter than 4 GiB, so its places fit.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "scan refuses a body whose places would not fit"
    )]
    fn push(&mut self, start: usize, end: usize) {
        let next = self.nodes.len() as u32 + 1;
        self.nodes.push(Node {
            start: start as u32,
            end: end as u32,
            next,
        });
    }
}
