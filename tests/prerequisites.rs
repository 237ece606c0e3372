//! The check before each make target: what it says on a machine that lacks something.
//!
//! The machine is a PATH of a few real tools and some that only pretend.

#![allow(clippy::unwrap_used, reason = "a test panics where a program returns")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// What the script itself is written with.
const TOOLS: [&str; 10] = ["bash", "cat", "cut", "dirname", "env", "head", "id", "sed", "sort", "tr"];

/// A machine with these commands, each printing its text.
fn machine(commands: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = std::env::var_os("PATH").unwrap();
    for tool in TOOLS {
        let real = std::env::split_paths(&path).map(|folder| folder.join(tool)).find(|file| file.exists()).unwrap();
        symlink(real, folder.path().join(tool)).unwrap();
    }
    commands.iter().for_each(|(name, says)| pretend(folder.path(), name, &format!("echo '{says}'")));
    folder
}

fn pretend(folder: &Path, name: &str, script: &str) {
    let path = folder.join(name);
    if path.exists() {
        fs::remove_file(&path).unwrap();
    }
    fs::write(&path, format!("#!/usr/bin/env bash\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Runs the check in a tree of its own, where nothing was unpacked before.
fn check(machine: &TempDir, target: &str) -> (Option<i32>, String) {
    let (real, tree) = (Path::new(env!("CARGO_MANIFEST_DIR")), machine.path().join("tree"));
    fs::create_dir_all(tree.join(".ci")).unwrap();
    let script = tree.join(".ci/prerequisites");
    fs::copy(real.join(".ci/prerequisites"), &script).unwrap();
    fs::copy(real.join("Cargo.toml"), tree.join("Cargo.toml")).unwrap();
    let mut command = Command::new(machine.path().join("bash"));
    command.arg(script).arg(target).env_clear().env("PATH", machine.path()).env("HOME", machine.path());
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(stdout.is_empty(), "{stdout:?}");
    (status.code(), String::from_utf8(stderr).unwrap())
}

const RUST: [(&str, &str); 2] = [("cargo", "cargo 9.9.9"), ("rustc", "rustc 9.9.9 (0 2099-01-01)")];
const BUILD: [(&str, &str); 3] = [("cc", ""), ("c++", ""), ("make", "")];
const USER: (&str, &str) = ("id", "1000");

#[test]
fn says_nothing_where_all_is_there() {
    let wished = [("kcat", ""), ("faketime", ""), ("ip", ""), ("prometheus", ""), ("promtool", "")];
    let tests = [("perl", ""), ("javac", ""), ("mvn", ""), ("python3", ""), ("chromium", ""), ("chromedriver", "")];
    let machine = machine(&[&RUST[..], &BUILD, &tests, &wished].concat());
    pretend(machine.path(), "java", "echo 'openjdk version \"17.0.9\" 2023-10-17' >&2");
    for target in ["demo", "test", "check", "fuzz"] {
        assert_eq!(check(&machine, target), (Some(0), String::new()), "{target}");
    }
}

#[test]
fn names_what_only_some_tests_need() {
    let tests = [("perl", ""), ("javac", ""), ("mvn", ""), ("python3", ""), ("kcat", ""), USER];
    let browser = [("chromium", ""), ("chromedriver", "")];
    let machine = machine(&[&RUST[..], &BUILD, &tests, &browser].concat());
    pretend(machine.path(), "java", "echo 'openjdk version \"17.0.9\" 2023-10-17' >&2");
    let said = "not installed: faketime iproute2 prometheus; the tests that need it are reported as not run\n";
    assert_eq!(check(&machine, "test"), (Some(0), said.to_owned()));
}

/// Debian's package would start a service where it is installed.
#[test]
fn unpacks_prometheus_beside_the_tests() {
    let tests = [("perl", ""), ("javac", ""), ("mvn", ""), ("python3", ""), ("kcat", ""), ("faketime", ""), ("ip", "")];
    let browser = [("chromium", ""), ("chromedriver", "")];
    let machine = machine(&[&RUST[..], &BUILD, &tests, &browser, &[("id", "0")]].concat());
    pretend(machine.path(), "java", "echo 'openjdk version \"17.0.9\" 2023-10-17' >&2");
    pretend(machine.path(), "apt-get", "[ \"$1\" = download ] && : > prometheus_2.deb");
    let unpacked = "usr/bin/promtool";
    let mkdir = "/bin/mkdir -p";
    pretend(machine.path(), "mkdir", &format!("exec {mkdir} \"$2\""));
    pretend(machine.path(), "rm", "exec /bin/rm -f \"$2\"");
    pretend(machine.path(), "dpkg", &format!("{mkdir} usr/bin; : > {unpacked}; exec /bin/chmod 755 {unpacked}"));
    assert_eq!(check(&machine, "test"), (Some(0), String::new()));
    let folder = machine.path().join("tree/tests/.cache/prometheus");
    assert!(folder.join(unpacked).exists() && !folder.join("prometheus_2.deb").exists());
}

#[test]
fn tells_a_user_the_one_line_that_installs_what_is_missing() {
    let machine =
        machine(&[&RUST[..], &[USER, ("apt-get", ""), ("apt-cache", "openjdk-17-jdk-headless - JDK")]].concat());
    pretend(machine.path(), "java", "echo 'openjdk version \"11.0.1\" 2018-10-16' >&2");
    pretend(machine.path(), "javac", "");
    for (target, packages) in [
        ("demo", "gcc libc6-dev make g++"),
        ("test", "gcc libc6-dev make g++ perl openjdk-17-jdk-headless maven chromium chromium-driver python3-venv"),
    ] {
        let hint = format!("sudo apt-get update && sudo apt-get install --yes --no-install-recommends {packages}");
        assert_eq!(
            check(&machine, target),
            (Some(1), format!("error: missing: {packages}\nhint: {hint}\n")),
            "{target}"
        );
    }
    pretend(machine.path(), "apt-cache", "");
    assert!(check(&machine, "test").1.contains("default-jdk-headless"), "where there is no 17");
    fs::remove_file(machine.path().join("apt-get")).unwrap();
    assert!(check(&machine, "demo").1.starts_with("error: missing: gcc libc6-dev make g++ (names of Debian packages)"));
}

#[test]
fn installs_as_root_and_looks_again() {
    let machine = machine(&[&RUST[..], &BUILD[..2], &[("id", "0")]].concat());
    let make = machine.path().join("make");
    let install =
        format!("[ \"$1\" = update ] || {{ echo '#!/bin/sh' > {0}; {1} 755 {0}; }}", make.display(), "/bin/chmod");
    pretend(machine.path(), "apt-get", &install);
    assert_eq!(check(&machine, "demo"), (Some(0), "installing make\n".to_owned()));
    assert!(make.exists());
    fs::remove_file(&make).unwrap();
    pretend(machine.path(), "apt-get", "");
    let (code, said) = check(&machine, "demo");
    assert_eq!(code, Some(1));
    assert!(said.contains("error: still missing after the installation: make"), "{said}");
}

#[test]
fn leaves_the_toolchain_to_its_owner() {
    let needed = env!("CARGO_PKG_RUST_VERSION");
    let none = machine(&BUILD);
    let hint = format!("https://rustup.rs installs one; {needed} or newer is needed");
    assert_eq!(check(&none, "demo"), (Some(1), format!("error: there is no Rust toolchain\nhint: {hint}\n")));
    fs::create_dir_all(none.path().join(".cargo/bin")).unwrap();
    pretend(&none.path().join(".cargo/bin"), "cargo", "");
    assert!(check(&none, "demo").1.starts_with("error: cargo is installed, but not on the PATH\n"));
    let old = machine(&[&BUILD[..], &[("cargo", ""), ("rustc", "rustc 1.70.0 (90c541806 2023-05-31)")]].concat());
    let said = format!("error: Rust 1.70.0 is too old, {needed} or newer is needed\nhint: rustup update stable\n");
    assert_eq!(check(&old, "demo"), (Some(1), said));
    let bare = machine(&[&RUST[..], &BUILD].concat());
    pretend(bare.path(), "cargo", "exit 101");
    let said = "error: clippy or rustfmt is missing\nhint: rustup component add clippy rustfmt\n";
    assert_eq!(check(&bare, "check"), (Some(1), said.to_owned()));
    let said = "error: fuzzing needs a nightly toolchain\nhint: rustup toolchain install nightly --profile minimal\n";
    assert_eq!(check(&bare, "fuzz"), (Some(1), said.to_owned()));
    pretend(bare.path(), "cargo", "[ \"$1\" = +nightly ]");
    let said = "error: fuzzing needs cargo-fuzz\nhint: cargo install cargo-fuzz --locked\n";
    assert_eq!(check(&bare, "fuzz"), (Some(1), said.to_owned()));
}
