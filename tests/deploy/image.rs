//! The Dockerfile: lints, and what it says of itself is so.

use std::process::Command;

use regex::Regex;

use super::{configuration, read, tools};

/// The Dockerfile, without comments and with its lines joined.
pub(crate) struct Dockerfile(Vec<(String, String)>);

impl Dockerfile {
    pub(crate) fn read() -> Self {
        let lines: Vec<_> =
            read("Dockerfile").lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
        let text = lines.join("\n").replace("\\\n", " ");
        let instruction =
            |line: &str| line.split_once(' ').map(|(word, rest)| (word.to_owned(), rest.trim().to_owned()));
        Self(text.lines().filter_map(instruction).collect())
    }

    /// Returns the arguments of all instructions of a kind.
    pub(crate) fn all(&self, word: &str) -> Vec<&str> {
        self.0.iter().filter(|(found, _)| found == word).map(|(_, rest)| rest.as_str()).collect()
    }

    /// Returns those of the last one, which counts.
    pub(crate) fn last(&self, word: &str) -> &str {
        self.all(word).pop().unwrap_or_else(|| panic!("no {word}"))
    }

    /// Returns the command of the health check.
    pub(crate) fn health(&self) -> Vec<String> {
        serde_json::from_str(self.last("HEALTHCHECK").split_once("CMD ").unwrap().1).unwrap()
    }
}

#[test]
fn the_linter_finds_nothing() {
    let Some(hadolint) = tools::program("hadolint") else { return };
    let output = Command::new(hadolint).arg(super::path("Dockerfile")).output().unwrap();
    assert!(output.status.success() && output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn nobody_is_root_and_everybody_is_a_number() {
    let user = Regex::new(r"^([1-9]\d*):([1-9]\d*)$").unwrap();
    assert!(user.is_match(Dockerfile::read().last("USER")), "{}", Dockerfile::read().last("USER"));
}

#[test]
fn all_bases_are_pinned_and_the_compiler_is_new_enough() {
    let file = Dockerfile::read();
    let arguments: Vec<_> = file.all("ARG").into_iter().map(|argument| argument.split_once('=').unwrap()).collect();
    for from in file.all("FROM") {
        let name = from.split(' ').next().unwrap().trim_start_matches("${").trim_end_matches('}');
        let (_, image) = arguments.iter().find(|(argument, _)| *argument == name).unwrap();
        assert!(image.contains(':') && !image.ends_with(":latest"), "{image}");
        // One glibc: what is built on Debian 12 runs on Debian 12.
        assert!(image.contains("bookworm") || image.contains("debian12"), "{image}");
    }
    let (_, rust) = arguments.iter().find(|(argument, _)| *argument == "RUST").unwrap();
    let version = |text: &str| -> Vec<u32> { text.split('.').map(|part| part.parse().unwrap()).collect() };
    let found = version(rust.strip_prefix("rust:").unwrap().split('-').next().unwrap());
    assert!(found >= version(env!("CARGO_PKG_RUST_VERSION")), "{rust}");
}

#[test]
fn the_context_has_what_is_copied_and_no_more() {
    let mut copied: Vec<_> = Dockerfile::read()
        .all("COPY")
        .into_iter()
        .filter(|what| !what.starts_with("--from"))
        .flat_map(|what| what.split(' ').rev().skip(1))
        .map(str::to_owned)
        .collect();
    let text = read(".dockerignore");
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines[0], "*");
    let mut let_through: Vec<_> = lines[1..].iter().map(|line| line.strip_prefix('!').unwrap().to_owned()).collect();
    copied.sort();
    let_through.sort();
    assert_eq!(copied, let_through);
}

#[test]
fn ports_and_paths_are_those_of_the_configuration() {
    let (file, config) = (Dockerfile::read(), configuration());
    let ports = [config.admin.listen, config.registry_server.unwrap().listen].map(|address| address.port().to_string());
    assert_eq!(file.last("EXPOSE").split(' ').collect::<Vec<_>>(), ports);
    let program = file.last("COPY").rsplit(' ').next().unwrap();
    assert_eq!(serde_json::from_str::<Vec<String>>(file.last("ENTRYPOINT")).unwrap(), [program]);
    assert_eq!(file.health()[0], program);
    assert_eq!(file.last("ENV"), "SLUICE_CONFIG=/etc/sluice/sluice.yaml");
}
