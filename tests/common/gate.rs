//! A `sluice run` as a child process: its configuration, its life and death, what it says of itself.

use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::http;
use super::metrics::{Counts, Metrics};
use super::netns::Netns;
use super::process::{Process, Usage, free_port};

/// For a gate to join its group: one that was killed may have to go first, which takes a session (45 s by default).
const READY_LIMIT: Duration = Duration::from_secs(180);

/// A configuration as JSON, which is YAML.
#[derive(Debug, Clone)]
pub(crate) struct Config(pub(crate) Value);

impl Config {
    /// Creates a configuration for these gates (an object by name) with short timeouts; the admin port is chosen at
    /// the start of each process.
    pub(crate) fn new(application: &str, bootstrap: &str, registry: &str, gates: Value) -> Self {
        Self(json!({
            "application": application,
            "commit_interval": "100ms",
            "kafka": {
                "bootstrap.servers": bootstrap,
                "session.timeout.ms": "6000",
                "heartbeat.interval.ms": "1000",
                "transaction.timeout.ms": "4000",
            },
            "registry": {
                "url": [registry],
                "unknown_schema": { "grace": "500ms", "max_hold": "5s" },
                "refresh": "1s",
            },
            "gates": gates,
        }))
    }

    /// Sets a value by its path, such as `/kafka/sasl.username`.
    pub(crate) fn set(mut self, path: &str, value: impl Into<Value>) -> Self {
        let (parent, key) = path.rsplit_once('/').expect("a path starts with '/'");
        let parent = self.0.pointer_mut(parent).unwrap_or_else(|| panic!("no '{parent}' in the configuration"));
        parent.as_object_mut().expect("an object").insert(key.to_owned(), value.into());
        self
    }

    /// Lets the sessions and transactions of a test that counts what they cost outlast a machine that stands still.
    pub(crate) fn patient(self) -> Self {
        self.set("/kafka/session.timeout.ms", "120000").set("/kafka/transaction.timeout.ms", "120000")
    }

    /// Removes a key of the object at this path.
    pub(crate) fn without(mut self, path: &str, key: &str) -> Self {
        let parent = self.0.pointer_mut(path).unwrap_or_else(|| panic!("no '{path}' in the configuration"));
        parent.as_object_mut().expect("an object").remove(key);
        self
    }
}

/// A running process.
pub(crate) struct Gate {
    process: Process,
    admin: u16,
    /// Its configuration.
    file: PathBuf,
    /// The network that it runs in, where that is not the tests' own.
    within: Option<Arc<Netns>>,
}

impl Gate {
    /// Starts a process and waits until it is ready.
    pub(crate) fn start(config: &Config) -> Self {
        let mut gate = Self::spawn(config);
        gate.wait_ready();
        gate
    }

    /// Starts a process with a configuration as a user writes it, but for `admin`, and waits until it is ready.
    pub(crate) fn start_text(config: &str) -> Self {
        let text = |admin| format!("{config}\nadmin: {{ listen: 127.0.0.1:{admin} }}\n");
        let mut gate = Self::spawn_text(Command::new(binary()), None, text, &[]);
        gate.wait_ready();
        gate
    }

    /// Starts a process without waiting.
    pub(crate) fn spawn(config: &Config) -> Self {
        Self::spawn_with(config, &[])
    }

    /// Starts a process with further environment variables, without waiting. Where failpoints are among them it is a
    /// debug build, since no other has any.
    pub(crate) fn spawn_with(config: &Config, environment: &[(&str, &str)]) -> Self {
        let has_failpoints = environment.iter().any(|(name, _)| *name == "SLUICE_FAILPOINTS");
        let program = if has_failpoints { debug_binary() } else { binary() };
        Self::spawn_by(Command::new(program), None, config, environment)
    }

    /// Starts a process in a network of its own and waits until it is ready.
    pub(crate) fn start_within(netns: &Arc<Netns>, config: &Config) -> Self {
        let mut gate = Self::spawn_by(netns.command(&binary()), Some(Arc::clone(netns)), config, &[]);
        gate.wait_ready();
        gate
    }

    fn spawn_by(command: Command, within: Option<Arc<Netns>>, config: &Config, environment: &[(&str, &str)]) -> Self {
        Self::spawn_text(command, within, |admin| text(config, admin), environment)
    }

    fn spawn_text(
        mut command: Command,
        within: Option<Arc<Netns>>,
        config: impl FnOnce(u16) -> String,
        environment: &[(&str, &str)],
    ) -> Self {
        let admin = free_port();
        let folder = tempfile::Builder::new().prefix("sluice-gate-").tempdir().unwrap();
        let file = folder.path().join("sluice.yaml");
        std::fs::write(&file, config(admin)).unwrap();
        command.args(["run", "--config"]).arg(&file).env("NO_COLOR", "1").envs(environment.iter().copied());
        Self { process: Process::start("sluice", command, folder), admin, file, within }
    }

    /// Replaces the configuration as an operator does, without telling the process.
    pub(crate) fn write(&self, config: &Config) {
        std::fs::write(&self.file, text(config, self.admin)).unwrap();
    }

    /// Replaces the configuration, tells the process, and waits until it has read it; returns what `/status` says of that.
    pub(crate) fn reload(&self, config: &Config) -> Value {
        let reloads = || self.metrics().sum("sluice_config_reloads_total", &[]);
        let before = reloads();
        self.write(config);
        self.signal("HUP");
        super::wait_for("a reload", Duration::from_secs(60), || (reloads() > before).then_some(()));
        self.status()["configuration"].clone()
    }

