//! A transaction that takes no more records for now: its queue is full, or it has failed.

use std::thread;
use std::time::{Duration, Instant};

use rdkafka::producer::Producer as _;

use super::Fault;
use super::commit::Open;
use super::deliveries::STRAGGLERS;

/// The least time to wait before a look at what was delivered, and the most: an eighth of what was waited for so far, since each look
/// wakes the library's threads, and where brokers are slow a look comes for nothing.
pub(super) const LOOK: Duration = Duration::from_millis(1);
const LONGEST_LOOK: Duration = Duration::from_millis(10);

/// Waits a little for what has been waited for since then.
pub(super) fn wait(open: &Open, since: Instant) {
    open.producer().flush((since.elapsed() / 8).clamp(LOOK, LONGEST_LOOK));
}

/// The longest that nothing is staged while a queue is full: only whoever stages is told that the transaction has failed.
const LONGEST_REST: Duration = Duration::from_millis(100);

/// Waits for a quarter of a queue that has been full since then, up to the limit of a step or the stop: records that are staged one by
/// one, as room is made for each, leave in small batches.
#[cold]
pub(super) fn make_room(open: &Open, full: Instant) -> Result<(), Fault> {
    let (client, began) = (open.producer().client(), Instant::now());
    let queued = client.in_flight_count();
    let enough = queued - (queued + 3) / 4;
    loop {
        if open.is_over(full) {
            return Err(Fault::Abort(format!("the producer's queue stayed full for {:.1?}", full.elapsed())));
        }
        open.poll()?;
        if client.in_flight_count() <= enough || began.elapsed() >= LONGEST_REST {
            return Ok(());
        }
        // What fills it may linger.
        wait(open, full);
    }
}

/// Finds out why a transaction takes no more records. Taken for just another abort, refused records would be read, staged
/// and refused again: whoever has a backlog stages on while the first refusal is on its way.
#[cold]
pub(super) fn why_failed(open: &Open, fault: Fault) -> Fault {
    let began = Instant::now();
    while began.elapsed() < STRAGGLERS * 3 {
        if let Err(told) = open.poll() {
            return told;
        }
        thread::sleep(LOOK);
    }
    fault
}
