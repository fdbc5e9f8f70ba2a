//! The simulator inside this process, for a first look without SAP AI Core.

use std::net::{Ipv4Addr, SocketAddr};

use coretap_aicore::ServiceKey;
use coretap_simulator::{Options, Simulator};
use tokio::sync::oneshot;

use crate::error::Error;

/// A running simulator. It ends when this is dropped.
pub(crate) struct Demo {
    pub(crate) service_key: ServiceKey,
    _stop: oneshot::Sender<()>,
}

impl Demo {
    pub(crate) async fn start() -> Result<Self, Error> {
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let simulator = Simulator::bind(anywhere, Options::default())
            .await
            .map_err(Error::Simulator)?;
        let service_key = ServiceKey::parse(&simulator.service_key())?;
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(simulator.run(async {
            // Sent or dropped, both mean the end.
            let _ = stopped.await;
        }));
        Ok(Demo {
            service_key,
            _stop: stop,
        })
    }
}
