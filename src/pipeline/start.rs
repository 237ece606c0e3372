//! Before the first record: clients, topics, and where to begin.
//!
//! A pipeline waits for its brokers for as long as it takes; only what waiting cannot mend
//! ends it. `start` is resolved once: for a topic of which the group has no offset at all, the
//! offsets are looked up and committed before anything is read, so that a restart, a second
//! member or a crash in the first second begin at the same records. Partitions and topics
//! that appear later begin at their first record, whatever `start` says: they are new, and
//! nothing of them has been seen.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, Producer as _};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use rustc_hash::FxHashMap;

use super::assignment::Assignment;
use super::breaker::Guard;
use super::commit::{CALL_STEP, Idle, Terms};
use super::consume::{self, Consumer, Named};
use super::discover;
use super::end::Backoff;
use super::fault::Kind;
use super::fetch::Fetch;
use super::offsets;
use super::output::Output;
use super::produce;
use super::recover::Recovery;
use super::refused::Refused;
use super::routes::Routes;
use super::run::Loop;
use super::{Error, Fault, Settings};
use crate::config::{Delivery, Start};
use crate::gate::policy::Mode;
use crate::gate::verdict::Tally;
use crate::kafka::clients::{self, Names, REQUEST_TIMEOUT};
use crate::kafka::topics::{ATTEMPT, Cluster};
use crate::kafka::{ffi, refusal};
use crate::record::{Offset, Partition};
use crate::schema::table::SchemaTable;

/// Pause before brokers are asked again while they do not answer.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Offsets that `start` resolved to, of partitions where the group has none.
pub(super) type Starts = FxHashMap<Named, Offset>;

/// Makes everything and runs the loop with it.
pub(super) fn start_and_run(settings: &Settings, recovery: &mut Recovery) -> Result<(), Fault> {
    let consumer = consumer(settings)?;
    let _closing = Closing(&consumer);
    let mut routes = Routes::new(settings.gate.clone());
    let cluster = Cluster::connect(&settings.config.kafka, ATTEMPT).map_err(discover::asking)?;
    let Some(_) = until_answered(settings, || discover::find(settings, &cluster, &mut routes))? else { return Ok(()) };
    // First the producer: it ends what a predecessor of its name has left open, and the group's offsets wait for that.
    let output = if settings.gate.policy.mode == Mode::DryRun {
        Output::dry_run()
    } else {
        let Some(idle) = until_answered(settings, || producer(settings, &routes, recovery.backoff()))? else {
            return Ok(());
        };
        Output::new(idle, settings.config.kafka.transaction_timeout())
    };
    let topics: Vec<_> = routes.iter().map(|route| Arc::clone(&route.topic)).collect();
    let Some(starts) = until_answered(settings, || settle(settings, &consumer, &topics))? else { return Ok(()) };
    let fetch = Fetch::new(
        Arc::clone(&settings.schemas),
        settings.runtime.clone(),
        settings.gate.unusable_schema,
        settings.config.registry.refresh,
    );
    let now = Instant::now();
    recovery.rejoin(now);
    let mut running = Loop {
        settings,
        consumer: &consumer,
        cluster,
        routes,
        table: SchemaTable::default(),
        fetch,
        assignment: Assignment::default(),
        output,
        refused: Refused::default(),
        guard: Guard::new(settings, now),
        brokers_away: 0,
        starts,
        tally: Tally::default(),
        pending: None,
        is_behind: false,
        committed_at: now,
        recovery,
        discover_at: now + discover::INTERVAL,
        subscribed: 0,
    };
    running.subscribe()?;
    settings.probe.joined();
    running.run()
}

/// Closes the consumer on every way out, a panic included. rdkafka's drop waits until it is closed, and librdkafka
/// closes it once every rebalance is answered: one that was noted and never answered would hang there. Once it
/// terminates, and not before, it takes any assignment as letting go of all.
struct Closing<'c>(&'c Consumer);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.context().close();
        // The consumer is about to be gone: there is nothing to do about a failure.
        self.0.close_queue().ok();
        self.0.unassign().ok();
    }
}

/// Returns the names of this pipeline's clients.
pub(super) fn names(settings: &Settings) -> Names {
    Names::new(&settings.config, &settings.gate, settings.number, &settings.random)
}

fn consumer(settings: &Settings) -> Result<Consumer, Fault> {
    let config = clients::consumer(&settings.config, &names(settings));
    let context = consume::Context::new(settings.gate.name.as_str().into());
    Consumer::from_config_and_context(&config, context).map_err(|error| no_client(settings, &error))
}

