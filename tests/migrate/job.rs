//! A migration job as a user runs it: `sluice migrate` with a configuration of its own.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::common::gate::{Config, binary};
use super::common::kafka::Cluster;
use super::common::unique;

/// What a command may take on a machine that is busy.
const LIMIT: Duration = Duration::from_secs(300);

/// One job and its configuration.
pub(crate) struct Job {
    pub(crate) application: String,
    pub(crate) source: String,
    pub(crate) to: String,
    config: Value,
    folder: TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// Returns what was printed as JSON by a command that succeeded.
    pub(crate) fn json(&self) -> Value {
        assert!(self.status.success(), "{self:?}");
        self.any_json()
    }

    /// The same, however it ended.
    pub(crate) fn any_json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("{self:?}"))
    }
}

impl Job {
    /// Plans a job `copy` from a topic to another one, whose name begins as this.
    pub(crate) fn new(cluster: &Cluster, source: &str) -> Self {
        let (application, to) = (unique("app"), unique("to"));
        let config = json!({
            "application": application,
            "create_topics": true,
            "commit_interval": "50ms",
            "kafka": { "bootstrap.servers": cluster.bootstrap(), "transaction.timeout.ms": "4000" },
            "migrations": { "copy": { "source": source, "to": to } },
        });
        let folder = tempfile::Builder::new().prefix("sluice-job-").tempdir().unwrap();
        Self { application, source: source.to_owned(), to, config, folder }
    }

    /// Sets a value by its path, such as `/migrations/copy/groups`.
    pub(crate) fn set(mut self, path: &str, value: impl Into<Value>) -> Self {
        let (parent, key) = path.rsplit_once('/').unwrap();
        self.config.pointer_mut(parent).unwrap().as_object_mut().unwrap().insert(key.to_owned(), value.into());
        self
    }

    /// Returns the configuration, for `sluice run`.
    pub(crate) fn config(&self) -> Config {
        Config(self.config.clone())
    }

    /// The job's name in groups and topics.
    pub(crate) fn name(&self) -> String {
        format!("{}.copy", self.application)
    }

    /// Returns the path of a file beside the configuration.
    pub(crate) fn file(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn command(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Command {
        let file = self.folder.path().join("sluice.yaml");
        std::fs::write(&file, self.config.to_string()).unwrap();
        let mut command = Command::new(binary());
        command.arg("migrate").args(arguments).args(["--output", "json", "--config"]).arg(&file);
        command.env("NO_COLOR", "1").envs(environment.iter().copied());
        command.stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Ended {
        self.ask_with(arguments, &[])
    }

    /// The same, with further environment variables.
    pub(crate) fn ask_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
        self.start(arguments, environment).wait()
    }

    /// Starts a command.
    pub(crate) fn start(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Running {
        let out = tempfile::NamedTempFile::new_in(self.folder.path()).unwrap();
        let err = tempfile::NamedTempFile::new_in(self.folder.path()).unwrap();
        let mut command = self.command(arguments, environment);
        command.stdout(out.reopen().unwrap()).stderr(err.reopen().unwrap());
        Running { child: command.spawn().unwrap(), out, err }
    }
}

/// A command that runs.
pub(crate) struct Running {
    child: std::process::Child,
    out: tempfile::NamedTempFile,
    err: tempfile::NamedTempFile,
}

impl Running {
    /// Sends a signal by name; one that asks it to stop as soon as it listens to such.
    pub(crate) fn signal(&self, name: &str) {
        if name == "TERM" {
            super::common::wait_for("the command to listen to signals", LIMIT, || self.catches_term().then_some(()));
        }
        assert!(self.try_signal(name), "it has ended:\n{}", self.log());
    }

    /// The same, where it may have ended; its number is not given anew before it is waited for.
    pub(crate) fn try_signal(&self, name: &str) -> bool {
        let command = format!("kill -{name} {}", self.child.id());
        Command::new("sh").args(["-c", &command]).status().unwrap().success()
    }

    /// Tells whether SIGTERM, the 15th signal, would not just end it; also where it has ended.
    fn catches_term(&self) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let has_ended = status.lines().any(|line| line.starts_with("State:\tZ"));
        has_ended || mask.is_none_or(|mask| u64::from_str_radix(mask.trim(), 16).unwrap() >> 14 & 1 == 1)
    }

    /// Waits until a failpoint has halted it.
    pub(crate) fn halts(&self) {
        super::common::wait_for("a failpoint to halt the command", LIMIT, || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
            let is_halted = stat.rsplit(')').next().is_some_and(|fields| fields.trim_start().starts_with('T'));
            is_halted.then_some(())
        });
    }

    /// Returns what it has said on standard error.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.err.path()).unwrap()
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> Ended {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(began.elapsed() < LIMIT, "the command still runs:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        };
        let read = |file: &tempfile::NamedTempFile| std::fs::read_to_string(file.path()).unwrap();
        Ended { status, out: read(&self.out), err: read(&self.err) }
    }

    /// Waits for the end that a failpoint or a signal orders.
    pub(crate) fn dies(self) {
        let ended = self.wait();
        assert_eq!(ended.status.signal(), Some(9), "{ended:?}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
