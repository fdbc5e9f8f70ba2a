//! What connections stand on in this machine, its network and its clocks, and noticing that it is another one.
//!
//! A computer that slept or moved to another network has connections that look open and lead nowhere: a request on one
//! of them waits for minutes. Nothing tells a program of it on every system, so it looks every few seconds.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hyper_util::client::proxy::matcher::Matcher;
use tokio::time::Instant;

/// A clock that went this much further than the other one, or than it should have, is a computer that slept.
const JUMP: Duration = Duration::from_secs(30);

/// What is asked of this machine. Tests bring one of their own.
pub trait Machine: Send + Sync + 'static {
    /// The time of day, which goes on while the computer sleeps.
    fn wall_clock(&self) -> SystemTime;
    /// The addresses of the network interfaces, without those that lead nowhere else.
    fn addresses(&self) -> BTreeSet<IpAddr>;
    /// The proxies that the environment or the system names.
    fn proxies(&self) -> Matcher;
}

/// The machine that Coretap runs on.
pub(crate) struct ThisMachine;

impl Machine for ThisMachine {
    fn wall_clock(&self) -> SystemTime {
        SystemTime::now()
    }

    fn addresses(&self) -> BTreeSet<IpAddr> {
        let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
        interfaces
            .into_iter()
            .filter(|interface| !interface.is_loopback() && !interface.is_link_local())
            .map(|interface| interface.ip())
            .collect()
    }

    fn proxies(&self) -> Matcher {
        Matcher::from_system()
    }
}

/// What happened to a machine since it was looked at last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It slept, or its time of day was set: what was to hold until then may be over.
    Woke,
    /// It has other addresses: another network, or a VPN that came or went.
    Addresses,
}

impl Change {
    /// For the log.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Change::Woke => "the computer slept, or its clock was set",
            Change::Addresses => "the network is another one",
        }
    }
}

/// A machine, and what was seen of it last.
pub struct Watched {
    machine: Arc<dyn Machine>,
    every: Duration,
    wall_clock: SystemTime,
    monotonic: Instant,
    addresses: BTreeSet<IpAddr>,
}

impl Watched {
    /// Takes a machine that will be looked at regularly, each time after `every`.
    pub(crate) fn new(machine: Arc<dyn Machine>, every: Duration) -> Self {
        Watched {
            every,
            wall_clock: machine.wall_clock(),
            monotonic: Instant::now(),
            addresses: machine.addresses(),
            machine,
        }
    }

    /// What changed since the last look.
    pub fn look(&mut self) -> Option<Change> {
        let (wall_clock, monotonic) = (self.machine.wall_clock(), Instant::now());
        let addresses = self.machine.addresses();
        let passed = monotonic.duration_since(self.monotonic);
        // On Linux and macOS the monotonic clock stands still while the computer sleeps, on Windows it goes on.
        let expected = self.wall_clock.checked_add(passed).unwrap_or(wall_clock);
        let apart = wall_clock
            .duration_since(expected)
            .unwrap_or_else(|early| early.duration());
        let woke = apart > JUMP || passed > self.every + JUMP;
        let moved = addresses != self.addresses;
        self.wall_clock = wall_clock;
        self.monotonic = monotonic;
        self.addresses = addresses;
        if woke {
            Some(Change::Woke)
        } else {
            moved.then_some(Change::Addresses)
        }
    }
}
