//! Finding the topics that a gate reads, at start and while it runs, and what they need.
//!
//! Named topics are looked at once, and each must be served or the gate does not start; one that another gate of this
//! file makes is waited for. With a pattern, the cluster's topics are listed again and again and matched by us (librdkafka's
//! own patterns are another dialect, and would subscribe before the outputs are checked). A
//! new topic is subscribed to once its outputs are there; one that cannot be served, or whose versions a mapping does not
//! fit, is reported and left aside, the others go on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;

use super::mappings;
use super::positions;
use super::routes::Routes;
use super::run::Loop;
use super::start;
use super::{Error, Fault, Settings};
use crate::config::{self, Config, Gate, Outputs, Repartition, Sources};
use crate::gate::verdict::Route;
use crate::kafka::topics::{self, Cluster, Needs, Plan, Topic, tool_options};
use crate::record::Partition;
use crate::telemetry::events::{GateStarted, TopicHeld, TopicReleased};
use crate::telemetry::state::Topics;
use crate::telemetry::{HoldCause, Probe};

/// Time between two lists of the cluster's topics.
pub(super) const INTERVAL: Duration = Duration::from_secs(30);

/// Finds the topics of a gate and adds those that can be served. Whoever is to stop asks for no further one.
pub(super) fn find(settings: &Settings, cluster: &Cluster, routes: &mut Routes) -> Result<(), Fault> {
    match &settings.gate.source {
        Sources::Topics(topics) => {
            for topic in topics {
                if settings.stop.is_asked() {
                    break;
                }
                if routes.find(topic).is_some() {
                    continue;
                }
                if let Some(maker) = settings.latest.get().maker(topic, &cluster.list().map_err(asking)?) {
                    let why =
                        format!("source topic '{topic}' is not there yet: {} '{}' makes it", maker.word(), maker.name);
                    return Err(Fault::Abort(why));
                }
                if let Some(reason) = serve(settings, cluster, routes, topic)? {
                    return Err(Fault::Fatal(Error::Configuration { reason }));
                }
            }
            Ok(())
        }
        Sources::Pattern(_) => find_matching(settings, cluster, routes),
    }
}

fn find_matching(settings: &Settings, cluster: &Cluster, routes: &mut Routes) -> Result<(), Fault> {
    let listed = cluster.list().map_err(asking)?;
    let is_new = |topic: &&str| settings.gate.source.matches(topic) && routes.find(topic).is_none();
    let new: Vec<&str> = listed.iter().map(String::as_str).filter(is_new).collect();
    let mut good: Vec<String> = routes.topics().into_iter().map(str::to_owned).collect();
    let known = good.len();
    let latest = settings.latest.get();
    let conflicts = |topics: &[String]| latest.conflicts(topics.iter().map(String::as_str));
    let held = |topic: &str, detail: &str| {
        TopicHeld { topic, cause: HoldCause::Misconfigured, detail }.emit(&settings.probe);
    };
    for (topic, conflict) in admit(&new, &mut good, &conflicts) {
        held(topic, &conflict.to_string());
    }
    let mut unfit = mappings::unfit(settings, &good[known..]);
    for topic in good[known..].iter().take_while(|_| !settings.stop.is_asked()) {
        let refusal = match unfit.remove(topic) {
            None => serve(settings, cluster, routes, topic)?,
            refusal => refusal,
        };
        match refusal {
            Some(detail) => held(topic, &detail),
            None => TopicReleased { topic }.emit(&settings.probe),
        }
    }
    release_gone(&settings.probe, &listed);
    Ok(())
}

/// Adds those of the new topics that conflict with none before them; returns the others. One question does for all where there
/// is no conflict, and else for each half: a question looks at every topic.
fn admit<'t>(
    new: &[&'t str],
    good: &mut Vec<String>,
    conflicts: &dyn Fn(&[String]) -> Vec<config::Error>,
) -> Vec<(&'t str, config::Error)> {
    if new.is_empty() {
        return Vec::new();
    }
    let known = good.len();
    good.extend(new.iter().map(|&topic| topic.to_owned()));
    let Some(conflict) = conflicts(good).into_iter().next() else { return Vec::new() };
    good.truncate(known);
    if let [topic] = new {
        return vec![(topic, conflict)];
    }
    let (first, second) = new.split_at(new.len() / 2);
    let mut refused = admit(first, good, conflicts);
    refused.extend(admit(second, good, conflicts));
    refused
}

/// Releases topics that could not be served and are gone.
fn release_gone(probe: &Probe, listed: &BTreeSet<String>) {
    for topic in probe.held_topics(HoldCause::Misconfigured).iter().filter(|topic| !listed.contains(*topic)) {
        TopicReleased { topic }.emit(probe);
    }
}

