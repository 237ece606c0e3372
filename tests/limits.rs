//! docs/limits.md says what the code does: each constant there exists with the value given, each test that it names
//! exists, and the limits of schemas, data and configurations are all there. And those of a configuration hold.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test panics where a program returns")]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sluice::config::{Config, Environment, Error, Syntax, limits};

/// A row of a table: what is limited, how far, where in the code, and what shows it.
struct Row {
    what: String,
    limit: String,
    file: String,
    constant: String,
    tests: Vec<String>,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Reads the tables whose last columns are `src/…` `CONSTANT`, and tests.
fn rows() -> Vec<Row> {
    let text = fs::read_to_string(root().join("docs/limits.md")).unwrap();
    let row = |line: &str| {
        let cells: Vec<&str> = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").collect();
        let [what, limit, _, _, place, tests] = cells[..] else { return None };
        let (file, constant) = place.strip_prefix('`')?.strip_suffix('`')?.split_once("` `")?;
        let tests = tests.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        let owned = str::to_owned;
        Some(Row { what: owned(what), limit: owned(limit), file: owned(file), constant: owned(constant), tests })
    };
    text.lines().filter_map(row).collect()
}

/// All Rust files below a folder, with their text.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|of| of == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}

/// A limit as people write it: `1 MiB`, `30 s`, `10,000`; times in milliseconds.
fn as_written(limit: &str) -> u64 {
    let (number, unit) = limit.split_once(' ').unwrap_or((limit, ""));
    let factor = match unit {
        "" | "ms" | "bytes" => 1,
        "s" => 1000,
        "min" => 60_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => panic!("{limit}: no such unit"),
    };
    number.replace(',', "").parse::<u64>().unwrap_or_else(|error| panic!("{limit}: {error}")) * factor
}

/// Finds the expression of a constant.
fn expression<'t>(text: &'t str, constant: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(&format!("const {constant}: "))?;
    Some(rest.split_once(" = ")?.1.split_once(';')?.0)
}

/// Computes what the constants of limits are made of: numbers, products, shifts, times, and each other.
fn value(expression: &str, all: &[(PathBuf, String)], here: &str) -> u64 {
    let of = |part: &str| value(part.trim(), all, here);
    if let Some(inner) = expression.strip_prefix("Duration::from_secs(") {
        return of(inner.trim_end_matches(')')) * 1000;
    }
    if let Some(inner) = expression.strip_prefix("Duration::from_millis(") {
        return of(inner.trim_end_matches(')'));
    }
    if let Some((left, right)) = expression.split_once(" << ") {
        return of(left) << of(right);
    }
    if let Some((left, right)) = expression.rsplit_once(" / ") {
        return of(left) / of(right);
    }
    if let Some((left, right)) = expression.split_once(" * ") {
        return of(left) * of(right);
    }
    let number = expression.replace('_', "").parse();
    number.unwrap_or_else(|_| {
        let name = expression.rsplit("::").next().unwrap();
        let elsewhere = || all.iter().find_map(|(_, text)| self::expression(text, name));
        let found = self::expression(here, name).filter(|found| *found != expression).or_else(elsewhere);
        of(found.unwrap_or_else(|| panic!("{name} is no constant")))
    })
}

#[test]
fn constants_have_the_values_of_the_document() {
    let all = sources(&root().join("src"));
    let rows = rows();
    assert!(rows.len() > 50, "only {} rows of docs/limits.md are read", rows.len());
    for Row { what, limit, file, constant, .. } in &rows {
        let text = fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{what}: {file}: {error}"));
        let found = expression(&text, constant).unwrap_or_else(|| panic!("{what}: {file} has no {constant}"));
        assert_eq!(as_written(limit), value(found, &all, &text), "{what}: {constant} is {found}");
    }
    for file in ["src/schema/avro/limits.rs", "src/config/limits.rs"] {
        let text = fs::read_to_string(root().join(file)).unwrap();
        for line in text.lines().filter_map(|line| line.strip_prefix("pub const ")) {
            let name = line.split_once(':').unwrap().0;
            let told = rows.iter().any(|row| row.file == file && row.constant == name);
            assert!(told, "docs/limits.md lacks {name} of {file}");
        }
    }
}

#[test]
fn tests_that_the_document_names_exist() {
    let mut all = sources(&root().join("src"));
    all.extend(sources(&root().join("tests")));
    for Row { what, tests, .. } in rows() {
        assert!(!tests.is_empty(), "{what}: no test is named");
        for test in tests {
            let case = test.strip_prefix("hostile/").map(|case| root().join("tests/hostile").join(case));
            let is_there = match &case {
                Some(path) => path.is_file(),
                None => all.iter().any(|(_, text)| text.contains(&format!("fn {test}("))),
            };
            assert!(is_there, "{what}: there is no test {test}");
        }
    }
}

