//! The gates of a process: each with its pipelines, all of which end before others of its name begin.
//!
//! Two pipelines of one name would share a consumer group and a transactional.id, and the newer would fence the older in
//! the middle of its last transaction. So a gate that is to change is asked to leave, and what comes after it is kept until
//! the last of its threads has ended; a newer configuration meanwhile replaces what is kept. No other gate waits for that.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::thread;

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::Error;
use crate::config::{Config, Gate, Sources};
use crate::pipeline::{self, Settings, Stop};
use crate::registry::schemas::Schemas;
use crate::telemetry::current::Current;
use crate::telemetry::events::{GateBegins, GateEnds, GateStands, PipelineFailed};
use crate::telemetry::{ConfigurationState, Health, Metrics, Probe};

/// A gate to begin.
#[derive(Debug, Clone)]
pub(super) struct Begin {
    pub(super) gate: Gate,
    pub(super) config: Arc<Config>,
    pub(super) schemas: Arc<Schemas>,
    /// Whether a reload brings it.
    pub(super) by_reload: bool,
}

/// A pipeline has ended.
#[derive(Debug)]
struct Ended {
    gate: String,
    kind: &'static str,
    result: Result<(), pipeline::Error>,
}

/// A gate whose pipelines run, or have ended by themselves.
#[derive(Debug)]
struct Running {
    stop: Stop,
    /// What it is configured as.
    gate: Gate,
    /// Pipelines that have not ended.
    pipelines: usize,
    /// Whether a reload was taken over since it began, or has begun it: then it cannot keep the process from running.
    after_reload: bool,
    /// Whether a pipeline could not work as it is configured.
    stands: bool,
    /// Set once it is asked to leave: what comes after it, if anything.
    leaves_to: Option<Option<Begin>>,
}

/// What pipelines report to.
#[derive(Debug)]
pub(super) struct Reports {
    pub(super) metrics: Arc<Metrics>,
    pub(super) health: Arc<Health>,
    pub(super) configuration: Arc<ConfigurationState>,
}

/// All gates and converters, by name.
#[derive(Debug)]
pub(super) struct Gates {
    reports: Reports,
    /// Stands in for the instance where the configuration names none.
    random: String,
    /// The configuration of the process, which pipelines ask for their neighbours.
    latest: Arc<Current<Config>>,
    by_name: BTreeMap<String, Running>,
    sender: mpsc::UnboundedSender<Ended>,
    ended: mpsc::UnboundedReceiver<Ended>,
}

impl Gates {
    pub(super) fn new(reports: Reports, random: String, config: Arc<Config>) -> Self {
        let (sender, ended) = mpsc::unbounded_channel();
        Self { reports, random, latest: Current::new(config), by_name: BTreeMap::new(), sender, ended }
    }

    /// Says what the whole configuration is from now on. A gate that goes on may have lost a neighbour that it waited for.
    pub(super) fn know(&mut self, config: Arc<Config>) {
        self.latest.set(config);
        self.by_name.values_mut().for_each(|running| running.after_reload = true);
    }

    /// Returns the gates that could not work as they are configured, and do not run in full.
    pub(super) fn standing(&self) -> BTreeSet<String> {
        self.by_name.iter().filter(|(_, running)| running.stands).map(|(name, _)| name.clone()).collect()
    }

    /// Begins a gate, once what runs by its name has ended.
    ///
    /// # Errors
    /// [`Error::Thread`].
    pub(super) fn begin(&mut self, begin: Begin) -> Result<(), Error> {
        let name = begin.gate.name.clone();
        if self.by_name.contains_key(&name) { self.leave(&name, Some(begin)) } else { self.spawn(&begin) }
    }

    /// Ends a gate.
    ///
    /// # Errors
    /// Never: nothing begins.
    pub(super) fn end(&mut self, gate: &str) -> Result<(), Error> {
        self.leave(gate, None)
    }

    fn leave(&mut self, gate: &str, next: Option<Begin>) -> Result<(), Error> {
        let Some(running) = self.by_name.get_mut(gate) else { return Ok(()) };
        GateEnds { gate, begins_anew: next.is_some() }.emit();
        running.leaves_to = Some(next);
        running.stop.stop();
        self.settle(gate)
    }

    /// Begins what comes after a gate of which nothing runs any more, or forgets it.
    fn settle(&mut self, gate: &str) -> Result<(), Error> {
        let has_left = |running: &Running| running.pipelines == 0 && running.leaves_to.is_some();
        if !self.by_name.get(gate).is_some_and(has_left) {
            return Ok(());
        }
        let Some(before) = self.by_name.remove(gate) else { return Ok(()) };
        let next = before.leaves_to.flatten();
        if next.as_ref().is_none_or(|next| next.gate != before.gate) {
            self.reports.health.forget(gate);
        }
        match next {
            Some(begin) => self.spawn(&begin),
            None => {
                self.reports.metrics.forget(gate);
                self.reports.configuration.forget(gate);
                Ok(())
            }
        }
    }

