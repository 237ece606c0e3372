//! docs/quick-start.md, played from its first line to its last: its files are written, its commands run, and what it
//! shows is what they print, but for times, offsets, and lines that it leaves out (`…`).
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::gate::binary;
use common::jars::Version;
use common::java::SHORT_LIVED;
use common::kafka::shared;
use common::process::{Process, free_port};
use common::python::interpreter;
use common::{http, wait_for};
use regex::Regex;
use tempfile::TempDir;

const PAGE: &str = include_str!("../docs/quick-start.md");
const LIMIT: Duration = Duration::from_secs(60);

/// A command of the page, with what it shows of its output.
struct Step {
    command: String,
    shown: Vec<String>,
}

/// Returns the blocks of one kind: the words behind it, and the text.
fn blocks<'p>(page: &'p str, kind: &str) -> Vec<(&'p str, &'p str)> {
    let begin = format!("\n```{kind}");
    let blocks = page.split(begin.as_str()).skip(1).map(|block| block.split_once("\n```").unwrap().0);
    blocks.map(|block| block.split_once('\n').unwrap()).map(|(name, text)| (name.trim(), text)).collect()
}

fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in blocks(page, "console").iter().flat_map(|(_, text)| text.lines()) {
        match line.strip_prefix("$ ") {
            Some(command) => steps.push(Step { command: command.to_owned(), shown: Vec::new() }),
            None => steps.last_mut().unwrap().shown.push(line.to_owned()),
        }
    }
    steps
}

/// What the page takes for granted: its commands on the PATH, in a folder with its files.
struct Desk {
    folder: TempDir,
    path: String,
    running: Vec<Process>,
}

impl Desk {
    fn new(page: &str, python: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("sluice-quick-start-").tempdir().unwrap();
        let bin = folder.path().join("bin");
        fs::create_dir(&bin).unwrap();
        let classes = Version::chosen().classes();
        let java =
            format!("java {} -Dorg.slf4j.simpleLogger.defaultLogLevel=off -cp '{classes}'", SHORT_LIVED.join(" "));
        let get =
            "import sys, urllib.request as u; sys.stdout.write(u.urlopen('http://' + sys.argv[-1]).read().decode())";
        let programs = [
            ("sluice", binary().display().to_string()),
            ("python3", python.display().to_string()),
            ("curl", format!("{} -c \"{get}\"", python.display())),
            ("kafka-topics.sh", format!("{java} org.apache.kafka.tools.TopicCommand")),
        ];
        for (name, program) in programs {
            write_program(&bin.join(name), &program);
        }
        for (name, text) in [blocks(page, "yaml"), blocks(page, "python")].concat() {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        Self { folder, path, running: Vec::new() }
    }

    fn shell(&self, command: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir(self.folder.path()).env("PATH", &self.path).env_remove("SLUICE_CONFIG");
        shell
    }

    /// Takes a step, until what it shows is there: records need their time to pass.
    fn take(&mut self, step: &Step) {
        let Some(server) = step.command.strip_suffix(" &") else {
            let output = || {
                let output = self.shell(&step.command).output().unwrap();
                String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
            };
            if step.shown.is_empty() {
                let status = self.shell(&step.command).status().unwrap();
                return assert!(status.success(), "{}: {status}", step.command);
            }
            return wait_for_shown(step, output);
        };
        let log = tempfile::Builder::new().prefix("sluice-quick-start-").tempdir().unwrap();
        let process = Process::start("server", self.shell(&format!("exec {server}")), log);
        wait_for_shown(step, || process.log());
        self.running.push(process);
    }
}

fn write_program(file: &Path, program: &str) {
    fs::write(file, format!("#!/bin/sh\nexec {program} \"$@\"\n")).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}

fn wait_for_shown(step: &Step, output: impl Fn() -> String) {
    let mut last = String::new();
    let what = format!("'{}' to print what the page shows", step.command);
    let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        wait_for(&what, LIMIT, || {
            last = output();
            shows(&last, &step.shown).then_some(())
        });
    }));
    assert!(found.is_ok(), "'{}' printed:\n{last}\nand the page shows:\n{}", step.command, step.shown.join("\n"));
}

/// Tells whether an output has the lines that are shown. Readers of several partitions have their lines in any order.
fn shows(output: &str, shown: &[String]) -> bool {
    let lines: Vec<_> = output.lines().map(without_accidents).collect();
    shown.iter().filter(|line| *line != "…").all(|line| match line.strip_suffix('…') {
        Some(begin) => lines.iter().any(|line| line.starts_with(&without_accidents(begin))),
        None => lines.contains(&without_accidents(line)),
    })
}

/// Takes out of a line what is another one each time: times, offsets, the widths of columns.
fn without_accidents(line: &str) -> String {
    let accidents =
        BTreeMap::from([(r"\d{4}-\d\d-\d\dT[\d:.]+Z ?", ""), (r"@\d+", "@N"), (r" +", " "), (r"\d{13}", "MS")]);
    let without = |line: String, (pattern, instead): (&&str, &&str)| {
        Regex::new(pattern).unwrap().replace_all(&line, *instead).into_owned()
    };
    accidents.iter().fold(line.to_owned(), without).trim().to_owned()
}

#[test]
fn the_quick_start_works_as_it_stands() {
    let Some(python) = interpreter("quick start") else { return };
    let kafka = shared();
    let [registry, status, other] = [free_port(), free_port(), free_port()].map(|port| port.to_string());
    let page =
        PAGE.replace("localhost:9092", kafka.bootstrap()).replace("127.0.0.1:8081", &format!("127.0.0.1:{registry}"));
    let page = page
        .replace("localhost:8081", &format!("127.0.0.1:{registry}"))
        .replace("127.0.0.1:8091", &format!("127.0.0.1:{other}"));
    let page = page
        .replace("127.0.0.1:8090", &format!("127.0.0.1:{status}"))
        .replace("localhost:8090", &format!("127.0.0.1:{status}"));
    let mut desk = Desk::new(&page, &python);
    let file = desk.folder.path().join("sluice.yaml");
    let gate = fs::read_to_string(&file).unwrap();
    assert_eq!(gate.lines().count(), 7, "the page says so");
    fs::write(&file, format!("{gate}\nadmin: {{ listen: \"127.0.0.1:{status}\" }}\n")).unwrap();
    let steps = steps(&page);
    assert!(steps.len() > 10);
    for step in &steps {
        desk.take(step);
    }
    let answer = http::get(status.parse().unwrap(), "/").expect("the status page is there");
    assert_eq!(answer.status, 200);
}
