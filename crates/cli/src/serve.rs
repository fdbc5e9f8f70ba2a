//! The commands that run until they are told to end.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use coretap_app::{Coretap, Error, Flags, Settings, Simulator, SimulatorOptions, Source};

use crate::environment;
use crate::print;

/// `coretap serve`
pub(crate) async fn serve(port: Option<u16>, demo: bool) -> Result<(), Error> {
    let settings = Settings::read(Flags { port, demo }, &environment).await?;
    let is_random = settings.local_key.is_none();
    if !demo && matches!(settings.source, Source::Demo) {
        print::note("The built-in simulator answers, because the desktop app was set to it.");
    }
    let mut stop = Signals::new().map_err(Error::Simulator)?;
    let coretap = Coretap::new(settings, None).await?;
    let address = coretap.start().await?;
    if is_random {
        print::note(&format!("local key: {}", coretap.local_key().expose()));
    }
    print::out(&format!("listening on http://{address}\n"));

    stop.next().await;
    tokio::select! {
        () = coretap.stop() => {}
        // Whoever asks twice does not want to wait for running streams.
        () = stop.next() => {}
    }
    Ok(())
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
