//! Our Avro check against Apache Avro for Java, the implementation that most producers and readers use.
//!
//! Generated schemas, with and without a reader schema; data written by them, whole and
//! damaged. Both must give the same verdict, but for the places listed in [`Excuse`],
//! where we follow the specification, or bound what Java does not. `SLUICE_SEED` replays
//! a run, `SLUICE_ROUNDS` makes it longer.
//!
//! Java runs once, as a process that answers lines. It needs Java 17 and Maven, which
//! brings the jar.

#![expect(clippy::panic, clippy::wildcard_enum_match_arm, reason = "a test: it panics, and excuses few codes")]

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use sluice::schema::avro::{Program, ReaderSchema, Resolution, Schema, WriterSchema};
use sluice::schema::{Format, SchemaText};
use sluice::violation::{ReasonCode, Stage, Violation};

use generate::Generator;

#[path = "avro_oracle/generate.rs"]
mod generate;
#[path = "avro_oracle/java.rs"]
mod java;

const ROUNDS: u64 = 2500;
const SEED: u64 = 20_261_121;

/// The namespace into which readers move names.
const MOVED: &str = r#""namespace":"e""#;

/// How the names end that readers change without an alias.
const RENAMED: &str = r#"y","namespace""#;

/// One schema or pair, with data of the writer.
struct Case {
    seed: u64,
    writer: String,
    reader: Option<String>,
    data: Vec<Datum>,
}

struct Datum {
    bytes: Vec<u8>,
    whole: bool,
}

/// What we say, as far as Java can be compared with it.
enum Ours {
    Schema(Schema),
    Program(Program),
    Never(Schema, String),
}

impl Ours {
    fn new(case: &Case) -> Self {
        let writer = compile(&case.writer);
        let Some(reader) = &case.reader else { return Self::Schema(writer) };
        match Resolution::between(WriterSchema(&writer), ReaderSchema(&compile(reader))).expect("within limits") {
            Resolution::Always => Self::Schema(writer),
            Resolution::Depends(program) => Self::Program(program),
            Resolution::Never(mismatch) => Self::Never(writer, mismatch.detail),
        }
    }

    /// Returns the finding; a datum that is good but never readable gives the reason as a missing branch.
    fn explain(&self, datum: &[u8]) -> Option<Violation> {
        let (found, checked) = match self {
            Self::Schema(schema) => (schema.explain(datum), schema.check(datum)),
            Self::Program(program) => (program.explain(datum), program.check(datum)),
            Self::Never(writer, detail) => {
                let never = || Violation::new(ReasonCode::TargetMissingUnionBranch, detail.clone());
                (writer.explain(datum).or_else(|| Some(never())), false)
            }
        };
        assert_eq!(found.is_none(), checked, "check and explain disagree: {found:?}");
        found
    }
}

fn compile(text: &str) -> Schema {
    let text = SchemaText { format: Format::Avro, text: text.into(), references: Vec::new() };
    Schema::compile(&text).unwrap_or_else(|error| panic!("{error}: {}", text.text))
}

/// Where we and Java may differ, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Excuse {
    /// Specification: a boolean is a byte 0 or 1. Java takes every byte but 1 for false.
    Boolean,
    /// Specification: strings are UTF-8. Java puts replacement characters.
    Utf8,
    /// Our limits of depth and of items without bytes. Java overflows its stack or its heap.
    Limits,
    /// Specification: ints have 32 bits, longs 64. Java drops what the last byte holds beyond them.
    VarintRange,
    /// Specification: a block's size is that of its items. Java ignores it when it reads the items, and trusts it
    /// when it skips them.
    BlockSize,
    /// Specification: records match by name. Java takes any record, in a union any whose fields fit.
    RecordName,
    /// Specification: names match without their namespaces. Java wants the full name of a fixed, of whatever stands in
    /// a reader's union, and of a record before it looks at the aliases of its fields.
    MovedName,
}

