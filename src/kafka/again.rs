//! Transactional calls that are made again for as long as librdkafka asks for that.

use std::thread;
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, ProducerContext};

/// Pause before a call is made again.
const PAUSE: Duration = Duration::from_millis(1);

/// Makes a call until it is not to be made again, or `is_over` says so of the moment at which it began; tells whether it was made
/// again, and did not only go on. A coordinator that still ends the transaction before is for the caller to wait for.
pub(crate) fn retry<C: ProducerContext>(
    client: &BaseProducer<C>,
    is_over: impl Fn(Instant) -> bool,
    call: impl Fn(&BaseProducer<C>) -> KafkaResult<()>,
) -> KafkaResult<bool> {
    let (began, mut again) = (Instant::now(), false);
    loop {
        let Err(error) = call(client) else { return Ok(again) };
        let code = error.rdkafka_error_code();
        let is_retriable =
            matches!(&error, KafkaError::Transaction(error) if error.is_retriable() && !error.is_fatal());
        if !is_retriable || code == Some(RDKafkaErrorCode::ConcurrentTransactions) || is_over(began) {
            return Err(error);
        }
        again |= code != Some(RDKafkaErrorCode::OperationTimedOut);
        client.poll(Duration::ZERO);
        thread::sleep(PAUSE);
    }
}
