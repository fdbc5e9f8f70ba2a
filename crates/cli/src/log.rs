//! The log on stderr: one line per event.

use std::fmt::{self, Write};

use time::OffsetDateTime;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Starts the log. `RUST_LOG` says how much is logged, `level` by default.
pub(crate) fn start(level: &str) {
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| level.to_owned());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .event_format(Lines)
        .init();
}

/// Time, level, where it happened, what happened. The usual format looks at each character of each field whether it
/// could control a terminal, which costs more than the rest of a line; here a finished line is looked at once.
struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::with_capacity(256);
        push_time(&mut line, OffsetDateTime::now_utc());
        line.push_str(match *event.metadata().level() {
            tracing::Level::ERROR => " ERROR ",
            tracing::Level::WARN => "  WARN ",
            tracing::Level::INFO => "  INFO ",
            tracing::Level::DEBUG => " DEBUG ",
            tracing::Level::TRACE => " TRACE ",
        });
        line.push_str(event.metadata().target());
        line.push(':');
        event.record(&mut Fields(&mut line));
        // Plain ASCII, as nearly every line is, is told by one quick pass without an early end.
        let is_plain = line
            .bytes()
            .fold(true, |plain, byte| plain & (b' '..0x7f).contains(&byte));
        if !is_plain {
            line = line
                .chars()
                .map(|one| if one.is_control() { ' ' } else { one })
                .collect();
        }
        line.push('\n');
        writer.write_str(&line)
    }
}

/// The time in UTC to the microsecond, as RFC 3339 has it. Formatting it by a description costs as much as a line.
fn push_time(line: &mut String, time: OffsetDateTime) {
    let (year, month, day) = time.to_calendar_date();
    let (hour, minute, second, microsecond) = time.to_hms_micro();
    push_digits(line, year.unsigned_abs(), 1000);
    for (mark, number) in [
        ('-', u8::from(month)),
        ('-', day),
        ('T', hour),
        (':', minute),
        (':', second),
    ] {
        line.push(mark);
        push_digits(line, number.into(), 10);
    }
    line.push('.');
    push_digits(line, microsecond, 100_000);
    line.push('Z');
}

/// A number with leading zeros; `place` is that of its first digit.
fn push_digits(line: &mut String, number: u32, mut place: u32) {
    while place > 0 {
        line.push(char::from_digit(number / place % 10, 10).unwrap_or('0'));
        place /= 10;
    }
}

/// The message as it is, every other field as `name=value`.
struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing into a String can't fail.
        let _ = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_time_is_written_with_all_its_digits() {
        let mut line = String::new();
        push_time(
            &mut line,
            OffsetDateTime::from_unix_timestamp_nanos(1_767_225_901_000_042_999).unwrap(),
        );
        assert_eq!(line, "2026-01-01T00:05:01.000042Z");
    }

    #[test]
    fn an_event_is_one_line_whatever_is_in_it() {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .event_format(Lines)
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "coretap::request", "POST {} früh", "/v1/messages");
            tracing::warn!(target: "t", code = "A-B", count = 2, "from \x1b[31m\nupstream\u{9b}");
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<_> = text.lines().map(|line| line.split_once('Z').unwrap().1).collect();
        assert_eq!(
            lines,
            [
                "  INFO coretap::request: POST /v1/messages früh",
                r#"  WARN t: from  [31m upstream  code="A-B" count=2"#
            ]
        );
    }
}
