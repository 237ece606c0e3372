//! What a process takes of its machine, as Linux counts it in `/proc`.

use std::time::Duration;

/// Linux counts a process's time for others in these, whatever the kernel's own tick is (`USER_HZ`).
const TICKS_PER_SECOND: u32 = 100;

/// What a process has taken so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// Time on processors, of all its threads, in user and kernel mode.
    pub(crate) cpu: Duration,
    /// The most memory that was resident at a time, in bytes.
    pub(crate) peak: u64,
}

impl Usage {
    /// Asks for a process that runs.
    pub(crate) fn of(pid: u32) -> Self {
        let read = |file: &str| {
            std::fs::read_to_string(format!("/proc/{pid}/{file}"))
                .unwrap_or_else(|error| panic!("cannot read {file} of process {pid}, of Linux only: {error}"))
        };
        let stat = read("stat");
        // The second field is the name in parentheses, which may hold anything.
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let ticks: u32 = fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u32>().unwrap()).sum();
        let status = read("status");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        Self { cpu: Duration::from_secs(1) * ticks / TICKS_PER_SECOND, peak: kilobytes * 1024 }
    }
}
