//! Who listens on a port.

use std::fmt;

/// A process that listens on a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortOwner {
    /// Its process id.
    pub pid: u32,
    /// Its name, as short as the system keeps it.
    pub name: String,
}

impl fmt::Display for PortOwner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} (process {})", self.name, self.pid)
    }
}

/// The process that listens on a TCP port of this machine. Nothing where the system does not tell: on other systems
/// than Linux, or when the process is somebody else's.
#[cfg(target_os = "linux")]
pub(crate) fn find(port: u16) -> Option<PortOwner> {
    use std::fs;

    let sockets: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| {
            listening_inodes(&table, port)
                .map(|inode| format!("socket:[{inode}]"))
                .collect::<Vec<_>>()
        })
        .collect();
    if sockets.is_empty() {
        return None;
    }
    fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let pid: u32 = process.file_name().to_str()?.parse().ok()?;
        fs::read_dir(process.path().join("fd"))
            .ok()?
            .flatten()
            .find(|descriptor| {
                fs::read_link(descriptor.path())
                    .is_ok_and(|to| sockets.iter().any(|socket| to.as_os_str() == socket.as_str()))
            })?;
        let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
        Some(PortOwner {
            pid,
            name: name.trim().to_owned(),
        })
    })
}

/// The process that listens on a TCP port of this machine: this system does not tell.
#[cfg(not(target_os = "linux"))]
pub(crate) fn find(_port: u16) -> Option<PortOwner> {
    None
}

/// The inodes of the sockets that listen on `port`, from a table like `/proc/net/tcp`.
#[cfg(target_os = "linux")]
fn listening_inodes(table: &str, port: u16) -> impl Iterator<Item = &str> {
    const LISTEN: &str = "0A";
    let port = format!("{port:04X}");
    table.lines().skip(1).filter_map(move |line| {
        let mut columns = line.split_ascii_whitespace();
        let local = columns.nth(1)?;
        let state = columns.nth(1)?;
        let inode = columns.nth(5)?;
        let (_, local_port) = local.rsplit_once(':')?;
        (local_port == port && state == LISTEN).then_some(inode)
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn our_own_port_is_ours() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(find(port).unwrap().pid, std::process::id());
        drop(listener);
        assert_eq!(find(port), None);
    }

    #[test]
    fn only_listening_sockets_count() {
        let table =
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0FA0 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 x
   1: 0100007F:0FA0 0100007F:9C40 01 00000000:00000000 00:00000000 00000000  1000        0 4712 1 x
   2: 0100007F:0FA1 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4713 1 x";
        assert!(listening_inodes(table, 4000).eq(["4711"]));
        assert_eq!(listening_inodes("", 4000).count(), 0);
    }
}
