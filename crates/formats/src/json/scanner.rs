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
    u32::try_from(text.len()).map_err(|_| 0_usize)?;
    // Where there is little text a value or name takes ten bytes or so; a large body is mostly text.
    let mut scanner = Scanner::new(text.as_bytes(), (text.len() / 8).clamp(16, 4096));
    scanner.scan()?;
    Ok(Scanned {
        nodes: scanner.nodes,
        escaped_names: scanner.escaped_names,
        surrogates: scanner.surrogates,
    })
}

/// The string that JSON text begins with, quotes included, and what stands behind it; nothing where it begins with
/// anything else.
pub(super) fn split_string(text: &str) -> Option<(&str, &str)> {
    if !text.starts_with('"') {
        return None;
    }
    // Its place is not noted: a list for one place would cost more than the scan.
    let (end, _) = Scanner::new(text.as_bytes(), 0).skip_string(0).ok()?;
    text.split_at_checked(end)
}

/// The literal of the member `name` of the object that a body begins with, where it is a string. Nothing behind it is
/// looked at, and no value before it is judged. Nothing also where that cannot be told so simply; then the body has to be read
/// as a whole.
pub(super) fn find_string<'a>(body: &'a [u8], name: &str) -> Option<&'a str> {
    let mut scanner = Scanner::new(body, 0);
    let (mut at, mut byte) = scanner.skip_space(0).ok()?;
    let mut before = b'{';
    while byte == before {
        before = b',';
        let (start, quote) = scanner.skip_space(at + 1).ok()?;
        let (end, _) = scanner.skip_string(start).ok().filter(|_| quote == b'"')?;
        let (colon, _) = scanner.skip_space(end).ok().filter(|(_, byte)| *byte == b':')?;
        let (value, first) = scanner.skip_space(colon + 1).ok()?;
        if body.get(start + 1..end - 1) == Some(name.as_bytes()) {
            let (end, _) = scanner.skip_string(value).ok().filter(|_| first == b'"')?;
            return std::str::from_utf8(body.get(value..end)?).ok();
        }
        at = scanner.find_end(value)?;
        byte = *body.get(at)?;
    }
    None
}

/// Goes through a body. Each step is given the place where it begins and gives the one behind what it has read, or, as its
/// error, the place where the body stops being JSON.
struct Scanner<'a> {
    bytes: &'a [u8],
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

#[expect(
    clippy::inline_always,
    reason = "the steps are small and taken for every value; calls between them cost half as much again"
)]
impl<'a> Scanner<'a> {
    fn new(bytes: &'a [u8], nodes: usize) -> Self {
        Scanner {
            bytes,
            nodes: Vec::with_capacity(nodes),
            open: OUTSIDE,
            in_object: false,
            depth: 0,
            escaped_names: false,
            surrogates: false,
        }
    }

    /// Scans one value and the end of the body.
    #[inline(always)]
    fn scan(&mut self) -> Result<(), usize> {
        let mut at = 0;
        loop {
            let (start, byte) = self.skip_space(at)?;
            let (behind, entered) = self.value(start, byte)?;
            at = behind;
            if !entered {
                let (behind, is_over) = self.leave(at)?;
                at = behind;
                if is_over {
                    return Ok(());
                }
            }
        }
    }

