//! What a shop's producers write: orders in three versions of their schema, as Avro.
//!
//! The encoder is a few lines, since Avro's encoding is: the schema's fields one after the other, numbers zigzag and
//! variable in length. While it writes it marks where the fields stand that `damage` spoils, so that each damage hits
//! the field that it means to. All values come from one seeded generator: two runs send the same orders.

use std::ops::Range;

use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

const NAMES: [&str; 8] = [
    "Ada Lovelace",
    "Zoë Brontë",
    "Jürgen Weiß",
    "María José Núñez",
    "Nguyễn Thị Minh",
    "Søren Ørsted",
    "李小龙",
    "Grace Hopper",
];
const ARTICLES: [(&str, u16); 6] = [
    ("TEA-ASSAM-250", 790),
    ("TEA-SENCHA-100", 1250),
    ("POT-IRON-1L", 5990),
    ("CUP-GLASS-2", 1495),
    ("FILTER-100", 349),
    ("SCALE-1G", 2900),
];
const NOTES: [&str; 3] = ["leave it with the neighbours", "no invoice in the parcel, please", "ring twice"];

/// Bytes around the lines of an order: how many follow, and that none does.
const AROUND_LINES: usize = 2;

/// Symbols of the enum `Status`.
const STATUSES: i64 = 5;

/// The version of the schema that a producer writes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writer {
    /// The first.
    V1,
    /// The target; readers of it can read v1.
    V2,
    /// The incompatible one: the customer is no record any more, and the time is in microseconds.
    V3,
}

/// An order, whatever the version that it is written with.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) id: u128,
    customer: Customer,
    status: i64,
    lines: Vec<Line>,
    note: Option<&'static str>,
    gift: bool,
    placed_at: i64,
}

#[derive(Debug, Clone)]
struct Customer {
    id: u32,
    name: &'static str,
    has_email: bool,
}

#[derive(Debug, Clone)]
struct Line {
    sku: &'static str,
    quantity: u16,
    cents: u16,
}

/// A field that a damage can hit; in the versions that have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    /// `customer.name`: length and bytes.
    Name,
    /// `customer.email`: the index of the branch.
    EmailBranch,
    /// `status`: the index of the symbol.
    Status,
    /// `gift`: one byte.
    Gift,
    /// `placed_at`: the whole number; the last field.
    PlacedAt,
}

/// An encoded datum and where its fields stand.
#[derive(Debug, Clone, Default)]
pub(crate) struct Datum {
    pub(crate) bytes: Vec<u8>,
    marks: Vec<(Field, Range<usize>)>,
}

impl Order {
    /// Makes an order that was placed at that time, in milliseconds since 1970-01-01 UTC.
    pub(crate) fn random(random: &mut StdRng, placed_at: i64) -> Self {
        let count = random.random_range(1..=4);
        Self {
            id: random.random(),
            customer: Customer {
                id: random.random_range(10_000..99_999),
                name: NAMES.choose(random).copied().unwrap_or_default(),
                has_email: random.random_bool(0.8),
            },
            status: random.random_range(0..STATUSES),
            lines: (0..count).map(|_| Line::random(random)).collect(),
            note: random.random_bool(0.2).then(|| NOTES.choose(random).copied()).flatten(),
            gift: random.random_bool(0.1),
            placed_at,
        }
    }

    /// Makes an order with as many lines as its newest version needs for so many bytes.
    pub(crate) fn of_size(random: &mut StdRng, placed_at: i64, bytes: usize) -> Self {
        let mut order = Self { lines: Vec::new(), ..Self::random(random, placed_at) };
        let mut size = order.encode(Writer::V2).bytes.len();
        while size < bytes {
            let line = Line::random(random);
            let mut datum = Datum::default();
            datum.lines(std::slice::from_ref(&line));
            size += datum.bytes.len() - AROUND_LINES;
            order.lines.push(line);
        }
        order
    }

