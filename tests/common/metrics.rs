//! Reading `/metrics`: samples of the text format, by name and labels.

use std::collections::BTreeMap;

/// The samples of one scrape.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metrics(Vec<Sample>);

#[derive(Debug, Clone)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// Counted records by outcome and reason; the reason is empty where there is none.
pub(crate) type Counts = BTreeMap<(String, String), u64>;

impl Metrics {
    /// Parses the text format.
    pub(crate) fn parse(text: &str) -> Self {
        Self(text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).filter_map(sample).collect())
    }

    /// Adds up all samples of a metric that carry these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let matches = |sample: &&Sample| {
            sample.name == name
                && labels.iter().all(|(label, value)| sample.labels.get(*label).is_some_and(|found| found == value))
        };
        self.0.iter().filter(matches).map(|sample| sample.value).sum()
    }

    /// Returns `sluice_records_total` of a gate, without zeros.
    pub(crate) fn records(&self, gate: &str) -> Counts {
        let mut counts = Counts::new();
        for sample in self.0.iter().filter(|sample| sample.name == "sluice_records_total" && sample.value > 0.0) {
            if sample.labels.get("gate").is_some_and(|label| label == gate) {
                let label = |name: &str| sample.labels.get(name).cloned().unwrap_or_default();
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, not negative")]
                let count = sample.value as u64;
                *counts.entry((label("outcome"), label("reason"))).or_default() += count;
            }
        }
        counts
    }
}

fn sample(line: &str) -> Option<Sample> {
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = match series.split_once('{') {
        Some((name, rest)) => (name, rest.strip_suffix('}')?),
        None => (series, ""),
    };
    // Label values of this project hold no quotes and no commas.
    let labels = labels
        .split(',')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()))
        .collect();
    Some(Sample { name: name.to_owned(), labels, value: value.parse().ok()? })
}
