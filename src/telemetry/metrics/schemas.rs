//! Records by schema: the schemas that a gate meets most have series of their own, all others share one.
//!
//! A producer that registers a schema per record must not fill the monitoring system, and neither must damage that reads
//! as numbers of schemas. So there are [`MAX_SCHEMAS`] places. They are given to whoever comes first; from then on, once in
//! a while, schemas that have had clearly more records lately take the places of those that have had the least. Who
//! loses its place loses its series, and is counted with the others from then on: no counter ever falls or jumps.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus::IntCounter;
use rustc_hash::FxHashMap;

use super::families::Families;
use crate::gate::tally::{OfSchema, SchemaName};
use crate::gate::verdict::Route;

/// Schemas per gate that `sluice_schema_records_total` tells apart; the records of further ones are `other`.
pub const MAX_SCHEMAS: usize = 200;

/// Schemas without a place whose records are remembered, so that they may get one.
const MAX_WAITING: usize = 2_000;

/// Time between two looks at who has a place.
const INTERVAL: Duration = Duration::from_secs(60);

/// The label of what shares a series.
const OTHER: &str = "other";

/// The records of one gate by schema.
#[derive(Debug)]
pub(super) struct SchemaCounters {
    gate: String,
    families: Families,
    board: Mutex<Board>,
}

#[derive(Debug, Default)]
struct Board {
    shown: FxHashMap<SchemaName, Shown>,
    /// Lately seen records of schemas without a place.
    waiting: FxHashMap<SchemaName, u64>,
    looked: Option<Instant>,
}

#[derive(Debug, Default)]
struct Shown {
    counters: [Option<IntCounter>; Route::ALL.len()],
    /// Records seen lately: halved with each look.
    recent: u64,
}

impl SchemaCounters {
    pub(super) fn new(gate: &str, families: &Families) -> Self {
        Self { gate: gate.to_owned(), families: families.clone(), board: Mutex::default() }
    }

    /// Counts the records of a transaction.
    pub(super) fn add(&self, schemas: &[OfSchema], now: Instant) {
        let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        if board.looked.is_none_or(|looked| now.duration_since(looked) >= INTERVAL) {
            board.looked = Some(now);
            for (name, shown) in board.change_places() {
                self.remove(&name, &shown);
            }
        }
        for OfSchema { name, routes } in schemas {
            let records = routes.iter().sum();
            if board.shown.len() < MAX_SCHEMAS && !board.shown.contains_key(name) {
                board.shown.insert(name.clone(), Shown::default());
            }
            let Some(shown) = board.shown.get_mut(name) else {
                board.wait(name, records);
                self.add_other(name, routes);
                continue;
            };
            shown.recent += records;
            for (route, counter) in Route::ALL.into_iter().zip(&mut shown.counters) {
                let records = routes[route as usize];
                if records > 0 {
                    counter.get_or_insert_with(|| self.counter(name, route)).inc_by(records);
                }
            }
        }
    }

    /// Returns the schemas that have a place.
    pub(super) fn shown(&self) -> Vec<OfSchema> {
        let board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        let records =
            |shown: &Shown| shown.counters.each_ref().map(|counter| counter.as_ref().map_or(0, IntCounter::get));
        board.shown.iter().map(|(name, shown)| OfSchema { name: name.clone(), routes: records(shown) }).collect()
    }

    fn add_other(&self, name: &SchemaName, routes: &[u64; Route::ALL.len()]) {
        for route in Route::ALL.into_iter().filter(|route| routes[*route as usize] > 0) {
            let labels = [self.gate.as_str(), name.part.name(), OTHER, OTHER, OTHER, route.outcome()];
            self.families.schemas.with_label_values(&labels).inc_by(routes[route as usize]);
        }
    }

    fn counter(&self, name: &SchemaName, route: Route) -> IntCounter {
        let (schema, subject, version) = texts(name);
        let labels = [self.gate.as_str(), name.part.name(), &schema, subject, &version, route.outcome()];
        self.families.schemas.with_label_values(&labels)
    }

    fn remove(&self, name: &SchemaName, shown: &Shown) {
        let (schema, subject, version) = texts(name);
        for (route, _) in Route::ALL.into_iter().zip(&shown.counters).filter(|(_, counter)| counter.is_some()) {
            let labels = [self.gate.as_str(), name.part.name(), &schema, subject, &version, route.outcome()];
            // It is there, for a counter was made.
            self.families.schemas.remove_label_values(&labels).ok();
        }
    }
}

fn texts(name: &SchemaName) -> (String, &str, String) {
    let version = name.version.map_or(String::new(), |version| version.to_string());
    (name.schema.to_string(), name.subject.as_ref().map_or("", |subject| &subject.0), version)
}

impl Board {
    fn wait(&mut self, name: &SchemaName, records: u64) {
        if let Some(recent) = self.waiting.get_mut(name) {
            *recent += records;
        } else if self.waiting.len() < MAX_WAITING {
            self.waiting.insert(name.clone(), records);
        }
    }

    /// Gives places to schemas that have had more than twice the records of those that have them; returns who lost its own.
    fn change_places(&mut self) -> Vec<(SchemaName, Shown)> {
        let mut waiting: Vec<_> = self.waiting.drain().collect();
        waiting.sort_by_key(|(_, recent)| std::cmp::Reverse(*recent));
        let mut shown: Vec<_> = self.shown.iter().map(|(name, shown)| (name.clone(), shown.recent)).collect();
        shown.sort_by_key(|(_, recent)| *recent);
        let mut gone = Vec::new();
        for ((newer, more), (older, _)) in
            waiting.into_iter().zip(shown).filter(|((_, more), (_, less))| *more > less * 2)
        {
            gone.extend(self.shown.remove_entry(&older));
            self.shown.insert(newer, Shown { recent: more, ..Shown::default() });
        }
        self.shown.values_mut().for_each(|shown| shown.recent /= 2);
        gone
    }
}