const GOOD: &str = "application: shop
kafka: { bootstrap.servers: localhost:9092 }
registry: { url: http://localhost:8081 }
gates:
  orders: { source: orders.raw, validated: orders }
";

fn parse(text: &str) -> Result<Config, Vec<Error>> {
    let file = |path: &Path| match path.to_str().and_then(|path| path.strip_prefix("/bytes/")) {
        Some(bytes) => Ok("x".repeat(bytes.parse().unwrap())),
        None => Err(io::ErrorKind::NotFound.into()),
    };
    Config::parse(text, Syntax::Yaml, &Environment { variable: &|_| None, file: &file })
}

/// Returns the problems told of a text, all in one.
fn problems(text: &str) -> String {
    let errors = parse(text).err().unwrap_or_default();
    errors.iter().map(|error| format!("{}: {}\n", error.key, error.problem)).collect()
}

/// What is within a limit is not refused for it; one step beyond is, in words that give the limit.
#[test]
fn configurations_are_limited() {
    let list = |count: usize, of: fn(usize) -> String| (0..count).map(of).collect::<Vec<_>>().join(",");
    let sources = |count: usize| GOOD.replace("orders.raw", &format!("[{}]", list(count, |n| format!("t{n}"))));
    let pattern = |text: &str| GOOD.replace("orders.raw", &format!("'{text}'"));
    let gates = |count: usize| {
        let gates = list(count, |n| format!("g{n}: {{ source: s{n}, validated: v{n} }}"));
        format!("{}gates: {{ {gates} }}\n", GOOD.split_once("gates:").unwrap().0)
    };
    let two = |count: usize| {
        let second = list(count - limits::TOPICS / 2, |n| format!("u{n}"));
        format!("{}  bills: {{ source: [{second}], validated: bills }}\n", sources(limits::TOPICS / 2))
    };
    let spaces = |length: usize| format!("{GOOD}{}", " ".repeat(length - GOOD.len()));
    let nested = |levels: usize| format!("{GOOD}x: {}{}\n", "[".repeat(levels - 1), "]".repeat(levels - 1));
    let secret = |bytes: usize| format!("{GOOD}instance: '${{file:/bytes/{bytes}}}'\n");
    let values = |count: usize| format!("{GOOD}x: [{}]\n", "1,".repeat(count));
    let long = |length: usize| pattern(&format!("^{}", "a".repeat(length - 1)));
    let topic = |length: usize| pattern(&"t".repeat(length));
    let name = |length: usize| format!("{GOOD}instance: {}\n", "i".repeat(length));
    let threads = |count: usize| GOOD.replace("validated:", &format!("threads: {count}, validated:"));
    let counted = |count: usize| pattern(&format!("^(a{{100}}){{{count}}}$"));
    let cases = [
        ("more than the limit of 1048576", spaces(limits::FILE_BYTES), spaces(limits::FILE_BYTES + 1)),
        ("nests deeper than 32 tables and lists", nested(limits::NESTING), nested(limits::NESTING + 1)),
        // The keys and tables of the good file count as well.
        ("has more than 100000 values", values(limits::VALUES - 100), values(limits::VALUES)),
        ("larger than 4194304 bytes", secret(limits::SUBSTITUTED_BYTES), secret(limits::SUBSTITUTED_BYTES + 1)),
        ("has 251 gates, more than 250", gates(limits::GATES), gates(limits::GATES + 1)),
        ("names 5001 topics, more than 5000", sources(limits::TOPICS), sources(limits::TOPICS + 1)),
        ("name 5001 topics, more than 5000", two(limits::TOPICS), two(limits::TOPICS + 1)),
        ("is a pattern of more than 4096 bytes", long(limits::PATTERN_BYTES), long(limits::PATTERN_BYTES + 1)),
        ("exceeds size limit of 1048576", counted(10), counted(1_000)),
        ("allowed: 1 to 249 letters", topic(249), topic(250)),
        ("allowed: 1 to 100 letters", name(100), name(101)),
        ("give 1 to 256", threads(256), threads(257)),
    ];
    for (problem, within, beyond) in cases {
        let (within, beyond) = (problems(&within), problems(&beyond));
        assert!(!within.contains(problem), "refused within the limit: {within:.300}");
        assert!(beyond.contains(problem), "beyond the limit, not '{problem}': {beyond:.300}");
    }
}
