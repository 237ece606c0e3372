//! Topics of a cluster: list, describe, compare, create.
//!
//! [`Cluster`] asks and changes, [`Plan`] decides, without any I/O: which outputs a gate lacks and how they would be
//! made, which of its topics cannot serve it, and which settings differ from the source's. `run` and
//! `check-config` show the same plan; only `run` with `create_topics` carries it out.
//!
//! The calls wait for the broker, each for a bounded time, and are made from plain threads. Topics are always
//! listed all at once: to ask for one by its name may create it, where brokers create topics by themselves.

mod plan;

pub use plan::{Difference, MAX_MESSAGE_BYTES, NewTopic, Plan, Refusal};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use futures::executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, ConfigSource, ResourceSpecifier, TopicReplication};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{ClientConfig, ClientContext};

use crate::config::Kafka;

/// How long one question may take: a cluster that elects a leader answers within it.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long a new topic may take until all brokers that we ask show it with its leaders.
const APPEARANCE: Duration = Duration::from_secs(30);

/// A topic as the cluster has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// The name.
    pub name: String,
    /// The number of partitions.
    pub partitions: i32,
    /// The number of replicas of its first partition.
    pub replication: i32,
    /// Its settings by name, those of sensitive value left out. Empty where the user may not ask for them.
    pub settings: BTreeMap<String, Setting>,
}

/// A setting of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The value that applies.
    pub value: String,
    /// Whether the topic itself sets it; else it comes from the brokers and their defaults.
    pub own: bool,
}

/// What the brokers allow, where they tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BrokerLimits {
    /// `message.max.bytes`: the default of topics that set no `max.message.bytes`.
    pub message_max_bytes: Option<u64>,
    /// `transaction.max.timeout.ms`: the longest `transaction.timeout.ms`.
    pub transaction_max_timeout: Option<Duration>,
}

/// Why the cluster gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// librdkafka makes no client of the properties.
    #[error("no Kafka client can be made of the properties in `kafka`")]
    Client(#[source] Box<KafkaError>),
    /// No broker answers.
    #[error("no broker of '{brokers}' answers within {} s{reason}", PATIENCE.as_secs())]
    Unreachable {
        /// `bootstrap.servers`.
        brokers: String,
        /// What the client heard last, after a colon; empty if nothing.
        reason: String,
        /// The answer.
        #[source]
        source: Box<KafkaError>,
    },
    /// A question was not answered.
    #[error("the settings of {what} cannot be read")]
    Describe {
        /// The kind and name of what was asked for.
        what: String,
        /// The answer.
        #[source]
        source: Box<KafkaError>,
    },
    /// A topic was not created.
    #[error("topic '{topic}' cannot be created: {code}; create it with: {command}")]
    Create {
        /// The topic.
        topic: String,
        /// The broker's answer.
        code: RDKafkaErrorCode,
        /// The command that creates it.
        command: String,
    },
    /// Created topics do not show.
    #[error("topics '{topics}' were created, and no broker shows them with all leaders after {} s", APPEARANCE.as_secs())]
    NotVisible {
        /// Their names, with commas between.
        topics: String,
    },
}

/// A connection that asks for topics and creates them.
#[allow(missing_debug_implementations, reason = "rdkafka's admin client has none")]
pub struct Cluster {
    client: AdminClient<Context>,
    context: Context,
    brokers: String,
}

impl Cluster {
    /// Makes the client; the first question connects it.
    ///
    /// # Errors
    /// [`Error::Client`] where librdkafka refuses the properties together.
    pub fn connect(kafka: &Kafka) -> Result<Self, Error> {
        let properties = kafka.common().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config: ClientConfig = properties.collect();
        let context = Context::default();
        let client = config.create_with_context(context.clone()).map_err(|error| Error::Client(Box::new(error)))?;
        let brokers = kafka.get("bootstrap.servers").unwrap_or_default().to_owned();
        Ok(Self { client, context, brokers })
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
        let topic = |(name, (partitions, replication)): (String, (i32, i32))| {
            let settings = settings.remove(&name).unwrap_or_default();
            (name.clone(), Topic { name, partitions, replication, settings })
        };
        Ok(shapes.into_iter().map(topic).collect())
    }

