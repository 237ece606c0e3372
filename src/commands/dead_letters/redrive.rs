//! `sluice dead-letters redrive`: dead letters judged again; told what would become of them, or done.

mod report;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use self::report::Told;
use super::super::misses;
use super::super::progress::Progress;
use super::super::remote::{print, print_json};
use super::super::run::Signals;
use super::super::{Exit, Failure, load};
use crate::cli::{self, DeadLettersRedrive, Output};
use crate::config::Config;
use crate::pipeline::{Stop, failpoint, watchdog};
use crate::redrive::audit::Audit;
use crate::redrive::run::{Ended, Gauge, Run};
use crate::redrive::{Error, Order, To, dry};
use crate::schema::SchemaId;
use crate::telemetry::logging;

/// Dead letters between two looks at the clock.
const STEP: usize = 1024;

/// Pause between two looks at how far it is.
const LOOK: Duration = Duration::from_millis(200);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if error.is_usage() { Self::usage(error) } else { Self::fatal(error) }
    }
}

/// Judges, sends where that is asked for, and prints what became of them.
pub(super) async fn run(asked: DeadLettersRedrive, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    let config = load(&asked.file.config)?;
    logging::init(config.log).map_err(Failure::fatal)?;
    let order = order(&asked);
    if !asked.run {
        let report = tokio::task::block_in_place(|| judge(&config, &order))?;
        tell(&Told { order: &order, report: &report, run: None }, asked.output, out)?;
        return Ok(Exit::Done);
    }
    let (ended, signal) = send(&config, &order, &asked).await?;
    let Ended { report, run, is_done } = ended;
    tell(&Told { order: &order, report: &report, run: Some((&run, is_done)) }, asked.output, out)?;
    match signal {
        Some(name) if !is_done => {
            let problem = anyhow::anyhow!("stopped by {name} before the end");
            Err(Failure::fatal(problem).hint("run it again: it goes on where it was"))
        }
        _ => Ok(Exit::Done),
    }
}

fn order(asked: &DeadLettersRedrive) -> Order {
    let to = match asked.to {
        cli::To::Validated => To::Validated,
        cli::To::Source => To::Source,
    };
    Order {
        topic: asked.topic.clone(),
        filter: asked.filters.filter(),
        condition: asked.condition.clone(),
        by: asked.by.clone(),
        writer_schema: asked.writer_schema.map(SchemaId),
        to,
        max_attempts: asked.max_attempts,
        rate: asked.rate,
    }
}

fn tell(told: &Told<'_>, output: Output, out: &mut (dyn Write + Send)) -> Result<(), Failure> {
    match output {
        Output::Text => print(out, &told.text()),
        Output::Json => print_json(out, &told.document()),
    }?;
    misses::not_taken(&told.report.misses);
    Ok(())
}

fn judge(config: &Config, order: &Order) -> Result<crate::redrive::report::Report, Failure> {
    let progress = Progress::new("dead letters");
    let show = |done: usize, of: usize| {
        if done.is_multiple_of(STEP) {
            progress.show(done, of.max(done));
        }
    };
    Ok(dry::run(config, order, &Handle::current(), &show)?)
}

/// Runs a redrive until it ends, or until a signal; tells which.
async fn send(
    config: &Config,
    order: &Order,
    asked: &DeadLettersRedrive,
) -> Result<(Ended, Option<&'static str>), Failure> {
    watchdog::no_core_dumps();
    watchdog::start().map_err(Failure::fatal)?;
    failpoint::read().map_err(|error| Failure::usage(anyhow::anyhow!(error)))?;
    let mut signals = Signals::listen().map_err(Failure::fatal)?;
    let (stop, gauge) = (Stop::default(), Arc::new(Gauge::default()));
    let work = {
        let (config, order, stop, gauge) = (config.clone(), order.clone(), stop.clone(), Arc::clone(&gauge));
        let mut given = asked.filters.given();
        given.extend(order.condition.iter().map(|condition| ("filter".to_owned(), vec![condition.text().to_owned()])));
        let (audit, runtime) = (Audit::new(&order, given), Handle::current());
        move || Run::new(&config, order, audit, stop)?.run(&runtime, &gauge)
    };
    let mut work = std::pin::pin!(tokio::task::spawn_blocking(work));
    let (progress, mut signal) = (Progress::new("dead letters"), None);
    loop {
        tokio::select! {
            ended = &mut work => return Ok((ended.map_err(Failure::fatal)??, signal)),
            name = signals.next() => {
                if signal.replace(name).is_some() {
                    return Err(Failure::fatal(anyhow::anyhow!("ended at once by a second {name}")));
                }
                stop.stop();
            }
            () = tokio::time::sleep(LOOK) => {
                let (done, of) = gauge.read();
                progress.show(done, of.max(done));
            }
        }
        if let Some(why) = gauge.hung() {
            let hung = Failure::fatal(anyhow::anyhow!(why.to_owned()));
            return Err(hung.hint("run it again: it goes on where it was"));
        }
    }
}
