//! What leaves of a record that does not leave as it came: converted parts, and the headers that say so.
//!
//! One [`Rewrite`] belongs to one pipeline and is filled anew for each record that needs it, so that a conversion
//! allocates nothing once its buffers have grown. It is empty for every other record.
//!
//! The headers `sluice.converted.from` and `.to` are `topic/subject/version`; subject and version are empty where
//! nothing was converted (a tombstone, or a record that is in the target's schema already). `.hash` is the SHA-256 of
//! the key and the value as they are written, each behind its length as four bytes big-endian, -1 where it is null: so
//! a converter of the other direction knows a record that nobody has touched since. An earlier set is replaced.

use std::fmt::Write as _;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::verdict::Finding;
use super::{Unreadable, judged_part};
use crate::convert::pace::{Clock, Pace};
use crate::convert::{Failure, Scratch};
use crate::record::{Header, Part, Record, Value};
use crate::schema::table::{Conversion, Pair};
use crate::schema::{SchemaGuid, SchemaId, SchemaRef, Subject, Version};
use crate::violation::{ReasonCode, Violation};
use crate::wire::{self, Framed};

const FROM: &str = "sluice.converted.from";
const TO: &str = "sluice.converted.to";
const HASH: &str = "sluice.converted.hash";

/// The names of all headers of a converted record.
pub const HEADERS: [&str; 3] = [FROM, TO, HASH];

/// What a null part has in the place of its length.
const NULL_LENGTH: i32 = -1;

/// A record's new parts and headers.
#[derive(Debug, Default)]
pub struct Rewrite {
    scratch: Scratch,
    parts: [NewPart; 2],
    from: String,
    to: String,
    hash: String,
    pair: Option<Arc<Pair>>,
    is_active: bool,
    /// The schema that was looked up last for the record.
    pub(super) schema: Option<(Part, SchemaRef)>,
}

/// One part as it leaves.
#[derive(Debug, Default)]
struct NewPart {
    is_new: bool,
    bytes: Vec<u8>,
    /// The header that names its schema; empty where the bytes do.
    header: Vec<u8>,
}

impl Rewrite {
    /// Tells whether the record leaves otherwise than it came.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.is_active
    }

    /// Tells whether the record leaves as one that was converted or has passed, and not only with other names of its schemas.
    fn is_marked(&self) -> bool {
        self.is_active && !self.to.is_empty()
    }

    /// Returns the bytes of a part that is new.
    #[must_use]
    pub fn part(&self, part: Part) -> Option<&[u8]> {
        let new = &self.parts[part as usize];
        new.is_new.then_some(&new.bytes)
    }

    /// Returns the headers that come, each in the place of all earlier ones of its name.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        let schema = [Part::Key, Part::Value].into_iter().filter_map(|part| {
            let header = self.parts[part as usize].header.as_slice();
            (!header.is_empty()).then_some((wire::header_name(part), header))
        });
        let ours = [(FROM, &self.from), (TO, &self.to), (HASH, &self.hash)].into_iter();
        let ours = ours.filter(|(_, text)| !text.is_empty()).map(|(name, text)| (name, text.as_bytes()));
        schema.chain(ours)
    }

    /// Returns the pair of schemas whose plan was used.
    #[must_use]
    pub fn pair(&self) -> Option<&Arc<Pair>> {
        self.pair.as_ref()
    }

    /// Makes one whose conversions know the time.
    #[must_use]
    pub fn timed(clock: Clock) -> Self {
        Self { scratch: Scratch::timed(clock), ..Self::default() }
    }

    /// Returns what conversions have taken.
    pub fn pace(&mut self) -> &mut Pace {
        &mut self.scratch.pace
    }

    /// Returns the schema that was looked up last for the record: that of its value, unless its key ended the judgement.
    #[must_use]
    pub fn schema(&self) -> Option<(Part, SchemaRef)> {
        self.schema
    }

    /// Forgets the record before.
    pub fn clear(&mut self) {
        if self.is_active {
            self.is_active = false;
            [&mut self.from, &mut self.to, &mut self.hash].into_iter().for_each(String::clear);
            self.pair = None;
            for part in &mut self.parts {
                part.is_new = false;
                part.bytes.clear();
                part.header.clear();
            }
        }
    }

    /// Converts one part of a record.
    pub(super) fn convert(&mut self, unreadable: &Unreadable<'_>) -> Result<(), Box<Finding>> {
        let Unreadable { part, framed, judgement, .. } = *unreadable;
        let Some((conversion, plan)) = judgement.conversion.as_ref().and_then(|conversion| {
            let plan = conversion.plan.as_ref().ok()?;
            Some((conversion, plan))
        }) else {
            return Err(unreadable.finding());
        };
        self.is_active = true;
        let Self { parts, scratch, .. } = self;
        let NewPart { is_new, bytes, header } = &mut parts[part as usize];
        let to = &conversion.to;
        wire::write(framed, (to.id, to.guid), header, bytes);
        plan.convert(framed.datum, scratch, bytes).map_err(|failure| failed(unreadable, failure))?;
        *is_new = true;
        Ok(())
    }

    /// Lets one part of a record name another schema, of the same datum; the record is not marked as converted.
    pub(crate) fn rename(&mut self, part: Part, framed: Framed<'_>, schema: (SchemaId, Option<SchemaGuid>)) {
        self.is_active = true;
        let NewPart { is_new, bytes, header } = &mut self.parts[part as usize];
        wire::write(framed, schema, header, bytes);
        bytes.extend_from_slice(framed.datum);
        *is_new = true;
    }

    /// Returns the schema that a part names which is new.
    pub(crate) fn named(&self, part: Part) -> Option<SchemaRef> {
        let NewPart { is_new, bytes, header } = &self.parts[part as usize];
        wire::named(if header.is_empty() { bytes } else { header }).filter(|_| *is_new)
    }

    /// Lets a part that is new name its schema by another number.
    pub(crate) fn renumber(&mut self, part: Part, number: (SchemaId, Option<SchemaGuid>)) {
        let NewPart { bytes, header, .. } = &mut self.parts[part as usize];
        wire::renumber(if header.is_empty() { bytes } else { header }, number);
    }

    /// Hashes a record anew that is marked, and names its schemas otherwise since; its own parts are where none are new.
    pub(crate) fn seal(&mut self, key: Option<&[u8]>, value: Option<&[u8]>) {
        if self.is_marked() {
            let digest = digest(self.part(Part::Key).or(key), self.part(Part::Value).or(value));
            write_hex(&digest, &mut self.hash);
        }
    }

    /// Says that the record was converted, or has passed a converter of a pair.
    pub(super) fn mark(&mut self, record: &Record<'_>, output: &str, converted: Option<&Unreadable<'_>>) {
        self.is_active = true;
        let known = converted.and_then(|one| Some((one, one.judgement.conversion.as_ref()?)));
        let (from, to) = match known {
            Some((one, Conversion { to, pair, .. })) => {
                self.pair = Some(Arc::clone(pair));
                let from = (one.judgement.subject.as_ref(), one.judgement.version);
                (from, (Some(&to.subject), Some(to.version)))
            }
            None => ((None, None), (None, None)),
        };
        place(&mut self.from, record.position.topic, from);
        place(&mut self.to, output, to);
        let value = match record.value {
            Value::Bytes(bytes) => Some(self.part(Part::Value).unwrap_or(bytes)),
            Value::Tombstone => None,
        };
        let digest = digest(self.part(Part::Key).or(record.key), value);
        write_hex(&digest, &mut self.hash);
    }
}

