//! The constructed cases: what an attacker, a broken producer or a proxy would send, each with the outcome that it
//! must have. The files of `tests/hostile` are written from here.

mod check;
mod config;
mod convert;
mod dead_letter;
mod log;
mod registry;
mod requests;
mod resolve;
mod schema;
mod statistics;
mod wire;

/// A case: `{name}.{outcome}`, and its bytes.
pub(crate) type Made = (String, Vec<u8>);

/// All constructed cases of a target.
pub(crate) fn cases(target: &str) -> Vec<Made> {
    match target {
        "wire" => wire::cases(),
        "schema" => schema::cases(),
        "check" => check::cases(),
        "resolve" => resolve::cases(),
        "registry" => registry::cases(),
        "log" => log::cases(),
        "requests" => requests::cases(),
        "config" => config::cases(),
        "convert" => convert::cases(),
        "dead_letter" => dead_letter::cases(),
        "statistics" => statistics::cases(),
        _ => Vec::new(),
    }
}

fn made(name: impl Into<String>, input: impl AsRef<[u8]>) -> Made {
    (name.into(), input.as_ref().to_vec())
}

/// A number as Avro writes it.
fn long(number: i64) -> Vec<u8> {
    let mut raw = ((number << 1) ^ (number >> 63)).cast_unsigned();
    let mut bytes = Vec::new();
    while raw >= 0x80 {
        bytes.push(u8::try_from(raw & 0x7f).expect("seven bits") | 0x80);
        raw >>= 7;
    }
    bytes.push(u8::try_from(raw).expect("seven bits"));
    bytes
}

/// A schema text and what follows it.
fn with(schema: &str, rest: &[u8]) -> Vec<u8> {
    [schema.as_bytes(), &[0xff], rest].concat()
}

/// Repeats a text that is numbered.
fn many(count: usize, separator: &str, part: impl Fn(usize) -> String) -> String {
    (0..count).map(part).collect::<Vec<_>>().join(separator)
}
