//! Our conversion by schema resolution against Apache Avro for Java: what its reader makes of a datum under another schema,
//! written again with that schema.
//!
//! Generated pairs of schemas, each in both directions, with data. What we write must be Java's: byte by byte where there
//! is neither a map (Java has no order of keys) nor an array in several blocks, else the same once decoded. Where we refuse
//! and Java does not, it is one of [`Excuse`]. Damaged data need no Java: they fail where the plain check refuses them, and
//! what is written always passes the check under the target's schema. `SLUICE_SEED` replays a run, `SLUICE_ROUNDS` makes
//! it longer.

#![expect(clippy::panic, clippy::wildcard_enum_match_arm, reason = "a test: it panics, and looks at few types")]

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use generate::{Generator, Ty};
use sluice::convert::{Codec, Failure, NoPath, Plan, Scratch, Value};
use sluice::schema::{Format, SchemaText};

#[path = "avro_oracle/generate.rs"]
#[allow(dead_code, reason = "the other oracle uses all of it")]
mod generate;
#[path = "avro_oracle/java.rs"]
mod java;

const ROUNDS: u64 = 1500;
const SEED: u64 = 20_261_122;

/// One pair with data of the writer.
struct Case {
    seed: u64,
    writer: String,
    target: String,
    data: Vec<Vec<u8>>,
    damaged: Vec<Vec<u8>>,
}

/// Why we may refuse what Java converts, or the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Excuse {
    /// A number that the wider type would round: Java rounds it.
    Inexact,
    /// Bytes that are no text: Java puts replacement characters.
    Text,
    /// Specification: records match by name. Java takes any record, in a union any whose fields fit.
    RecordName,
    /// Specification: names match without their namespaces. Java wants the full name of a fixed and of whatever stands in
    /// a union, and of a record before it looks at the aliases of its fields.
    MovedName,
}

fn codec(text: &str) -> Codec {
    let schema = SchemaText { format: Format::Avro, text: text.into(), references: Vec::new() };
    Codec::compile(&schema).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex")).collect()
}

/// Takes the length off: a plain `bytes` schema has none in records, and has one for Java.
fn uncounted(datum: &[u8]) -> &[u8] {
    let last = datum.iter().position(|&byte| byte < 0x80).expect("a length ends");
    &datum[last + 1..]
}

/// One generated pair, in both directions where the reader can be written with.
fn cases(seed: u64) -> Vec<Case> {
    let mut generator = Generator::new(seed);
    let one = generator.schema();
    let other = generator.reader(&one);
    let mut case = |writer: &Ty, target: &Ty| {
        let data: Vec<_> = (0..4).map(|_| generator.datum(writer)).collect();
        let damaged = data.iter().map(|datum| generator.damage(datum)).collect();
        Case { seed, writer: writer.json(), target: target.json(), data, damaged }
    };
    let mut cases = vec![case(&one, &other)];
    if ends(&other, &mut Vec::new()) {
        cases.push(case(&other, &one));
    }
    cases
}

/// Tells whether the generator comes to an end with data of a type: each union has a branch without parts, and no record
/// is in itself but in an array, a map or a union.
fn ends<'a>(ty: &'a Ty, open: &mut Vec<&'a str>) -> bool {
    match ty {
        Ty::Plain(_) | Ty::Fixed { .. } | Ty::Enum { .. } => true,
        Ty::Named(name) => !open.contains(&&**name),
        Ty::Record { name, fields, .. } => {
            open.push(name);
            let ends = fields.iter().all(|field| ends(&field.ty, open));
            open.pop();
            ends
        }
        Ty::Array(inner) | Ty::Map(inner) => ends(inner, &mut Vec::new()),
        Ty::Union(branches) => {
            branches.iter().any(|branch| matches!(branch, Ty::Plain(_) | Ty::Fixed { .. } | Ty::Enum { .. }))
                && branches.iter().all(|branch| ends(branch, &mut Vec::new()))
        }
    }
}

/// A value as Java has it: keys in no order, the last of one key, and of NaN no difference that its processor drops.
fn as_java(value: Value) -> Value {
    match value {
        Value::Double(number) if number.is_nan() => Value::Double(f64::from_bits(number.to_bits() | 1 << 51)),
        Value::Array(items) => Value::Array(items.into_iter().map(as_java).collect()),
        Value::Record(fields) => Value::Record(fields.into_iter().map(as_java).collect()),
        Value::Union(index, value) => Value::Union(index, Box::new(as_java(*value))),
        Value::Map(entries) => {
            let entries: BTreeMap<String, Value> =
                entries.into_iter().map(|(key, value)| (key, as_java(value))).collect();
            Value::Map(entries.into_iter().collect())
        }
        other => other,
    }
}

