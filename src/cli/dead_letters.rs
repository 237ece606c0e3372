//! What a user can say of dead letters: `sluice dead-letters`.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};

use super::{ConfigFile, Output, moment};
use crate::dead_letters::{Filter, State};
use crate::filter::{Condition, Mistake, Scope};
use crate::record::Part;
use crate::schema::{SchemaGuid, SchemaId, SchemaRef};

/// `sluice dead-letters`.
#[derive(Debug, Subcommand)]
pub enum DeadLettersCommand {
    /// List dead letters by their headers, those of Connect, Streams and Spring too
    List(DeadLettersList),
    /// Explain one: why, what to do, and the byte at fault by the registry's schema of today
    Show(DeadLettersShow),
    /// Count them by reason, schema and hour, with first, last and how many keys are concerned
    Stats(DeadLettersStats),
    /// Judge them by the registry's schemas of today, and send those that pass, exactly once
    Redrive(DeadLettersRedrive),
    /// List the redrives of a topic: who, when, which dead letters, and what became of them
    Runs(DeadLettersRuns),
}

/// `sluice dead-letters redrive`.
#[derive(Debug, Args)]
pub struct DeadLettersRedrive {
    /// The dead-letter topic
    #[arg(value_name = "TOPIC")]
    pub topic: String,
    /// Which dead letters.
    #[command(flatten)]
    pub filters: Filters,
    /// Of which this holds, in CEL: 'reason.startsWith("invalid") && value.id > 100'
    #[arg(long = "filter", value_name = "EXPR", value_parser = condition)]
    pub condition: Option<Arc<Condition>>,
    /// Judge all by this gate or converter, and not by the one that each names; those of other tools name none
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Take all values for written with this schema, whatever ID they name, and send them with it
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(i32).range(0..))]
    pub writer_schema: Option<i32>,
    /// Where records go that pass: where the gate would send them today, or back to their source topic
    #[arg(long, value_name = "WHERE", value_enum, default_value_t = To::Validated)]
    pub to: To,
    /// Pass over records that have become dead letters more often
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_attempts: u32,
    /// Send so many records per second at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), requires = "run")]
    pub rate: Option<u32>,
    /// Do it; without this, nothing is written
    #[arg(long)]
    pub run: bool,
    /// Where the configuration is.
    #[command(flatten)]
    pub file: ConfigFile,
    /// How the counts are printed
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// Where a redrive sends records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum To {
    /// To the validated or converter topic
    Validated,
    /// To the topic and partition that they came from
    Source,
}

/// `sluice dead-letters list`.
#[derive(Debug, Args)]
pub struct DeadLettersList {
    /// Which dead letters.
    #[command(flatten)]
    pub chosen: Chosen,
    /// In which state.
    #[command(flatten)]
    pub states: States,
    /// Go on with what is written, until interrupted
    #[arg(long, short)]
    pub follow: bool,
    /// End after so many
    #[arg(long, short = 'n', value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// How they are printed; json: one object per line
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `sluice dead-letters stats`.
#[derive(Debug, Args)]
pub struct DeadLettersStats {
    /// Which dead letters.
    #[command(flatten)]
    pub chosen: Chosen,
    /// In which state.
    #[command(flatten)]
    pub states: States,
    /// How the counts are printed
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `sluice dead-letters show`.
#[derive(Debug, Args)]
pub struct DeadLettersShow {
    /// The dead-letter topic
    #[arg(value_name = "TOPIC")]
    pub topic: String,
    /// The partition there
    #[arg(value_name = "PARTITION", value_parser = clap::value_parser!(i32).range(0..))]
    pub partition: i32,
    /// The offset there, as `list` prints it
    #[arg(value_name = "OFFSET", value_parser = clap::value_parser!(i64).range(0..))]
    pub offset: i64,
    /// Show what the record holds, too: all bytes, as text beside them, its own headers, other tools' messages
    #[arg(long)]
    pub values: bool,
    /// Where the configuration is.
    #[command(flatten)]
    pub file: ConfigFile,
    /// How it is printed
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `sluice dead-letters runs`.
#[derive(Debug, Args)]
pub struct DeadLettersRuns {
    /// The dead-letter topic
    #[arg(value_name = "TOPIC")]
    pub topic: String,
    /// Where the configuration is.
    #[command(flatten)]
    pub file: ConfigFile,
    /// How they are printed
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// Dead letters in which state; without a word the open ones.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct States {
    /// The closed ones, too: those that were redriven
    #[arg(long)]
    all: bool,
    /// Only the closed ones
    #[arg(long, conflicts_with = "all")]
    closed: bool,
}

impl States {
    /// Tells whether a dead letter in this state is meant; where nothing tells of states, all are open.
    #[must_use]
    pub fn take(self, state: Option<State<'_>>) -> bool {
        self.all || state.is_none_or(State::is_open) != self.closed
    }
}

/// Which dead letters.
#[derive(Debug, Args)]
pub struct Chosen {
    /// Dead-letter topics; none: those of the configured gates, converters and jobs
    #[arg(value_name = "TOPIC")]
    pub topics: Vec<String>,
    /// Which of them.
    #[command(flatten)]
    pub filters: Filters,
    /// Of which this holds, in CEL: 'reason.startsWith("invalid") && value.id > 100'
    #[arg(long = "filter", value_name = "EXPR", value_parser = condition)]
    pub condition: Option<Arc<Condition>>,
    /// Where the configuration is.
    #[command(flatten)]
    pub file: ConfigFile,
}

/// Which dead letters of a topic.
#[derive(Debug, Args)]
pub struct Filters {
    /// Of this reason: a code, or another tool's exception class; again for each
    #[arg(long = "reason", value_name = "CODE")]
    reasons: Vec<String>,
    /// Of this gate, converter, connector or group; again for each
    #[arg(long = "gate", value_name = "NAME")]
    gates: Vec<String>,
    /// Of a schema in this subject; again for each
    #[arg(long = "subject", value_name = "SUBJECT")]
    subjects: Vec<String>,
    /// Of this schema, by ID or GUID; again for each
    #[arg(long = "schema", value_name = "ID", value_parser = schema)]
    schemas: Vec<SchemaRef>,
    /// From this source topic; again for each
    #[arg(long = "source", value_name = "TOPIC")]
    sources: Vec<String>,
    /// From this partition of the source; again for each
    #[arg(long = "source-partition", value_name = "N")]
    partitions: Vec<i32>,
    /// From these offsets of the source: one, or FIRST..LAST
    #[arg(long = "source-offsets", value_name = "RANGE", value_parser = offsets)]
    offsets: Option<RangeInclusive<i64>>,
    /// Written at this time or later: 2026-01-31T08:00:00Z, or so long ago, as in 2h
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<i64>,
    /// Written before this time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<i64>,
    /// Of this field or one below it; [*] is any item, {*} any entry
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// At fault in its key, or in its value
    #[arg(long, value_name = "PART", value_enum)]
    part: Option<PartName>,
}

/// Key or value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PartName {
    Key,
    Value,
}

impl Filters {
    /// Returns what was asked for by its options, as it was given but for times, which are those that were meant.
    #[must_use]
    pub fn given(&self) -> BTreeMap<String, Vec<String>> {
        let texts = |values: &[String]| values.to_vec();
        let number = |value: Option<i64>| value.iter().map(ToString::to_string).collect();
        let range = |range: &RangeInclusive<i64>| format!("{}..{}", range.start(), range.end());
        let part = |part: &PartName| if *part == PartName::Key { "key" } else { "value" }.to_owned();
        let all = [
            ("reason", texts(&self.reasons)),
            ("gate", texts(&self.gates)),
            ("subject", texts(&self.subjects)),
            ("schema", self.schemas.iter().map(ToString::to_string).collect()),
            ("source", texts(&self.sources)),
            ("source-partition", self.partitions.iter().map(ToString::to_string).collect()),
            ("source-offsets", self.offsets.iter().map(range).collect()),
            ("since", number(self.since)),
            ("until", number(self.until)),
            ("path", self.path.iter().cloned().collect()),
            ("part", self.part.iter().map(part).collect()),
        ];
        all.into_iter().filter(|(_, given)| !given.is_empty()).map(|(name, given)| (name.to_owned(), given)).collect()
    }

