//! The listening socket, its connections and the proxy's run state.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::balance::Balance;
use crate::configuration::Configuration;
use crate::connection::{Stopping, serve};
use crate::exchange::Exchange;
use crate::health::{self, Health};
use crate::kept_answers::KeptAnswers;
use crate::knowledge::Knowledge;
use crate::network;
use crate::open_files;
use crate::port_owner::{self, PortOwner};
use crate::problem::{Problem, code};

/// What the proxy is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunState {
    /// It does not listen.
    Stopped,
    /// It is about to listen.
    Starting,
    /// It listens, and what was measured last of SAP AI Core, if anything was, worked.
    Running {
        /// Where it listens.
        address: SocketAddr,
    },
    /// It listens, but what was measured last of SAP AI Core did not work.
    Degraded {
        /// Where it listens.
        address: SocketAddr,
        /// What does not work.
        problem: Arc<Problem>,
        /// Since when nothing has worked.
        since: SystemTime,
    },
    /// It takes nothing new; running streams may end.
    Stopping,
    /// It could not start.
    Failed {
        /// Why, as [`StartError::code`] says it.
        code: &'static str,
        /// The same for people.
        sentence: String,
        /// When it tried.
        since: SystemTime,
    },
}

/// Why the proxy could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another program listens on the port.
    #[error("Port {port} is taken{}.", by(owner.as_ref()))]
    PortTaken {
        /// The port.
        port: u16,
        /// Who has it, where the system tells.
        owner: Option<PortOwner>,
    },
    /// The system refused the address for another reason.
    #[error("Port {port} can't be listened on: {source}.")]
    Bind {
        /// The port.
        port: u16,
        /// The cause.
        source: io::Error,
    },
}

impl StartError {
    /// The stable code, one of [`crate::CODES`].
    pub fn code(&self) -> &'static str {
        match self {
            StartError::PortTaken { .. } => code::PORT_TAKEN,
            StartError::Bind { .. } => code::BIND,
        }
    }
}

fn by(owner: Option<&PortOwner>) -> String {
    owner
        .map(|owner| format!(" by {} (process {})", owner.name, owner.pid))
        .unwrap_or_default()
}

/// How long an agent is given to take the last words of an answer that was cut off: it is on the same machine.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What all requests share.
pub(crate) struct Shared {
    configuration: watch::Receiver<Arc<Configuration>>,
    /// Whether the time is over that running answers have when the proxy stops.
    is_cut_off: AtomicBool,
    pub(crate) knowledge: Arc<Knowledge>,
    pub(crate) kept_answers: KeptAnswers,
    pub(crate) exchanges: Option<mpsc::Sender<Exchange>>,
    pub(crate) lost_exchanges: AtomicU64,
    pub(crate) health: Health,
    pub(crate) balance: Arc<Balance>,
}

impl Shared {
    pub(crate) fn configuration(&self) -> Arc<Configuration> {
        Arc::clone(&self.configuration.borrow())
    }

    pub(crate) fn is_stopping(&self) -> bool {
        *self.health.state.borrow() == RunState::Stopping
    }

    /// Whether answers that are still running must end now. Each connection is woken when that begins, so whatever it polls
    /// need only look.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.is_cut_off.load(Ordering::Relaxed)
    }
}

/// The proxy. It can be started and stopped any number of times; both may be called at any time, by anybody.
pub struct Proxy {
    shared: Arc<Shared>,
    listening: Mutex<Option<Listening>>,
}

struct Listening {
    address: SocketAddr,
    stop: CancellationToken,
    connections: JoinHandle<()>,
}

impl Proxy {
    /// A proxy that does not listen yet, and that follows and widens `knowledge`. Finished requests are sent to `exchanges`; when nobody takes them in time they
    /// are dropped and counted, never waited for.
    pub fn new(
        configuration: watch::Receiver<Arc<Configuration>>,
        knowledge: Arc<Knowledge>,
        exchanges: Option<mpsc::Sender<Exchange>>,
    ) -> Self {
        Proxy {
            shared: Arc::new(Shared {
                configuration,
                is_cut_off: AtomicBool::new(false),
                knowledge,
                kept_answers: KeptAnswers::default(),
                exchanges,
                lost_exchanges: AtomicU64::new(0),
                health: Health::new(),
                balance: Arc::default(),
            }),
            listening: Mutex::new(None),
        }
    }

    /// The run state, now and whenever it changes.
    pub fn state(&self) -> watch::Receiver<RunState> {
        self.shared.health.state.subscribe()
    }

    /// Takes back what was measured of SAP AI Core, because requests go another way from now on, and measures anew in the
    /// background.
    pub fn measure_anew(&self) {
        self.shared.health.measure_anew();
    }