/// Makes a producer that can begin: its transactional.id is ours, and whoever had it before is fenced.
pub(super) fn producer(settings: &Settings, routes: &Routes, backoff: Backoff) -> Result<Idle, Fault> {
    let mut config = clients::producer(&settings.config, &names(settings), routes.sizes());
    let terms = Terms {
        gate: settings.gate.name.as_str().into(),
        delivery: settings.config.delivery,
        limit: settings.config.kafka.transaction_timeout(),
        backoff,
        stop: settings.stop.clone(),
    };
    if terms.delivery == Delivery::ExactlyOnce {
        clients::wait_before_retries(&mut config, backoff.wait());
    }
    let context = produce::Context::new(settings.gate.name.as_str().into());
    let client =
        BaseProducer::from_config_and_context(&config, context).map_err(|error| no_client(settings, &error))?;
    if terms.delivery == Delivery::ExactlyOnce {
        init_transactions(&client, &terms).map_err(initialising)?;
    }
    Ok(Idle::new(ffi::Producer::new(client), terms))
}

fn init_transactions(client: &BaseProducer<produce::Context>, terms: &Terms) -> KafkaResult<()> {
    let began = Instant::now();
    loop {
        let watch = terms.watch("init_transactions", "starting");
        let result = client.init_transactions(CALL_STEP);
        drop(watch);
        match result {
            Err(error) if Kind::of(&error) == Kind::Retriable && !terms.is_over(began) => {}
            result => return result,
        }
    }
}

fn initialising(error: KafkaError) -> Fault {
    if error.rdkafka_error_code() == Some(RDKafkaErrorCode::InvalidTransactionTimeout) {
        let reason = "kafka.transaction.timeout.ms is beyond the brokers' transaction.max.timeout.ms; lower the one or raise the other";
        return Fault::Fatal(Error::Configuration { reason: reason.to_owned() });
    }
    if error.rdkafka_error_code() == Some(RDKafkaErrorCode::UnsupportedFeature) {
        let reason =
            "the brokers know no transactions; set 'delivery: at-least-once', or use Apache Kafka 0.11 or newer";
        return Fault::Fatal(Error::Configuration { reason: reason.to_owned() });
    }
    if let KafkaError::Transaction(error) = &error
        && error.is_retriable()
    {
        return Fault::Abort(format!("the transaction coordinator does not answer yet: {}", error.string()));
    }
    Fault::lost("initialise transactions", &error)
}

