//! Three versions of an order, and data under them: good, unreadable by the target, and damaged one byte at a time.
//!
//! Version 2 is the target. Version 1 is readable by it but for one enum symbol and one union branch that the target
//! has not; version 3 is not (the customer became a number). Each order is put together from its fields, each encoded
//! by apache-avro, so that damage can replace exactly one of them; a recursion (`replaces`) and an array of nulls
//! (`flags`) are there for the limits of depth and items.

use apache_avro::Schema;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use rand::Rng;
use rand::distr::Alphanumeric;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use sluice::violation::ReasonCode;

/// A version of the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Version {
    /// Readable by the target, but for what only it has.
    V1,
    /// The target itself.
    V2,
    /// Not readable by the target.
    V3,
}

impl Version {
    /// All versions in order of registration.
    pub(crate) const ALL: [Self; 3] = [Self::V1, Self::V2, Self::V3];

    /// Returns the text to be registered.
    pub(crate) fn text(self) -> String {
        let fields: Vec<_> = FIELDS
            .iter()
            .filter_map(|&(name, _)| Some(format!(r#"{{"name":"{name}","type":{}}}"#, self.type_of(name)?)))
            .map(|field| match self {
                Self::V1 => field,
                _ => field.replace(r#""channel","type":"string""#, r#""channel","type":"string","default":"web""#),
            })
            .collect();
        format!(r#"{{"type":"record","name":"Order","namespace":"shop","fields":[{}]}}"#, fields.join(","))
    }

    fn type_of(self, field: &str) -> Option<&'static str> {
        Some(match (field, self) {
            ("customer", Self::V3) => r#""long""#,
            ("status", Self::V1) => r#"{"type":"enum","name":"Status","symbols":["NEW","PAID","SHIPPED","LEGACY"]}"#,
            ("note", Self::V1) => r#"["null","string","long"]"#,
            ("channel", Self::V1) => return None,
            (field, _) => FIELDS.iter().find(|(name, _)| *name == field)?.1,
        })
    }
}

/// The fields in their order, with their types where the versions do not differ.
const FIELDS: [(&str, &str); 9] = [
    ("id", r#""long""#),
    ("customer", r#""string""#),
    ("express", r#""boolean""#),
    ("status", r#"{"type":"enum","name":"Status","symbols":["NEW","PAID","SHIPPED"]}"#),
    ("note", r#"["null","string"]"#),
    (
        "lines",
        r#"{"type":"array","items":{"type":"record","name":"Line","fields":[{"name":"sku","type":"string"},{"name":"quantity","type":"int"}]}}"#,
    ),
    ("flags", r#"{"type":"array","items":"null"}"#),
    ("channel", r#""string""#),
    ("replaces", r#"["null","Order"]"#),
];

/// An order as the bytes of its fields.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    fields: Vec<(&'static str, Vec<u8>)>,
}

impl Order {
    /// Creates a good order with a number of its own.
    pub(crate) fn good(version: Version, number: i64, random: &mut StdRng) -> Self {
        let text = |length: usize| Value::String("x".repeat(length));
        let line = |random: &mut StdRng| {
            let quantity = Value::Int(random.random());
            Value::Record(vec![("sku".into(), text(random.random_range(0..12))), ("quantity".into(), quantity)])
        };
        let mut fields = Vec::new();
        for (name, _) in FIELDS {
            let Some(kind) = version.type_of(name) else { continue };
            let value = match name {
                "id" => Value::Long(number),
                "customer" if version == Version::V3 => Value::Long(random.random()),
                "customer" => Value::String(format!("Zoë {}", random.random::<u32>())),
                "express" => Value::Boolean(random.random()),
                "status" => Value::Enum(1, "PAID".into()),
                "note" if random.random() => Value::Union(1, Box::new(text(random.random_range(0..40)))),
                "note" => Value::Union(0, Box::new(Value::Null)),
                "lines" => Value::Array((0..random.random_range(0..4)).map(|_| line(random)).collect()),
                "flags" => Value::Array(vec![Value::Null; random.random_range(0..5)]),
                "channel" => Value::String("shop".into()),
                // The branch of the null; apache-avro cannot encode the recursive type alone.
                _ => {
                    fields.push((name, vec![0]));
                    continue;
                }
            };
            fields.push((name, encode(kind, value)));
        }
        Self { fields }
    }

    /// Creates a good order of about `bytes`, most of it lines, the rest a note in words.
    pub(crate) fn of_size(version: Version, bytes: usize, number: i64, random: &mut StdRng) -> Self {
        let line = |random: &mut StdRng| {
            let length = random.random_range(8..24);
            let sku = random.sample_iter(Alphanumeric).take(length).map(char::from).collect();
            let quantity = Value::Int(random.random_range(1..2_000));
            Value::Record(vec![("sku".into(), Value::String(sku)), ("quantity".into(), quantity)])
        };
        let lines = (0..bytes / 30).map(|_| line(random)).collect();
        let lines = encode(version.type_of("lines").expect("all versions have lines"), Value::Array(lines));
        let mut note = String::new();
        while note.len() + lines.len() + 40 < bytes {
            note.push_str(["please ", "ring ", "at the ", "green ", "door ", "für ", "Zoë "].choose(random).unwrap());
        }
        let note = [zigzag(1), zigzag(note.len().try_into().unwrap()), note.into_bytes()].concat();
        Self::good(version, number, random).with("lines", lines).with("note", note)
    }

    /// Replaces the bytes of a field.
    pub(crate) fn with(mut self, field: &str, bytes: Vec<u8>) -> Self {
        let found = self.fields.iter_mut().find(|(name, _)| *name == field);
        found.unwrap_or_else(|| panic!("no field '{field}'")).1 = bytes;
        self
    }

    /// Returns the datum.
    pub(crate) fn datum(&self) -> Vec<u8> {
        self.fields.iter().flat_map(|(_, bytes)| bytes).copied().collect()
    }

    /// Returns the datum with the damage that `code` names.
    pub(crate) fn damaged(self, code: ReasonCode) -> Vec<u8> {
        match code {
            ReasonCode::Truncated => {
                let mut datum = self.datum();
                datum.pop();
                datum
            }
            ReasonCode::TrailingBytes => [self.datum(), vec![0]].concat(),
            ReasonCode::InvalidVarint => self.with("id", vec![0xff; 11]).datum(),
            ReasonCode::InvalidLength => self.with("lines", zigzag(i64::MAX)).datum(),
            ReasonCode::InvalidUtf8 => self.with("note", [zigzag(1), zigzag(2), vec![0xc3, 0x28]].concat()).datum(),
            ReasonCode::InvalidBoolean => self.with("express", vec![2]).datum(),
            ReasonCode::InvalidUnionBranch => self.with("note", zigzag(7)).datum(),
            ReasonCode::InvalidEnumSymbol => self.with("status", zigzag(99)).datum(),
            ReasonCode::TooManyItems => self.with("flags", [zigzag(1 << 61), zigzag(0)].concat()).datum(),
            ReasonCode::TooDeep => self.nested(500),
            other => panic!("no damage to a datum is called {other}"),
        }
    }

    /// Returns the datum of an order that replaces an order, that replaces an order, `depth` times.
    fn nested(&self, depth: usize) -> Vec<u8> {
        let datum = self.datum();
        let (open, _) = datum.split_at(datum.len() - 1);
        let level = [open, zigzag(1).as_slice()].concat();
        [level.repeat(depth), datum].concat()
    }
}

/// The damage that [`Order::damaged`] knows.
pub(crate) const DATUM_DAMAGE: [ReasonCode; 10] = [
    ReasonCode::Truncated,
    ReasonCode::TrailingBytes,
    ReasonCode::InvalidVarint,
    ReasonCode::InvalidLength,
    ReasonCode::InvalidUtf8,
    ReasonCode::InvalidBoolean,
    ReasonCode::InvalidUnionBranch,
    ReasonCode::InvalidEnumSymbol,
    ReasonCode::TooDeep,
    ReasonCode::TooManyItems,
];

/// Encodes one value under a schema.
pub(crate) fn encode(schema: &str, value: Value) -> Vec<u8> {
    thread_local! {
        static PARSED: std::cell::RefCell<std::collections::HashMap<String, Schema>> = std::cell::RefCell::default();
    }
    PARSED.with_borrow_mut(|parsed| {
        let schema = parsed.entry(schema.to_owned()).or_insert_with_key(|text| Schema::parse_str(text).unwrap());
        GenericDatumWriter::builder(schema).build().unwrap().write_value_to_vec(value).unwrap()
    })
}

/// Encodes a number as Avro does: for damage that no encoder writes.
pub(crate) fn zigzag(number: i64) -> Vec<u8> {
    #[allow(clippy::cast_sign_loss, reason = "zigzag is defined on the bits")]
    let mut rest = ((number << 1) ^ (number >> 63)) as u64;
    let mut bytes = Vec::new();
    while rest >= 0x80 {
        bytes.push(rest.to_le_bytes()[0] | 0x80);
        rest >>= 7;
    }
    bytes.push(rest.to_le_bytes()[0]);
    bytes
}
