//! Child processes that never outlive their test.
//!
//! A child is killed when its owner is dropped, a panic included. A static is never dropped, and a test process may
//! itself be killed, so each child also has a *reaper*: a shell that waits for the end of a pipe whose other end only
//! the test process holds, and then kills the child and removes its folder. The output of a child goes to a file,
//! whose end is printed when the owner is dropped by a failing test.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How many of the last lines of a log are printed unless `SLUICE_TEST_LOG_LINES` says more.
const LOG_LINES: usize = 25;

/// A running child with a folder of its own.
pub(crate) struct Process {
    name: String,
    child: Child,
    reaper: Child,
    log: PathBuf,
    /// Removed after the process is gone.
    folder: TempDir,
}

/// What a process has used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// Time on all processors.
    pub(crate) cpu: Duration,
    /// The largest resident size so far, in KiB.
    pub(crate) peak_kib: u64,
}

/// What a process holds now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    /// Its resident size, in KiB.
    pub(crate) resident_kib: u64,
    /// Its open files.
    pub(crate) files: u64,
    /// Its threads.
    pub(crate) threads: u64,
}

impl Process {
    /// Starts a command; its output goes to `{name}.log` in `folder`, which lives as long as the process.
    pub(crate) fn start(name: &str, mut command: Command, folder: TempDir) -> Self {
        let log = folder.path().join(format!("{name}.log"));
        let child = spawn(name, &mut command, &log);
        let reaper = reaper(child.id(), folder.path());
        Self { name: name.to_owned(), child, reaper, log, folder }
    }

    /// Starts a command in the same folder, with the same log, after the end of the one before.
    pub(crate) fn restart(&mut self, mut command: Command) {
        drop(self.child.kill());
        drop(self.child.wait());
        self.child = spawn(&self.name, &mut command, &self.log);
        let before = std::mem::replace(&mut self.reaper, reaper(self.child.id(), self.folder.path()));
        end(before);
    }

    /// Returns all that it has printed.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap()).into_owned()
    }

    /// Returns what it has used so far.
    pub(crate) fn usage(&self) -> Usage {
        let read = |name: &str| std::fs::read_to_string(format!("/proc/{}/{name}", self.child.id())).unwrap();
        // Behind the command in parentheses, which may hold spaces: fields 14 and 15 of proc(5), in hundredths of a second.
        let stat = read("stat");
        let fields: Vec<_> = stat[stat.rfind(')').unwrap()..].split_whitespace().collect();
        let ticks: u64 = fields[12..14].iter().map(|field| field.parse::<u64>().unwrap()).sum();
        let peak = read("status")
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        Usage { cpu: Duration::from_millis(ticks * 10), peak_kib: peak.unwrap() }
    }

    /// Tells whether it is halted.
    pub(crate) fn is_halted(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        stat.rsplit(')').next().is_some_and(|fields| fields.trim_start().starts_with('T'))
    }

    /// Returns what it holds now.
    pub(crate) fn held(&self) -> Held {
        let folder = format!("/proc/{}", self.child.id());
        let status = std::fs::read_to_string(format!("{folder}/status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        let files = std::fs::read_dir(format!("{folder}/fd")).unwrap().count() as u64;
        Held { resident_kib: field("VmRSS:"), files, threads: field("Threads:") }
    }

    /// Tells whether it leaves no memory on disk when it crashes.
    pub(crate) fn dumps_no_core(&self) -> bool {
        dumps_no_core(self.child.id())
    }

    /// Returns the exit status if the process has ended.
    pub(crate) fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Sends a signal by name, such as `KILL` or `STOP`.
    pub(crate) fn signal(&self, signal: &str) {
        let command = format!("kill -{signal} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &command]).status().unwrap();
        assert!(status.success(), "'{}' took no {signal}: it has ended", self.name);
    }

    /// Waits for the end.
    pub(crate) fn wait(&mut self, limit: Duration) -> ExitStatus {
        let limit = limit * super::PATIENCE;
        self.ended_within(limit).unwrap_or_else(|| panic!("'{}' still runs after {limit:?}", self.name))
    }

    /// Waits for the end; `None` where it does not come in time.
    pub(crate) fn ended_within(&mut self, limit: Duration) -> Option<ExitStatus> {
        let start = Instant::now();
        loop {
            let status = self.exited();
            if status.is_some() || start.elapsed() >= limit {
                return status;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Prints the end of the log.
    pub(crate) fn print_log(&self) {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        let shown = std::env::var("SLUICE_TEST_LOG_LINES").ok().and_then(|text| text.parse().ok());
        let skipped = lines.len().saturating_sub(shown.unwrap_or(LOG_LINES));
        eprintln!("--- {} (the last {} of {} lines)", self.name, lines.len() - skipped, lines.len());
        eprintln!("{}\n---", lines[skipped..].join("\n"));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.print_log();
        }
        for child in [&mut self.reaper, &mut self.child] {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

fn spawn(name: &str, command: &mut Command, log: &Path) -> Child {
    let output = File::options().create(true).append(true).open(log).unwrap();
    command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
    command.spawn().unwrap_or_else(|error| panic!("cannot start '{name}': {error}"))
}

/// Ends a reaper before its pipe is closed, so that it does not act.
fn end(mut reaper: Child) {
    drop(reaper.kill());
    drop(reaper.wait());
}

/// Starts the shell that cleans up when this process is gone; a group of its own keeps Ctrl-C from it.
fn reaper(pid: u32, folder: &Path) -> Child {
    Command::new("sh")
        .args(["-c", r#"cat >/dev/null; kill -9 "$1" 2>/dev/null; sleep 0.3; rm -rf "$2""#, "reaper"])
        .arg(pid.to_string())
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("a shell")
}

/// Tells whether a process leaves no memory on disk when it crashes: its limit is zero, whatever that of the shell is.
pub(crate) fn dumps_no_core(process: u32) -> bool {
    let limits = std::fs::read_to_string(format!("/proc/{process}/limits")).unwrap_or_default();
    let limit = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap_or_default();
    limit.split_whitespace().take(2).eq(["0", "0"])
}

/// Runs a command to its end and returns what it prints; a failure panics with `hint`, the line that says what to do.
pub(crate) fn run(command: &mut Command, hint: &str) -> String {
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => panic!("cannot run {:?}: {error}; {hint}", command.get_program()),
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed with {}; {hint}\n{text}\n{errors}", output.status);
    text
}

/// Runs a command that may fail; returns what it prints, or the last line of its errors.
pub(crate) fn tried(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| error.to_string())?;
    let [text, errors] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    if output.status.success() { Ok(text) } else { Err(errors.lines().last().unwrap_or("it failed").to_owned()) }
}

/// Holds a lock file while `work` runs, so that test binaries side by side fetch a thing once.
pub(crate) fn locked<T>(lock: &Path, work: impl FnOnce() -> T) -> T {
    let file = File::options().create(true).truncate(false).write(true).open(lock).unwrap();
    file.lock().unwrap();
    let result = work();
    file.unlock().unwrap();
    result
}

/// Returns a port that is free now, and that nobody else in this process is given. It is below those that the kernel hands
/// out to connections, or one of them could have it before its server does, or while that restarts.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let of_process = std::process::id() % 200 * 100;
    loop {
        let number = of_process + NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 12_000 + u16::try_from(number % 20_000).unwrap();
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
