//! What a process took, from proc(5), which Linux has.

use std::fs;
use std::io;
use std::time::Duration;

/// Returns the time that a process has spent on all processors.
pub(super) fn cpu(process: u32) -> io::Result<Duration> {
    let ticks = ticks(&read(process, "stat")?).ok_or(io::ErrorKind::InvalidData)?;
    Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
}

/// Returns the most memory that a process has had so far, in bytes.
pub(super) fn peak(process: u32) -> io::Result<u64> {
    peak_in(&read(process, "status")?).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Returns what a process is called.
pub(super) fn name(process: u32) -> io::Result<String> {
    Ok(read(process, "comm")?.trim_end().to_owned())
}

fn read(process: u32, file: &str) -> io::Result<String> {
    fs::read_to_string(format!("/proc/{process}/{file}"))
}

/// Reads user and system time, in ticks: fields 14 and 15, behind the command, which may have spaces and parentheses in it.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let times: Vec<u64> = fields.split_whitespace().skip(11).take(2).map_while(|field| field.parse().ok()).collect();
    (times.len() == 2).then(|| times.iter().sum())
}

/// Reads the most of memory that was resident.
fn peak_in(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_read_whatever_the_command_is_called() {
        let stat = "1 (a b) c) S 2 3 4 5 6 7 8 9 10 11 120 34 14 15";
        assert_eq!(ticks(stat), Some(154));
        assert_eq!(ticks("1 (a) S 2 3"), None);
        assert!(cpu(std::process::id()).is_ok());
    }

    #[test]
    fn the_most_of_memory_is_read_in_bytes() {
        assert_eq!(peak_in("Name:\ta\nVmPeak:\t  9 kB\nVmHWM:\t    3 kB\n"), Some(3 * 1024));
        assert_eq!(peak_in("Name:\ta\n"), None);
        assert!(peak(std::process::id()).unwrap() > 0);
    }
}
