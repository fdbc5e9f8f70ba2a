//! What the app costs in memory.

use crate::desktop::processes;

/// The proportional share of memory of a process and all below it, in mebibytes, and each process's part for people.
pub fn pss(root: u32) -> (f64, String) {
    let mut sum = 0.0;
    let mut parts = Vec::new();
    for pid in processes::tree(root) {
        let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let kilobytes = rollup
            .lines()
            .find_map(|line| line.strip_prefix("Pss:"))
            .and_then(|rest| rest.split_whitespace().next()?.parse::<u32>().ok());
        let Some(kilobytes) = kilobytes else { continue };
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let mebibytes = f64::from(kilobytes) / 1024.0;
        sum += mebibytes;
        parts.push(format!("{} {mebibytes:.0}", name.trim_end()));
    }
    parts.sort();
    (sum, parts.join(", "))
}
