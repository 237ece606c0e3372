//! What is counted of the records of one transaction, until it has committed.
//!
//! Adding a record touches numbers that are there from the records before: names are taken in where a source topic or a
//! schema comes first, and the room stays with the tally from transaction to transaction.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::extent::Extent;
use super::limit::Share;
use super::verdict::Route;
use crate::record::Part;
use crate::schema::table::{Entry, Pair, SchemaTable, Slot, Source};
use crate::schema::{SchemaRef, Subject, Version};
use crate::violation::ReasonCode;

/// One record, as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted<'r> {
    /// Its source topic's number in the gate.
    pub source: Source,
    /// The name of that topic.
    pub topic: &'r str,
    /// Where it goes.
    pub route: Route,
    /// What was wrong with it.
    pub reason: Option<ReasonCode>,
    /// The bytes of its key and value.
    pub bytes: usize,
    /// Its time, in milliseconds since 1970-01-01 UTC.
    pub timestamp: Option<i64>,
    /// The schema that was looked up last for it.
    pub schema: Option<(Part, SchemaRef)>,
}

impl<'r> Counted<'r> {
    /// Makes one of no bytes, without a time or a schema.
    #[must_use]
    pub fn new(topic: &'r str, route: Route, reason: Option<ReasonCode>) -> Self {
        Self { source: Source(0), topic, route, reason, bytes: 0, timestamp: None, schema: None }
    }
}

/// Records and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// How many.
    pub records: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
}

impl Amount {
    fn add(&mut self, bytes: usize) {
        self.records += 1;
        self.bytes += bytes as u64;
    }
}

/// Outcomes of the records of one transaction; folded into the metrics when it has committed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// By the number of the source.
    sources: Vec<OfSource>,
    schemas: Vec<OfSchema>,
    places: FxHashMap<(Slot, SchemaRef), usize>,
    /// The schema of the record before: records of one schema come in runs.
    last: Option<((Slot, SchemaRef), usize)>,
    reduced: [u64; Extent::ALL.len()],
    conversions: Vec<(Arc<Pair>, u64)>,
    oldest: Option<i64>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct OfSource {
    topic: String,
    plain: [Amount; Route::ALL.len()],
    reasons: Vec<((Route, ReasonCode), Amount)>,
}

impl OfSource {
    fn amount(&mut self, route: Route, reason: Option<ReasonCode>) -> &mut Amount {
        match reason {
            None => &mut self.plain[route as usize],
            Some(reason) => self.amount_at_fault((route, reason)),
        }
    }

    #[cold]
    fn amount_at_fault(&mut self, key: (Route, ReasonCode)) -> &mut Amount {
        let place = self.reasons.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
            self.reasons.push((key, Amount::default()));
            self.reasons.len() - 1
        });
        &mut self.reasons[place].1
    }

    fn amounts(&self) -> impl Iterator<Item = (Route, Option<ReasonCode>, Amount)> {
        let plain = Route::ALL.into_iter().map(|route| (route, None, self.plain[route as usize]));
        let reasons = self.reasons.iter().map(|&((route, reason), amount)| (route, Some(reason), amount));
        plain.chain(reasons).filter(|(_, _, amount)| amount.records > 0)
    }
}

/// A schema, as metrics name it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SchemaName {
    /// Key or value.
    pub part: Part,
    /// What the records name it by.
    pub schema: SchemaRef,
    /// Where it was found, or looked for; `None` where the gate asks for no subject.
    pub subject: Option<Subject>,
    /// Its version there.
    pub version: Option<Version>,
}

/// The records of one schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfSchema {
    /// Which.
    pub name: SchemaName,
    /// How many, by the route.
    pub routes: [u64; Route::ALL.len()],
}

impl Tally {
    /// Adds one record; `table` tells what its schema is called.
    pub fn add(&mut self, record: &Counted<'_>, table: &SchemaTable) {
        let source = record.source.0 as usize;
        if self.sources.get(source).is_none_or(|known| known.topic.is_empty()) {
            self.begin_source(source, record.topic);
        }
        self.sources[source].amount(record.route, record.reason).add(record.bytes);
        if let Some(timestamp) = record.timestamp {
            self.oldest = Some(self.oldest.map_or(timestamp, |oldest| oldest.min(timestamp)));
        }
        if let Some((part, schema)) = record.schema {
            let key = (Slot { source: record.source, part }, schema);
            let place = match self.last {
                Some((last, place)) if last == key => place,
                _ => self.place(key, table),
            };
            self.last = Some((key, place));
            self.schemas[place].routes[record.route as usize] += 1;
        }
    }

    #[cold]
    fn begin_source(&mut self, source: usize, topic: &str) {
        if self.sources.len() <= source {
            self.sources.resize_with(source + 1, OfSource::default);
        }
        topic.clone_into(&mut self.sources[source].topic);
    }

    fn place(&mut self, key: (Slot, SchemaRef), table: &SchemaTable) -> usize {
        let (slot, schema) = key;
        let schemas = &mut self.schemas;
        *self.places.entry(key).or_insert_with(|| {
            let (subject, version) = match table.get(slot, schema) {
                Some(Entry::Judged(judgement)) => (judgement.subject.clone(), judgement.version),
                Some(Entry::Refused(refusal)) => (refusal.subject.clone(), None),
                None => (None, None),
            };
            let name = SchemaName { part: slot.part, schema, subject, version };
            schemas.push(OfSchema { name, routes: Default::default() });
            schemas.len() - 1
        })
    }