    /// The place of the comma or bracket behind a value of an object, which is not judged: only strings and brackets are looked at.
    fn find_end(&mut self, start: usize) -> Option<usize> {
        let mut at = start;
        let mut depth = 0_usize;
        loop {
            match self.bytes.get(at)? {
                b'"' => {
                    at = self.skip_string(at).ok()?.0;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b',' | b'}' if depth == 0 => return Some(at),
                b'}' | b']' => depth = depth.checked_sub(1)?,
                _ => {}
            }
            at += 1;
        }
    }

    /// Scans a string, number or literal, or enters an object or list; says whether it entered one that is not empty.
    #[inline(always)]
    fn value(&mut self, start: usize, byte: u8) -> Result<(usize, bool), usize> {
        let end = match byte {
            b'"' => self.skip_string(start)?.0,
            b'{' => return self.enter(start, true),
            b'[' => return self.enter(start, false),
            b't' => self.skip_literal(start, b"true")?,
            b'f' => self.skip_literal(start, b"false")?,
            b'n' => self.skip_literal(start, b"null")?,
            b'-' | b'0'..=b'9' => self.skip_number(start)?,
            _ => return Err(start),
        };
        self.push(start, end);
        Ok((end, false))
    }

    #[inline(always)]
    fn enter(&mut self, start: usize, object: bool) -> Result<(usize, bool), usize> {
        if self.depth == DEEPEST {
            return Err(start);
        }
        let container = self.push(start, start);
        if let Some(node) = self.nodes.last_mut() {
            node.next = self.open;
        }
        self.open = container;
        self.in_object = object;
        self.depth += 1;
        let (at, byte) = self.skip_space(start + 1)?;
        if byte == if object { b'}' } else { b']' } {
            return Ok((at, false));
        }
        Ok((if object { self.name(at, byte)? } else { at }, true))
    }

    /// Goes on behind a value: to the next one of the same object or list, or out of those that end here. Says whether the
    /// body ends there.
    #[inline(always)]
    fn leave(&mut self, behind: usize) -> Result<(usize, bool), usize> {
        let mut at = behind;
        while self.open != OUTSIDE {
            let container = self.open as usize;
            let (place, byte) = self.skip_space(at)?;
            at = place + 1;
            // An empty object or list comes here straight from its beginning, so a comma is no use there.
            if byte == b',' && self.nodes.len() > container + 1 {
                if self.in_object {
                    let (place, byte) = self.skip_space(at)?;
                    at = self.name(place, byte)?;
                }
                return Ok((at, false));
            }
            if byte != if self.in_object { b'}' } else { b']' } {
                return Err(place);
            }
            self.close(container, at);
        }
        match self.skip_space(at) {
            Ok((rest, _)) => Err(rest),
            Err(end) => Ok((end, true)),
        }
    }

    /// Notes that an object or list ends before `end`.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a body whose places would not fit is not scanned"
    )]
    #[inline(always)]
    fn close(&mut self, container: usize, end: usize) {
        let behind = self.nodes.len();
        self.depth -= 1;
        if let Some(node) = self.nodes.get_mut(container) {
            self.open = node.next;
            node.end = end as u32;
            node.next = behind as u32;
        }
        let outer = self.nodes.get(self.open as usize);
        self.in_object = outer.is_some_and(|outer| self.bytes.get(outer.start as usize) == Some(&b'{'));
    }

    /// The name of a member and its colon.
    #[inline(always)]
    fn name(&mut self, start: usize, byte: u8) -> Result<usize, usize> {
        if byte != b'"' {
            return Err(start);
        }
        let (end, escaped) = self.skip_string(start)?;
        self.escaped_names |= escaped;
        self.push(start, end);
        match self.skip_space(end)? {
            (colon, b':') => Ok(colon + 1),
            (other, _) => Err(other),
        }
    }

    /// The first byte that is no white space, and its place.
    #[inline(always)]
    fn skip_space(&self, mut at: usize) -> Result<(usize, u8), usize> {
        loop {
            let byte = *self.bytes.get(at).ok_or(at)?;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Ok((at, byte));
            }
            at += 1;
        }
    }

    /// Goes behind a string, and says whether it holds an escape.
    #[inline(always)]
    fn skip_string(&mut self, start: usize) -> Result<(usize, bool), usize> {
        let mut at = start + 1;
        let mut escaped = false;
        loop {
            at = find_special(self.bytes, at).ok_or(start)?;
            let special = self.bytes.get(at);
            if special == Some(&b'"') {
                return Ok((at + 1, escaped));
            }
            escaped = true;
            match (special, self.bytes.get(at + 1)) {
                (Some(b'\\'), Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't')) => at += 2,
                (Some(b'\\'), Some(b'u')) => {
                    let digits = self.bytes.get(at + 2..).and_then(<[u8]>::first_chunk);
                    let digits: &[u8; 4] = digits.ok_or(start)?;
                    self.surrogates |= matches!(digits, [b'd' | b'D', ..]);
                    if !is_code_unit(*digits) {
                        return Err(at);
                    }
                    at += 6;
                }
                _ => return Err(at),
            }
        }
    }

    fn skip_literal(&self, start: usize, literal: &[u8]) -> Result<usize, usize> {
        let end = start + literal.len();
        if self.bytes.get(start..end) == Some(literal) {
            Ok(end)
        } else {
            Err(start)
        }
    }

    fn skip_number(&self, start: usize) -> Result<usize, usize> {
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
            return Err(start);
        }
        if self.bytes.get(at) == Some(&b'.') {
            let fraction = at + 1;
            at = digits(fraction);
            if at == fraction {
                return Err(start);
            }
        }
        if matches!(self.bytes.get(at), Some(b'e' | b'E')) {
            at += 1;
            at += usize::from(matches!(self.bytes.get(at), Some(b'+' | b'-')));
            let exponent = at;
            at = digits(exponent);
            if at == exponent {
                return Err(start);
            }
        }
        Ok(at)
    }

    /// Adds a value without inner ones, and gives its position.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a body whose places would not fit is not scanned"
    )]
    #[inline(always)]
    fn push(&mut self, start: usize, end: usize) -> u32 {
        let position = self.nodes.len() as u32;
        self.nodes.push(Node {
            start: start as u32,
            end: end as u32,
            next: position + 1,
        });
        position
    }
}

/// Whether these are hexadecimal digits. They are rare, and therefore apart: the loop over the letters stays small.
#[inline(never)]
fn is_code_unit(digits: [u8; 4]) -> bool {
    digits.iter().all(u8::is_ascii_hexdigit)
}