/// Checks a topic's outputs, makes those that are missing where that is allowed, and adds the topic; returns why it
/// cannot be served.
fn serve(settings: &Settings, cluster: &Cluster, routes: &mut Routes, topic: &str) -> Result<Option<String>, Fault> {
    let Some(outputs) = settings.gate.outputs(topic) else { return Ok(None) };
    let Look { names, mut described, plan } = Look::at(&settings.gate, cluster, topic, &outputs).map_err(asking)?;
    if let Some(reason) = plan_refusal(&settings.config, &plan, topic) {
        return Ok(Some(reason));
    }
    let options = tool_options(&settings.config.kafka);
    if !plan.missing.is_empty() {
        match cluster.create(&plan.missing, &options) {
            Ok(()) => {}
            Err(error @ topics::Error::Create { .. }) => return Ok(Some(error.to_string())),
            Err(error) => return Err(asking(error)),
        }
        described = cluster.describe(&names).map_err(asking)?;
    }
    for difference in &plan.differences {
        tracing::info!(gate = settings.probe.gate(), %difference, "an output differs from its source");
    }
    routes.add(topic, &described);
    Ok(None)
}

/// What a source topic and its outputs are now, and what the outputs need.
struct Look {
    names: BTreeSet<String>,
    described: BTreeMap<String, Topic>,
    plan: Plan,
}

impl Look {
    fn at(gate: &Gate, cluster: &Cluster, topic: &str, outputs: &Outputs) -> Result<Self, topics::Error> {
        let needs = Needs { mode: gate.policy.mode, repartition: gate.repartition };
        let names: BTreeSet<String> = outputs.written(needs.mode).chain([topic]).map(str::to_owned).collect();
        let described = cluster.describe(&names)?;
        let plan = Plan::new(std::iter::once((topic, outputs.clone())), needs, &described);
        Ok(Self { names, described, plan })
    }
}

/// Returns why a named topic cannot be served as it is now, without making anything.
pub(super) fn refusal(
    config: &Config,
    gate: &Gate,
    cluster: &Cluster,
    topic: &str,
) -> Result<Option<String>, topics::Error> {
    let Some(outputs) = gate.outputs(topic) else { return Ok(None) };
    Ok(plan_refusal(config, &Look::at(gate, cluster, topic, &outputs)?.plan, topic))
}

fn plan_refusal(config: &Config, plan: &Plan, topic: &str) -> Option<String> {
    if !plan.refusals.is_empty() {
        let reasons: Vec<_> = plan.refusals.iter().map(ToString::to_string).collect();
        return Some(reasons.join("; "));
    }
    if plan.missing.is_empty() || config.create_topics {
        return None;
    }
    let options = tool_options(&config.kafka);
    let commands: Vec<_> = plan.missing.iter().map(|missing| missing.command(&options)).collect();
    let missing: Vec<_> = plan.missing.iter().map(|missing| format!("'{}'", missing.name)).collect();
    Some(format!(
        "output topics {} of '{topic}' do not exist, or this user may not see them: grant what `sluice check-config` prints, set 'create_topics: true', or create them:\n  {}",
        missing.join(", "),
        commands.join("\n  ")
    ))
}

pub(super) fn asking(error: topics::Error) -> Fault {
    match error {
        error @ (topics::Error::Create { .. } | topics::Error::Delete { .. }) => {
            Fault::Fatal(Error::Configuration { reason: error.to_string() })
        }
        error @ (topics::Error::Client(_) | topics::Error::Forbidden { .. }) => {
            Fault::Fatal(Error::Configuration { reason: plain_chain(&error) })
        }
        error @ (topics::Error::Unreachable { .. }
        | topics::Error::Look { .. }
        | topics::Error::Describe { .. }
        | topics::Error::NotVisible { .. }) => Fault::Abort(plain_chain(&error)),
    }
}