    /// Returns the key of its records: the ID as a UUID.
    pub(crate) fn key(&self) -> String {
        let hex = format!("{:032x}", self.id);
        [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
    }

    /// Returns what a record says of this order that was written with a version: v1 has no note.
    pub(crate) fn as_told_by(&self, writer: Writer) -> Self {
        Self { note: self.note.filter(|_| writer != Writer::V1), ..self.clone() }
    }

    fn total(&self) -> i64 {
        self.lines.iter().map(|line| i64::from(line.quantity) * i64::from(line.cents)).sum()
    }

    /// Encodes it with a version of the schema.
    pub(crate) fn encode(&self, writer: Writer) -> Datum {
        let mut datum = Datum::default();
        datum.string(&self.key());
        let customer = &self.customer;
        // Flat or nested, the customer's fields are the same bytes.
        datum.customer(customer);
        datum.marked(Field::Status, |datum| datum.long(self.status));
        datum.lines(&self.lines);
        datum.decimal(self.total());
        if writer != Writer::V1 {
            datum.string("EUR");
            datum.optional(self.note);
        }
        datum.marked(Field::Gift, |datum| datum.bytes.push(self.gift.into()));
        let placed_at = if writer == Writer::V3 { self.placed_at * 1000 } else { self.placed_at };
        datum.marked(Field::PlacedAt, |datum| datum.long(placed_at));
        datum
    }

    /// Encodes the payment of this order, another type of record.
    pub(crate) fn encode_payment(&self) -> Datum {
        let mut datum = Datum::default();
        datum.string(&self.key());
        datum.decimal(self.total());
        datum.long(self.placed_at);
        datum
    }

    /// Writes it as a producer does that knows nothing of Avro.
    pub(crate) fn json(&self) -> Vec<u8> {
        let order = serde_json::json!({ "id": self.key(), "customer": self.customer.name, "total": self.total() });
        order.to_string().into_bytes()
    }
}

impl Line {
    fn random(random: &mut StdRng) -> Self {
        let (sku, cents) = ARTICLES.choose(random).copied().unwrap_or_default();
        Self { sku, quantity: random.random_range(1..=5), cents }
    }
}

impl Datum {
    /// Puts other bytes in the place of a field; a field that the version lacks is left as it is.
    pub(crate) fn replace(&mut self, field: Field, bytes: &[u8]) {
        let mark = self.marks.iter().find(|(marked, _)| *marked == field);
        if let Some((_, range)) = mark {
            self.bytes.splice(range.clone(), bytes.iter().copied());
        }
    }

    fn marked(&mut self, field: Field, write: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        write(self);
        self.marks.push((field, start..self.bytes.len()));
    }

    fn long(&mut self, value: i64) {
        let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
        while rest >= 0x80 {
            self.bytes.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        self.bytes.push((rest & 0x7f) as u8);
    }

    fn counted(&mut self, bytes: &[u8]) {
        self.long(bytes.len().cast_signed() as i64);
        self.bytes.extend_from_slice(bytes);
    }

    fn string(&mut self, text: &str) {
        self.counted(text.as_bytes());
    }

    /// Writes the cents of an amount: the fewest bytes of a big-endian two's complement.
    fn decimal(&mut self, cents: i64) {
        let bytes = cents.to_be_bytes();
        let is_spare = |pair: &[u8]| matches!(pair, [0, 0..=0x7f] | [0xff, 0x80..=0xff]);
        let spare = bytes.windows(2).take_while(|pair| is_spare(pair)).count();
        self.counted(&bytes[spare..]);
    }

    /// Writes a union of null and string.
    fn optional(&mut self, text: Option<&str>) {
        match text {
            None => self.long(0),
            Some(text) => {
                self.long(1);
                self.string(text);
            }
        }
    }

    fn customer(&mut self, customer: &Customer) {
        self.long(customer.id.into());
        self.marked(Field::Name, |datum| datum.string(customer.name));
        self.marked(Field::EmailBranch, |datum| datum.long(customer.has_email.into()));
        if customer.has_email {
            self.string(&format!("c{}@example.com", customer.id));
        }
    }

    fn lines(&mut self, lines: &[Line]) {
        // A block of no items is the end.
        if !lines.is_empty() {
            self.long(lines.len().cast_signed() as i64);
        }
        for line in lines {
            self.string(line.sku);
            self.long(line.quantity.into());
            self.decimal(line.cents.into());
        }
        self.long(0);
    }
}
