//! The brokers' processes, where all of them run on this machine: what a record costs them is told beside what it costs a gate.
//!
//! A broker is the process that has the socket which listens on the broker's port: /proc/net/tcp names the socket, and
//! /proc/PID/fd who has it. Of a broker elsewhere, in another network namespace or of another user nothing is known.

use std::collections::BTreeSet;
use std::fs;
use std::net::{ToSocketAddrs as _, UdpSocket};
use std::path::Path;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;

use crate::bench::proc;
use crate::config::Kafka;
use crate::kafka::topics::PATIENCE;

/// The state of a socket that listens.
const LISTENS: &str = "0A";

/// The processes of all brokers.
pub(super) struct Brokers(BTreeSet<u32>);

impl Brokers {
    /// Finds them; none where one of them is not to be seen. Waits for the brokers.
    pub(super) fn find(kafka: &Kafka) -> Option<Self> {
        let addresses = addresses(kafka).ok()?;
        let processes = addresses.iter().map(|(host, port)| is_here(host).then(|| listener(*port)).flatten());
        processes.collect::<Option<_>>().map(Self)
    }

    /// Returns the time that they have spent on all processors.
    pub(super) fn cpu(&self) -> Option<Duration> {
        self.0.iter().map(|process| proc::cpu(*process).ok()).sum()
    }

    /// Returns their numbers and what they are called.
    pub(super) fn names(&self) -> String {
        let name = |process: &u32| format!("{process} ({})", proc::name(*process).unwrap_or_default());
        self.0.iter().map(name).collect::<Vec<_>>().join(", ")
    }
}

/// Returns the host and port of each broker, as the cluster names them.
fn addresses(kafka: &Kafka) -> Result<Vec<(String, u16)>, KafkaError> {
    let config: ClientConfig = kafka.common().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let metadata = config.create::<BaseConsumer>()?.fetch_metadata(None, PATIENCE)?;
    let address = |broker: &rdkafka::metadata::MetadataBroker| {
        (broker.host().to_owned(), u16::try_from(broker.port()).unwrap_or_default())
    };
    Ok(metadata.brokers().iter().map(address).collect())
}

/// Tells whether a host is this machine: one can bind to its own addresses only.
fn is_here(host: &str) -> bool {
    (host, 0).to_socket_addrs().is_ok_and(|mut found| found.any(|address| UdpSocket::bind(address).is_ok()))
}

/// Returns the process that listens on a port; none where there are several, or they are another user's.
fn listener(port: u16) -> Option<u32> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    let sockets: BTreeSet<_> = tables.iter().flat_map(|table| sockets(table, port)).collect();
    let owners: BTreeSet<_> = processes().filter(|process| has_one_of(*process, &sockets)).collect();
    owners.first().copied().filter(|_| owners.len() == 1)
}

/// Returns the numbers of the sockets that listen on a port: of a line of the table, fields 2, 4 and 10.
fn sockets(table: &str, port: u16) -> impl Iterator<Item = &str> {
    let port = format!(":{port:04X}");
    table.lines().filter_map(move |line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let is_it = fields.get(1)?.ends_with(&port) && *fields.get(3)? == LISTENS;
        fields.get(9).copied().filter(|_| is_it)
    })
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn has_one_of(process: u32, sockets: &BTreeSet<&str>) -> bool {
    let files = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    files.filter_map(|file| fs::read_link(file.path()).ok()).any(|target| is_one_of(&target, sockets))
}

fn is_one_of(target: &Path, sockets: &BTreeSet<&str>) -> bool {
    let number = target.to_str().and_then(|target| target.strip_prefix("socket:[")?.strip_suffix(']'));
    number.is_some_and(|number| sockets.contains(number))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn whoever_listens_is_found() {
        let socket = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        assert_eq!(listener(socket.local_addr().unwrap().port()), Some(std::process::id()));
        let port = socket.local_addr().unwrap().port();
        drop(socket);
        assert_eq!(listener(port), None);
    }

    #[test]
    fn only_sockets_that_listen_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
                     0: 0100007F:7208 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0\n\
                     1: 0100007F:7208 0100007F:9A1C 01 00000000:00000000 00:00000000 00000000     0        0 12 1 0\n\
                     2: 0100007F:7209 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 13 1 0\n";
        assert_eq!(sockets(table, 0x7208).collect::<Vec<_>>(), ["11"]);
    }

    #[test]
    fn a_host_elsewhere_is_not_here() {
        assert!(is_here("127.0.0.1"));
        assert!(!is_here("192.0.2.1"), "of TEST-NET-1, which nobody has");
    }
}