/// Joins an error and its causes.
pub(super) fn plain_chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl Loop<'_> {
    /// Looks for new topics when it is time.
    pub(super) fn discover(&mut self, now: Instant) -> Result<(), Fault> {
        if now < self.discover_at || self.settings.stop.is_asked() {
            return Ok(());
        }
        self.discover_at = now + INTERVAL;
        if self.settings.gate.repartition == Repartition::Murmur2 && !self.output.is_dry_run() {
            self.look_at_outputs();
        }
        if !matches!(self.settings.gate.source, Sources::Pattern(_)) {
            return Ok(());
        }
        // What is served already goes on, whatever keeps us from finding more.
        if let Err(fault) = find(self.settings, &self.cluster, &mut self.routes) {
            tracing::warn!(gate = self.settings.probe.gate(), ?fault, "topics cannot be listed or checked now");
        }
        self.subscribe()
    }

    /// Looks at the outputs anew: what they take, and how many partitions they have. What cannot be asked now stays as
    /// it was.
    pub(super) fn look_at_outputs(&mut self) {
        let mode = self.settings.gate.policy.mode;
        let names = self.routes.iter().flat_map(|route| route.outputs.written(mode)).map(str::to_owned).collect();
        match self.cluster.describe(&names) {
            Ok(topics) => {
                let changes = self.routes.update(&topics);
                for change in &changes {
                    tracing::info!(gate = self.settings.probe.gate(), change, "an output has changed");
                }
                if !changes.is_empty() {
                    self.output.renew_handles(&names);
                }
            }
            Err(error) => {
                let why = plain_chain(&error);
                tracing::warn!(gate = self.settings.probe.gate(), why, "outputs cannot be looked at now");
            }
        }
    }

    /// Takes the partitions of these topics without joining the group: a dry run beside the gate that it tries must not
    /// take any from it. The pipelines of the process divide them; each process has all.
    fn take_alone(&self, topics: &[&str]) {
        let Settings { number, gate, probe, .. } = self.settings;
        for topic in topics {
            let found = start::until_answered(self.settings, || {
                let wait = |error| Fault::asking("list the partitions of the source", &error);
                positions::partitions_of(self.consumer, topic).map_err(wait)
            });
            let Ok(Some(partitions)) = found else {
                tracing::warn!(gate = probe.gate(), topic, "the dry run cannot list the partitions of the topic");
                continue;
            };
            let ours = partitions.filter(|partition| partition.cast_unsigned() as usize % gate.threads == *number);
            self.consumer.context().take(ours.map(|partition| (Arc::from(*topic), Partition(partition))).collect());
        }
    }

    /// Subscribes to the topics by name, if there are others than before.
    pub(super) fn subscribe(&mut self) -> Result<(), Fault> {
        let sources = self.routes.topics();
        if sources.len() == self.subscribed {
            return Ok(());
        }
        self.output.reach(&self.routes)?;
        if self.output.is_dry_run() {
            self.take_alone(&sources[self.subscribed..]);
        } else {
            self.consumer.subscribe(&sources).map_err(|error| Fault::Abort(format!("could not subscribe: {error}")))?;
        }
        let outputs = self.routes.iter().flat_map(|route| {
            let outputs = &route.outputs;
            let converter = outputs.converter.clone().map(|topic| (Route::Converter.outcome(), topic));
            let others = [
                (Route::Validated.outcome(), outputs.validated.clone()),
                (Route::DeadLetter.outcome(), outputs.dead_letter.clone()),
            ];
            others.into_iter().chain(converter)
        });
        GateStarted {
            kind: self.settings.gate.word(),
            topics: Topics { sources: sources.iter().map(ToString::to_string).collect(), outputs: outputs.collect() },
            group: self.settings.config.group(&self.settings.gate),
            mode: self.settings.gate.policy.mode.name(),
        }
        .emit(&self.settings.probe);
        self.subscribed = self.routes.topics().len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::telemetry::{Health, Metrics};

    /// Topics of one letter conflict with each other; each question is counted.
    #[test]
    fn new_topics_cost_one_question_unless_some_conflict() {
        let asked = Cell::new(0);
        let conflicts = |topics: &[String]| {
            asked.set(asked.get() + 1);
            let letters = topics.iter().filter(|topic| topic.len() == 1).skip(1);
            letters.map(|topic| config::Error::new(topic.clone(), "conflicts")).collect()
        };
        let many: Vec<String> = (10..1_010).map(|number| number.to_string()).collect();
        let mut new: Vec<&str> = many.iter().map(String::as_str).collect();
        let mut good = vec!["known".to_owned()];
        assert!(admit(&new, &mut good, &conflicts).is_empty());
        assert_eq!((good.len(), asked.take()), (1_001, 1));
        new.splice(500..500, ["a", "b"]);
        let mut good = vec!["known".to_owned()];
        let refused: Vec<_> = admit(&new, &mut good, &conflicts).into_iter().map(|(topic, _)| topic).collect();
        assert_eq!((refused, good.len()), (vec!["b"], 1_002), "the first of two that conflict is served");
        assert!(good.contains(&"a".to_owned()) && asked.get() < 30, "{} questions", asked.get());
    }

    #[test]
    fn a_topic_that_could_not_be_served_and_is_gone_is_released() {
        let (metrics, health) = (Metrics::new(), Health::new(Duration::from_secs(15)));
        let probe = Probe::new(&metrics, &health, "orders", 0);
        for (topic, cause) in
            [("a", HoldCause::Misconfigured), ("b", HoldCause::Misconfigured), ("c", HoldCause::SourceUnavailable)]
        {
            TopicHeld { topic, cause, detail: "" }.emit(&probe);
        }
        release_gone(&probe, &BTreeSet::from(["b".to_owned()]));
        let held: Vec<_> = probe.state().board().held_topics.into_keys().collect();
        assert_eq!(held, ["b", "c"], "'c' waits for its brokers");
    }
}
