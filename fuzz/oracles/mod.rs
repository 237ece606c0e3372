//! What must hold for any input: one oracle per part that takes bytes from outside.
//!
//! The fuzz targets search for inputs that break an oracle, and `tests/hostile.rs` replays those that are kept. Each
//! `judge` panics where its oracle is broken, and otherwise returns the outcome in a word, which the names of the
//! kept cases state.

#![allow(dead_code, clippy::panic, reason = "each target uses one oracle, and an oracle panics")]

pub(crate) mod check;
pub(crate) mod choices;
pub(crate) mod config;
pub(crate) mod convert;
pub(crate) mod dead_letter;
pub(crate) mod generate;
pub(crate) mod log;
pub(crate) mod registry;
pub(crate) mod requests;
pub(crate) mod resolve;
pub(crate) mod schema;
pub(crate) mod statistics;
pub(crate) mod wire;

use std::cell::Cell;

use sluice::schema::avro::Schema;
use sluice::schema::{Format, SchemaText};

thread_local! {
    /// Told when the work of the product begins (true) and ends: the replay measures that, and not its oracle.
    pub(crate) static METER: Cell<fn(bool)> = const { Cell::new(|_| ()) };
    /// Whether Apache's library gets a stack of its own: without optimisation it needs megabytes for sixty levels.
    pub(crate) static NARROW: Cell<bool> = const { Cell::new(false) };
}

/// Does the work that the product would do with the input.
pub(crate) fn measured<T>(work: impl FnOnce() -> T) -> T {
    METER.get()(true);
    let result = work();
    METER.get()(false);
    result
}

/// Ends a schema text within an input: a byte that no UTF-8 has.
pub(crate) const END: u8 = 0xff;

/// Takes the bytes up to the next [`END`] off an input.
pub(crate) fn split<'a>(input: &mut &'a [u8]) -> &'a [u8] {
    let at = input.iter().position(|&byte| byte == END).unwrap_or(input.len());
    let (head, rest) = input.split_at(at);
    *input = rest.get(1..).unwrap_or_default();
    head
}

/// Tells whether an input is schema text, rather than choices of the generator.
pub(crate) fn is_text(input: &[u8]) -> bool {
    matches!(input.first(), Some(b'{' | b'[' | b'"'))
}

/// Makes the input of the compiler.
pub(crate) fn text(text: &str) -> SchemaText {
    SchemaText { format: Format::Avro, text: text.into(), references: Vec::new() }
}

/// Compiles a schema without references.
pub(crate) fn compile(schema: &str) -> Option<Schema> {
    Schema::compile(&text(schema)).ok()
}

/// Decodes with Apache's library: whether it takes the datum, and the bytes that it leaves.
pub(crate) fn apache(
    writer: &apache_avro::Schema,
    reader: Option<&apache_avro::Schema>,
    mut datum: &[u8],
) -> Option<usize> {
    let bound = 64 << 20;
    apache_avro::util::max_allocation_bytes(bound);
    let built =
        apache_avro::reader::datum::GenericDatumReader::builder(writer).maybe_reader_schema(reader).build().ok()?;
    let mut decode = || built.read_value(&mut datum).ok().map(|_| datum.len());
    if !NARROW.get() {
        return decode();
    }
    let wide = std::thread::Builder::new().stack_size(64 << 20);
    std::thread::scope(|scope| {
        let decoding = wide.spawn_scoped(scope, decode).expect("a thread can be had");
        decoding.join().expect("Apache's library does not panic")
    })
}