fn bare(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// Compares two verdicts: the kind of agreement or excuse, or what is wrong.
fn compare(found: Option<&Violation>, case: &Case, whole: bool, java: &str) -> Result<String, String> {
    let we = match found {
        None => "ok",
        Some(found) if found.code == ReasonCode::TrailingBytes => "trailing",
        Some(_) => "no",
    };
    let verdict = java.split(' ').next().unwrap_or_default();
    if verdict == we {
        return Ok(format!("both {we}"));
    }
    match excuse(found, case, whole, java) {
        Some(excuse) => Ok(format!("{excuse:?}, java {verdict}")),
        None => Err(format!("we say {we} ({}), Java '{java}'", found.map_or("-".into(), Violation::to_string))),
    }
}

/// Finds the excuse for a difference, if there is one.
fn excuse(found: Option<&Violation>, case: &Case, whole: bool, java: &str) -> Option<Excuse> {
    let Some(found) = found else {
        let moved = case.reader.as_ref().is_some_and(|reader| reader.contains(MOVED));
        return (moved && java.starts_with("no AvroTypeException: Found ")).then_some(Excuse::MovedName);
    };
    let damaged = |excuse| (!whole).then_some(excuse);
    match found.code {
        ReasonCode::InvalidBoolean => damaged(Excuse::Boolean),
        ReasonCode::InvalidUtf8 => damaged(Excuse::Utf8),
        ReasonCode::TooDeep | ReasonCode::TooManyItems => damaged(Excuse::Limits),
        ReasonCode::InvalidVarint => damaged(Excuse::VarintRange),
        ReasonCode::InvalidLength if found.detail.contains("block") => damaged(Excuse::BlockSize),
        ReasonCode::TargetMissingUnionBranch if java == "ok" => {
            let names: Vec<&str> = found.detail.split('\'').skip(1).step_by(2).map(bare).collect();
            let renamed = found.detail.starts_with("record '") && names.len() == 2 && names[0] != names[1];
            let no_branch = found.detail.starts_with("the reader's union has no branch for record '");
            // Never, by the first branch of a union of which Java reads another: a record that the reader renamed.
            let renamed_away = case.reader.as_ref().is_some_and(|reader| reader.contains(RENAMED));
            (renamed || no_branch || renamed_away).then_some(Excuse::RecordName)
        }
        _ => None,
    }
}

#[test]
fn verdicts_are_those_of_java() {
    let number = |name: &str, default| std::env::var(name).map_or(default, |value| value.parse().expect(name));
    let (seed, rounds) = (number("SLUICE_SEED", SEED), number("SLUICE_ROUNDS", ROUNDS));
    let cases = (0..rounds).map(|round| case(seed.wrapping_add(round)));
    let cases: Vec<(Case, Ours)> = cases
        .map(|case| {
            let ours = Ours::new(&case);
            (case, ours)
        })
        .collect();
    let answers = java::ask(&java::AVRO, questions(&cases));
    let mut answers = answers.lines();
    let mut next = || answers.next().expect("one answer per line");
    let mut tally: BTreeMap<String, usize> = BTreeMap::new();
    let mut faults = Vec::new();
    for (case, ours) in &cases {
        assert_eq!(next(), "ok", "seed {}: Java refuses the writer\n{}", case.seed, case.writer);
        let alone: Vec<&str> = case.data.iter().map(|_| next()).collect();
        assert_eq!(next(), "ok", "seed {}: Java refuses the reader\n{:?}", case.seed, case.reader);
        for (datum, alone) in case.data.iter().zip(alone) {
            let read = next();
            let java = if alone == "ok" && read != "-" { read } else { alone };
            match compare(ours.explain(&datum.bytes).as_ref(), case, datum.whole, java) {
                Ok(kind) => *tally.entry(kind).or_default() += 1,
                Err(kind) => faults.push(format!("{kind}\n{}", case.describe(datum))),
            }
        }
    }
    println!("{tally:#?}");
    faults.sort_by_key(String::len);
    assert!(
        faults.is_empty(),
        "{} disagreements, the shortest:\n{}",
        faults.len(),
        faults[..faults.len().min(2)].join("\n")
    );
}

fn case(seed: u64) -> Case {
    let mut generator = Generator::new(seed);
    let writer = generator.schema();
    let reader = (!seed.is_multiple_of(3)).then(|| generator.reader(&writer).json());
    let mut data = Vec::new();
    for _ in 0..5 {
        let bytes = generator.datum(&writer);
        for _ in 0..2 {
            data.push(Datum { bytes: generator.damage(&bytes), whole: false });
        }
        data.push(Datum { bytes, whole: true });
    }
    Case { seed, writer: writer.json(), reader, data }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Case {
    fn describe(&self, datum: &Datum) -> String {
        let reader = self.reader.as_deref().unwrap_or("-");
        let (seed, writer, bytes, whole) = (self.seed, &self.writer, hex(&datum.bytes), datum.whole);
        format!("  seed   {seed}\n  writer {writer}\n  reader {reader}\n  datum  {bytes} (whole: {whole})")
    }
}

/// Asks for each datum under its writer schema, then for those that are good so far under writer and reader: Java
/// does not look at what the reader skips, and skipping 2^60 items without bytes takes it years.
fn questions(cases: &[(Case, Ours)]) -> String {
    let mut lines = String::new();
    for (case, ours) in cases {
        let writer = STANDARD.encode(&case.writer);
        for reader in [None, case.reader.as_ref()] {
            let reader = reader.map_or("-".into(), |text| STANDARD.encode(text));
            lines.push_str(&format!("S {writer} {reader}\n"));
            for datum in &case.data {
                let damaged = ours.explain(&datum.bytes).is_some_and(|found| found.code.stage() == Stage::Datum);
                if reader == "-" || !damaged {
                    lines.push_str(&format!("D {}\n", hex(&datum.bytes)));
                } else {
                    lines.push_str("-\n");
                }
            }
        }
    }
    lines
}
