//! What a job's conversion would do with what was read of the source: by schema, and by what would fail.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cast::size;
use super::convert::{Converter, Outcome};
use super::offsets::Spot;
use super::state::{Conversion, Target};
use crate::config::Mappings;
use crate::gate::verdict::Finding;
use crate::kafka::ffi::Message;
use crate::pipeline::consume;
use crate::record::Part;
use crate::schema::table::{Entry, Judgement};
use crate::wire::{self, WireFormat};

/// Records that are told of each reason.
const EXAMPLES: usize = 5;

/// What a conversion would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ways {
    /// What the values would become.
    pub value: Target,
    /// What the keys would become; none where they pass.
    pub key: Option<Target>,
    /// The topic of dead letters.
    pub dead_letter: String,
    /// The mappings.
    #[serde(default)]
    pub mappings: Mappings,
    /// Records that would be copied as they are.
    pub copied: u64,
    /// Records that would be converted.
    pub converted: u64,
    /// The schemas that values name.
    pub schemas: BTreeMap<String, Way>,
    /// What would fail, by reason.
    pub faults: BTreeMap<String, Fault>,
}

/// The way of one schema.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Way {
    /// Records seen.
    pub records: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// Those that would be dead letters.
    pub dead_letters: u64,
    /// Where it is registered: in the target's subject if it is there.
    pub subject: Option<String>,
    /// Its version there.
    pub version: Option<i32>,
    /// `mapping`, `rules`, `resolution`, `same`, `as it is` for the target's own schema, or `none`.
    pub way: String,
    /// What is not carried.
    pub loses: Vec<String>,
    /// Why there is no way.
    pub reason: Option<String>,
}

/// Records that would be dead letters for one reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// How many.
    pub records: u64,
    /// Partition and offset of the first of them.
    pub examples: Vec<Spot>,
    /// What was found of the first, without its value.
    pub detail: String,
}

impl Ways {
    pub(super) fn new(fixed: Conversion) -> Self {
        let Conversion { value, key, dead_letter, mappings, .. } = fixed;
        let mappings = mappings.unwrap_or_default();
        let (schemas, faults) = (BTreeMap::new(), BTreeMap::new());
        Self { value, key, dead_letter, mappings, copied: 0, converted: 0, schemas, faults }
    }

    /// Tells, in words, whether a job that begins now would be fixed to something else than when its plan was made.
    pub(super) fn change(planned: Option<&Self>, now: Option<&Conversion>) -> Option<String> {
        let none = Mappings::default();
        let planned = planned.map(|ways| (&ways.value, ways.key.as_ref(), &ways.mappings));
        let now = now.map(|fixed| (&fixed.value, fixed.key.as_ref(), fixed.mappings.as_ref().unwrap_or(&none)));
        let words = |fixed: Option<(&Target, Option<&Target>, &Mappings)>| match fixed {
            None => "no conversion".to_owned(),
            Some((value, None, _)) => format!("values to {value}"),
            Some((value, Some(key), _)) => format!("values to {value}, keys to {key}"),
        };
        let targets = |fixed: Option<(_, _, _)>| fixed.map(|(value, key, _)| (value, key));
        match planned == now {
            true => None,
            false if targets(planned) == targets(now) => Some("it was made with another mapping".to_owned()),
            false => Some(format!("it was made for {}, and now it would be {}", words(planned), words(now))),
        }
    }

    /// Takes in a record and what would become of it.
    pub(super) fn add(&mut self, message: Message<'_>, outcome: &Outcome, converter: &Converter) {
        match outcome {
            Outcome::Copied => self.copied += 1,
            Outcome::Converted => self.converted += 1,
            Outcome::Letter(finding) => self.add_fault((message.partition(), message.offset()), finding),
        }
        let Some(value) = message.value() else { return };
        let headers = consume::headers(message);
        let allowed = WireFormat::ALL.into_iter().collect();
        let Ok(framed) = wire::parse(Part::Value, value, &headers, allowed) else { return };
        let way = self.schemas.entry(framed.schema.to_string()).or_default();
        way.records += 1;
        way.bytes += size(message) as u64;
        way.dead_letters += u64::from(matches!(outcome, Outcome::Letter(_)));
        // A key at fault ends the look at a record before its value's schema is known.
        if way.way.is_empty()
            && let Some(entry) = converter.entry(Part::Value, framed.schema)
        {
            way.tell(entry);
        }
    }

    fn add_fault(&mut self, spot: Spot, finding: &Finding) {
        let fault = self.faults.entry(finding.violation.code.name().to_owned()).or_default();
        fault.records += 1;
        if fault.examples.is_empty() {
            finding.violation.detail.clone_into(&mut fault.detail);
        }
        if fault.examples.len() < EXAMPLES {
            fault.examples.push(spot);
        }
    }
}

impl Way {
    fn tell(&mut self, entry: &Entry) {
        let judgement: &Judgement = match entry {
            Entry::Judged(judgement) => judgement,
            Entry::Refused(refusal) => {
                self.way = "none".to_owned();
                self.reason = Some(refusal.violation.detail.to_string());
                return;
            }
        };
        self.subject = judgement.subject.as_ref().map(ToString::to_string);
        self.version = judgement.version.map(|version| version.0);
        let plan = judgement.conversion.as_ref().map(|conversion| conversion.plan.as_ref());
        self.way = match plan {
            None => "as it is",
            Some(Ok(plan)) => plan.way().name(),
            Some(Err(_)) => "none",
        }
        .to_owned();
        match plan {
            Some(Ok(plan)) => self.loses = plan.losses().iter().map(ToString::to_string).collect(),
            Some(Err(no_path)) => self.reason = Some(no_path.to_string()),
            None => {}
        }
    }
}
