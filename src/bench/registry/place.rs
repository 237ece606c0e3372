//! Where the log of the node that is measured is: in the broker of `sluice demo`, or in a topic of a real cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::executor::block_on;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;

use crate::config::{Kafka, LOG_TOPIC};
use crate::demo::cluster::Cluster;
use crate::kafka::topics::{self, PATIENCE, tool_options};

/// The topic in a real cluster. Never the registry's own.
const TOPIC: &str = "sluice.bench.registry";

/// Why there is no place for a log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the embedded broker did not start")]
    Broker(#[source] KafkaError),
    #[error("topic '{TOPIC}' cannot be looked at")]
    Topic(#[from] topics::Error),
    #[error("topic '{TOPIC}' cannot be looked into")]
    Look(#[source] KafkaError),
    #[error(
        "topic '{TOPIC}' is there and has records: of another run, or of somebody else's; if nobody needs them: {0}"
    )]
    Taken(String),
}

/// The place of a log.
pub(crate) enum Place {
    /// The broker inside this process.
    Embedded(Cluster),
    /// A topic that is not there, or empty.
    Topic { kafka: Kafka, was_there: bool },
}

impl Place {
    /// Starts a broker.
    pub(crate) fn embedded() -> Result<Self, Error> {
        Cluster::start(&[(LOG_TOPIC, 1)]).map(Self::Embedded).map_err(Error::Broker)
    }

    /// Sees whether the cluster's topic is free. Waits for the brokers.
    pub(crate) fn of_cluster(kafka: Kafka) -> Result<Self, Error> {
        let names = BTreeSet::from([TOPIC.to_owned()]);
        let was_there = topics::Cluster::connect(&kafka, PATIENCE)?.describe(&names)?.contains_key(TOPIC);
        if was_there && has_records(&kafka).map_err(Error::Look)? {
            return Err(Error::Taken(deletion(&kafka)));
        }
        Ok(Self::Topic { kafka, was_there })
    }

    pub(super) fn topic(&self) -> &'static str {
        match self {
            Self::Embedded(_) => LOG_TOPIC,
            Self::Topic { .. } => TOPIC,
        }
    }

    /// Returns the properties by which the node reaches its log, secrets in the clear.
    pub(super) fn kafka(&self) -> BTreeMap<String, String> {
        let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        match self {
            Self::Embedded(cluster) => {
                let servers = cluster.bootstrap_servers();
                // It answers a fetch that waits at the end of its time only: what is written would be read back late.
                [("bootstrap.servers", servers.as_str()), ("fetch.wait.max.ms", "5")].map(pair).into()
            }
            Self::Topic { kafka, .. } => kafka.consumer().chain(kafka.producer()).map(pair).collect(),
        }
    }

    /// Says where the log is.
    pub(crate) fn told(&self) -> String {
        match self {
            Self::Embedded(_) => "the embedded broker".to_owned(),
            Self::Topic { kafka, .. } => {
                format!("topic '{TOPIC}' of {}", kafka.get("bootstrap.servers").unwrap_or_default())
            }
        }
    }

    /// Removes what the node has made, after its end; returns what is left to do where that fails. Waits for the brokers.
    pub(crate) fn clear(self) -> Option<String> {
        let Self::Topic { kafka, was_there } = self else { return None };
        if was_there {
            return Some(format!("topic '{TOPIC}' was there before and stays; to delete it: {}", deletion(&kafka)));
        }
        let error = delete(&kafka).err()?;
        Some(format!("topic '{TOPIC}' stays ({error}); to delete it: {}", deletion(&kafka)))
    }
}

fn has_records(kafka: &Kafka) -> Result<bool, KafkaError> {
    let mut config: ClientConfig = kafka.consumer().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    config.set("allow.auto.create.topics", "false");
    let consumer: BaseConsumer = config.create()?;
    let (begin, end) = consumer.fetch_watermarks(TOPIC, 0, PATIENCE)?;
    Ok(end > begin)
}

fn delete(kafka: &Kafka) -> Result<(), KafkaError> {
    let config: ClientConfig = kafka.common().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let admin: AdminClient<DefaultClientContext> = config.create()?;
    let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(10)));
    let answers = block_on(admin.delete_topics(&[TOPIC], &options))?;
    answers.into_iter().try_for_each(|answer| match answer {
        Ok(_) => Ok(()),
        Err((_, code)) => Err(KafkaError::AdminOp(code)),
    })
}

fn deletion(kafka: &Kafka) -> String {
    format!("kafka-topics.sh {} --delete --topic {TOPIC}", tool_options(kafka))
}
