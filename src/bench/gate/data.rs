//! The records: a shop's orders, nested, of about the size that is asked for, some of them damaged.
//!
//! They come from a seed: two runs write the same records.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rdkafka::ClientConfig;
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer};

use crate::cli::Codec;
use crate::config::Kafka;
use crate::demo::damage::framed;
use crate::demo::orders::{Field, Order, Writer};
use crate::schema::SchemaId;

/// The seed of every run.
const SEED: u64 = 2_026;

/// Orders that are made; they are written again and again, each time with keys of their own.
const ORDERS: usize = 10_000;

/// How long the brokers may take for the last of them.
const FLUSH: Duration = Duration::from_secs(60);

/// When the orders were placed, in milliseconds since 1970-01-01 UTC.
const PLACED: i64 = 1_767_225_600_000;

/// What the records are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) records: u64,
    pub(crate) partitions: i32,
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

/// Writes the records, the partitions in turn, and returns the bytes of their keys and values. `show` is told how many are.
pub(super) fn fill(kafka: &Kafka, topic: &str, shape: Shape, id: SchemaId, show: &dyn Fn(u64)) -> Result<u64, Error> {
    let mut config: ClientConfig = kafka.producer().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    config.set("enable.idempotence", "true").set("compression.type", shape.codec.name()).set("linger.ms", "20");
    let producer: ThreadedProducer<Deliveries> = config.create_with_context(Deliveries::default())?;
    let values = values(shape, id);
    let mut bytes = 0;
    for (number, value) in (0..shape.records).zip(values.iter().cycle()) {
        let key = format!("order-{number:09}");
        bytes += (key.len() + value.len()) as u64;
        let partition = i32::try_from(number % u64::from(shape.partitions.unsigned_abs())).unwrap_or(0);
        let mut record = BaseRecord::to(topic).partition(partition).key(&key).payload(value);
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
pub(super) fn values(shape: Shape, id: SchemaId) -> Vec<Vec<u8>> {
    let mut random = StdRng::seed_from_u64(SEED);
    let value = |_| {
        let mut datum = Order::of_size(&mut random, PLACED, shape.size).encode(Writer::V2);
        if random.random_bool(shape.damaged) {
            // A symbol that the enum lacks: nearly half of the value is sound.
            datum.replace(Field::Status, &[0x7e]);
        }
        framed(id, &datum.bytes)
    };
    (0..ORDERS).map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::registry::TARGET;
    use crate::schema::avro::Schema;
    use crate::schema::{Format, SchemaText};

    #[test]
    fn records_have_about_the_size_that_is_asked_for() {
        for size in [100, 200, 1_000, 10_000] {
            let shape = Shape { records: 0, partitions: 1, size, codec: Codec::None, damaged: 0.0 };
            let all = values(shape, SchemaId(1));
            let mean = all.iter().map(Vec::len).sum::<usize>() / all.len();
            assert!((size..size + 80).contains(&mean), "{size}: {mean}");
        }
    }

    #[test]
    fn so_many_are_damaged_as_was_asked_for() {
        let text = SchemaText { format: Format::Avro, text: TARGET.into(), references: Vec::new() };
        let schema = Schema::compile(&text).unwrap();
        for (damaged, expected) in [(0.0, 0..=0), (0.2, 1_800..=2_200), (1.0, ORDERS..=ORDERS)] {
            let shape = Shape { records: 0, partitions: 1, size: 200, codec: Codec::None, damaged };
            let all = values(shape, SchemaId(1));
            let refused = all.iter().filter(|value| !schema.check(&value[5..])).count();
            assert!(expected.contains(&refused), "{damaged}: {refused}");
            assert_eq!(all, values(shape, SchemaId(1)), "two runs write the same");
        }
    }
}
