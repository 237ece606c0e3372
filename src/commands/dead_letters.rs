//! `sluice dead-letters`: listed, explained, counted, and sent again.

mod fates;
mod list;
mod redrive;
mod runs;
mod show;
mod stats;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Write;
use std::time::{Duration, UNIX_EPOCH};

use self::fates::Fates;
use super::{Exit, Failure, load};
use crate::cli::{Chosen, ConfigFile, DeadLettersCommand};
use crate::config::{Config, Sources};
use crate::kafka::reading::{Error, Reading, Span, Start};
use crate::tail::{Choice, Patience};
use crate::telemetry::logging;

/// What the brokers know this by, behind the application.
const PURPOSE: &str = "dead-letters";

/// Does what is asked for.
///
/// # Errors
/// The configuration is wrong, a topic is not there, or the cluster does not answer.
pub(super) async fn run(asked: DeadLettersCommand, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    match asked {
        DeadLettersCommand::List(asked) => tokio::task::block_in_place(|| list::run(&asked, out)),
        DeadLettersCommand::Show(asked) => show::run(asked, out).await,
        DeadLettersCommand::Redrive(asked) => redrive::run(asked, out).await,
        DeadLettersCommand::Runs(asked) => tokio::task::block_in_place(|| runs::run(&asked, out)),
        DeadLettersCommand::Stats(asked) => tokio::task::block_in_place(|| stats::run(&asked, out)),
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if error.is_usage() { Self::usage(error) } else { Self::fatal(error) }
    }
}

/// Reads the configuration, and makes a consumer of this name.
pub(super) fn open(file: &ConfigFile, purpose: &str) -> Result<(Config, Reading), Failure> {
    let config = load(&file.config)?;
    logging::init(config.log).map_err(Failure::fatal)?;
    let reading = Reading::open(&config, purpose)?;
    Ok((config, reading))
}

/// What is to be read.
struct Meant {
    reading: Reading,
    spans: Vec<Span>,
    /// What became of these dead letters.
    fates: Fates,
    /// Which of them.
    choice: Choice,
}

/// Finds what is to be read of the chosen topics, or of those of the configuration.
fn find(chosen: &Chosen, patience: Patience) -> Result<Meant, Failure> {
    let (config, reading) = open(&chosen.file, PURPOSE)?;
    let known = reading.topics()?;
    let start = chosen.filters.filter().since.map_or(Start::Earliest, Start::Time);
    let (topics, mut spans) = (topics(&config, chosen, &known)?, Vec::new());
    for topic in &topics {
        let partitions = known.get(topic).map(Vec::as_slice).unwrap_or_default();
        spans.extend(reading.spans(topic, partitions, start)?);
    }
    // Read after the ends were asked for: what is redriven in the meantime is closed.
    let fates = Fates::read(&reading, &config, &topics, &known)?;
    let (filter, runtime) = (chosen.filters.filter(), tokio::runtime::Handle::current());
    let choice = Choice::new(filter, chosen.condition.as_ref(), (&config.registry, patience), &runtime)?;
    Ok(Meant { reading, spans, fates, choice })
}

fn topics(config: &Config, chosen: &Chosen, known: &BTreeMap<String, Vec<i32>>) -> Result<BTreeSet<String>, Failure> {
    if let Some(missing) = chosen.topics.iter().find(|topic| !known.contains_key(*topic)) {
        return Err(Error::NoTopic(missing.clone()).into());
    }
    if !chosen.topics.is_empty() {
        return Ok(chosen.topics.iter().cloned().collect());
    }
    let configured = configured(config, known.keys().map(String::as_str));
    if configured.is_empty() {
        let problem = anyhow::anyhow!("no gate, converter or conversion of the configuration has a dead-letter topic");
        return Err(Failure::usage(problem).hint("name the topics: sluice dead-letters list TOPIC…"));
    }
    let (there, missing): (BTreeSet<_>, BTreeSet<_>) =
        configured.into_iter().partition(|topic| known.contains_key(topic));
    if !missing.is_empty() {
        let missing: Vec<_> = missing.into_iter().collect();
        tracing::warn!(topics = missing.join(", "), "dead-letter topics that are not on the cluster");
    }
    Ok(there)
}

/// Lists the dead-letter topics of gates, converters and jobs; of patterns, those for the topics that are there.
fn configured<'t>(config: &Config, known: impl Iterator<Item = &'t str> + Clone) -> BTreeSet<String> {
    let conversions = config.migrations.iter().filter_map(|migration| migration.conversion.as_ref());
    let mut topics = BTreeSet::new();
    for gate in config.gates.iter().chain(conversions) {
        let sources: Vec<&str> = match &gate.source {
            Sources::Topics(topics) => topics.iter().map(String::as_str).collect(),
            Sources::Pattern(_) => known.clone().collect(),
        };
        topics.extend(sources.into_iter().filter_map(|source| gate.outputs(source)).map(|outputs| outputs.dead_letter));
    }
    topics
}

/// A time for people, in UTC.
pub(super) struct Time(pub(super) Option<i64>);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// The end of the year 9999, from which on no such text has four digits of a year.
        const LAST: u64 = 253_402_300_800_000;
        match self.0.map(u64::try_from) {
            None => f.pad("-"),
            Some(Ok(millis)) if millis < LAST => {
                humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(millis)).fmt(f)
            }
            Some(_) => write!(f, "{} ms", self.0.unwrap_or_default()),
        }
    }
}

/// A text from a record for a terminal: what would steer it is left out.
pub(super) struct Plain<'a>(pub(super) &'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steers =
            |letter: char| letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}');
        if self.0.contains(steers) { f.pad(&self.0.replace(steers, "\u{fffd}")) } else { f.pad(self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Syntax};

    #[test]
    fn topics_are_those_of_gates_converters_and_jobs() {
        let text = "{application: a, kafka: {bootstrap.servers: 'h:1'}, registry: {url: 'http://r'}, \
            gates: {g: {source: [a, b], validated: v}, p: {source: '^(x.*)\\.raw$', validated: $1}}}";
        let config = Config::parse(text, Syntax::Yaml, &Environment::process()).unwrap();
        let known = ["x1.raw", "x2.raw", "x2", "other"];
        let topics: Vec<_> = configured(&config, known.into_iter()).into_iter().collect();
        assert_eq!(topics, ["v.dead-letter", "x1.dead-letter", "x2.dead-letter"]);
    }

    #[test]
    fn what_records_say_does_not_steer_the_terminal() {
        assert_eq!(format!("{:<5}|", Plain("a\u{1b}[31m\n")), "a\u{fffd}[31m\u{fffd}|");
        assert_eq!(format!("{:<5}|", Plain("abc")), "abc  |");
    }

    #[test]
    fn times_beyond_the_calendar_are_numbers() {
        assert_eq!(Time(Some(0)).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Time(Some(i64::MAX)).to_string(), "9223372036854775807 ms");
        assert_eq!(Time(Some(-1)).to_string(), "-1 ms");
        assert_eq!(Time(None).to_string(), "-");
    }
}
