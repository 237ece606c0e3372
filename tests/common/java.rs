//! Kafka's own command-line tools, as an operator runs them, and other Java programs of the tests.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use super::cache;
use super::jars::{Version, fetch};
use super::process::{locked, run};

/// Where the programs stand.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/java");

/// Settings of a JVM that is soon up.
pub(crate) const SHORT_LIVED: [&str; 3] = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m"];

/// Returns a command that runs a class of Kafka's jars, with further jars before them.
pub(crate) fn java(class_path: &[&Path]) -> Command {
    let mut paths: Vec<_> = class_path.iter().map(|path| path.display().to_string()).collect();
    paths.push(Version::chosen().classes());
    let mut command = Command::new("java");
    command.args(SHORT_LIVED).arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=off");
    command.args(["-cp", &paths.join(":")]);
    command
}

/// Returns the path of a program of the tests.
pub(crate) fn source(name: &str) -> String {
    format!("{SOURCES}/{name}")
}

/// The tools, in one JVM that ends with its input.
pub(crate) struct Tools(Mutex<(Child, ChildStdin, BufReader<ChildStdout>)>);

impl Tools {
    /// Starts the JVM.
    pub(crate) fn start() -> Self {
        let mut command = java(&[]);
        command.arg(source("Tools.java")).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the tests need Java 17");
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self(Mutex::new((child, input, output)))
    }

    /// Runs a command line such as `kafka-acls.sh --list …` to its end, which must be good; returns what it printed.
    pub(crate) fn run(&self, line: &str) -> String {
        let mut tools = self.0.lock().unwrap();
        let (_, input, output) = &mut *tools;
        writeln!(input, "{line}").and_then(|()| input.flush()).unwrap();
        let mut printed = String::new();
        loop {
            let before = printed.len();
            assert!(output.read_line(&mut printed).unwrap() > 0, "the tools ended:\n{printed}");
            if let Some(code) = printed[before..].strip_prefix("exit ") {
                assert_eq!(code.trim(), "0", "{line}:\n{printed}");
                printed.truncate(before);
                return printed;
            }
        }
    }
}

impl Drop for Tools {
    fn drop(&mut self) {
        let Ok(tools) = self.0.get_mut() else { return };
        drop(tools.0.kill());
        drop(tools.0.wait());
    }
}

/// Returns the jars of the Java clients, fetched once.
fn client_jars() -> PathBuf {
    let folder = cache().join("java");
    let complete = folder.join(".complete");
    locked(&cache().join("java.lock"), || {
        if complete.exists() {
            return;
        }
        let mut maven = Command::new("mvn");
        maven.args(["-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime", "-DexcludeTransitive=true"]);
        maven.arg(format!("-DoutputDirectory={}", folder.display()));
        fetch(maven.current_dir(SOURCES));
        std::fs::write(&complete, "").unwrap();
    });
    folder
}

/// Runs `Clients.java`; returns its lines.
pub(crate) fn clients(arguments: &[&str]) -> Vec<String> {
    let mut command = java(&[&client_jars().join("*")]);
    let printed = run(command.arg(source("Clients.java")).args(arguments), "see its error");
    printed.lines().map(ToOwned::to_owned).collect()
}