    /// Starts the pipelines of a gate.
    fn spawn(&mut self, begin: &Begin) -> Result<(), Error> {
        let Begin { gate, by_reload, .. } = begin;
        self.reports.configuration.serve(&gate.name, gate.word());
        self.reports.metrics.gate(&gate.name).forget_targets();
        let stop = Stop::default();
        let mut running = Running {
            stop: stop.clone(),
            gate: gate.clone(),
            pipelines: 0,
            after_reload: *by_reload,
            stands: false,
            leaves_to: None,
        };
        let mut started = Ok(());
        for number in 0..gate.threads.get() {
            let settings = self.settings(begin, number, stop.clone());
            started = thread(settings, self.sender.clone());
            if started.is_err() {
                break;
            }
            running.pipelines += 1;
        }
        if let (Err(error), true) = (&started, by_reload) {
            tracing::error!(gate = gate.name, %error, "a gate of the new configuration lacks pipelines");
            running.stands = true;
            started = Ok(());
        }
        self.by_name.insert(gate.name.clone(), running);
        started
    }

    fn settings(&self, begin: &Begin, number: usize, stop: Stop) -> Settings {
        let Begin { gate, config, schemas, by_reload } = begin;
        let probe = self.probe(gate, number);
        if *by_reload {
            GateBegins.emit(&probe);
        }
        Settings {
            config: Arc::clone(config),
            latest: Arc::clone(&self.latest),
            gate: Gate::clone(gate),
            number,
            random: self.random.clone(),
            schemas: Arc::clone(schemas),
            runtime: Handle::current(),
            probe,
            stop,
        }
    }

    /// Makes the probe of a pipeline; topics that are known by name are shown before any broker answers.
    fn probe(&self, gate: &Gate, number: usize) -> Probe {
        let probe = Probe::new(&self.reports.metrics, &self.reports.health, &gate.name, number);
        if let Sources::Topics(topics) = &gate.source {
            topics.iter().for_each(|topic| probe.metrics().source(topic));
        }
        probe
    }

    /// Waits until a pipeline ends in a way that the process cannot go on with; pending for ever while there is none. Gates
    /// that leave are followed by what comes after them meanwhile.
    pub(super) async fn failed(&mut self) -> Error {
        loop {
            match self.ended.recv().await {
                Some(ended) => {
                    if let Err(error) = self.one_ended(ended) {
                        return error;
                    }
                }
                // Never: there is a sender in here.
                None => std::future::pending().await,
            }
        }
    }

    fn one_ended(&mut self, Ended { gate, kind, result }: Ended) -> Result<(), Error> {
        let Some(running) = self.by_name.get_mut(&gate) else { return Ok(()) };
        running.pipelines -= 1;
        if running.leaves_to.is_some() {
            // What it could not end is read again by what comes after it.
            return self.settle(&gate);
        }
        let Err(source) = result else { return Ok(()) };
        let error = Error::Pipeline { kind, gate: gate.clone(), source };
        if running.after_reload && error.is_configuration() {
            running.stands = true;
            GateStands { gate: &gate }.emit();
            return Ok(());
        }
        Err(error)
    }

    /// Asks all pipelines to commit and leave; nothing begins after them.
    pub(super) fn stop(&mut self) {
        for running in self.by_name.values_mut() {
            running.leaves_to = Some(None);
            running.stop.stop();
        }
    }

    /// Waits until all have ended.
    pub(super) async fn ended(&mut self) {
        while self.running() > 0 {
            let Some(Ended { gate, .. }) = self.ended.recv().await else { return };
            if let Some(running) = self.by_name.get_mut(&gate) {
                running.pipelines -= 1;
            }
        }
    }

    /// Returns how many pipelines have not ended.
    pub(super) fn running(&self) -> usize {
        self.by_name.values().map(|running| running.pipelines).sum()
    }
}

/// Starts the thread of a pipeline.
fn thread(settings: Settings, ended: mpsc::UnboundedSender<Ended>) -> Result<(), Error> {
    let name = format!("{}-{}", settings.gate.name, settings.number);
    let run = move || {
        // A panic is a bug of ours; it must end the process as loudly as any other failure.
        let result = panic::catch_unwind(AssertUnwindSafe(|| pipeline::run(&settings)))
            .unwrap_or(Err(pipeline::Error::Panicked));
        if let Err(error) = &result {
            // The command prints all of it; the log takes the line that says what is wrong.
            let error = error.to_string();
            PipelineFailed { error: error.lines().next().unwrap_or_default() }.emit(&settings.probe);
            settings.probe.stopped();
        }
        let (gate, kind) = (settings.gate.name.clone(), settings.gate.word());
        drop(settings);
        // Nobody listens any more once the process has given up waiting.
        ended.send(Ended { gate, kind, result }).ok();
    };
    thread::Builder::new().name(name).spawn(run).map(drop).map_err(Error::Thread)
}

#[cfg(test)]
mod tests;
