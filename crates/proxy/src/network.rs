//! Following the machine's network while the proxy runs: after a sleep, in another network or behind another proxy the
//! connections to SAP AI Core are made anew, and whether it is reached is found out at once, not by the next request.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::problem::Problem;
use crate::server::Shared;

/// How often the machine is looked at. A look is a few system calls: 0.3 ms of processor time where nothing else is warm.
const EVERY: Duration = Duration::from_secs(5);
/// A network that has just come back may need a while: a probe that failed is repeated after twice the pause each time.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// What a probe may take; less than what looks like a sleep.
const PROBE: Duration = Duration::from_secs(20);

/// Runs until it is dropped.
pub(crate) async fn follow(shared: Arc<Shared>) {
    let mut machine = shared.configuration().aicore.machine(EVERY);
    let mut next_probe = None;
    let mut pause = EVERY;
    loop {
        sleep(EVERY).await;
        let aicore = shared.configuration().aicore.clone();
        if aicore.follow(machine.look()) {
            next_probe = Some(Instant::now());
            pause = EVERY;
        } else if !shared.is_degraded() {
            // A request has found the way already.
            next_probe = None;
        }
        if next_probe.is_none_or(|at| Instant::now() < at) {
            continue;
        }
        match timeout(PROBE, aicore.probe()).await {
            Ok(Ok(())) => {
                next_probe = None;
                shared.measure(None);
            }
            failed => {
                if let Ok(Err(error)) = failed {
                    tracing::warn!(code = error.code(), %error, "SAP AI Core is not reached");
                    shared.measure(Some(&Problem::from(error)));
                }
                next_probe = Some(Instant::now() + pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}
