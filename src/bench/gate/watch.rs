//! How far the child is: a gate by the records that its metrics count as committed, a copy by the lines that it writes.

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

/// What tells how far a child is.
pub(super) enum Watch {
    Metrics(SocketAddr),
    Lines(Arc<AtomicU64>),
}

impl Watch {
    /// Asks the admin server at this address.
    pub(super) fn metrics(address: SocketAddr) -> Self {
        Self::Metrics(address)
    }

    /// Reads numbers, one a line, each more than the one before.
    pub(super) fn lines(output: ChildStdout) -> Self {
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
        Self::Lines(done)
    }

    /// Returns how many records are through; none while the child does not answer yet.
    pub(super) async fn done(&self) -> u64 {
        match self {
            Self::Metrics(address) => scrape(*address).await.map_or(0, |text| sum(&text)),
            Self::Lines(done) => done.load(Ordering::Acquire),
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

fn sum(metrics: &str) -> u64 {
    let values = metrics.lines().filter(|line| line.starts_with(RECORDS));
    values.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_all_outcomes_are_summed() {
        let text = "# TYPE sluice_records_total counter\nsluice_records_total{outcome=\"validated\"} 5\n\
                    sluice_records_total{outcome=\"dead_letter\"} 2\nsluice_record_bytes_total{} 9\n";
        assert_eq!(sum(text), 7);
    }
}
