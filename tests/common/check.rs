//! The universal check: whether every record that was sent met exactly one, right outcome.
//!
//! [`check`] is a plain function from what is true ([`Truth`]) and what was seen ([`Seen`]) to a list of findings, so it
//! is tested itself (`tests/universal_check.rs`): it must find one record dropped, doubled, swapped, misrouted or
//! altered. [`Seen::observe`] reads the cluster as a consumer with `read_committed` does.
//!
//! A record is recognised by its whole content, which the traffic makes unique; where a producer has written one again,
//! its copies come out in the order of their offsets. The headers with which a gate says where a dead letter came from are
//! compared with the truth, never believed.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::{Duration, Instant};

use sluice::gate::verdict::Route;

use super::client::{Content, Read, TopicPartition};
use super::conversion::Conversion;
use super::kafka::Cluster;
use super::metrics::Counts;
use super::traffic::Sent;

/// The topics that a source's records leave to.
#[derive(Debug, Clone)]
pub(crate) struct Outputs {
    /// For good records.
    pub(crate) validated: String,
    /// For records of incompatible versions.
    pub(crate) converter: String,
    /// For records at fault.
    pub(crate) dead_letter: String,
}

/// What must be.
#[derive(Debug)]
pub(crate) struct Truth<'a> {
    /// All that was sent.
    pub(crate) sent: &'a [Sent],
    /// Where the records of each source topic leave to.
    pub(crate) outputs: &'a BTreeMap<String, Outputs>,
    /// The name of the gate.
    pub(crate) gate: &'a str,
    /// Whether a record may come out more than once (at-least-once delivery).
    pub(crate) duplicates: bool,
    /// Whether records keep their partition.
    pub(crate) same_partition: bool,
    /// The counters, where one process lived through it all.
    pub(crate) counts: Option<Counts>,
    /// What becomes of records that are converted, where some are.
    pub(crate) converted: Option<Conversion>,
}

/// What is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// All records of all outputs, each partition in its order.
    pub(crate) read: Vec<Read>,
    /// Committed offsets of the group: of the *next* record.
    pub(crate) committed: BTreeMap<TopicPartition, i64>,
    /// Partitions of outputs in which a transaction is open.
    pub(crate) open: Vec<TopicPartition>,
    /// The counters of the gate.
    pub(crate) counts: Counts,
}

/// Something that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finding {
    /// A record is in no output.
    Missing(String),
    /// A record came out more than once.
    Doubled(String),
    /// A record came out where it does not belong.
    Misrouted(String),
    /// A record came out with a change.
    Altered(String),
    /// A record came out that nobody sent.
    Unknown(String),
    /// Records changed places.
    Disordered(String),
    /// A header of a dead letter is wrong.
    DeadLetterHeader(String),
    /// The group has not committed all.
    NotCommitted(String),
    /// A transaction is open at the end.
    OpenTransaction(String),
    /// Counters differ from the truth.
    Counters(String),
}

/// How long the markers of a transaction may come after its commit was answered: less than the timeout by which a
/// coordinator would end one that was left open.
const MARKERS: Duration = Duration::from_secs(2);

/// The least number of looks for them: a broker that stands still answers none.
const LOOKS: u32 = 30;

fn open_transactions(cluster: &Cluster, topics: &[&str]) -> Vec<TopicPartition> {
    let of_topic = |topic: &&str| {
        let committed = cluster.ends(topic, "read_committed");
        let all = cluster.ends(topic, "read_uncommitted").into_iter();
        all.filter(|(place, end)| committed[place] < *end).map(|(place, _)| place).collect::<Vec<_>>()
    };
    topics.iter().flat_map(of_topic).collect()
}

impl Seen {
    /// Reads all outputs, the group's offsets, and the ends of the outputs.
    pub(crate) fn observe(cluster: &Cluster, outputs: &BTreeMap<String, Outputs>, group: &str) -> Self {
        Self::observe_from(cluster, outputs, group, &BTreeMap::new())
    }