/// Says why a part was not converted. Where the conversion was the check, the datum itself may be at fault.
#[cold]
fn failed(unreadable: &Unreadable<'_>, failure: Failure) -> Box<Finding> {
    let Unreadable { part, schema, framed, judgement } = *unreadable;
    let damage = if judgement.schema.is_bytes() { None } else { judgement.schema.explain(framed.datum) };
    let violation = damage.unwrap_or_else(|| {
        let detail = format!("{}: {}", failure.step, failure.detail);
        Violation::new(ReasonCode::ConversionFailed, detail).at(failure.path)
    });
    judged_part(part, schema, judgement, violation)
}

/// Tells whether a record was written here by the converter that reads `other`, and nobody has touched it since.
#[must_use]
pub(super) fn is_from(record: &Record<'_>, other: &str) -> bool {
    let header = |name| last(record.headers, name);
    let names = |value: Option<&[u8]>, topic: &str| {
        value.and_then(|value| value.strip_prefix(topic.as_bytes())).is_some_and(|rest| rest.first() == Some(&b'/'))
    };
    if !names(header(TO), record.position.topic) || !names(header(FROM), other) {
        return false;
    }
    let value = match record.value {
        Value::Bytes(bytes) => Some(bytes),
        Value::Tombstone => None,
    };
    let digest = digest(record.key, value);
    let mut hash = [0; 64];
    for (byte, digits) in digest.iter().zip(hash.chunks_exact_mut(2)) {
        digits.copy_from_slice(&hex(*byte));
    }
    header(HASH) == Some(&hash)
}

fn last<'a>(headers: &[Header<'a>], name: &str) -> Option<&'a [u8]> {
    headers.iter().rev().find(|header| header.name == name)?.value
}

/// Writes `topic/subject/version`.
fn place(text: &mut String, topic: &str, (subject, version): (Option<&Subject>, Option<Version>)) {
    text.clear();
    text.push_str(topic);
    text.push('/');
    text.push_str(subject.map_or("", |subject| &subject.0));
    text.push('/');
    if let Some(version) = version {
        write!(text, "{version}").expect("a String takes every text");
    }
}

/// Returns the hash of a key and a value as `sluice.converted.hash` has it.
#[must_use]
pub fn hash(key: Option<&[u8]>, value: Option<&[u8]>) -> String {
    let mut text = String::new();
    write_hex(&digest(key, value), &mut text);
    text
}

fn digest(key: Option<&[u8]>, value: Option<&[u8]>) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [key, value] {
        let length = part.map_or(NULL_LENGTH, |bytes| i32::try_from(bytes.len()).unwrap_or(i32::MAX));
        hash.update(length.to_be_bytes());
        hash.update(part.unwrap_or_default());
    }
    hash.finalize().into()
}

fn hex(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

fn write_hex(bytes: &[u8], text: &mut String) {
    text.clear();
    text.extend(bytes.iter().flat_map(|byte| hex(*byte)).map(char::from));
}

#[cfg(test)]
mod tests;
