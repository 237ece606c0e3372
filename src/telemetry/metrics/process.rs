//! What the process takes: memory, processor, and since when it runs, by the names that all of Prometheus' clients use.
//!
//! Read from Linux' `/proc` at each scrape. Elsewhere the start alone is shown.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Gauge, Registry};

pub(super) fn register(registry: &Registry) {
    let collector = Process::new(SystemTime::now());
    registry.register(Box::new(collector)).expect("names are constants, and the process is registered once");
}

#[derive(Debug)]
struct Process {
    start: Gauge,
    resident: Gauge,
    cpu: Counter,
}

impl Process {
    fn new(start: SystemTime) -> Self {
        let gauge = |name, help| Gauge::new(name, help).expect("a name of Prometheus' own");
        let cpu = Counter::new("process_cpu_seconds_total", "Processor time taken, by user and system");
        let process = Self {
            start: gauge("process_start_time_seconds", "When the process began, in seconds since 1970-01-01 UTC"),
            resident: gauge("process_resident_memory_bytes", "Memory that the process has in RAM"),
            cpu: cpu.expect("a name of Prometheus' own"),
        };
        process.start.set(start.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64());
        process
    }
}

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        [self.start.desc(), self.resident.desc(), self.cpu.desc()].concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut families = self.start.collect();
        if let Some(bytes) = fs::read_to_string("/proc/self/status").ok().and_then(|text| resident(&text)) {
            self.resident.set(bytes);
            families.extend(self.resident.collect());
        }
        if let Some(seconds) = fs::read_to_string("/proc/self/stat").ok().and_then(|text| cpu(&text)) {
            self.cpu.inc_by((seconds - self.cpu.get()).max(0.0));
            families.extend(self.cpu.collect());
        }
        families
    }
}

/// Reads the resident memory, in bytes, out of `/proc/self/status`.
fn resident(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024.0)
}

/// Reads the processor time, in seconds, out of `/proc/self/stat`. What stands in parentheses is the program's name, which
/// may hold anything; times are the 12th and 13th field behind it, in the system's ticks.
fn cpu(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / rustix::param::clock_ticks_per_second() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_linux_tells() {
        assert_eq!(resident("VmPeak:\t 9 kB\nVmRSS:\t   2048 kB\nRssAnon: 1 kB\n"), Some(2_097_152.0));
        assert_eq!(resident("VmSize: 7 kB\n"), None);
        assert_eq!(cpu("7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 1 0 99"), Some(2.0));
        assert_eq!(cpu("7 (sluice) S 1"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn shows_this_process() {
        let registry = Registry::new();
        register(&registry);
        let names: Vec<_> = registry.gather().iter().map(|family| family.name().to_owned()).collect();
        let expected = ["process_cpu_seconds_total", "process_resident_memory_bytes", "process_start_time_seconds"];
        assert_eq!(names, expected);
    }
}
