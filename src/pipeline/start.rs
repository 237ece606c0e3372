//! Before the first record: clients, topics, and where to begin.
//!
//! A pipeline waits for its brokers for as long as it takes; only what waiting cannot mend
//! ends it.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, Producer as _};

use super::assignment::Assignment;
use super::breaker::Guard;
use super::close::Closing;
use super::commit::{CALL_STEP, Idle};
use super::consume::{self, Consumer};
use super::deliveries;
use super::discover;
use super::end::Backoff;
use super::fault::Kind;
use super::fetch::Fetch;
use super::map::Map;
use super::mend::Damage;
use super::outage::Outage;
use super::output::Output;
use super::positions;
use super::recover::Recovery;
use super::refused::Refused;
use super::routes::Routes;
use super::run::Loop;
use super::slow;
use super::terms::Terms;
use super::watchdog::Ending;
use super::{Error, Fault, Settings};
use crate::config::Delivery;
use crate::gate::policy::Mode;
use crate::gate::rewrite::Rewrite;
use crate::gate::tally::Tally;
use crate::kafka::clients::{self, Names};
use crate::kafka::ffi::{self, Queue};
use crate::kafka::refusal;
use crate::kafka::topics::{ATTEMPT, Cluster};
use crate::schema::table::SchemaTable;

/// Pause before brokers are asked again while they do not answer.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Makes everything and runs the loop with it.
pub(super) fn start_and_run(settings: &Settings, recovery: &mut Recovery) -> Result<(), Fault> {
    let closing = Closing::new(consumer(settings)?, settings);
    let consumer: &Consumer = &closing;
    let mut routes = Routes::new(settings.gate.clone(), &settings.config.kafka);
    let cluster = Cluster::connect(&settings.config.kafka, ATTEMPT).map_err(discover::asking)?;
    let Some(_) = until_answered(settings, || discover::find(settings, &cluster, &mut routes))? else { return Ok(()) };
    // First the producer: it ends what a predecessor of its name has left open, and the group's offsets wait for that.
    let output = if settings.gate.policy.mode == Mode::DryRun {
        Output::dry_run()
    } else {
        let Some(idle) = until_answered(settings, || producer(settings, &routes, recovery.backoff()))? else {
            return Ok(());
        };
        let Some(map) = until_answered(settings, || Map::prepare(settings, &cluster))? else { return Ok(()) };
        Output::new(idle, map)
    };
    let topics: Vec<_> = routes.iter().map(|route| Arc::clone(&route.topic)).collect();
    let Some(starts) = until_answered(settings, || positions::settle(settings, consumer, &topics))? else {
        return Ok(());
    };
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
        consumer,
        queue: Queue::new(consumer.client()),
        led_at: now,
        cluster,
        routes,
        table: SchemaTable::default(),
        fetch,
        assignment: Assignment::default(),
        output,
        refused: Refused::default(),
        guard: Guard::new(settings, now),
        outage: Outage::default(),
        starts,
        tally: Tally::default(),
        rewrite: Rewrite::timed(slow::clock),
        pending: None,
        is_behind: false,
        committed_at: now,
        recovery,
        damage: Damage::default(),
        discover_at: now + discover::INTERVAL,
        subscribed: 0,
    };
    running.subscribe()?;
    settings.probe.joined();
    running.run()
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
    let context = deliveries::Context::new(settings.gate.name.as_str().into(), settings.gate.keeps_map());
    let client =
        BaseProducer::from_config_and_context(&config, context).map_err(|error| no_client(settings, &error))?;
    if terms.delivery == Delivery::ExactlyOnce
        && let Err(error) = init_transactions(&client, &terms)
    {
        drop(Ending::new(client, terms.call("the end of a producer", "starting")));
        return Err(initialising(error));
    }
    Ok(Idle::new(ffi::Producer::new(client), terms))
}

fn init_transactions(client: &BaseProducer<deliveries::Context>, terms: &Terms) -> KafkaResult<()> {
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
            Err(Fault::Abort(why) | Fault::Lost { why, .. } | Fault::Unsettled { why }) => {
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

fn no_client(settings: &Settings, error: &KafkaError) -> Fault {
    Fault::Fatal(Error::Configuration { reason: refusal::no_client(error, &settings.config.kafka) })
}