/// Compares what both made of a datum: the kind of agreement or excuse, or what is wrong.
fn compare(ours: &Result<Vec<u8>, String>, java: &str, case: &Case, target: &Codec) -> Result<String, String> {
    match (ours, java.strip_prefix("ok ").or_else(|| (java == "ok").then_some(""))) {
        (Ok(bytes), Some(theirs)) => {
            let theirs = unhex(theirs);
            let decode = |bytes: &[u8]| target.decode(bytes).map_err(|mistake| format!("{mistake:?}"));
            let (mine, expected) = (decode(bytes)?, decode(&theirs)?);
            let mut again = Vec::new();
            target.encode(&mine, &mut again).map_err(|mistake| format!("{mistake:?}"))?;
            if *bytes == theirs {
                return Ok("the same bytes".into());
            }
            if as_java(mine.clone()) != as_java(expected.clone()) {
                return Err(format!("we say {}, Java {}", hex(bytes), hex(&theirs)));
            }
            let plain = !case.target.contains(r#""map""#) && again == *bytes && as_java(mine.clone()) == mine;
            if plain {
                Err(format!("other bytes: {} and {}", hex(bytes), hex(&theirs)))
            } else {
                Ok("the same value".into())
            }
        }
        (Err(_), None) => Ok("both refuse".into()),
        (Ok(_), None) => {
            let moved = [&case.writer, &case.target].iter().any(|text| text.contains(r#""namespace":"e""#));
            let excused = moved && java.starts_with("no AvroTypeException: Found ");
            if excused { Ok(format!("{:?}", Excuse::MovedName)) } else { Err(format!("we convert, Java '{java}'")) }
        }
        (Err(why), Some(_)) => excuse(why, case).map(|excuse| format!("{excuse:?}")).ok_or(format!("we refuse: {why}")),
    }
}

fn excuse(why: &str, case: &Case) -> Option<Excuse> {
    let renamed = case.writer.contains(r#"y","namespace""#) || case.target.contains(r#"y","namespace""#);
    let record =
        why.contains("record '") && (why.contains("cannot be read as record '") || why.contains("no branch for"));
    match why {
        _ if why.contains("would be rounded") => Some(Excuse::Inexact),
        _ if why.contains("not valid UTF-8, and the target") => Some(Excuse::Text),
        _ if record || renamed => Some(Excuse::RecordName),
        _ => None,
    }
}

/// Converts a datum, and says why not; what must hold of any datum is checked here.
fn convert(plan: &Result<Plan, NoPath>, datum: &[u8], writer: &Codec, target: &Codec) -> Result<Vec<u8>, String> {
    let plan = plan.as_ref().map_err(NoPath::to_string)?;
    let mut out = vec![0xaa];
    let done = plan.convert(datum, &mut Scratch::default(), &mut out);
    assert_eq!(out.remove(0), 0xaa, "what stands before is kept");
    let good = writer.schema().is_bytes() || writer.schema().check(datum);
    match done {
        Ok(()) => {
            assert!(good, "a damaged datum is converted: {}", hex(datum));
            assert!(target.schema().is_bytes() || target.schema().check(&out), "not the target's: {}", hex(&out));
            Ok(out)
        }
        Err(Failure { step, path, detail }) => {
            assert!(out.is_empty() && step == "resolution" && !detail.is_empty(), "{path}: {detail}");
            if let (false, Some(found)) = (good, writer.schema().explain(datum)) {
                assert_eq!((path, &detail), (found.path.unwrap_or_default(), &found.detail), "damage is what counts");
            }
            Err(detail)
        }
    }
}

#[test]
fn conversions_are_those_of_java() {
    let number = |name: &str, default| std::env::var(name).map_or(default, |value| value.parse().expect(name));
    let (seed, rounds) = (number("SLUICE_SEED", SEED), number("SLUICE_ROUNDS", ROUNDS));
    let cases: Vec<Case> = (0..rounds).flat_map(|round| cases(seed.wrapping_add(round))).collect();
    let mut questions = String::new();
    for case in &cases {
        questions += &format!("S {} {}\n", STANDARD.encode(&case.writer), STANDARD.encode(&case.target));
        case.data.iter().for_each(|datum| questions += &format!("W {}\n", hex(datum)));
    }
    let answers = java::ask(&java::AVRO, questions);
    let mut answers = answers.lines();
    let mut tally: BTreeMap<String, usize> = BTreeMap::new();
    let mut faults = Vec::new();
    for case in &cases {
        assert_eq!(answers.next(), Some("ok"), "seed {}: Java refuses a schema\n{}", case.seed, case.describe(&[]));
        let (writer, target) = (codec(&case.writer), codec(&case.target));
        let plan = Plan::resolve(&writer, &target);
        for datum in &case.data {
            let raw = if writer.schema().is_bytes() { uncounted(datum) } else { datum };
            let ours = convert(&plan, raw, &writer, &target);
            let java = answers.next().expect("one answer per line");
            let java = match java.strip_prefix("ok ") {
                Some(theirs) if target.schema().is_bytes() => format!("ok {}", hex(uncounted(&unhex(theirs)))),
                _ => java.to_owned(),
            };
            match compare(&ours, &java, case, &target) {
                Ok(kind) => *tally.entry(kind).or_default() += 1,
                Err(kind) => faults.push(format!("{kind}\n{}", case.describe(datum))),
            }
        }
        for datum in &case.damaged {
            let kind =
                if convert(&plan, datum, &writer, &target).is_ok() { "damaged, good" } else { "damaged, refused" };
            *tally.entry(kind.into()).or_default() += 1;
        }
    }
    println!("{tally:#?}");
    faults.sort_by_key(String::len);
    assert!(faults.is_empty(), "{} faults, the shortest:\n{}", faults.len(), faults[..faults.len().min(3)].join("\n"));
    for kind in ["the same bytes", "the same value", "both refuse", "Inexact", "damaged, good", "damaged, refused"] {
        assert!(rounds < 100 || tally.contains_key(kind), "no case of '{kind}'");
    }
}

impl Case {
    fn describe(&self, datum: &[u8]) -> String {
        let Self { seed, writer, target, .. } = self;
        format!("  seed   {seed}\n  writer {writer}\n  target {target}\n  datum  {}", hex(datum))
    }
}
