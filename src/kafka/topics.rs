//! Topics of a cluster: list, describe, compare, create.
//!
//! [`Cluster`] asks and changes, [`Plan`] decides, without any I/O: which outputs a gate lacks and how they would be
//! made, which of its topics cannot serve it, and which settings differ from the source's. `run` and
//! `check-config` show the same plan; only `run` with `create_topics` carries it out.
//!
//! The calls wait for the broker, each for a bounded time, and are made from plain threads. Topics are always
//! listed all at once: to ask for one by its name may create it, where brokers create topics by themselves.

mod described;
mod error;
mod letter_state;
mod observer;
mod plan;

pub use described::{BrokerLimits, Described, Descriptions, Setting, Topic};
pub use error::Error;
pub use letter_state::unfit;
pub use plan::{Difference, MAX_MESSAGE_BYTES, Needs, NewTopic, Plan, Refusal};

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};

use futures::executor::block_on;
use rdkafka::ClientConfig;
use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, ConfigSource, OwnedResourceSpecifier, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::MetadataBroker;
use rdkafka::producer::{BaseProducer, Producer as _};

use self::observer::Context;
use super::ffi;
use super::refusal;
use crate::config::Kafka;

/// How long one question may take: a cluster that elects a leader answers within it.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// How long one attempt to list the cluster may take: any broker answers at once. Whoever looks on wants to read within
/// seconds why none does, so after each attempt there is a look whether the reason is known.
pub const ATTEMPT: Duration = Duration::from_secs(4);

/// How often a topic is asked for before it is believed that it is not there: a broker may not know a new one yet.
const DOUBTS: usize = 3;

/// Pause between two such questions.
const DOUBT_PAUSE: Duration = Duration::from_millis(100);

/// How long a new topic may take until all brokers that we ask show it with its leaders.
const APPEARANCE: Duration = Duration::from_secs(30);

/// A topic as metadata shows it.
struct Shape {
    partitions: i32,
    replication: i32,
    /// Whether every partition has a leader.
    is_led: bool,
}

/// A connection that asks for topics and creates them.
#[allow(missing_debug_implementations, reason = "rdkafka's admin client has none")]
pub struct Cluster {
    admin: AdminClient<DefaultClientContext>,
    /// Lists topics. Not the admin client, which reports to nobody why it cannot connect.
    observer: BaseProducer<Context>,
    kafka: Kafka,
    patience: Duration,
}

impl Cluster {
    /// Makes the client; the first question connects it. Brokers have `patience` to answer: whoever asks again anyway needs
    /// no more than one [`ATTEMPT`].
    ///
    /// # Errors
    /// [`Error::Client`] where librdkafka refuses the properties together.
    pub fn connect(kafka: &Kafka, patience: Duration) -> Result<Self, Error> {
        let properties = kafka.common().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut config: ClientConfig = properties.collect();
        // Why a connection failed is told at this level, whatever the level of our own log.
        config.set_log_level(RDKafkaLogLevel::Info);
        let refused = |error| Error::Client(refusal::no_client(&error, kafka));
        let admin = config.create().map_err(refused)?;
        let observer = config.create_with_context(Context::default()).map_err(refused)?;
        Ok(Self { admin, observer, kafka: kafka.clone(), patience })
    }

    /// Lists the names of all topics that this user may see, internal ones included.
    ///
    /// # Errors
    /// [`Error::Unreachable`].
    pub fn list(&self) -> Result<BTreeSet<String>, Error> {
        Ok(self.shapes()?.into_keys().collect())
    }

    /// Describes these topics; those that do not exist, or that this user may not see, are missing in the answer.
    ///
    /// # Errors
    /// [`Error::Unreachable`], and [`Error::Describe`] where settings are refused for another reason than a missing right.
    pub fn describe(&self, names: &BTreeSet<String>) -> Result<BTreeMap<String, Topic>, Error> {
        let mut shapes = self.shapes()?;
        shapes.retain(|name, _| names.contains(name));
        let mut settings = self.settings(shapes.keys())?;
        let topic = |(name, shape): (String, Shape)| {
            let settings = settings.remove(&name).unwrap_or_default();
            let Shape { partitions, replication, .. } = shape;
            (name.clone(), Topic { name, partitions, replication, settings })
        };
        Ok(shapes.into_iter().map(topic).collect())
    }

    /// Counts the brokers that are up.
    ///
    /// # Errors
    /// [`Error::Unreachable`].
    pub fn brokers(&self) -> Result<usize, Error> {
        Ok(self.metadata()?.brokers().len())
    }

