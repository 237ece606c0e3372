//! The records: a shop's orders, nested, of about the size that is asked for, some of them damaged.
//!
//! They come from a seed: two runs write the same records. All partitions are written in turn, and each goes through all
//! schemas, from a place of its own on: so all schemas are met early, and any two neighbours need different ones.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer};

use super::copy::{LARGEST, with};
use crate::cli::Codec;
use crate::config::Kafka;
use crate::demo::damage::framed;
use crate::demo::orders::{Field, Order, Writer};
use crate::schema::SchemaId;

/// The seed of every run.
const SEED: u64 = 2_026;

/// Orders that are made; they are written again and again, each time with keys of their own. Of large ones fewer: so many
/// bytes of them.
const ORDERS: usize = 10_000;
const FEWEST_ORDERS: usize = 100;
const ORDERS_BYTES: usize = 50_000_000;

/// Where a value has the ID of its schema.
const ID: std::ops::Range<usize> = 1..5;

/// How long the brokers may take for the last of them.
const FLUSH: Duration = Duration::from_secs(60);

/// When the orders were placed, in milliseconds since 1970-01-01 UTC.
const PLACED: i64 = 1_767_225_600_000;

/// What the records are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) records: u64,
    /// Of all gates together.
    pub(crate) partitions: u16,
    pub(crate) gates: u16,
    pub(crate) schemas: u32,
    /// Bytes of a value, about.
    pub(crate) size: usize,
    pub(crate) codec: Codec,
    /// The share that is damaged.
    pub(crate) damaged: f64,
}

/// Why they are not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("Kafka refuses them")]
    Kafka(#[from] KafkaError),
    #[error("the brokers have not taken all of them: {0}")]
    Lost(RDKafkaErrorCode),
}

/// Remembers what was not taken.
#[derive(Debug, Default)]
struct Deliveries {
    failure: std::sync::OnceLock<RDKafkaErrorCode>,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            self.failure.get_or_init(|| error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail));
        }
    }
}

/// What is written, and where.
pub(super) struct Records {
    values: Vec<Vec<u8>>,
    ids: Vec<SchemaId>,
    /// The partitions of all topics, which are known by their numbers.
    places: Vec<(usize, i32)>,
}

impl Records {
    pub(super) fn new(shape: Shape, ids: Vec<SchemaId>, places: Vec<(usize, i32)>) -> Self {
        Self { values: values(shape), ids, places }
    }

    /// Returns how many partitions there are.
    pub(super) fn places(&self) -> usize {
        self.places.len()
    }

    /// Puts the value of a record into the buffer and returns its topic and partition.
    pub(super) fn get(&self, number: usize, value: &mut Vec<u8>) -> (usize, i32) {
        let (round, place) = (number / self.places.len(), number % self.places.len());
        let schema = (round + place * self.ids.len() / self.places.len()) % self.ids.len();
        value.clear();
        value.extend_from_slice(&self.values[number % self.values.len()]);
        value[ID].copy_from_slice(&self.ids[schema].0.to_be_bytes());
        self.places[place]
    }
}

/// Writes so many records to these topics, and returns the bytes of their keys and values. `show` is told how many are.
pub(super) fn fill(
    kafka: &Kafka,
    topics: &[String],
    (records, count): (&Records, usize),
    codec: Codec,
    show: &dyn Fn(usize),
) -> Result<u64, Error> {
    let mut config = with(&[("message.max.bytes", LARGEST)], kafka.producer());
    config.set("enable.idempotence", "true").set("compression.type", codec.name()).set("linger.ms", "20");
    let producer: ThreadedProducer<Deliveries> = config.create_with_context(Deliveries::default())?;
    let (mut bytes, mut value) = (0, Vec::new());
    for number in 0..count {
        let key = format!("order-{number:09}");
        let (topic, partition) = records.get(number, &mut value);
        bytes += (key.len() + value.len()) as u64;
        let mut record = BaseRecord::to(&topics[topic]).partition(partition).key(&key).payload(&value);
        while let Err((error, refused)) = producer.send(record) {
            if !matches!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)) {
                return Err(error.into());
            }
            record = refused;
            std::thread::sleep(Duration::from_millis(1));
        }
        if number.is_multiple_of(10_000) {
            show(number);
        }
    }
    producer.flush(FLUSH)?;
    match producer.context().failure.get() {
        Some(code) => Err(Error::Lost(*code)),
        None => Ok(bytes),
    }
}

/// Returns the values that are written again and again.
fn values(shape: Shape) -> Vec<Vec<u8>> {
    let mut random = StdRng::seed_from_u64(SEED);
    let value = |_| {
        let mut datum = Order::of_size(&mut random, PLACED, shape.size).encode(Writer::V2);
        if random.random_bool(shape.damaged) {
            // A symbol that the enum lacks: nearly half of the value is sound.
            datum.replace(Field::Status, &[0x7e]);
        }
        framed(SchemaId(0), &datum.bytes)
    };
    (0..(ORDERS_BYTES / shape.size).clamp(FEWEST_ORDERS, ORDERS)).map(value).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::demo::registry::TARGET;
    use crate::schema::avro::Schema;
    use crate::schema::{Format, SchemaText};

    fn shape(size: usize, damaged: f64) -> Shape {
        Shape { records: 0, partitions: 1, gates: 1, schemas: 1, size, codec: Codec::None, damaged }
    }

    #[test]
    fn records_have_about_the_size_that_is_asked_for() {
        for size in [100, 200, 1_000, 10_000] {
            let all = values(shape(size, 0.0));
            let mean = all.iter().map(Vec::len).sum::<usize>() / all.len();
            assert!((size..size + 80).contains(&mean), "{size}: {mean}");
        }
    }

    #[test]
    fn so_many_are_damaged_as_was_asked_for() {
        let text = SchemaText { format: Format::Avro, text: TARGET.into(), references: Vec::new() };
        let schema = Schema::compile(&text).unwrap();
        for (size, damaged, expected) in [
            (100, 0.0, 0..=0),
            (200, 0.0, 0..=0),
            (200, 0.2, 1_800..=2_200),
            (200, 1.0, ORDERS..=ORDERS),
            (10_000, 0.0, 0..=0),
        ] {
            let all = values(shape(size, damaged));
            let refused = all.iter().filter(|value| !schema.check(&value[5..])).count();
            assert!(expected.contains(&refused), "{size}, {damaged}: {refused}");
            assert_eq!(all, values(shape(size, damaged)), "two runs write the same");
        }
    }

    #[test]
    fn each_partition_goes_through_all_schemas_and_all_are_met_early() {
        let ids: Vec<_> = (1..=12).map(SchemaId).collect();
        let records = Records::new(shape(200, 0.0), ids.clone(), vec![(0, 0), (0, 1), (1, 0)]);
        let (mut value, mut met) = (Vec::new(), Vec::new());
        for number in 0..36 {
            let place = records.get(number, &mut value);
            met.push((place, SchemaId(i32::from_be_bytes(value[ID].try_into().unwrap()))));
        }
        let of = |met: &[((usize, i32), SchemaId)]| met.iter().map(|(_, id)| *id).collect::<BTreeSet<_>>();
        assert_eq!(of(&met[..12]).len(), ids.len());
        let second: Vec<_> = met.into_iter().filter(|(place, _)| *place == (0, 1)).collect();
        assert_eq!(of(&second).len(), ids.len());
    }
}