    /// Asks one broker for its limits.
    ///
    /// # Errors
    /// [`Error::Unreachable`], and [`Error::Describe`] where this user may not ask (DESCRIBE_CONFIGS on the cluster).
    pub fn limits(&self) -> Result<BrokerLimits, Error> {
        let metadata = self.metadata()?;
        let Some(broker) = metadata.brokers().first().map(rdkafka::metadata::MetadataBroker::id) else {
            return Ok(BrokerLimits::default());
        };
        let refused = |error| Error::Describe { what: format!("broker {broker}"), source: Box::new(error) };
        let options = AdminOptions::new().request_timeout(Some(PATIENCE));
        let answer = block_on(self.client.describe_configs([&ResourceSpecifier::Broker(broker)], &options));
        let resource = answer.map_err(refused)?.pop().unwrap_or(Err(RDKafkaErrorCode::Fail));
        let resource = resource.map_err(|code| refused(KafkaError::AdminOp(code)))?;
        let number = |name| resource.get(name).and_then(|entry| entry.value.as_ref()?.parse::<u64>().ok());
        Ok(BrokerLimits {
            message_max_bytes: number("message.max.bytes"),
            transaction_max_timeout: number("transaction.max.timeout.ms").map(Duration::from_millis),
        })
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
            block_on(self.client.create_topics(&requests, &options)).map_err(|error| self.unreachable(error))?;
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

    fn await_visible(&self, topics: &[NewTopic]) -> Result<(), Error> {
        let deadline = Instant::now() + APPEARANCE;
        loop {
            let shapes = self.shapes()?;
            let mut hidden = topics.iter().map(|topic| topic.name.as_str()).filter(|name| !shapes.contains_key(*name));
            let Some(first) = hidden.next() else { return Ok(()) };
            if Instant::now() > deadline {
                let topics: Vec<&str> = std::iter::once(first).chain(hidden).collect();
                return Err(Error::NotVisible { topics: topics.join(", ") });
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Returns partitions and replication of every topic whose partitions all have leaders.
    fn shapes(&self) -> Result<BTreeMap<String, (i32, i32)>, Error> {
        let metadata = self.metadata()?;
        let whole = metadata.topics().iter().filter(|topic| topic.error().is_none() && !topic.partitions().is_empty());
        let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
        Ok(whole
            .map(|topic| {
                let replication = topic.partitions().first().map_or(0, |partition| partition.replicas().len());
                (topic.name().to_owned(), (count(topic.partitions().len()), count(replication)))
            })
            .collect())
    }

    fn metadata(&self) -> Result<rdkafka::metadata::Metadata, Error> {
        self.client.inner().fetch_metadata(None, PATIENCE).map_err(|error| self.unreachable(error))
    }

    fn settings<'n>(
        &self,
        names: impl Iterator<Item = &'n String>,
    ) -> Result<BTreeMap<String, BTreeMap<String, Setting>>, Error> {
        let names: Vec<&String> = names.collect();
        if names.is_empty() {
            return Ok(BTreeMap::new());
        }
        let resources: Vec<_> = names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
        // Any broker answers for topics. By default the controller is asked, which the one of `sluice demo` does not have.
        let broker = self.metadata()?.brokers().first().map(rdkafka::metadata::MetadataBroker::id);
        let options = AdminOptions::new().request_timeout(Some(PATIENCE)).broker_id(broker);
        let answers = match block_on(self.client.describe_configs(&resources, &options)) {
            Ok(answers) => answers,
            // A broker that does not know the request, such as the one inside `sluice demo`.
            Err(KafkaError::AdminOp(RDKafkaErrorCode::UnsupportedFeature)) => return Ok(BTreeMap::new()),
            Err(source) => {
                return Err(Error::Describe { what: format!("{} topics", names.len()), source: Box::new(source) });
            }
        };
        let mut settings = BTreeMap::new();
        for (name, answer) in names.into_iter().zip(answers) {
            match answer {
                Ok(resource) => settings.insert(name.clone(), own_settings(resource)),
                Err(RDKafkaErrorCode::TopicAuthorizationFailed) => None,
                Err(code) => {
                    let what = format!("topic '{name}'");
                    return Err(Error::Describe { what, source: Box::new(KafkaError::AdminOp(code)) });
                }
            };
        }
        Ok(settings)
    }

    fn unreachable(&self, error: KafkaError) -> Error {
        let reason = self.context.last_error().map_or(String::new(), |reason| format!(": {reason}"));
        Error::Unreachable { brokers: self.brokers.clone(), reason, source: Box::new(error) }
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

/// Remembers why a connection failed: the calls themselves only say that none came about.
#[derive(Debug, Clone, Default)]
struct Context {
    last_error: Arc<Mutex<Option<String>>>,
}

impl Context {
    fn last_error(&self) -> Option<String> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ClientContext for Context {
    fn error(&self, _: KafkaError, reason: &str) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
    }

    fn log(&self, _: RDKafkaLogLevel, facility: &str, text: &str) {
        tracing::debug!(target: "librdkafka", facility, text);
    }
}
