//! Following the machine's network while the proxy runs: after a sleep, in another network or behind another proxy the
//! connections to SAP AI Core are made anew, and whether it is reached is found out at once, not by the next request.

use std::time::Duration;

use tokio::time::sleep;

use crate::server::Shared;

/// How often the machine is looked at. A look is a few system calls: 0.3 ms of processor time where nothing else is warm.
const EVERY: Duration = Duration::from_secs(5);

/// Runs until it is dropped.
pub(crate) async fn follow(shared: &Shared) {
    let mut machine = shared.configuration().selected.aicore.machine(EVERY);
    loop {
        sleep(EVERY).await;
        let change = machine.look();
        let mut is_another = false;
        for connection in shared.configuration().connections() {
            is_another |= connection.aicore.follow(change);
        }
        if is_another {
            shared.health.measure_anew();
        }
    }
}
