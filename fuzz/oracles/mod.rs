//! What must hold for any input: one oracle per part that takes bytes from outside.
//!
//! The fuzz targets search for inputs that break an oracle, and `tests/hostile.rs` replays those that are kept. Each
//! `judge` panics where its oracle is broken, and otherwise returns the outcome in a word, which the names of the
//! kept cases state.

#![allow(dead_code, clippy::panic, reason = "each target uses one oracle, and an oracle panics")]

pub mod check;
pub mod choices;
pub mod config;
pub mod dead_letter;
pub mod generate;
pub mod registry;
pub mod resolve;
pub mod schema;
pub mod statistics;
pub mod wire;

use sluice::schema::avro::Schema;
use sluice::schema::{Format, SchemaText};

/// Ends a schema text within an input: a byte that no UTF-8 has.
pub const END: u8 = 0xff;

/// Takes the bytes up to the next [`END`] off an input.
pub fn split<'a>(input: &mut &'a [u8]) -> &'a [u8] {
    let at = input.iter().position(|&byte| byte == END).unwrap_or(input.len());
    let (head, rest) = input.split_at(at);
    *input = rest.get(1..).unwrap_or_default();
    head
}

/// Tells whether an input is schema text, rather than choices of the generator.
pub fn is_text(input: &[u8]) -> bool {
    matches!(input.first(), Some(b'{' | b'[' | b'"'))
}

/// Makes the input of the compiler.
pub fn text(text: &str) -> SchemaText {
    SchemaText { format: Format::Avro, text: text.into(), references: Vec::new() }
}

/// Compiles a schema without references.
pub fn compile(schema: &str) -> Option<Schema> {
    Schema::compile(&text(schema)).ok()
}

/// Decodes with Apache's library: whether it takes the datum, and the bytes that it leaves.
pub fn apache(writer: &apache_avro::Schema, reader: Option<&apache_avro::Schema>, mut datum: &[u8]) -> Option<usize> {
    let bound = 64 << 20;
    apache_avro::max_allocation_bytes(bound);
    let built = apache_avro::reader::datum::GenericDatumReader::builder(writer).maybe_reader_schema(reader).build().ok()?;
    built.read_value(&mut datum).ok().map(|_| datum.len())
}
