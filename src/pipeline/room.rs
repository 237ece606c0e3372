//! A transaction that takes no more records for now: its queue is full, or it has failed.

use std::thread;
use std::time::{Duration, Instant};

use super::Fault;
use super::commit::Open;
use super::deliveries::STRAGGLERS;

/// Pause before a record is offered again to a full queue.
const QUEUE_PAUSE: Duration = Duration::from_millis(1);

/// Waits a little for a queue that has been full since then, up to the limit of a step or the stop.
#[cold]
pub(super) fn make_room(open: &Open, full: Instant) -> Result<(), Fault> {
    if open.is_over(full) {
        return Err(Fault::Abort(format!("the producer's queue stayed full for {:.1?}", full.elapsed())));
    }
    open.poll()?;
    // What fills it may linger.
    open.producer().flush(QUEUE_PAUSE);
    Ok(())
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
        thread::sleep(QUEUE_PAUSE);
    }
    fault
}
