//! The commands that run until they are told to end.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use coretap_app::view::{Step, StepId};
use coretap_app::{Coretap, Error, Flags, Settings, Simulator, SimulatorOptions, Source};

use crate::environment;
use crate::print;

/// `coretap serve`
pub(crate) async fn serve(flags: Flags) -> Result<(), Error> {
    let settings = Settings::read(&flags, &environment).await?;
    let is_random = settings.local_key.is_none();
    let is_simulated = matches!(settings.source, Source::Demo);
    if !flags.demo && is_simulated {
        print::note("The built-in simulator answers, because the desktop app was set to it.");
    }
    let mut stop = Signals::new().map_err(Error::Simulator)?;
    let coretap = Coretap::new(settings, None).await?;
    let address = coretap.start().await?;
    if is_random {
        print::note(&format!("local key: {}", coretap.local_key().expose()));
    }
    print::out(&format!("listening on http://{address}\n"));

    tokio::select! {
        () = stop.next() => {}
        () = say_what_answers(&coretap, is_simulated) => {}
    }
    tokio::select! {
        () = coretap.stop() => {}
        // Whoever asks twice does not want to wait for running streams.
        () = stop.next() => {}
    }
    Ok(())
}

/// Says once whether SAP AI Core answers, so that a wrong key is known before the first request; agents are served all the
/// same. It never ends.
async fn say_what_answers(coretap: &Coretap, is_simulated: bool) {
    let (mut resource_group, mut problem) = (None, None);
    let selection = coretap
        .check(|step| match step {
            Step {
                problem: Some(found), ..
            } => problem = Some(found),
            Step {
                id: StepId::ResourceGroup,
                name: Some(name),
                ..
            } => resource_group = Some(name),
            _ => {}
        })
        .await;
    if let Some(selection) = selection {
        let who = if is_simulated {
            "The built-in simulator"
        } else {
            "SAP AI Core"
        };
        print::note(&format!(
            "{who} answers: {} models, resource group {}",
            selection.models.len(),
            resource_group.unwrap_or_default()
        ));
    } else if let Some(problem) = problem {
        print::warning(&format!("{} ({})", problem.sentence, problem.code), &problem.hint);
    }
    std::future::pending::<()>().await;
}

/// `coretap simulate`
pub(crate) async fn simulate(port: u16) -> Result<(), Error> {
    let mut stop = Signals::new().map_err(Error::Simulator)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let simulator = Simulator::bind(address, SimulatorOptions::default())
        .await
        .map_err(Error::Simulator)?;
    print::note("SAP AI Core is simulated until Ctrl-C. Its service key, for AICORE_SERVICE_KEY:");
    print::out(&format!("{}\n", simulator.service_key()));
    tokio::select! {
        () = simulator.run(std::future::pending()) => {}
        () = stop.next() => {}
    }
    Ok(())
}

/// SIGINT (Ctrl-C) and SIGTERM; on Windows Ctrl-C only.
struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    #[cfg(not(unix))]
    fn new() -> io::Result<Self> {
        Ok(Signals {})
    }

    /// Waits for the next one.
    #[cfg(unix)]
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Waits for the next one.
    #[cfg(not(unix))]
    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            // Without signals only the system can end this process.
            std::future::pending::<()>().await;
        }
    }
}
