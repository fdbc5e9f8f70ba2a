//! What was used today and what went wrong last, as far as this run has seen it.

use std::time::{SystemTime, UNIX_EPOCH};

use coretap_proxy::Exchange;

use crate::problem_view::milliseconds;
use crate::view::{LastProblem, ModuleUse, Snapshot, UsageView};

const DAY: u64 = 24 * 60 * 60;

/// Adds finished requests to the day's sums.
#[derive(Default)]
pub(crate) struct Usage {
    /// Days since 1970 (UTC).
    day: u64,
}

impl Usage {
    /// Takes one finished request into the snapshot, and says whether it changed anything there.
    pub(crate) fn add(&mut self, exchange: &Exchange, snapshot: &mut Snapshot) -> bool {
        let problem = exchange.code.filter(|code| *code != "REQUEST-CLIENT-LEFT");
        if let Some(code) = problem {
            snapshot.last_problem = Some(LastProblem {
                code: code.to_owned(),
                status: exchange.status,
                path: exchange.path.clone().into_owned(),
                model: exchange
                    .model
                    .as_deref()
                    .or(exchange.asked_model.as_deref())
                    .map(str::to_owned),
                modules: exchange
                    .orchestration
                    .iter()
                    .copied()
                    .map(str::to_owned)
                    .collect(),
                at: milliseconds(exchange.at),
            });
        }
        // Lists, counted tokens and requests that were not let in are no use of a model.
        if exchange.route.is_none() {
            return problem.is_some();
        }
        let today = day(exchange.at);
        if today != self.day {
            self.day = today;
            snapshot.usage = UsageView::default();
        }
        let usage = &mut snapshot.usage;
        usage.requests += 1;
        usage.input_tokens += exchange.usage.total_input();
        usage.output_tokens += exchange.usage.output.unwrap_or_default();
        for module in &exchange.orchestration {
            match usage.modules.iter_mut().find(|used| used.module == *module) {
                Some(used) => used.requests += 1,
                None => usage.modules.push(ModuleUse {
                    module: (*module).to_owned(),
                    requests: 1,
                }),
            }
        }
        true
    }
}

fn day(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / DAY
}
