//! The processes of a session, found by the home folder in their environment, and who is whose child.

use std::collections::HashMap;
use std::path::Path;

/// A running process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its program's file name.
    pub name: String,
}

/// All processes that were started with this home folder. One that has ended but was not yet waited for is none.
pub fn of_home(home: &Path) -> Vec<Process> {
    let variable = format!("HOME={}", home.display());
    let started_there = |pid: &u32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment
            .split(|byte| *byte == 0)
            .any(|entry| entry == variable.as_bytes())
    };
    pids()
        .into_iter()
        .filter(started_there)
        .filter_map(|pid| {
            let program = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
            let name = program.file_name()?.to_string_lossy().into_owned();
            Some(Process { pid, name })
        })
        .collect()
}

/// Ends all processes that were started with this home folder, and those that they start meanwhile.
pub fn end_all_of_home(home: &Path) {
    loop {
        let running = of_home(home);
        if running.is_empty() {
            return;
        }
        // The X server removes its lock and its socket when it is asked to end, and ends last.
        let (servers, others): (Vec<_>, Vec<_>) =
            running.into_iter().partition(|process| process.name == "Xvfb");
        if others.is_empty() {
            send_signal("-TERM", &servers);
        } else {
            send_signal("-KILL", &others);
        }
    }
}

/// Sends a signal. A process that has ended by itself is no failure.
pub(crate) fn send_signal(signal: &str, processes: &[Process]) {
    if processes.is_empty() {
        return;
    }
    let _ = std::process::Command::new("kill")
        .arg(signal)
        .args(processes.iter().map(|process| process.pid.to_string()))
        .stderr(std::process::Stdio::null())
        .status();
}

/// A process and all below it.
pub fn tree(root: u32) -> Vec<u32> {
    let parents: HashMap<u32, u32> = pids()
        .into_iter()
        .filter_map(|pid| Some((pid, parent(pid)?)))
        .collect();
    let below = |mut pid: u32| {
        while pid != root {
            match parents.get(&pid) {
                Some(parent) => pid = *parent,
                None => return false,
            }
        }
        true
    };
    parents.keys().copied().filter(|pid| below(*pid)).collect()
}

fn pids() -> Vec<u32> {
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

/// The name in `/proc/<pid>/stat` may hold blanks and parentheses: the fields are counted from behind it.
fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(1)?.parse().ok()
}