    /// The same without what stands in the outputs before these offsets.
    pub(crate) fn observe_from(
        cluster: &Cluster,
        outputs: &BTreeMap<String, Outputs>,
        group: &str,
        starts: &BTreeMap<TopicPartition, i64>,
    ) -> Self {
        let topics = topics(outputs);
        let sources: Vec<_> = outputs.keys().map(String::as_str).collect();
        // A coordinator answers a commit before the partitions have its markers: only what stays open is open.
        let start = Instant::now();
        let mut open = open_transactions(cluster, &topics);
        let mut looks = 1;
        while !open.is_empty() && (start.elapsed() < MARKERS || looks < LOOKS) {
            looks += 1;
            std::thread::sleep(Duration::from_millis(50));
            open = open_transactions(cluster, &topics);
        }
        let read = cluster.read_from(&topics, starts);
        Self { read, committed: cluster.committed(group, &sources), open, counts: Counts::new() }
    }
}

fn topics(outputs: &BTreeMap<String, Outputs>) -> Vec<&str> {
    let mut topics: Vec<_> = outputs.values().flat_map(|o| [&*o.validated, &*o.converter, &*o.dead_letter]).collect();
    topics.sort_unstable();
    topics.dedup();
    topics
}

/// Returns where all outputs end now, open transactions included.
pub(crate) fn ends_of(cluster: &Cluster, outputs: &BTreeMap<String, Outputs>) -> BTreeMap<TopicPartition, i64> {
    topics(outputs).into_iter().flat_map(|topic| cluster.ends(topic, "read_uncommitted")).collect()
}

/// Compares what is with what must be; an empty list is a pass.
pub(crate) fn check(truth: &Truth<'_>, seen: &Seen) -> Vec<Finding> {
    let matches = recognise(truth, &seen.read);
    let mut findings = matches.findings;
    for (number, sent) in truth.sent.iter().enumerate() {
        findings.extend(outcome(truth, sent, &matches.copies[number], &seen.read));
    }
    findings.extend(order(truth, &matches.origin, &seen.read));
    findings.extend(committed(truth, seen));
    findings
        .extend(seen.open.iter().map(|(topic, partition)| Finding::OpenTransaction(format!("{topic}-{partition}"))));
    if let Some(expected) = truth.counts.as_ref().filter(|expected| **expected != seen.counts) {
        findings.push(Finding::Counters(format!("expected {expected:?}, found {:?}", seen.counts)));
    }
    findings
}

/// Which output is which record.
struct Matches {
    /// For each record sent, the numbers of its copies in the outputs.
    copies: Vec<Vec<usize>>,
    /// For each output, the number of the record sent.
    origin: Vec<Option<usize>>,
    findings: Vec<Finding>,
}

fn recognise(truth: &Truth<'_>, read: &[Read]) -> Matches {
    let mut by_content: HashMap<Cow<'_, Content>, Vec<usize>> = HashMap::with_capacity(truth.sent.len());
    for (number, sent) in truth.sent.iter().enumerate() {
        let leaves = match &truth.converted {
            Some(conversion) if sent.expected.route == Route::Converted => Cow::Owned(conversion.of(&sent.content)),
            _ => Cow::Borrowed(&sent.content),
        };
        let same = by_content.entry(leaves).or_default();
        let is_copy = same.iter().all(|&other| truth.sent[other].source == sent.source);
        assert!(is_copy, "the records of the traffic are all different");
        same.push(number);
        same.sort_unstable_by_key(|&number| truth.sent[number].offset);
    }
    let mut matches =
        Matches { copies: vec![Vec::new(); truth.sent.len()], origin: vec![None; read.len()], findings: Vec::new() };
    for (index, output) in read.iter().enumerate() {
        let content = as_it_came(truth, output);
        let next = |same: &Vec<usize>| same.iter().copied().min_by_key(|&number| matches.copies[number].len());
        let number = by_content.get(&content).and_then(next).or_else(|| {
            let likely = likely(truth, &content);
            matches.findings.push(match likely {
                Some(number) => Finding::Altered(difference(&truth.sent[number], &content)),
                None => Finding::Unknown(place(output)),
            });
            likely
        });
        matches.origin[index] = number;
        if let Some(number) = number {
            matches.copies[number].push(index);
        }
    }
    matches
}

