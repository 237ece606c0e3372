//! `sluice bench`: measures on the user's own machines, shows how far it is, and prints the figures.

mod gate;
mod registry;

use std::io::Write;
use std::time::Duration;

use super::{Exit, Failure, mistakes};
use crate::cli::{BenchCommand, BenchCopy};
use crate::config::{Config, Log, LogFormat};
use crate::telemetry::logging;

/// Measures until all is measured, or a signal comes; what was started and made for it goes either way.
///
/// # Errors
/// There is nothing to measure on, or what is measured ends.
pub(super) async fn run(command: BenchCommand, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    logging::init(Log { format: LogFormat::Text, level: tracing::Level::ERROR }).map_err(Failure::fatal)?;
    match command {
        BenchCommand::Registry(asked) => registry::run(&asked, out).await,
        BenchCommand::Gate(asked) => gate::run(&asked, out).await,
        BenchCommand::Copy(asked) => copy(&asked, out),
    }
}

fn copy(asked: &BenchCopy, out: &mut dyn Write) -> Result<Exit, Failure> {
    let kafka = Config::load_kafka(&asked.config).map_err(|errors| mistakes(&asked.config, &errors))?;
    let topics: Vec<_> = asked.from.iter().map(String::as_str).zip(asked.to.iter().map(String::as_str)).collect();
    crate::bench::gate::copy(&kafka, &topics, out).map_err(Failure::fatal)?;
    Ok(Exit::Done)
}

/// Writes a short time with three digits.
fn shown(time: Duration) -> String {
    let microseconds = time.as_secs_f64() * 1e6;
    match microseconds {
        ..1_000.0 => format!("{microseconds:.0} µs"),
        1_000.0..10_000.0 => format!("{:.2} ms", microseconds / 1e3),
        10_000.0..100_000.0 => format!("{:.1} ms", microseconds / 1e3),
        _ => format!("{:.0} ms", microseconds / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits_and_a_unit() {
        let shown = |microseconds| shown(Duration::from_micros(microseconds));
        let all = [0, 7, 999, 1_500, 12_340, 100_000, 4_500_000].map(shown);
        assert_eq!(all, ["0 µs", "7 µs", "999 µs", "1.50 ms", "12.3 ms", "100 ms", "4500 ms"]);
    }
}