    /// Asks SAP AI Core for a token and the deployments now and takes what comes of it into the run state: for whoever
    /// knows that the way may have changed, like a network that is another one. It asks no model. A proxy that does not
    /// listen stays what it is.
    pub async fn probe(&self) {
        health::probe(&self.shared).await;
    }

    /// How many exchanges nobody took in time.
    pub fn lost_exchanges(&self) -> u64 {
        self.shared.lost_exchanges.load(Ordering::Relaxed)
    }

    /// Listens on 127.0.0.1 at the configured port and gives the address. Does nothing when it already listens.
    ///
    /// # Errors
    /// When the port is taken or can't be listened on; the run state says the same.
    pub async fn start(&self) -> Result<SocketAddr, StartError> {
        let mut listening = self.listening.lock().await;
        if let Some(listening) = &*listening {
            return Ok(listening.address);
        }
        self.shared.health.state.send_replace(RunState::Starting);
        let port = self.shared.configuration().port;
        let bound = match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            Ok(listener) => listener.local_addr().map(|address| (listener, address)),
            Err(error) => Err(error),
        };
        let (listener, address) = match bound {
            Ok(bound) => bound,
            Err(source) => {
                let error = start_error(port, source).await;
                self.shared.health.state.send_replace(RunState::Failed {
                    code: error.code(),
                    sentence: error.to_string(),
                    since: SystemTime::now(),
                });
                return Err(error);
            }
        };
        open_files::raise_limit();
        self.shared.is_cut_off.store(false, Ordering::Relaxed);
        self.shared.health.begin(RunState::Running { address });
        let stop = CancellationToken::new();
        tokio::spawn(measure(Arc::clone(&self.shared), stop.clone()));
        let connections = tokio::spawn(accept(listener, Arc::clone(&self.shared), stop.clone()));
        *listening = Some(Listening {
            address,
            stop,
            connections,
        });
        Ok(address)
    }

    /// Takes nothing new, gives running answers the configured time to end, and ends those that are left with an error in
    /// their agent's format. Does nothing when it does not listen.
    pub async fn stop(&self) {
        let mut listening = self.listening.lock().await;
        let Some(Listening {
            stop, connections, ..
        }) = listening.take()
        else {
            return;
        };
        self.shared.health.state.send_replace(RunState::Stopping);
        stop.cancel();
        if let Err(error) = connections.await {
            tracing::error!(%error, "the connections' task failed");
        }
        self.shared.health.state.send_replace(RunState::Stopped);
    }
}

impl Drop for Proxy {
    /// A proxy that nobody can stop any more stops by itself.
    fn drop(&mut self) {
        if let Some(listening) = self.listening.get_mut() {
            listening.stop.cancel();
        }
    }
}

/// Measures SAP AI Core until `stop`.
async fn measure(shared: Arc<Shared>, stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = health::keep_measuring(&shared) => {}
        () = network::follow(&shared) => {}
    }
}

/// Whether a proxy could listen on the port now.
///
/// # Errors
/// Those of [`Proxy::start`].
pub async fn check_port(port: u16) -> Result<(), StartError> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
        Ok(_) => Ok(()),
        Err(source) => Err(start_error(port, source).await),
    }
}

async fn start_error(port: u16, source: io::Error) -> StartError {
    if source.kind() != io::ErrorKind::AddrInUse {
        return StartError::Bind { port, source };
    }
    // It reads /proc, which may be long.
    let owner = tokio::task::spawn_blocking(move || port_owner::find(port))
        .await
        .ok()
        .flatten();
    StartError::PortTaken { port, owner }
}

/// Accepts connections until `stop`, then lets them drain and cuts off what takes longer than that may.
async fn accept(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    let cut = CancellationToken::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => {
                    let stopping = Stopping { stop: stop.clone(), cut: cut.clone() };
                    connections.spawn(serve(socket, Arc::clone(&shared), stopping));
                }
                Err(error) => refused_accept(&error, &stop).await,
            },
        }
    }
    drop(listener);
    if has_ended(&mut connections, shared.configuration().limits.drain).await {
        return;
    }
    tracing::warn!(open = connections.len(), "answers are cut off");
    shared.is_cut_off.store(true, Ordering::Relaxed);
    cut.cancel();
    if !has_ended(&mut connections, LAST_WORDS).await {
        connections.shutdown().await;
    }
}

/// Whether all connections have ended within this time.
async fn has_ended(connections: &mut JoinSet<()>, time: Duration) -> bool {
    let ended = async { while connections.join_next().await.is_some() {} };
    tokio::time::timeout(time, ended).await.is_ok()
}

/// A client that left while it was being accepted is nobody's problem. Anything else (no more file descriptors) lasts a
/// while, and asking again at once would only burn the processor.
async fn refused_accept(error: &io::Error, stop: &CancellationToken) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    ) {
        return;
    }
    tracing::error!(%error, "no connection can be accepted");
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(Duration::from_secs(1)) => {}
    }
}