/// Returns the content of an output as it must have been at the source: a dead letter without the gate's headers, and,
/// where the broker stamped it, with the timestamp that the gate noted.
fn as_it_came(truth: &Truth<'_>, output: &Read) -> Content {
    let mut content = output.content.clone();
    if truth.outputs.values().any(|outputs| outputs.dead_letter == output.topic) {
        if output.append_time {
            let noted = header(&output.content, "sluice.source.timestamp").and_then(|text| text.parse().ok());
            content.timestamp = noted.unwrap_or(-1);
        }
        content.headers.retain(|(name, _)| !name.starts_with("sluice."));
    }
    content
}

/// Finds the record that an altered output most likely was: timestamps are unique, and so are most values.
fn likely(truth: &Truth<'_>, content: &Content) -> Option<usize> {
    let find = |same: &dyn Fn(&Content) -> bool| truth.sent.iter().position(|sent| same(&sent.content));
    find(&|sent| sent.timestamp == content.timestamp).or_else(|| {
        content.value.as_ref()?;
        find(&|sent| sent.value == content.value && sent.key == content.key)
    })
}

/// Judges the copies of one record.
fn outcome(truth: &Truth<'_>, sent: &Sent, copies: &[usize], read: &[Read]) -> Vec<Finding> {
    let outputs = &truth.outputs[&sent.source.0];
    let expected = match sent.expected.route {
        Route::Validated | Route::Converted => Some(&outputs.validated),
        Route::Converter => Some(&outputs.converter),
        Route::DeadLetter => Some(&outputs.dead_letter),
        Route::None | Route::Skipped => None,
    };
    let mut findings = Vec::new();
    match (copies.len(), expected) {
        (0, Some(topic)) => findings.push(Finding::Missing(format!("{} of '{topic}'", name(sent)))),
        (2.., _) if !truth.duplicates => {
            let places: Vec<_> = copies.iter().map(|&copy| place(&read[copy])).collect();
            findings.push(Finding::Doubled(format!("{} is at {}", name(sent), places.join(", "))));
        }
        _ => {}
    }
    for output in copies.iter().map(|&copy| &read[copy]) {
        if expected != Some(&output.topic) {
            findings.push(Finding::Misrouted(format!("{} is at {}, not in {expected:?}", name(sent), place(output))));
        }
        if truth.same_partition && output.partition != sent.source.1 {
            findings.push(Finding::Misrouted(format!("{} is at {}, another partition", name(sent), place(output))));
        }
        if output.topic == outputs.dead_letter {
            findings.extend(dead_letter(truth, sent, output));
        }
    }
    findings
}

/// Compares the headers that the gate added with the truth.
fn dead_letter(truth: &Truth<'_>, sent: &Sent, output: &Read) -> Vec<Finding> {
    let mut wrong = Vec::new();
    let mut must = |name: &str, expected: String| {
        let found = header(&output.content, name);
        if found.as_deref() != Some(&*expected) {
            wrong.push(format!("'{name}' is {found:?}, not '{expected}'"));
        }
    };
    must("sluice.source.topic", sent.source.0.clone());
    must("sluice.source.partition", sent.source.1.to_string());
    must("sluice.source.offset", sent.offset.to_string());
    must("sluice.source.timestamp", sent.content.timestamp.to_string());
    must("sluice.gate", truth.gate.to_owned());
    must("sluice.attempt", "1".to_owned());
    if let Some(reason) = sent.expected.reason {
        must("sluice.reason", reason.name().to_owned());
    }
    for name in ["sluice.detail", "sluice.gate.version"] {
        if header(&output.content, name).is_none_or(|text| text.is_empty() || text.contains('\n')) {
            wrong.push(format!("'{name}' is not one line"));
        }
    }
    wrong.extend(repeated(&output.content));
    wrong.into_iter().map(|what| Finding::DeadLetterHeader(format!("{}: {what}", name(sent)))).collect()
}

