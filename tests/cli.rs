//! The binary as a user meets it: help, exit codes, and what it says to commands that are not there yet.

#![allow(clippy::unwrap_used, reason = "a test panics where a program returns")]

use std::process::{Command, Output, Stdio};

fn sluice(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    command.args(args).env_remove("SLUICE_CONFIG").env_remove("COLUMNS").env_remove("RUST_BACKTRACE");
    command.stdin(Stdio::null()).current_dir(env!("CARGO_TARGET_TMPDIR")).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Compares with a file of tests/cli; `UPDATE_GOLDEN=1 cargo test --test cli` writes them anew.
fn golden(name: &str, found: &str) {
    let path = format!("{}/tests/cli/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, expected, "{path} differs");
}

#[test]
fn help_is_as_written() {
    for (name, args) in [
        ("help.txt", &["--help"][..]),
        ("run.txt", &["run", "--help"]),
        ("demo.txt", &["demo", "--help"]),
        ("check-config.txt", &["check-config", "--help"]),
        ("completions.txt", &["completions", "--help"]),
    ] {
        let output = sluice(args);
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()), "{args:?}");
        golden(name, &text(&output.stdout));
    }
    let version = sluice(&["--version"]);
    assert_eq!(text(&version.stdout), format!("sluice {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_wrong_command_line_is_refused_with_2() {
    for (args, expected) in [
        (&["rum"][..], "a similar subcommand exists: 'run'"),
        (&["run", "--confg", "x"], "a similar argument exists: '--config'"),
        (&["demo", "--for", "soon"], "invalid value 'soon' for '--for <TIME>'"),
        (&["demo", "--rate", "0"], "0 is not in 1..=1000000"),
        (&["demo", "--for", "3s", "--keep-running"], "cannot be used with"),
        (&["check-config", "--output", "xml"], "[possible values: text, json]"),
        (&["completions", "tcsh"], "[possible values: bash, elvish, fish, powershell, zsh, man]"),
    ] {
        let output = sluice(args);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(expected), "{args:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
    let bare = sluice(&[]);
    assert_eq!(bare.status.code(), Some(2));
    assert!(text(&bare.stderr).contains("Usage: sluice <COMMAND>"), "no command: the help");
}

#[test]
fn commands_to_come_say_so() {
    for later in sluice::cli::LATER {
        for args in [&[later.name][..], &[later.name, "list", "--any", "x"], &[later.name, "--help"]] {
            let output = sluice(args);
            let expected = format!(
                "error: 'sluice {}' is not there yet in version {}: it will {}\n\
                 hint: 'sluice --help' lists the commands of this version\n",
                later.name,
                env!("CARGO_PKG_VERSION"),
                later.purpose
            );
            assert_eq!((output.status.code(), text(&output.stderr)), (Some(2), expected), "{args:?}");
        }
    }
    let help = text(&sluice(&["--help"]).stdout);
    let names: Vec<_> = sluice::cli::LATER.iter().map(|later| later.name).collect();
    assert!(help.contains(&format!("Not there yet in this version: {}.", names.join(", "))), "{help}");
}

#[test]
fn completions_name_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh", "man"] {
        let output = sluice(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        let script = text(&output.stdout).replace('\\', "");
        for word in ["check-config", "keep-running", "completions"] {
            assert!(script.contains(word), "'{word}' is missing for {shell}");
        }
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = Command::new(env!("CARGO_BIN_EXE_sluice"))
        .args(["completions", "bash"])
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}
