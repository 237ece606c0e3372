//! The node that is measured: `sluice registry serve` as a child process, with a configuration of its own.
//!
//! The configuration is a file in a folder that goes with the child. What the operator has set for the cluster, passwords
//! among it, is not in the file: it has the names of environment variables, and the child alone is given those.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use tokio::net::TcpStream;

use super::load::Load;
use super::place::Place;
use super::requests::Shot;

/// How long the node may take to be ready.
const READY: Duration = Duration::from_secs(30);

/// Time between two looks at whether it is.
const PAUSE: Duration = Duration::from_millis(20);

/// How long it may take to stop, which it promises to do within 5 seconds.
const STOP: Duration = Duration::from_secs(6);

/// What the variables of the child are called.
const VARIABLE: &str = "SLUICE_BENCH_KAFKA_";

/// Why there is no node.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot start a node: {0}")]
    Start(#[source] io::Error),
    #[error("the node ended by itself ({0}), and has told why")]
    Ended(ExitStatus),
    #[error("the node was not ready in {READY:?}")]
    NotReady,
    #[error("the node's CPU cannot be read from /proc, which Linux has: {0}")]
    Usage(#[source] io::Error),
}

/// A running node; it ends when this is dropped.
pub(super) struct Node {
    child: Child,
    folder: PathBuf,
    pub(super) address: SocketAddr,
}

impl Node {
    /// Starts a node and waits until it has read its log.
    pub(super) async fn start(place: &Place) -> Result<Self, Error> {
        let mut node = Self::spawn(place).map_err(Error::Start)?;
        node.cpu()?;
        let began = Instant::now();
        while !node.is_ready().await {
            if let Some(status) = node.child.try_wait().map_err(Error::Start)? {
                return Err(Error::Ended(status));
            }
            if began.elapsed() > READY {
                return Err(Error::NotReady);
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(node)
    }

    fn spawn(place: &Place) -> io::Result<Self> {
        let (address, admin) = (free()?, free()?);
        let (names, values): (Vec<_>, Vec<_>) = place.kafka().into_iter().unzip();
        let name = |index: usize| format!("{VARIABLE}{index}");
        let variable = |(index, name_of): (usize, String)| (name_of, Value::from(format!("${{env:{}}}", name(index))));
        let kafka: Map<_, _> = names.into_iter().enumerate().map(variable).collect();
        let config = json!({
            "log": { "level": "error" },
            "kafka": kafka,
            "registry_server": { "listen": address, "topic": place.topic() },
            "admin": { "listen": admin },
        });
        let folder = std::env::temp_dir().join(format!("sluice-bench-{:016x}", rand::random::<u64>()));
        fs::DirBuilder::new().mode(0o700).create(&folder)?;
        let file = folder.join("sluice.yaml");
        fs::write(&file, config.to_string())?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["registry", "serve", "--config"]).arg(&file);
        command.envs(values.into_iter().enumerate().map(|(index, value)| (name(index), value)));
        // What is wrong with it goes where our own failures go.
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        Ok(Self { child, folder, address })
    }

    async fn is_ready(&self) -> bool {
        // Until it listens: an attempt to connect that fails is no failure yet.
        if TcpStream::connect(self.address).await.is_err() {
            return false;
        }
        let load = Load { address: self.address, connections: 1, time: None, most: 1 };
        let shot = |_| Shot { method: axum::http::Method::GET, path: "/subjects".to_owned(), body: Default::default() };
        load.run(shot, &|_, _| {}).await.is_ok_and(|run| run.failures == 0)
    }

    /// Returns the time that it has spent on all processors, by proc(5): fields 14 and 15, of which 13 come before, in ticks.
    pub(super) fn cpu(&self) -> Result<Duration, Error> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).map_err(Error::Usage)?;
        let ticks = ticks(&stat).ok_or_else(|| Error::Usage(io::ErrorKind::InvalidData.into()))?;
        Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
    }

    /// Asks it to end, and waits for that for a while.
    fn end(&mut self) -> io::Result<()> {
        let id = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(id) = id {
            rustix::process::kill_process(id, rustix::process::Signal::TERM)?;
        }
        let began = Instant::now();
        while self.child.try_wait()?.is_none() {
            if began.elapsed() > STOP {
                return self.child.kill();
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // One that has ended already cannot be asked to.
        self.end().ok();
        self.child.wait().ok();
        fs::remove_dir_all(&self.folder).ok();
    }
}

/// Reads user and system time behind the command, which may have spaces and parentheses in it.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let times: Vec<u64> = fields.split_whitespace().skip(11).take(2).map_while(|field| field.parse().ok()).collect();
    (times.len() == 2).then(|| times.iter().sum())
}

/// Returns an address of this machine that is free now.
fn free() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_read_whatever_the_command_is_called() {
        let stat = "1 (a b) c) S 2 3 4 5 6 7 8 9 10 11 120 34 14 15";
        assert_eq!(ticks(stat), Some(154));
        assert_eq!(ticks("1 (a) S 2 3"), None);
        assert!(ticks(&fs::read_to_string("/proc/self/stat").unwrap()).is_some());
    }
}