/// Names the gate's headers that come twice or are no text.
fn repeated(content: &Content) -> Vec<String> {
    let ours: Vec<_> = content.headers.iter().filter(|(name, _)| name.starts_with("sluice.")).collect();
    let mut wrong = Vec::new();
    for (index, (name, value)) in ours.iter().enumerate() {
        if ours[..index].iter().any(|(earlier, _)| earlier == name) {
            wrong.push(format!("'{name}' comes twice"));
        }
        if value.as_ref().is_none_or(|bytes| std::str::from_utf8(bytes).is_err()) {
            wrong.push(format!("'{name}' is no text"));
        }
    }
    wrong
}

/// Checks that the first copies of records of one source partition stand in their order, in each partition of each
/// output; where records change partition, that those of one key do.
fn order(truth: &Truth<'_>, origin: &[Option<usize>], read: &[Read]) -> Vec<Finding> {
    let mut places: Vec<_> = (0..read.len()).collect();
    places.sort_by_key(|&index| (&read[index].topic, read[index].partition, read[index].offset));
    let mut come = vec![false; truth.sent.len()];
    let mut last: HashMap<_, i64> = HashMap::new();
    let mut findings = Vec::new();
    for index in places {
        let Some(number) = origin[index] else { continue };
        if std::mem::replace(&mut come[number], true) {
            continue;
        }
        let (output, sent) = (&read[index], &truth.sent[number]);
        let key = (!truth.same_partition).then_some(&sent.content.key);
        let before = last.insert((&output.topic, output.partition, &sent.source, key), sent.offset);
        if before.is_some_and(|before| before > sent.offset) {
            findings.push(Finding::Disordered(format!("{} is at {}, after a later one", name(sent), place(output))));
        }
    }
    findings
}

fn committed(truth: &Truth<'_>, seen: &Seen) -> Vec<Finding> {
    let next = ends(truth.sent);
    let lags = next.iter().filter(|(partition, end)| seen.committed.get(*partition).is_none_or(|found| found < *end));
    lags.map(|(partition, end)| {
        Finding::NotCommitted(format!("{partition:?}: {:?}, not {end}", seen.committed.get(partition)))
    })
    .collect()
}

/// Returns the offset after the last record sent, by source partition.
pub(crate) fn ends(sent: &[Sent]) -> BTreeMap<TopicPartition, i64> {
    let mut ends = BTreeMap::new();
    for record in sent {
        let end = ends.entry(record.source.clone()).or_insert(0);
        *end = record.offset.max(*end - 1) + 1;
    }
    ends
}

fn header(content: &Content, name: &str) -> Option<String> {
    let (_, value) = content.headers.iter().find(|(found, _)| found == name)?;
    Some(String::from_utf8_lossy(value.as_ref()?).into_owned())
}

fn name(sent: &Sent) -> String {
    format!("{}-{}@{} ({:?})", sent.source.0, sent.source.1, sent.offset, sent.class)
}

fn place(output: &Read) -> String {
    format!("{}-{}@{}", output.topic, output.partition, output.offset)
}

fn difference(sent: &Sent, found: &Content) -> String {
    let parts = [
        ("key", sent.content.key != found.key),
        ("value", sent.content.value != found.value),
        ("headers", sent.content.headers != found.headers),
        ("timestamp", sent.content.timestamp != found.timestamp),
    ];
    let changed: Vec<_> = parts.iter().filter(|(_, changed)| *changed).map(|(part, _)| *part).collect();
    format!("{}: {}", name(sent), changed.join(", "))
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// Fails with the first findings, if there are any.
pub(crate) fn assert_clean(findings: &[Finding]) {
    let shown: Vec<_> = findings.iter().take(15).map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{} findings, the first of them:\n  {}", findings.len(), shown.join("\n  "));
}
