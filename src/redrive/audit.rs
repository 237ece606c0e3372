//! The audit record of a run: who redrives what, since when, and how far.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::report::Report;
use super::{Order, To};
use crate::dead_letters::state;
use crate::schema::SchemaId;

/// What is told of a run beside its counts.
#[derive(Debug, Clone)]
pub struct Audit {
    /// Its ID: when it began, and a number by chance.
    pub id: String,
    begun: i64,
    user: Option<String>,
    host: Option<String>,
    filters: BTreeMap<String, Vec<String>>,
    overrides: BTreeMap<String, String>,
}

impl Audit {
    /// Begins a run now, with the filters as they were given.
    #[must_use]
    pub fn new(order: &Order, filters: BTreeMap<String, Vec<String>>) -> Self {
        let begun = now();
        let time = UNIX_EPOCH + Duration::from_millis(u64::try_from(begun).unwrap_or_default());
        let id = format!("{}-{:08x}", humantime::format_rfc3339_seconds(time), rand::random::<u32>());
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
        let host = host.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        let by = order.by.iter().map(|name| ("by".to_owned(), name.clone()));
        let writer = order.writer_schema.map(|SchemaId(id)| ("writer-schema".to_owned(), id.to_string()));
        let overrides = by.chain(writer).collect();
        Self { id, begun, user: variable("USER").or(variable("LOGNAME")), host, filters, overrides }
    }

    /// Returns the record with these counts.
    pub(super) fn record(&self, order: &Order, topic: &str, report: &Report, ended: Option<i64>) -> state::Run {
        let to = match order.to {
            To::Validated => "validated",
            To::Source => "source",
        };
        let mut failed = BTreeMap::new();
        for (fault, found) in &report.failed {
            *failed.entry(fault.reason.to_owned()).or_default() += found.count;
        }
        if report.others > 0 {
            *failed.entry("others".to_owned()).or_default() += report.others;
        }
        state::Run {
            version: state::VERSION,
            topic: topic.to_owned(),
            user: self.user.clone(),
            host: self.host.clone(),
            begun: self.begun,
            ended,
            filters: self.filters.clone(),
            to: to.to_owned(),
            overrides: self.overrides.clone(),
            read: report.read,
            redriven: report.all_passed(),
            failed,
            passed_over: report.over.iter().map(|(why, count)| (why.name().to_owned(), *count)).collect(),
        }
    }
}

/// Returns the time in milliseconds since 1970-01-01 UTC.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