    /// Returns the ID of the cluster, where a broker tells it within a moment.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        self.observer.client().fetch_cluster_id(ATTEMPT)
    }

    /// Looks at topics by their names; those that are not there are missing in the answer. One that a broker does not know
    /// (yet) is asked for again before that is believed.
    ///
    /// # Errors
    /// [`Error::Forbidden`] where this user may not describe one, [`Error::Look`].
    pub fn look(&self, names: &BTreeSet<String>) -> Result<BTreeMap<String, Described>, Error> {
        let (mut open, mut found) = (names.iter().map(String::as_str).collect::<Vec<_>>(), BTreeMap::new());
        let began = Instant::now();
        let mut doubts = 0;
        loop {
            let answers = ffi::describe(self.admin.inner(), &open, ATTEMPT);
            let mut failed = answers.as_ref().err().cloned();
            for (name, answer) in answers.unwrap_or_default() {
                match answer {
                    Ok(described) => drop(found.insert(name, described)),
                    Err(RDKafkaErrorCode::UnknownTopicOrPartition) => {}
                    Err(RDKafkaErrorCode::TopicAuthorizationFailed) => return Err(Error::Forbidden { topic: name }),
                    Err(code) => failed = Some(KafkaError::AdminOp(code)),
                }
            }
            open.retain(|name| !found.contains_key(*name));
            if failed.is_none() {
                doubts += 1;
                if open.is_empty() || doubts == DOUBTS {
                    return Ok(found);
                }
            }
            if let Some(source) = failed.filter(|_| began.elapsed() > self.patience) {
                return Err(Error::Look { topics: open.join(", "), source: Box::new(source) });
            }
            thread::sleep(DOUBT_PAUSE);
        }
    }

    /// Asks one broker for its limits; `None` where this user may not ask (DESCRIBE_CONFIGS on the cluster).
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Describe`].
    pub fn limits(&self) -> Result<Option<BrokerLimits>, Error> {
        let Some(broker) = self.broker()? else { return Ok(None) };
        let what = || format!("broker {broker}");
        let resources = self.settings_of(&[ResourceSpecifier::Broker(broker)], Some(broker), what)?;
        let number =
            |resource: &ConfigResource, name| resource.get(name).and_then(|entry| entry.value.as_ref()?.parse().ok());
        Ok(resources.first().filter(|resource| !resource.entries.is_empty()).map(|resource| BrokerLimits {
            message_max_bytes: number(resource, "message.max.bytes"),
            transaction_max_timeout: number(resource, "transaction.max.timeout.ms").map(Duration::from_millis),
        }))
    }

    /// Creates the topics that a plan misses and waits until they show. Topics that another process has created in the
    /// meantime are taken as they are; the caller plans again and compares.
    ///
    /// # Errors
    /// [`Error::Create`] for the first that is refused, [`Error::NotVisible`], [`Error::Unreachable`].
    pub fn create(&self, topics: &[NewTopic], tool_options: &str) -> Result<(), Error> {
        let requests: Vec<_> = topics.iter().map(request).collect();
        let options = AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE));
        let answers =
            block_on(self.admin.create_topics(&requests, &options)).map_err(|error| self.unreachable(error))?;
        for (topic, answer) in topics.iter().zip(answers) {
            match answer {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((name, code)) => {
                    return Err(Error::Create { topic: name, code, command: topic.command(tool_options) });
                }
            }
        }
        self.await_visible(topics)
    }

    /// Deletes a topic.
    ///
    /// # Errors
    /// [`Error::Delete`] where it is refused, [`Error::Unreachable`].
    pub fn delete(&self, topic: &str) -> Result<(), Error> {
        let options = AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE));
        let answers =
            block_on(self.admin.delete_topics(&[topic], &options)).map_err(|error| self.unreachable(error))?;
        let refused = answers.into_iter().find_map(Result::err);
        refused.map_or(Ok(()), |(topic, code)| Err(Error::Delete { topic, code }))
    }

    fn await_visible(&self, topics: &[NewTopic]) -> Result<(), Error> {
        let deadline = Instant::now() + APPEARANCE;
        loop {
            let shapes = self.shapes()?;
            let is_hidden = |name: &&str| !shapes.get(*name).is_some_and(|shape| shape.is_led);
            let mut hidden = topics.iter().map(|topic| topic.name.as_str()).filter(is_hidden);
            let Some(first) = hidden.next() else { return Ok(()) };
            if Instant::now() > deadline {
                let topics: Vec<&str> = std::iter::once(first).chain(hidden).collect();
                return Err(Error::NotVisible { topics: topics.join(", ") });
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn shapes(&self) -> Result<BTreeMap<String, Shape>, Error> {
        let metadata = self.metadata()?;
        let there = metadata.topics().iter().filter(|topic| topic.error().is_none() && !topic.partitions().is_empty());
        let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
        Ok(there
            .map(|topic| {
                let shape = Shape {
                    partitions: count(topic.partitions().len()),
                    replication: topic.partitions().first().map_or(0, |partition| count(partition.replicas().len())),
                    is_led: topic.partitions().iter().all(|partition| partition.leader() >= 0),
                };
                (topic.name().to_owned(), shape)
            })
            .collect())
    }

    fn metadata(&self) -> Result<rdkafka::metadata::Metadata, Error> {
        let mut left = self.patience;
        loop {
            let answer = self.observer.client().fetch_metadata(None, left.min(ATTEMPT));
            left = left.saturating_sub(ATTEMPT);
            match answer {
                Err(error) if left.is_zero() || self.observer.context().reason().is_some() => {
                    return Err(self.unreachable(error));
                }
                Err(_) => {}
                Ok(metadata) => {
                    self.observer.context().forget();
                    return Ok(metadata);
                }
            }
        }
    }

    fn settings<'n>(
        &self,
        names: impl Iterator<Item = &'n String>,
    ) -> Result<BTreeMap<String, BTreeMap<String, Setting>>, Error> {
        let resources: Vec<_> = names.map(|name| ResourceSpecifier::Topic(name)).collect();
        if resources.is_empty() {
            return Ok(BTreeMap::new());
        }
        let what = || format!("{} topics", resources.len());
        let answers = self.settings_of(&resources, self.broker()?, what)?;
        let of_topic = |answer: ConfigResource| match &answer.specifier {
            OwnedResourceSpecifier::Topic(name) => Some((name.clone(), own_settings(answer))),
            OwnedResourceSpecifier::Group(_) | OwnedResourceSpecifier::Broker(_) => None,
        };
        Ok(answers.into_iter().filter_map(of_topic).collect())
    }

    /// Returns a broker that can be asked: any answers for topics. By default the controller is asked, which the one of
    /// `sluice demo` does not have.
    ///
    /// The admin client itself must know it. One that it has not heard of, since that broker was not up when it connected,
    /// it would wait for until its next look at the cluster, minutes later.
    fn broker(&self) -> Result<Option<i32>, Error> {
        let metadata =
            self.admin.inner().fetch_metadata(None, self.patience).map_err(|error| self.unreachable(error))?;
        Ok(metadata.brokers().first().map(MetadataBroker::id))
    }

    /// Asks for settings, with more time than for a list: there may be thousands. Where the user may not, rdkafka drops the
    /// broker's refusal, and the answer has no entries.
    fn settings_of(
        &self,
        resources: &[ResourceSpecifier<'_>],
        broker: Option<i32>,
        what: impl Fn() -> String,
    ) -> Result<Vec<ConfigResource>, Error> {
        let options = AdminOptions::new().request_timeout(Some(PATIENCE)).broker_id(broker);
        let answers = block_on(self.admin.describe_configs(resources, &options));
        let refused = |error| Error::Describe { what: what(), source: Box::new(error) };
        // A broker that does not know the request, such as the one inside `sluice demo`.
        if matches!(answers, Err(KafkaError::AdminOp(RDKafkaErrorCode::UnsupportedFeature))) {
            return Ok(Vec::new());
        }
        let answers = answers.map_err(refused)?.into_iter();
        answers.map(|answer| answer.map_err(|code| refused(KafkaError::AdminOp(code)))).collect()
    }

    fn unreachable(&self, error: KafkaError) -> Error {
        self.observer.poll(Duration::from_millis(50));
        let reason = self.observer.context().reason();
        let reason = reason.map_or_else(|| error.to_string(), |reason| refusal::explain(&reason, &self.kafka));
        Error::Unreachable { brokers: self.kafka.get("bootstrap.servers").unwrap_or_default().to_owned(), reason }
    }
}

fn own_settings(resource: ConfigResource) -> BTreeMap<String, Setting> {
    let setting = |entry: rdkafka::admin::ConfigEntry| {
        let own = matches!(entry.source, ConfigSource::DynamicTopic);
        Some((entry.name, Setting { value: entry.value?, own }))
    };
    resource.entries.into_iter().filter_map(setting).collect()
}

fn request(topic: &NewTopic) -> rdkafka::admin::NewTopic<'_> {
    let request =
        rdkafka::admin::NewTopic::new(&topic.name, topic.partitions, TopicReplication::Fixed(topic.replication));
    topic.settings.iter().fold(request, |request, (name, value)| request.set(name, value))
}

/// Returns the options by which Kafka's own tools reach the same cluster.
#[must_use]
pub fn tool_options(kafka: &Kafka) -> String {
    let brokers = kafka.get("bootstrap.servers").unwrap_or_default();
    let is_plain = kafka.get("security.protocol").is_none_or(|protocol| protocol.eq_ignore_ascii_case("plaintext"));
    let properties = if is_plain { "" } else { " --command-config client.properties" };
    format!("--bootstrap-server {brokers}{properties}")
}
