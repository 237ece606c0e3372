//! The demo as a user meets it: in a pipe, on a terminal, and interrupted.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test panics where a program returns")]

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A demo ends its work by itself; on a machine under load it may take a while.
const LIMIT: Duration = Duration::from_secs(120);

fn demo(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    command.arg("demo").args(args).env_remove("NO_COLOR").stdin(Stdio::null());
    command
}

fn run(mut command: Command) -> Output {
    command.current_dir(env!("CARGO_TARGET_TMPDIR")).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Reads the numbers of the line that says that every record is accounted for: sent, validated, converter, dead letters.
fn accounted(output: &str) -> [u64; 4] {
    let line = output.lines().find(|line| line.starts_with("every record accounted for: "));
    let line = line.unwrap_or_else(|| panic!("not every record is accounted for:\n{output}"));
    let words = line.split_whitespace().filter_map(|word| word.replace(',', "").parse().ok());
    words.collect::<Vec<u64>>().try_into().unwrap_or_else(|numbers| panic!("{numbers:?} in '{line}'"))
}

/// Reads of the summary how many records a topic has, and how many of them a converter has written.
fn complete(output: &str, topic: &str, converted: &str) -> [u64; 2] {
    let is_asked = |line: &&str| line.contains(topic) && line.contains(converted) && line.contains(" as sent + ");
    let line = output.lines().find(is_asked).unwrap_or_else(|| panic!("'{topic}' is not complete:\n{output}"));
    let number = |text: &str| text.trim().replace(',', "").parse().unwrap();
    let all = line.split_once(topic).unwrap().1.split_once('=').unwrap().0;
    let converted = line.split_once(converted).unwrap().0.rsplit_once('+').unwrap().1;
    [number(all), number(converted)]
}

#[test]
fn every_record_is_accounted_for_in_a_pipe() {
    let output = run(demo(&["--for", "3s", "--rate", "500"]));
    let out = text(&output.stdout);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()), "{out}");
    assert!(!out.contains('\x1b'), "no escape sequences in a pipe:\n{out}");
    assert!(out.starts_with(
        "sluice demo: a broker, a registry, a gate and two converters in this process, 500 records per second for 3s\n"
    ));
    let [sent, validated, converter, dead] = accounted(&out);
    assert_eq!(sent, validated + converter + dead, "{out}");
    assert!((100..=1600).contains(&sent), "{sent} of the 1,500 asked for");
    assert!(validated > converter && converter > dead && dead > 0, "{out}");
    let good = sent - dead;
    let [old, down] = complete(&out, "orders ", "converted down");
    let [new, up] = complete(&out, "orders-v3 ", "converted up");
    assert_eq!((old, new, down), (good, good, converter), "both topics have every good record:\n{out}");
    assert!(up > converter && up <= validated, "{up} of {validated}, but for deletions:\n{out}");
    assert!(out.contains(" up ") && out.contains(" down ") && out.contains(" skipped "), "in the lines too:\n{out}");
    let progress = out.lines().filter(|line| line.contains(" sent ") && line.contains(" waiting")).count();
    assert!(progress >= 2, "a line every two seconds and one at the end:\n{out}");
    for part in ["dead letters by reason", "not_framed", "some of them, as their headers tell", "what to try next"] {
        assert!(out.contains(part), "'{part}' is missing in\n{out}");
    }
    let examples = out.lines().filter(|line| line.trim_start().starts_with("orders.raw-") && line.contains('@'));
    assert!(examples.count() >= 3, "{out}");
}

/// Runs the demo under util-linux' `script`, which gives it a pseudo-terminal.
fn on_a_terminal(setup: impl FnOnce(&mut Command)) -> String {
    let sluice = env!("CARGO_BIN_EXE_sluice");
    let mut command = Command::new("script");
    let order = format!("stty cols 80 rows 40; '{sluice}' demo --for 2s --rate 500");
    command.args(["--quiet", "--return", "--command", &order, "/dev/null"]).env("TERM", "xterm-256color");
    command.env_remove("NO_COLOR").stdin(Stdio::null());
    setup(&mut command);
    let output = command.output().expect("`script` of util-linux (Debian: bsdutils) gives a pseudo-terminal");
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{out}{}", text(&output.stderr));
    out
}

/// Tells whether the cursor goes up over a table, whose height grows with the reasons seen.
fn redraws(out: &str) -> bool {
    (13..=20).any(|height| out.contains(&format!("\x1b[{height}A")))
}

#[test]
fn a_table_is_redrawn_on_a_terminal() {
    let out = on_a_terminal(|_| {});
    let tables: Vec<_> = out.matches("records   per second     share").collect();
    assert!(tables.len() >= 2, "four times a second, on a machine that has time for it:\n{out}");
    assert!(redraws(&out), "the last table is drawn over:\n{out}");
    assert!(out.contains("\x1b[32m"), "colours:\n{out}");
    assert!(!out.contains("\x1b[?7l\x1b[?7l") && out.matches("\x1b[?7l").count() == out.matches("\x1b[?7h").count());
    let [sent, validated, converter, dead] = accounted(&out);
    assert_eq!(sent, validated + converter + dead, "{out}");
}

#[test]
fn no_color_is_respected() {
    let out = on_a_terminal(|command| {
        command.env("NO_COLOR", "1");
    });
    assert!(redraws(&out), "{out}");
    for colour in ["\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[36m"] {
        assert!(!out.contains(colour), "{colour:?} in\n{out}");
    }
}

#[test]
fn an_interrupt_ends_it_with_the_summary() {
    let mut child = demo(&["--keep-running", "--rate", "300"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut seen = String::new();
    while !seen.contains(" waiting") {
        assert_ne!(out.read_line(&mut seen).unwrap(), 0, "it ended by itself:\n{seen}");
    }
    assert!(seen.contains("to try from another terminal while it runs"), "{seen}");
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    out.read_to_string(&mut seen).unwrap();
    assert_eq!(wait(&mut child), Some(0), "{seen}");
    let [sent, validated, converter, dead] = accounted(&seen);
    assert_eq!(sent, validated + converter + dead, "{seen}");
}

fn wait(child: &mut Child) -> Option<i32> {
    let began = Instant::now();
    while began.elapsed() < LIMIT {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill().unwrap();
    panic!("the demo did not end in {LIMIT:?}");
}
