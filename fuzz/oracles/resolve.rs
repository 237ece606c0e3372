//! `Resolution::between`: never panics, is bounded, and what it promises of readers holds.
//!
//! A datum that passes writer and reader passes the writer; `Always` means that every good datum does, `Never` that
//! none does. What passes is decoded by Apache's library with both schemas, where those are generated (its resolution
//! has no aliases, differs for foreign texts, and refuses bytes read as a string that are not UTF-8, where Java puts
//! replacement characters; Java settles those in `tests/avro_oracle.rs`).
//!
//! Input: two schema texts and a datum, each text ended by 0xff; or choices: the lengths of those that make the
//! writer and those that change it to the reader, then those that make the datum.

use sluice::schema::avro::{ReaderSchema, Resolution, Schema, WriterSchema};

use super::choices::Choices;
use super::{apache, compile, generate, is_text, measured, split};

/// Checks the oracle, and returns the kind of the resolution.
pub(crate) fn judge(mut input: &[u8]) -> String {
    let (writer, reader, datum, generated) = if is_text(input) {
        let writer = String::from_utf8_lossy(split(&mut input)).into_owned();
        let reader = String::from_utf8_lossy(split(&mut input)).into_owned();
        (writer, reader, input.to_vec(), false)
    } else {
        let mut parts = [&b""[..]; 2];
        for part in &mut parts {
            let (&length, rest) = input.split_first().unwrap_or((&0, input));
            (*part, input) = rest.split_at(usize::from(length).min(rest.len()));
        }
        let writer = generate::schema(&mut Choices(parts[0]));
        let reader = generate::reader(&mut Choices(parts[1]), &writer);
        let datum = generate::datum(&mut Choices(input), &writer);
        (writer.to_string(), reader.to_string(), datum, true)
    };
    let (Some(from), Some(to)) = (compile(&writer), compile(&reader)) else { return "unusable_schema".to_owned() };
    let resolution = match measured(|| Resolution::between(WriterSchema(&from), ReaderSchema(&to))) {
        Ok(resolution) => resolution,
        Err(error) => return super::schema::kind(&error).to_owned(),
    };
    let readable = readable(&resolution, &from, &datum);
    if generated {
        second_opinion(&writer, &reader, &datum, readable);
    }
    match resolution {
        Resolution::Always => "always",
        Resolution::Depends(_) => "depends",
        Resolution::Never(_) => "never",
    }
    .to_owned()
}

/// Tells whether readers can read the datum; `None` where it is not good under its writer.
fn readable(resolution: &Resolution, writer: &Schema, datum: &[u8]) -> Option<bool> {
    let good = writer.check(datum);
    match resolution {
        Resolution::Always => good.then_some(true),
        Resolution::Never(mismatch) => {
            assert!(!mismatch.detail.is_empty(), "a mismatch without its reason");
            good.then_some(false)
        }
        Resolution::Depends(program) => {
            let (both, found) = (program.check(datum), program.explain(datum));
            assert_eq!(both, found.is_none(), "check and explain disagree: {found:?}");
            assert!(good || !both, "readers read what its writer schema refuses");
            good.then_some(both)
        }
    }
}

fn second_opinion(writer: &str, reader: &str, datum: &[u8], readable: Option<bool>) {
    if readable != Some(true) || datum.len() > 512 {
        return;
    }
    let (Ok(from), Ok(to)) = (apache_avro::Schema::parse_str(writer), apache_avro::Schema::parse_str(reader)) else {
        panic!("apache-avro refuses what is generated: {writer} {reader}");
    };
    assert!(
        apache(&from, Some(&to), datum).is_some(),
        "apache-avro cannot read {datum:02x?}\nwriter {writer}\nreader {reader}"
    );
}