/// Makes an attempt until it succeeds, or the pipeline is asked to stop (`None`), or waiting cannot mend it.
pub(super) fn until_answered<T>(
    settings: &Settings,
    mut attempt: impl FnMut() -> Result<T, Fault>,
) -> Result<Option<T>, Fault> {
    let mut reported = String::new();
    while !settings.stop.is_asked() {
        settings.probe.beat(Instant::now());
        match attempt() {
            Ok(value) => return Ok(Some(value)),
            Err(Fault::Abort(why) | Fault::Lost { why, .. }) => {
                if why != reported {
                    tracing::warn!(gate = settings.probe.gate(), why, "waiting for the cluster");
                    reported = why;
                }
                thread::sleep(RETRY_PAUSE);
            }
            // Rights that are missing from the start are a mistake in the setup; those that go later, a fault.
            Err(Fault::Fatal(error @ Error::NotAuthorised { .. })) => {
                return Err(Fault::Fatal(Error::Configuration { reason: error.to_string() }));
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok(None)
}

/// Resolves and commits `start` for topics of which the group has no offset.
fn settle(settings: &Settings, consumer: &Consumer, topics: &[Arc<str>]) -> Result<Starts, Fault> {
    let wait = |error: KafkaError| {
        let error = clients::refused_group(consumer).unwrap_or(error);
        Fault::asking("read the offsets of the group", &error)
    };
    let mut found = TopicPartitionList::new();
    for topic in topics {
        let partitions = partitions_of(consumer, topic).map_err(wait)?;
        let mut all = TopicPartitionList::new();
        for partition in partitions {
            all.add_partition(topic, partition);
        }
        let committed = committed_offsets(consumer, all).map_err(wait)?;
        let is_known = |offset: KafkaOffset| matches!(offset, KafkaOffset::Offset(_));
        let is_new_topic = !committed.elements().iter().any(|element| is_known(element.offset()));
        let start = if is_new_topic { settings.gate.start } else { Start::Earliest };
        for element in committed.elements().iter().filter(|element| !is_known(element.offset())) {
            let next = resolve(consumer, topic, element.partition(), start).map_err(wait)?;
            add(&mut found, topic, Partition(element.partition()), next);
        }
    }
    if found.count() > 0 && settings.gate.policy.mode != Mode::DryRun {
        match offsets::commit_start(consumer, &found) {
            Ok(()) => {}
            // The group has members: they have begun, and what is not committed yet they take from its first record.
            Err(KafkaError::ConsumerCommit(
                RDKafkaErrorCode::UnknownMemberId
                | RDKafkaErrorCode::IllegalGeneration
                | RDKafkaErrorCode::RebalanceInProgress,
            )) => return Ok(Starts::default()),
            Err(error) => return Err(wait(error)),
        }
    }
    let elements = found.elements();
    let starts = elements.iter().filter_map(|element| {
        let next = Offset(element.offset().to_raw()?);
        Some(((Arc::from(element.topic()), Partition(element.partition())), next))
    });
    Ok(starts.collect())
}

pub(super) fn partitions_of(consumer: &Consumer, topic: &str) -> KafkaResult<impl Iterator<Item = i32> + use<>> {
    let metadata = consumer.fetch_metadata(Some(topic), REQUEST_TIMEOUT)?;
    let count = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
    Ok((0..).take(count))
}

/// Returns the offset of the first record that `start` means.
fn resolve(consumer: &Consumer, topic: &str, partition: i32, start: Start) -> KafkaResult<Offset> {
    let (first, end) = consumer.fetch_watermarks(topic, partition, REQUEST_TIMEOUT)?;
    let time = match start {
        Start::Earliest => return Ok(Offset(first)),
        Start::Latest => return Ok(Offset(end)),
        Start::Timestamp(time) => time,
    };
    let mut times = TopicPartitionList::new();
    times.add_partition_offset(topic, partition, KafkaOffset::Offset(time))?;
    let offsets = consumer.offsets_for_times(times, REQUEST_TIMEOUT)?;
    let offset = offsets.elements().first().map(|element| element.offset());
    Ok(match offset {
        Some(KafkaOffset::Offset(offset)) => Offset(offset),
        // No record is that young.
        _ => Offset(end),
    })
}

/// Asks what the group has committed. An answer that lacks a partition is none: taken for "nothing", it would be read
/// again from its first record.
fn committed_offsets(consumer: &Consumer, partitions: TopicPartitionList) -> KafkaResult<TopicPartitionList> {
    let committed = consumer.committed_offsets(partitions, REQUEST_TIMEOUT)?;
    for element in committed.elements() {
        element.error()?;
    }
    Ok(committed)
}

/// The next record of a partition, and whether the group has committed it.
#[derive(Debug, Clone)]
pub(super) struct FirstRead {
    pub(super) named: Named,
    pub(super) next: Offset,
    pub(super) is_committed: bool,
}

/// Returns the next record of each partition: what the group has committed, else what `start` said, else the first.
pub(super) fn positions(consumer: &Consumer, partitions: &[Named], starts: &Starts) -> KafkaResult<Vec<FirstRead>> {
    let mut list = TopicPartitionList::new();
    for (topic, partition) in partitions {
        list.add_partition(topic, partition.0);
    }
    let committed = committed_offsets(consumer, list)?;
    let mut positions = Vec::with_capacity(partitions.len());
    for named in partitions {
        let (topic, partition) = named;
        let element = committed.find_partition(topic, partition.0);
        let (next, is_committed) = match (element.map(|element| element.offset()), starts.get(named)) {
            (Some(KafkaOffset::Offset(next)), _) => (Offset(next), true),
            (_, Some(start)) => (*start, false),
            (_, None) => (resolve(consumer, topic, partition.0, Start::Earliest)?, false),
        };
        positions.push(FirstRead { named: named.clone(), next, is_committed });
    }
    Ok(positions)
}

/// Adds a partition and its next record to librdkafka's list.
pub(super) fn add(list: &mut TopicPartitionList, topic: &str, partition: Partition, next: Offset) {
    list.add_partition_offset(topic, partition.0, KafkaOffset::Offset(next.0))
        .expect("an offset from the broker fits librdkafka's range");
}

fn no_client(settings: &Settings, error: &KafkaError) -> Fault {
    Fault::Fatal(Error::Configuration { reason: refusal::no_client(error, &settings.config.kafka) })
}