    /// Asks for `/status`.
    pub(crate) fn status(&self) -> Value {
        let answer = self.ask("/status").expect("/status answers");
        serde_json::from_str(&answer.body).unwrap()
    }

    /// Asks the admin server; `None` while it does not answer.
    pub(crate) fn ask(&self, path: &str) -> Option<http::Answer> {
        match &self.within {
            Some(netns) => netns.get(self.admin, path),
            None => http::get(self.admin, path),
        }
    }

    /// Waits until `/readyz` says yes.
    pub(crate) fn wait_ready(&mut self) {
        let start = Instant::now();
        while self.ask("/readyz").is_none_or(|answer| answer.status != 200) {
            if let Some(status) = self.process.exited() {
                panic!("sluice ended with {status} before it was ready");
            }
            assert!(start.elapsed() < READY_LIMIT, "sluice is not ready after {READY_LIMIT:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Returns the admin port.
    pub(crate) fn admin(&self) -> u16 {
        self.admin
    }

    /// Returns what the process has printed so far.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }

    /// Returns what the process has used so far.
    pub(crate) fn usage(&self) -> Usage {
        self.process.usage()
    }

    /// Returns what the process holds now.
    pub(crate) fn held(&self) -> super::process::Held {
        self.process.held()
    }

    /// Tells whether the process leaves no memory on disk when it crashes.
    pub(crate) fn dumps_no_core(&self) -> bool {
        self.process.dumps_no_core()
    }

    /// Kills the process as a power cut does.
    pub(crate) fn kill(mut self) {
        self.process.signal("KILL");
        // One that waits for a disk ends when the disk answers.
        self.process.wait(Duration::from_secs(60));
    }

    /// Halts the process as a long pause of its machine does.
    pub(crate) fn pause(&self) {
        self.process.signal("STOP");
    }

    /// Lets a halted process go on.
    pub(crate) fn resume(&self) {
        self.process.signal("CONT");
    }

    /// Tells whether the process is halted.
    pub(crate) fn is_halted(&self) -> bool {
        self.process.is_halted()
    }

    /// Sends the process a signal by name, such as `TERM`.
    pub(crate) fn signal(&self, signal: &str) {
        self.process.signal(signal);
    }

    /// Asks the process to stop and waits for its end.
    pub(crate) fn stop(mut self, limit: Duration) -> (ExitStatus, String) {
        self.process.signal("TERM");
        let status = self.process.wait(limit);
        (status, self.process.log())
    }

    /// Waits for an end that nobody asked for.
    pub(crate) fn wait_exit(mut self, limit: Duration) -> (ExitStatus, String) {
        let status = self.process.wait(limit);
        (status, self.process.log())
    }

    /// Returns the exit status if the process has ended.
    pub(crate) fn exited(&mut self) -> Option<ExitStatus> {
        self.process.exited()
    }

    /// Tells whether the first gate of this process is in this state, as `/status` says it.
    pub(crate) fn is(&self, state: &str) -> bool {
        let status = http::get(self.admin, "/status").expect("/status answers");
        let status: Value = serde_json::from_str(&status.body).unwrap();
        status["gates"][0]["state"] == state
    }

    /// Tells whether a path is answered with 200.
    pub(crate) fn answers(&self, path: &str) -> bool {
        http::get(self.admin, path).is_some_and(|answer| answer.status == 200)
    }

    /// Reads `/metrics`.
    pub(crate) fn metrics(&self) -> Metrics {
        let answer = self.ask("/metrics").expect("/metrics answers");
        assert_eq!(answer.status, 200, "{}", answer.body);
        Metrics::parse(&answer.body)
    }

    /// Returns the records counted so far by a gate of this process.
    pub(crate) fn records(&self, gate: &str) -> Counts {
        self.metrics().records(gate)
    }

    /// Tells whether these counters of a gate are what they must be. A commit whose answer went with the session is not
    /// counted, though it may have happened: then they may be lower.
    pub(crate) fn counts_as(&self, gate: &str, found: &Counts, expected: &Counts) -> bool {
        let is_at_most = || found.iter().all(|(kind, count)| expected.get(kind).is_some_and(|most| count <= most));
        found == expected || (is_at_most() && self.has_unanswered_commit(gate))
    }

    fn has_unanswered_commit(&self, gate: &str) -> bool {
        let told = format!("WARN transaction aborted gate=\"{gate}\" why=\"could not commit the transaction");
        self.log().contains(&told)
    }
}

/// Writes a configuration for a process whose admin server has this port.
fn text(config: &Config, admin: u16) -> String {
    let mut config = config.0.clone();
    config["admin"]["listen"] = format!("127.0.0.1:{admin}").into();
    serde_json::to_string_pretty(&config).unwrap()
}

/// Returns the program that the tests run: the one that Cargo has built with them, or what `SLUICE_TEST_BINARY` names,
/// a release build where figures are taken.
pub(crate) fn binary() -> PathBuf {
    let other = std::env::var_os("SLUICE_TEST_BINARY").map(PathBuf::from);
    other.unwrap_or_else(debug_binary)
}

/// Returns the debug build: Cargo's, or what `SLUICE_TEST_DEBUG_BINARY` names.
fn debug_binary() -> PathBuf {
    let other = std::env::var_os("SLUICE_TEST_DEBUG_BINARY").map(PathBuf::from);
    other.unwrap_or_else(|| env!("CARGO_BIN_EXE_sluice").into())
}

impl Drop for Gate {
    fn drop(&mut self) {
        let alive = std::thread::panicking() && self.process.exited().is_none();
        if let Some(status) = alive.then(|| self.ask("/status")).flatten() {
            eprintln!("--- /status\n{}", status.body);
        }
    }
}
