//! Which failures are worth another try, and how long to wait before it.
//!
//! All of it happens before the agent has seen a byte; afterwards nothing is ever sent again.

use std::time::Duration;

use http::HeaderMap;
use http::header::{HeaderName, RETRY_AFTER};

use crate::attempt::Fault;
use crate::configuration::Limits;
use crate::problem::code;

/// How long to wait before the next try; nothing when the agent has to be told. `tries` counts the retries so far.
pub(crate) fn pause(fault: &Fault, tries: u32, limits: &Limits) -> Option<Duration> {
    if tries >= limits.retries {
        return None;
    }
    match fault {
        Fault::Core(error) => error.is_connect().then(|| backoff(tries, limits)),
        Fault::Cut(_) => Some(backoff(tries, limits)),
        Fault::Final(_) => None,
        Fault::Refused(refusal) => match (refusal.status, refusal.retry_after) {
            (429 | 502..=504 | 529, Some(seconds)) => {
                Some(Duration::from_secs(seconds)).filter(|pause| *pause <= limits.retry_after)
            }
            // A limit that says no time lasts to the end of the minute. Inside a stream nobody could say a time.
            (429, None) => refusal.in_stream.then(|| backoff(tries, limits)),
            (502..=504 | 529, None) => Some(backoff(tries, limits)),
            _ => None,
        },
    }
}

/// Logs that a request is sent again after a pause, with the status or Coretap's code of the fault. An upstream's words
/// may repeat what a prompt says, and nothing of that is logged.
pub(crate) fn log(fault: &Fault, pause: Duration) {
    let (status, code) = status_and_code(fault);
    tracing::debug!(status, code, ?pause, "the request is sent again");
}

/// The status of an upstream's refusal or of a problem, and Coretap's code.
pub(crate) fn status_and_code(fault: &Fault) -> (Option<u16>, Option<&'static str>) {
    match fault {
        Fault::Final(problem) => (Some(problem.status), Some(problem.code)),
        Fault::Core(error) => (None, Some(error.code())),
        Fault::Refused(refusal) => (Some(refusal.status), None),
        Fault::Cut(_) => (None, Some(code::CUT)),
    }
}

/// Exponential, with full jitter: agents that failed together do not come back together.
fn backoff(tries: u32, limits: &Limits) -> Duration {
    limits
        .backoff
        .saturating_mul(1_u32.checked_shl(tries).unwrap_or(u32::MAX))
        .mul_f64(fastrand::f64())
}

/// Seconds that an answer asks to wait, rounded up. A date is not understood: nobody on this way sends one.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<u64> {
    const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
    let number = |name| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let seconds = number(RETRY_AFTER).or_else(|| number(RETRY_AFTER_MS).map(|ms| ms / 1000.0))?;
    Duration::try_from_secs_f64(seconds.ceil())
        .ok()
        .map(|pause| pause.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempt::Refusal;
    use crate::problem::Problem;

    fn refused(status: u16, retry_after: Option<u64>, in_stream: bool) -> Fault {
        Fault::Refused(Refusal {
            status,
            text: String::new(),
            code: None,
            retry_after,
            in_stream,
            verdict: None,
        })
    }

    #[test]
    fn each_failure_is_retried_as_its_rule_says() {
        let limits = Limits::default();
        let exactly = |seconds| Some(Duration::from_secs(seconds));
        for (fault, expected) in [
            (refused(429, Some(2), false), exactly(2)),
            (refused(429, Some(10), false), exactly(10)),
            (refused(429, Some(11), false), None),
            (refused(429, None, false), None),
            (refused(503, Some(3), false), exactly(3)),
            (refused(503, Some(600), false), None),
            (refused(400, None, false), None),
            (refused(401, Some(1), false), None),
            (refused(500, None, false), None),
            (refused(500, None, true), None),
            (Fault::Final(Problem::internal()), None),
        ] {
            assert_eq!(pause(&fault, 0, &limits), expected, "{fault:?}");
        }
        for fault in [
            refused(429, None, true),
            refused(529, None, true),
            refused(502, None, false),
            refused(503, None, false),
            refused(504, None, false),
            Fault::Cut("connection reset".into()),
        ] {
            for (tries, most) in [(0, 200), (1, 400)] {
                for _ in 0..100 {
                    let pause = pause(&fault, tries, &limits).unwrap();
                    assert!(pause <= Duration::from_millis(most), "{fault:?} {pause:?}");
                }
            }
            assert_eq!(
                pause(&fault, 2, &limits),
                None,
                "two retries are enough: {fault:?}"
            );
        }
    }

    #[test]
    fn what_is_logged_of_a_fault_has_none_of_the_upstreams_words() {
        let words = || "TOPSECRETPROMPT".to_owned();
        let refusal = Refusal {
            status: 503,
            text: words(),
            code: Some(words()),
            retry_after: None,
            in_stream: true,
            verdict: None,
        };
        for (fault, logged) in [
            (Fault::Refused(refusal), (Some(503), None)),
            (Fault::Cut(words()), (None, Some("UPSTREAM-CUT"))),
            (
                Fault::Final(Problem::cut("TOPSECRETPROMPT")),
                (Some(502), Some("UPSTREAM-CUT")),
            ),
        ] {
            assert_eq!(status_and_code(&fault), logged, "{fault:?}");
        }
    }

    #[test]
    fn waiting_times_are_read_in_seconds_and_milliseconds() {
        let read = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(read("retry-after", "7"), Some(7));
        assert_eq!(read("retry-after", "0.2"), Some(1));
        assert_eq!(read("retry-after-ms", "1500"), Some(2));
        for unreadable in [
            "",
            "soon",
            "-1",
            "NaN",
            "inf",
            "1e300",
            "Wed, 21 Oct 2026 07:28:00 GMT",
        ] {
            assert_eq!(read("retry-after", unreadable), None, "{unreadable}");
        }
    }
}