    /// Adds a conversion. There are as many pairs as writer schemas met, most often one.
    pub fn add_conversion(&mut self, pair: &Arc<Pair>) {
        match self.conversions.iter_mut().find(|(known, _)| Arc::ptr_eq(known, pair)) {
            Some((_, count)) => *count += 1,
            None => self.conversions.push((Arc::clone(pair), 1)),
        }
    }

    /// Returns how many records were converted, by pair of schemas.
    pub fn conversions(&self) -> impl Iterator<Item = (&Pair, u64)> + '_ {
        self.conversions.iter().map(|(pair, count)| (&**pair, *count))
    }

    /// Adds a dead letter that had to be made smaller.
    pub fn add_reduced(&mut self, extent: Extent) {
        self.reduced[extent as usize] += 1;
    }

    /// Returns how many dead letters had to be made smaller, by what is left of them; none of the full ones.
    pub fn reduced(&self) -> impl Iterator<Item = (Extent, u64)> + '_ {
        Extent::ALL.into_iter().skip(1).map(|extent| (extent, self.reduced[extent as usize]))
    }

    /// Returns what is not zero, by source topic: route, reason if any, and how much.
    pub fn sources(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = (Route, Option<ReasonCode>, Amount)>)> {
        self.sources.iter().filter(|of| !of.topic.is_empty()).map(|of| (of.topic.as_str(), of.amounts()))
    }

    /// Returns the records of each schema.
    #[must_use]
    pub fn schemas(&self) -> &[OfSchema] {
        &self.schemas
    }

    /// Returns the number of records.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.share().records
    }

    /// Returns how many of the records are dead letters.
    #[must_use]
    pub fn share(&self) -> Share {
        let mut share = Share::default();
        for (route, _, Amount { records, .. }) in self.sources.iter().flat_map(OfSource::amounts) {
            share.records += records;
            share.dead_letters += if route == Route::DeadLetter { records } else { 0 };
        }
        share
    }

    /// Returns the time of the oldest record, in milliseconds since 1970-01-01 UTC.
    #[must_use]
    pub fn oldest(&self) -> Option<i64> {
        self.oldest
    }

    /// Starts again from zero.
    pub fn clear(&mut self) {
        for source in &mut self.sources {
            source.plain = Default::default();
            source.reasons.clear();
        }
        self.schemas.clear();
        self.places.clear();
        self.last = None;
        self.reduced = Default::default();
        self.conversions.clear();
        self.oldest = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::SchemaId;
    use crate::schema::table::{Need, Refusal};
    use crate::violation::Violation;

    #[test]
    fn counts_by_source_route_and_reason() {
        let (mut tally, table) = (Tally::default(), SchemaTable::default());
        let mut add = |source, topic, route, reason, bytes, time| {
            let record =
                Counted { source: Source(source), bytes, timestamp: time, ..Counted::new(topic, route, reason) };
            tally.add(&record, &table);
        };
        add(1, "b", Route::Validated, None, 5, Some(30));
        add(1, "b", Route::Validated, None, 6, None);
        add(1, "b", Route::DeadLetter, Some(ReasonCode::Truncated), 7, Some(20));
        add(0, "a", Route::Validated, None, 1, Some(40));
        let found: Vec<_> = tally.sources().map(|(topic, amounts)| (topic, amounts.collect::<Vec<_>>())).collect();
        let amount = |records, bytes| Amount { records, bytes };
        let good = |records, bytes| (Route::Validated, None, amount(records, bytes));
        let bad = (Route::DeadLetter, Some(ReasonCode::Truncated), amount(1, 7));
        assert_eq!(found, [("a", vec![good(1, 1)]), ("b", vec![good(2, 11), bad])]);
        assert_eq!(tally.share(), Share { dead_letters: 1, records: 4 });
        assert_eq!(tally.oldest(), Some(20));
        tally.clear();
        assert_eq!((tally.records(), tally.oldest()), (0, None));
    }

    #[test]
    fn names_each_schema_once() {
        let (mut tally, mut table) = (Tally::default(), SchemaTable::default());
        let subject = Some(Subject("orders-value".into()));
        let slot = Slot { source: Source(0), part: Part::Value };
        let schema = |id| SchemaRef::Id(SchemaId(id));
        let violation = Violation::new(ReasonCode::SubjectMismatch, "elsewhere");
        let refusal = Refusal { violation, subject: subject.clone() };
        table.insert(Need { slot, schema: schema(1) }, Entry::Refused(Arc::new(refusal)));
        for id in [1, 2, 1, 1] {
            let record =
                Counted { schema: Some((Part::Value, schema(id))), ..Counted::new("raw", Route::Validated, None) };
            tally.add(&record, &table);
        }
        tally.add(&Counted::new("raw", Route::Validated, None), &table);
        let found: Vec<_> = tally.schemas().iter().map(|of| (of.name.clone(), of.routes[0])).collect();
        let name = |id, subject| SchemaName { part: Part::Value, schema: schema(id), subject, version: None };
        assert_eq!(found, [(name(1, subject), 3), (name(2, None), 1)]);
        assert_eq!(tally.records(), 5);
    }
}
