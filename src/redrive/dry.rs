//! The dry run: reads, judges and counts, and writes nothing.

use std::ops::ControlFlow;

use rdkafka::Message as _;
use rdkafka::message::BorrowedMessage;
use tokio::runtime::Handle;

use super::judge::{Judge, Judged};
use super::report::Report;
use super::{Error, Order};
use crate::config::Config;
use crate::dead_letters::Letter;
use crate::kafka::ffi;
use crate::kafka::reading::{self, Met, Reading, Start};
use crate::record::{Offset, Partition};

/// Judges the dead letters that are there now; `progress` hears how many were read, of how many at most.
///
/// # Errors
/// The cluster or the registry does not answer.
pub fn run(config: &Config, order: &Order, runtime: &Handle, progress: &dyn Fn(usize, usize)) -> Result<Report, Error> {
    let reading = Reading::open(config, super::PURPOSE)?;
    let topics = reading.topics()?;
    let partitions = topics.get(&order.topic).ok_or_else(|| reading::Error::NoTopic(order.topic.clone()))?;
    let start = order.filter.since.map_or(Start::Earliest, Start::Time);
    let spans = reading.spans(&order.topic, partitions, start)?;
    let of = spans.iter().map(|span| usize::try_from(span.to - span.from).unwrap_or(0)).sum();
    let mut judge = Judge::new(config, order, &topics, runtime)?;
    let (mut report, mut done) = (Report::default(), 0);
    reading.read(&spans, false, |met| {
        if let Met::Record(message) = met {
            done += 1;
            progress(done, of);
            take(message, order, &mut judge, &mut report)?;
        }
        Ok::<_, Error>(ControlFlow::Continue(()))
    })?;
    Ok(report)
}

fn take(message: &BorrowedMessage<'_>, order: &Order, judge: &mut Judge, report: &mut Report) -> Result<(), Error> {
    let headers = ffi::headers(message);
    let letter = Letter::read(&headers);
    if !order.filter.matches(&letter, message.timestamp().to_millis()) {
        return Ok(());
    }
    report.read += 1;
    loop {
        match judge.judge(message, &headers, &letter) {
            Judged::Lacks(needs) => judge.ask(&needs)?,
            Judged::Passes { topic, partition } => {
                tracing::trace!(topic, partition, offset = message.offset(), "passes");
                break report.pass(&topic);
            }
            Judged::Fails(finding) => {
                break report.fail(&finding, (Partition(message.partition()), Offset(message.offset())));
            }
            Judged::Over(why) => break report.pass_over(why),
        }
    }
    Ok(())
}
