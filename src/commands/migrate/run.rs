//! `sluice migrate run`: copies until the end that was fixed, or until a signal.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;

use super::super::progress::Progress;
use super::super::remote::{Paint, print, print_json};
use super::super::run::Signals;
use super::super::{Exit, Failure};
use super::figures::Figures;
use super::{aside, cast, plan};
use crate::cli::{MigrateRun, Output};
use crate::migrate::Counts;
use crate::migrate::job::{Asked, LOOK, Open};
use crate::pipeline::{Stop, failpoint, watchdog};
use crate::telemetry::metrics::{JobFigures, RunFigures};

/// Runs a job.
pub(super) async fn run(asked: MigrateRun, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    let cast = cast(&asked.at)?;
    if cast.has_way_back() {
        let (source, to) = (&cast.migration.source, &cast.migration.to);
        let problem = anyhow::anyhow!(
            "a converter from '{to}' to '{source}' is declared: the job would copy again what it writes"
        );
        return Err(Failure::usage(problem).hint("declare it when the job has come to its end"));
    }
    watchdog::no_core_dumps();
    watchdog::start().map_err(Failure::fatal)?;
    failpoint::read().map_err(|error| Failure::usage(anyhow::anyhow!(error)))?;
    let mut signals = Signals::listen().map_err(Failure::fatal)?;
    let mut figures = Figures::new(asked.metrics.clone(), &cast);
    let (began, stop) = (Instant::now(), Stop::default());
    let plan = asked.plan.as_deref().map(plan::read).transpose()?;
    let (of_job, terms) = (stop.clone(), Asked { lanes: asked.lanes, follow: asked.follow, rate: asked.rate, plan });
    let mut opening = std::pin::pin!(aside(move || Open::new(cast, &terms, of_job)));
    let mut signal = None;
    let open = loop {
        tokio::select! {
            opened = &mut opening => match (opened, signal) {
                (Err(_), Some(name)) => return Err(Failure::fatal(anyhow::anyhow!("stopped by {name} before it had begun"))),
                (opened, _) => break Arc::new(opened?),
            },
            name = signals.next() => ask_to_stop(name, &mut signal, &stop)?,
        }
    };
    figures.write(&figures_of(&open, false))?;
    let job = Arc::clone(&open);
    let mut work = std::pin::pin!(aside(move || job.run()));
    let progress = Progress::new("offsets");
    let ended = loop {
        tokio::select! {
            ended = &mut work => break ended,
            name = signals.next() => ask_to_stop(name, &mut signal, &stop)?,
            () = tokio::time::sleep(LOOK) => {
                show(&open, &progress);
                figures.refresh(|| figures_of(&open, false));
            }
        }
        if let Some(why) = open.hung() {
            let hung = Failure::fatal(anyhow::anyhow!(why.to_owned()));
            return Err(hung.hint("run it again: it goes on where it was"));
        }
    };
    drop(progress);
    let is_done = ended?;
    figures.write(&figures_of(&open, is_done))?;
    tell(&open, (is_done, began), &asked, out)?;
    match signal {
        Some(name) if !is_done && !asked.follow => {
            let problem = anyhow::anyhow!("stopped by {name} before the end");
            Err(Failure::fatal(problem).hint("run it again: it goes on where it was"))
        }
        _ => Ok(Exit::Done),
    }
}

/// Asks the job to stop; a second signal does not wait for it.
fn ask_to_stop(name: &'static str, signal: &mut Option<&'static str>, stop: &Stop) -> Result<(), Failure> {
    if signal.replace(name).is_some() {
        return Err(Failure::fatal(anyhow::anyhow!("ended at once by a second {name}")));
    }
    stop.stop();
    Ok(())
}

fn figures_of(open: &Open, is_done: bool) -> JobFigures {
    let Counts { copied, converted, dead_letters, bytes, restarts, passed } = open.gauge.read();
    // Lanes count while this reads.
    let copied = copied.saturating_sub(converted);
    let distance = open.distance();
    JobFigures::Run(RunFigures { copied, converted, dead_letters, bytes, restarts, passed, distance, is_done })
}

fn show(open: &Open, progress: &Progress) {
    let passed = open.gauge.read().passed;
    let number = |offsets: i64| usize::try_from(offsets).unwrap_or(0);
    progress.show(number(passed), open.distance().map_or(number(passed), number));
}

fn tell(
    open: &Open,
    (is_done, began): (bool, Instant),
    asked: &MigrateRun,
    out: &mut (dyn Write + Send),
) -> Result<(), Failure> {
    let counts = open.gauge.read();
    let Counts { copied, converted, dead_letters, bytes, .. } = counts;
    let (source, to, lanes) = (&open.job.source, &open.job.to, open.job.lanes);
    let seconds = began.elapsed().as_secs_f64();
    if asked.at.output == Output::Json {
        let job = &open.cast.group;
        let mut document =
            json!({ "job": job, "source": source, "to": to, "lanes": lanes, "done": is_done, "seconds": seconds });
        if let (Some(document), serde_json::Value::Object(counts)) = (document.as_object_mut(), json!(counts)) {
            document.extend(counts);
        }
        return print_json(out, &document);
    }
    let word = if is_done { Paint::new().green("done") } else { Paint::new().yellow("stopped") };
    let converted = open.job.conversion.as_ref().map_or(String::new(), |conversion| {
        format!("; {converted} of them converted, {dead_letters} dead letters in '{}'", conversion.dead_letter)
    });
    print(
        out,
        &format!(
            "{word}: {copied} records ({bytes} bytes) copied from '{source}' to '{to}' in {seconds:.1} s{converted}\n"
        ),
    )
}
