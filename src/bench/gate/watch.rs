//! How far the child is: a gate by the records that its metrics count as committed, a copy by the lines that it writes.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::ChildStdout;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The counter whose sum is the number of records with an outcome.
const RECORDS: &str = "sluice_records_total{";

/// The label with the gate's name.
const GATE: &str = "gate=";

/// How far a child is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Progress {
    /// Records that are through.
    pub(super) done: u64,
    /// Gates that have had some of them.
    pub(super) gates: usize,
}

/// What tells how far a child is.
pub(super) enum Watch {
    Metrics(SocketAddr),
    Lines(Arc<AtomicU64>, usize),
}

impl Watch {
    /// Asks the admin server at this address.
    pub(super) fn metrics(address: SocketAddr) -> Self {
        Self::Metrics(address)
    }

    /// Reads numbers, one a line, each more than the one before; a copy has begun everywhere where so many gates would have.
    pub(super) fn lines(output: ChildStdout, gates: usize) -> Self {
        let done = Arc::new(AtomicU64::new(0));
        let told = Arc::clone(&done);
        // Ends with the child.
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Ok(number) = line.parse() {
                    told.store(number, Ordering::Release);
                }
            }
        });
        Self::Lines(done, gates)
    }

    /// Returns how far the child is: nowhere while it does not answer yet.
    pub(super) async fn progress(&self) -> Progress {
        match self {
            Self::Metrics(address) => scrape(*address).await.map_or_else(|_| Progress::default(), |text| sum(&text)),
            Self::Lines(done, gates) => Progress { done: done.load(Ordering::Acquire), gates: *gates },
        }
    }
}

async fn scrape(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /metrics HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

fn sum(metrics: &str) -> Progress {
    let lines = metrics.lines().filter_map(|line| line.strip_prefix(RECORDS)?.rsplit_once(' '));
    let counts =
        lines.filter_map(|(labels, count)| Some((labels, count.parse::<u64>().ok().filter(|count| *count > 0)?)));
    let (mut done, mut gates) = (0, BTreeSet::new());
    for (labels, count) in counts {
        done += count;
        gates.extend(labels.split(',').find(|label| label.starts_with(GATE)));
    }
    Progress { done, gates: gates.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_all_outcomes_are_summed() {
        let text = "# TYPE sluice_records_total counter\nsluice_records_total{gate=\"a\",outcome=\"validated\"} 5\n\
                    sluice_records_total{gate=\"a\",outcome=\"dead_letter\"} 2\nsluice_record_bytes_total{} 9\n\
                    sluice_records_total{gate=\"b\",outcome=\"validated\"} 0\n";
        assert_eq!(sum(text), Progress { done: 7, gates: 1 });
    }
}
