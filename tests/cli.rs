//! The binary as a user meets it: help, exit codes, and what it says to commands that are not there yet.

#![allow(clippy::unwrap_used, reason = "a test panics where a program returns")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

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
        ("bench.txt", &["bench", "--help"]),
        ("bench-registry.txt", &["bench", "registry", "--help"]),
        ("bench-gate.txt", &["bench", "gate", "--help"]),
        ("completions.txt", &["completions", "--help"]),
        ("registry.txt", &["registry", "--help"]),
        ("registry-export.txt", &["registry", "export", "--help"]),
        ("registry-import.txt", &["registry", "import", "--help"]),
        ("migrate.txt", &["migrate", "--help"]),
        ("migrate-plan.txt", &["migrate", "plan", "--help"]),
        ("migrate-run.txt", &["migrate", "run", "--help"]),
        ("migrate-cut-over.txt", &["migrate", "cut-over", "--help"]),
        ("migrate-verify.txt", &["migrate", "verify", "--help"]),
        ("migrate-status.txt", &["migrate", "status", "--help"]),
        ("migrate-abandon.txt", &["migrate", "abandon", "--help"]),
        ("dead-letters.txt", &["dead-letters", "--help"]),
        ("dead-letters-list.txt", &["dead-letters", "list", "--help"]),
        ("dead-letters-show.txt", &["dead-letters", "show", "--help"]),
        ("dead-letters-stats.txt", &["dead-letters", "stats", "--help"]),
        ("dead-letters-redrive.txt", &["dead-letters", "redrive", "--help"]),
        ("dead-letters-runs.txt", &["dead-letters", "runs", "--help"]),
        ("tail.txt", &["tail", "--help"]),
        ("health.txt", &["health", "--help"]),
        ("schema.txt", &["schema", "--help"]),
        ("schema-check.txt", &["schema", "check", "--help"]),
        ("schema-compatibility.txt", &["schema", "compatibility", "--help"]),
        ("schema-register.txt", &["schema", "register", "--help"]),
        ("schema-diff.txt", &["schema", "diff", "--help"]),
        ("schema-get.txt", &["schema", "get", "--help"]),
        ("schema-list.txt", &["schema", "list", "--help"]),
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
        (&["bench", "registry", "--connections", "0"], "0 is not in 1..=1000"),
        (&["check-config", "--output", "xml"], "[possible values: text, json]"),
        (&["dead-letters", "list", "--since", "yesterday"], "how long ago it was, as in 90m or 2h"),
        (&["dead-letters", "stats", "--source-offsets", "9..5"], "FIRST..LAST"),
        (&["migrate", "run", "--plan", "plan.json", "--follow"], "cannot be used with '--follow'"),
        (&["tail", "orders", "--from", "first"], "give earliest, latest, an offset"),
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
        for rest in [&[][..], &["list", "--any", "x"], &["--help"]] {
            let args: Vec<_> = later.name.split(' ').chain(rest.iter().copied()).collect();
            let output = sluice(&args);
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
        for word in ["check-config", "keep-running", "completions", "without-settings", "reference"] {
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

/// A gate whose broker and registry are ports that nobody listens on.
const NOWHERE: &str = "application: nowhere
kafka: {bootstrap.servers: '127.0.0.1:1'}
registry: {url: 'http://127.0.0.1:1'}
admin: {listen: '127.0.0.1:0'}
log: {format: json}
gates:
  orders:
    source: orders.raw
    validated: orders
";

fn file(name: &str, text: &str) -> String {
    let path = format!("{}/{name}", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_wrong_configuration_is_refused_with_2() {
    let missing = sluice(&["run", "--config", "absent.yaml"]);
    let stderr = text(&missing.stderr);
    assert_eq!(missing.status.code(), Some(2), "{stderr}");
    assert!(stderr.starts_with("error: 1 mistake in 'absent.yaml'\n"), "{stderr}");
    let default = sluice(&["run"]);
    assert!(text(&default.stderr).contains("'sluice.yaml'"), "{default:?}");

    let path = file("wrong.yaml", &NOWHERE.replace("application", "aplication").replace("gates", "gatez"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    let wrong = command.arg("run").env("SLUICE_CONFIG", &path).output().unwrap();
    let stderr = text(&wrong.stderr);
    assert_eq!(wrong.status.code(), Some(2), "{stderr}");
    for key in ["aplication", "gatez"] {
        assert!(stderr.contains(key), "all mistakes at once: {stderr}");
    }
}

/// Both have one default, so that the second of a machine meets the first.
#[test]
fn an_address_that_is_taken_is_told_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let config = NOWHERE.replace("127.0.0.1:0", &address) + "registry_server: { listen: 127.0.0.1:0 }\n";
    let path = file("taken.yaml", &config);
    for command in [&["run", "--config", &path][..], &["registry", "serve", "--config", &path]] {
        let refused = sluice(command);
        let stderr = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{stderr}");
        let told =
            format!("cannot listen on '{address}', the address of 'admin.listen' (unless set, all `sluice run` and");
        assert!(stderr.contains(&told) && stderr.contains("give each its own"), "{stderr}");
    }
}

#[test]
fn health_without_a_process_says_so() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let free = silent.local_addr().unwrap().to_string();
    drop(silent);
    let nobody = sluice(&["health", "--admin", &format!("http://{free}")]);
    let stderr = text(&nobody.stderr);
    assert_eq!(nobody.status.code(), Some(3), "{stderr}");
    assert!(stderr.starts_with(&format!("error: no answer from http://{free}/livez: ")), "{stderr}");
    assert!(stderr.ends_with("hint: --admin, or SLUICE_ADMIN, is the address that 'admin.listen' has\n"), "{stderr}");

    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = other.accept().unwrap();
        let mut request = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        while request.read_line(&mut line).unwrap() > 2 {
            line.clear();
        }
        write!(stream, "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").unwrap();
    });
    let other = sluice(&["health", "--admin", &format!("http://{address}")]);
    let stderr = text(&other.stderr);
    assert_eq!(other.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("/livez answers 404 Not Found: this is no admin address of sluice"), "{stderr}");
    answering.join().unwrap();
}

/// A `sluice run` that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already where the test went well.
        self.0.kill().ok();
    }
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Asks a process whether it is well, again where it has not answered in time.
fn health(args: &[&str]) -> Output {
    let args = [&["health"], args].concat();
    let mut answers = (0..20).map(|_| sluice(&args));
    answers.find(|answer| answer.status.code() != Some(3)).expect("an answer in time")
}

#[test]
fn a_process_without_broker_and_registry_lives_and_stops_when_told() {
    let path = file("nowhere.yaml", NOWHERE);
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    let mut running = Running(command.args(["run", "--config", &path]).stderr(Stdio::piped()).spawn().unwrap());
    let mut log = BufReader::new(running.0.stderr.take().unwrap());
    let address = loop {
        let mut line = String::new();
        assert!(log.read_line(&mut line).unwrap() > 0, "the log ended");
        let line: serde_json::Value = serde_json::from_str(&line).expect("the log is JSON lines");
        if line["message"] == "admin server listens" {
            break line["address"].as_str().unwrap().to_owned();
        }
    };
    let reader = std::thread::spawn(move || log.read_to_string(&mut String::new()));
    std::thread::sleep(Duration::from_secs(2));
    assert!(get(&address, "/livez").starts_with("HTTP/1.1 200 "), "an outage is no reason to be killed");
    assert!(get(&address, "/readyz").starts_with("HTTP/1.1 503 "));
    let admin = format!("http://{address}");
    let alive = health(&["--admin", &admin]);
    assert_eq!((alive.status.code(), text(&alive.stdout)), (Some(0), "{\"alive\":true,\"reasons\":[]}\n".to_owned()));
    let ready = health(&["--admin", &admin, "--ready"]);
    assert_eq!(ready.status.code(), Some(1), "{ready:?}");
    assert!(text(&ready.stdout).starts_with("{\"ready\":false,"), "{ready:?}");
    let status = get(&address, "/status");
    assert!(status.contains(r#""application":"nowhere""#) && status.contains(r#""state":"starting""#), "{status}");
    assert!(
        get(&address, "/metrics")
            .contains(r#"sluice_records_total{gate="orders",outcome="validated",reason="",topic="orders.raw"} 0"#)
    );

    let told = Instant::now();
    let kill = Command::new("kill").args(["-TERM", &running.0.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let status = running.0.wait().unwrap();
    assert_eq!(status.code(), Some(0));
    // The service gives up waiting for its pipelines after 9 s; the rest is for a busy machine.
    assert!(told.elapsed() < Duration::from_secs(60), "{:?}", told.elapsed());
    reader.join().unwrap().unwrap();
}
