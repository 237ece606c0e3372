//! The dry run: reads, judges and counts, and writes nothing.

use std::ops::ControlFlow;
use std::thread;

use tokio::runtime::Handle;

use super::judge::Judge;
use super::report::Report;
use super::sort::{Author, Sorted, entry, sort};
use super::{Error, Order, PURPOSE, jobs};
use crate::config::Config;
use crate::dead_letters::state::Fate;
use crate::dead_letters::{Ledger, Letter};
use crate::gate::verdict::Needs;
use crate::kafka::ffi::Message;
use crate::kafka::reading::{self, Met, Reading, Start};
use crate::kafka::topics::{Cluster, PATIENCE};
use crate::kafka::{dead_letters, ffi};
use crate::record::{Offset, Partition};
use crate::registry::schemas::{self, Backoff};

/// Judges the dead letters that are there now; `progress` hears how many were read, of how many at most.
///
/// # Errors
/// The cluster or the registry does not answer, or what earlier redrives have written cannot be read.
pub fn run(config: &Config, order: &Order, runtime: &Handle, progress: &dyn Fn(usize, usize)) -> Result<Report, Error> {
    let config = &jobs::with_jobs(config, order)?;
    let reading = Reading::open(config, PURPOSE)?;
    let topics = reading.topics()?;
    let partitions = topics.get(&order.topic).ok_or_else(|| reading::Error::NoTopic(order.topic.clone()))?;
    let mut damaged = Ok(());
    let id = || dead_letters::id(&Cluster::connect(&config.kafka, PATIENCE)?, &order.topic);
    let ledger = dead_letters::look(&reading, (&order.topic, id), &topics, |found| damaged = Err(found))?;
    damaged.map_err(dead_letters::Error::from)?;
    let mut ledger = ledger.unwrap_or_else(|| Ledger::new(None));
    let start = order.filter.since.map_or(Start::Earliest, Start::Time);
    let spans = reading.spans(&order.topic, partitions, start)?;
    let of = spans.iter().map(|span| usize::try_from(span.to - span.from).unwrap_or(0)).sum();
    let mut judge = Judge::new(config, order, &topics, runtime)?;
    let (mut report, mut done) = (Report::default(), 0);
    reading.read(&spans, false, |met| {
        if let Met::Record(message) = met {
            done += 1;
            progress(done, of);
            take(message, order, (&mut judge, &mut ledger), &mut report)?;
        }
        Ok::<_, Error>(ControlFlow::Continue(()))
    })?;
    report.misses = judge.misses();
    Ok(report)
}

fn take(
    message: Message<'_>,
    order: &Order,
    (judge, ledger): (&mut Judge, &mut Ledger),
    report: &mut Report,
) -> Result<(), Error> {
    let headers = ffi::headers(message);
    let letter = Letter::read(&headers);
    let place = (message.partition(), message.offset());
    let sorted = loop {
        match sort((message, &headers, &letter), order, judge, ledger) {
            Sorted::Lacks(needs) => ask(judge, &needs)?,
            Sorted::Unanswered(error) => return Err(Error::Registry(error)),
            sorted @ (Sorted::NotMeant | Sorted::Passes(_) | Sorted::Fails(_) | Sorted::Over(_)) => break sorted,
        }
    };
    if let Sorted::Passes(passes) = &sorted {
        // Another dead letter of the same record would be passed over.
        let fate = Fate::Redriven { topic: &passes.topic, partition: passes.partition };
        let nobody = Author { topic: "", run: "", time: 0 };
        ledger.note(place, &entry(nobody, &letter, fate, &passes.hash));
    }
    report.count(&sorted, (Partition(place.0), Offset(place.1)));
    Ok(())
}

/// Asks the registry; again while it answers other questions.
fn ask(judge: &mut Judge, needs: &Needs) -> Result<(), Error> {
    let mut backoff = Backoff::default();
    while let Err(error) = judge.ask(needs) {
        let is_final = matches!(error, schemas::Error::Target(_));
        if is_final || !judge.is_registry_there() {
            return Err(error.into());
        }
        thread::sleep(backoff.next(&error));
    }
    Ok(())
}