    /// Returns what was asked for as a filter.
    #[must_use]
    pub fn filter(&self) -> Filter {
        let part = |part| match part {
            PartName::Key => Part::Key,
            PartName::Value => Part::Value,
        };
        Filter {
            reasons: self.reasons.clone(),
            gates: self.gates.clone(),
            subjects: self.subjects.clone(),
            schemas: self.schemas.clone(),
            topics: self.sources.clone(),
            partitions: self.partitions.clone(),
            offsets: self.offsets.clone(),
            path: self.path.clone(),
            part: self.part.map(part),
            since: self.since,
            until: self.until,
        }
    }
}

fn schema(text: &str) -> Result<SchemaRef, &'static str> {
    let id = text.parse().ok().filter(|id| *id >= 0).map(|id| SchemaRef::Id(SchemaId(id)));
    let guid = || SchemaGuid::parse(text).map(SchemaRef::Guid);
    id.or_else(guid).ok_or("give a schema ID or a GUID")
}

fn condition(text: &str) -> Result<Arc<Condition>, Mistake> {
    Condition::compile(text, Scope::DeadLetters).map(Arc::new)
}

fn offsets(text: &str) -> Result<RangeInclusive<i64>, &'static str> {
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    let number = |text: &str, open| if text.is_empty() { Ok(open) } else { text.parse() };
    match (number(first, 0), number(last, i64::MAX)) {
        (Ok(first), Ok(last)) if !text.is_empty() && first <= last => Ok(first..=last),
        _ => Err("give an offset, or FIRST..LAST, of which either may be left out"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_dead_letters_are_meant_unless_others_are_asked_for() {
        let (all, closed) = (States { all: true, closed: false }, States { all: false, closed: true });
        for (state, expected) in [
            (None, [true, true, false]),
            (Some(State::Open), [true, true, false]),
            (Some(State::Failed(None)), [true, true, false]),
            (Some(State::Redriven), [false, true, true]),
        ] {
            assert_eq!([States::default(), all, closed].map(|states| states.take(state)), expected, "{state:?}");
        }
    }

    #[test]
    fn offsets_are_one_or_a_range() {
        for (text, expected) in [
            ("5", Ok(5..=5)),
            ("5..9", Ok(5..=9)),
            ("5..", Ok(5..=i64::MAX)),
            ("..9", Ok(0..=9)),
            ("9..5", Err(())),
            ("", Err(())),
            ("a..b", Err(())),
        ] {
            assert_eq!(offsets(text).map_err(drop), expected, "'{text}'");
        }
    }
}
