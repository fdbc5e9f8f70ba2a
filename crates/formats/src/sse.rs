//! Server-sent events: the payloads of `data:` lines, out of bytes that are cut anywhere.
//!
//! SAP's streams put one whole payload on each `data:` line; between the lines stand one, two or no blank ones
//! (sap-wire.md §4.4). So each line is a payload, and everything else (`event:`, `id:`, comments) is passed over.

use memchr::memchr2;

/// The longest line that is waited for. No answer is that long; without a bound a broken upstream could fill the memory.
const LONGEST_LINE: usize = 64 * 1024 * 1024;

/// A line that is longer than 64 MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LineTooLong;

/// The lines of a stream. It holds only the line that has not ended yet.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    unfinished: Vec<u8>,
    body: Body,
}

/// What a body turned out to be.
#[derive(Debug, Default, PartialEq, Eq)]
enum Body {
    /// Nothing of it has come but blanks.
    #[default]
    Unknown,
    /// Lines.
    Stream,
    /// A JSON object or list where a stream was asked for, mostly an error: one payload, over however many lines.
    Json,
}

impl Lines {
    /// Takes the next bytes and hands every payload that is complete to `take`, straight out of `bytes` where the whole
    /// line lies in them.
    ///
    /// # Errors
    /// When a line grows over 64 MiB; the stream is of no use then.
    pub(crate) fn push(&mut self, bytes: &[u8], mut take: impl FnMut(&[u8])) -> Result<(), LineTooLong> {
        if self.body == Body::Unknown
            && let Some(first) = bytes.trim_ascii_start().first()
        {
            self.body = if matches!(first, b'{' | b'[') {
                Body::Json
            } else {
                Body::Stream
            };
        }
        if self.body == Body::Json {
            return self.keep(bytes);
        }
        let mut rest = bytes;
        if !self.unfinished.is_empty() {
            let Some((line, after)) = split_line(rest) else {
                return self.keep(rest);
            };
            self.unfinished.extend_from_slice(line);
            if let Some(payload) = payload(&self.unfinished) {
                take(payload);
            }
            self.unfinished.clear();
            rest = after;
        }
        while let Some((line, after)) = split_line(rest) {
            if let Some(payload) = payload(line) {
                take(payload);
            }
            rest = after;
        }
        self.keep(rest)
    }

    /// The payload of a last line that has no line break, or a body that is plain JSON, when the stream has ended.
    pub(crate) fn finish(&mut self, take: impl FnOnce(&[u8])) {
        let payload = match self.body {
            Body::Json => Some(self.unfinished.trim_ascii()),
            Body::Unknown | Body::Stream => payload(&self.unfinished),
        };
        if let Some(payload) = payload {
            take(payload);
        }
        self.unfinished = Vec::new();
    }

    fn keep(&mut self, rest: &[u8]) -> Result<(), LineTooLong> {
        if self.unfinished.len() + rest.len() > LONGEST_LINE {
            self.unfinished = Vec::new();
            return Err(LineTooLong);
        }
        self.unfinished.extend_from_slice(rest);
        Ok(())
    }
}

/// The first line without its line break, and what comes after it.
fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    // Lines end with LF, CR or both; the empty line between the two carries nothing.
    let (line, rest) = bytes.split_at_checked(memchr2(b'\n', b'\r', bytes)?)?;
    Some((line, rest.get(1..)?))
}

/// What stands behind `data:`, without the blanks around it; nothing where it is empty or another kind of line. A byte
/// order mark, with which a stream may begin, is passed over; no other line has a use for one.
fn payload(line: &[u8]) -> Option<&[u8]> {
    let behind = line
        .strip_prefix(b"data:")
        .or_else(|| line.strip_prefix("\u{feff}data:".as_bytes()));
    let payload = behind?.trim_ascii();
    (!payload.is_empty()).then_some(payload)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STREAM: &str = "\u{feff}retry: 3\n: hello\nevent: x\ndata: {\"a\":\"ü\u{1f600}\"}\r\n\r\ndata:{}\n\n\n\
                          data: 1\ndata: 2\nid: 7\ndata:\ndata: \ndatum: 3\n data: 4\ndata: [DONE]";

    fn text(payload: &[u8]) -> String {
        String::from_utf8(payload.to_vec()).unwrap()
    }

    fn read(pieces: &[&[u8]]) -> Vec<String> {
        let mut found = Vec::new();
        let mut lines = Lines::default();
        for piece in pieces {
            lines.push(piece, |payload| found.push(text(payload))).unwrap();
        }
        lines.finish(|payload| found.push(text(payload)));
        found
    }

    #[test]
    fn payloads_are_what_stands_on_data_lines() {
        assert_eq!(
            read(&[STREAM.as_bytes()]),
            ["{\"a\":\"ü\u{1f600}\"}", "{}", "1", "2", "[DONE]"]
        );
    }

    #[test]
    fn a_byte_order_mark_hides_no_payload() {
        let stream = "\u{feff}data: 1\ndata: 2\n".as_bytes();
        assert_eq!(read(&[stream]), ["1", "2"]);
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(read(&bytes), ["1", "2"]);
    }

    #[test]
    fn lines_end_with_either_character_or_both() {
        assert_eq!(
            read(&[b"data: 1\rdata: 2\r\n\r\ndata: 3\n\rdata: 4\r"]),
            ["1", "2", "3", "4"]
        );
        assert_eq!(read(&[b"data: 1\r", b"\ndata: 2\r", b"data: 3"]), ["1", "2", "3"]);
    }

    #[test]
    fn a_body_that_is_an_object_or_a_list_is_one_payload() {
        let object = "{\"error\": {\n  \"message\": \"No.\"\n}}";
        for whole in [object, &format!("[\n{object}\n]")] {
            let body = format!("\n{whole}\n");
            assert_eq!(read(&[body.as_bytes()]), [whole]);
            let bytes: Vec<&[u8]> = body.as_bytes().chunks(1).collect();
            assert_eq!(read(&bytes), [whole]);
        }
    }

    #[test]
    fn a_line_over_the_bound_is_refused() {
        let mut lines = Lines::default();
        let half = vec![b'x'; LONGEST_LINE / 2];
        assert_eq!(lines.push(&half, |_| ()), Ok(()));
        assert_eq!(lines.push(&half, |_| ()), Ok(()));
        assert_eq!(lines.push(b"x", |_| ()), Err(LineTooLong));
    }

    proptest! {
        #[test]
        fn payloads_are_the_same_whatever_way_the_bytes_are_cut(cuts in prop::collection::vec(0..STREAM.len(), 0..40)) {
            let mut cuts = cuts;
            cuts.extend([0, STREAM.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &STREAM.as_bytes()[pair[0]..pair[1]]).collect();
            prop_assert_eq!(read(&pieces), read(&[STREAM.as_bytes()]));
        }
    }
}
