//! What a user can say of a topic that is looked at: `sluice tail`.

use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::{ConfigFile, moment};
use crate::filter::{Condition, Mistake, Scope};
use crate::kafka::reading::Start;

/// `sluice tail`.
#[derive(Debug, Args)]
pub struct Tail {
    /// The topic
    #[arg(value_name = "TOPIC")]
    pub topic: String,
    /// Where to begin: earliest, latest, an offset, -N (so many before the end of each partition), a time as
    /// 2026-01-31T08:00:00Z, or how long ago, as 2h
    #[arg(long, value_name = "WHERE", default_value = "latest", value_parser = start, allow_hyphen_values = true)]
    pub from: Start,
    /// End after so many records
    #[arg(long, short = 'n', value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Read this partition only; again for each
    #[arg(long = "partition", short = 'p', value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub partitions: Vec<i32>,
    /// End where the topic ends now, instead of going on with what is written
    #[arg(long, short = 'e')]
    pub exit: bool,
    /// Only records for which this holds, in CEL: 'value.id > 100 && headers.region == "eu"'
    #[arg(long = "filter", value_name = "EXPR", value_parser = condition)]
    pub condition: Option<Arc<Condition>>,
    /// How records are printed
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Form::Json)]
    pub output: Form,
    /// Where the configuration is.
    #[command(flatten)]
    pub file: ConfigFile,
}

/// How records are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// One JSON object per line: position, time, key, value, their schemas, headers
    Json,
    /// Position, time, key and value in columns
    Text,
}

fn condition(text: &str) -> Result<Arc<Condition>, Mistake> {
    Condition::compile(text, Scope::Records).map(Arc::new)
}

fn start(text: &str) -> Result<Start, &'static str> {
    match (text, text.parse::<i64>()) {
        ("earliest", _) => Ok(Start::Earliest),
        ("latest", _) => Ok(Start::Latest),
        (_, Ok(before)) if text.starts_with('-') => Ok(Start::Last(before.saturating_neg())),
        (_, Ok(offset)) => Ok(Start::Offset(offset)),
        (_, Err(_)) => moment(text).map(Start::Time).map_err(
            |_| "give earliest, latest, an offset, -N, a time as 2026-01-31T08:00:00Z, or how long ago, as 2h",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_begin_is_a_word_a_number_or_a_time() {
        for (text, expected) in [
            ("earliest", Ok(Start::Earliest)),
            ("latest", Ok(Start::Latest)),
            ("17", Ok(Start::Offset(17))),
            ("-10", Ok(Start::Last(10))),
            ("1970-01-01T00:00:01Z", Ok(Start::Time(1_000))),
            ("first", Err(())),
        ] {
            assert_eq!(start(text).map_err(drop), expected, "'{text}'");
        }
    }
}
