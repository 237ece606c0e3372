//! What is measured: this program as a child process, with a configuration of its own.
//!
//! The configuration is a file in a folder that goes with the child. What the operator has set for the cluster, passwords
//! among it, is not in the file: it has the names of environment variables, and the child alone is given those.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::process::{Child as Process, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::proc;

/// Time between two looks at whether it has stopped.
const PAUSE: Duration = Duration::from_millis(20);

/// How long it may take to stop: a gate promises 10 seconds, a node of the registry 5.
const STOP: Duration = Duration::from_secs(11);

/// What the variables of the child are called.
const VARIABLE: &str = "SLUICE_BENCH_KAFKA_";

/// Why there is no child, or nothing to be seen of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot start a process of this program: {0}")]
    Start(#[source] io::Error),
    #[error("the process that was measured ended by itself ({0}), and has told why")]
    Ended(ExitStatus),
    #[error("what the process took cannot be read from /proc, which Linux has: {0}")]
    Usage(#[source] io::Error),
}

/// A running child; it is asked to end when this is dropped.
pub(super) struct Child {
    process: Process,
    folder: PathBuf,
}

impl Child {
    /// Starts the program with these arguments and `--config`; the file is this configuration, with these properties as its `kafka`.
    pub(super) fn start(args: &[&str], config: Value, kafka: BTreeMap<String, String>) -> Result<Self, Error> {
        Self::spawn(args, config, kafka, Stdio::null()).map_err(Error::Start)
    }

    /// Starts one whose standard output is read.
    pub(super) fn start_read(
        args: &[&str],
        config: Value,
        kafka: BTreeMap<String, String>,
    ) -> Result<(Self, ChildStdout), Error> {
        let mut child = Self::spawn(args, config, kafka, Stdio::piped()).map_err(Error::Start)?;
        let output = child.process.stdout.take().ok_or_else(|| Error::Start(io::ErrorKind::BrokenPipe.into()))?;
        Ok((child, output))
    }

    fn spawn(args: &[&str], mut config: Value, kafka: BTreeMap<String, String>, stdout: Stdio) -> io::Result<Self> {
        let (names, values): (Vec<_>, Vec<_>) = kafka.into_iter().unzip();
        let name = |index: usize| format!("{VARIABLE}{index}");
        let variable = |(index, name_of): (usize, String)| (name_of, Value::from(format!("${{env:{}}}", name(index))));
        config["kafka"] = Value::Object(names.into_iter().enumerate().map(variable).collect::<Map<_, _>>());
        let folder = std::env::temp_dir().join(format!("sluice-bench-{:016x}", rand::random::<u64>()));
        fs::DirBuilder::new().mode(0o700).create(&folder)?;
        let file = folder.join("sluice.yaml");
        fs::write(&file, config.to_string())?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(args).arg("--config").arg(&file);
        command.envs(values.into_iter().enumerate().map(|(index, value)| (name(index), value)));
        // What is wrong with it goes where our own failures go.
        let process = command.stdin(Stdio::null()).stdout(stdout).spawn()?;
        Ok(Self { process, folder })
    }

    /// Fails where it has ended.
    pub(super) fn check(&mut self) -> Result<(), Error> {
        match self.process.try_wait().map_err(Error::Start)? {
            Some(status) => Err(Error::Ended(status)),
            None => Ok(()),
        }
    }

    /// Returns the time that it has spent on all processors.
    pub(super) fn cpu(&self) -> Result<Duration, Error> {
        proc::cpu(self.process.id()).map_err(Error::Usage)
    }

    /// Returns the most memory that it has had so far, in bytes.
    pub(super) fn peak(&self) -> Result<u64, Error> {
        proc::peak(self.process.id()).map_err(Error::Usage)
    }

    /// Asks it to end, and waits for that for a while.
    fn end(&mut self) -> io::Result<()> {
        let id = i32::try_from(self.process.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(id) = id {
            rustix::process::kill_process(id, rustix::process::Signal::TERM)?;
        }
        let began = Instant::now();
        while self.process.try_wait()?.is_none() {
            if began.elapsed() > STOP {
                return self.process.kill();
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // One that has ended already cannot be asked to.
        self.end().ok();
        self.process.wait().ok();
        fs::remove_dir_all(&self.folder).ok();
    }
}

/// Returns an address of this machine that is free now.
pub(super) fn free() -> Result<SocketAddr, Error> {
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    address.map_err(Error::Start)
}
