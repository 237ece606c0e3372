//! Events of the registry: it goes, comes back, says something else than before; and of the cache on disk.

use std::path::Path;
use std::time::{Duration, SystemTime};

use tracing::{error, info, warn};

use super::seconds;
use crate::schema::{SchemaId, Subject, Version};
use crate::telemetry::registry::{MAX_IDS_SHOWN, Outage, RegistryState};

/// The registry cannot be asked; schemas at hand go on.
#[derive(Debug)]
pub struct RegistryUnavailable<'a> {
    /// One line: the last URL tried and the error.
    pub error: &'a str,
}

impl RegistryUnavailable<'_> {
    /// Logs it and shows it.
    pub fn emit(self, state: &RegistryState) {
        warn!(error = self.error, "registry unavailable; schemas at hand go on");
        state.lock().outage = Some(Outage { since: SystemTime::now(), error: self.error.to_owned() });
    }
}

/// The registry answers again.
#[derive(Debug)]
pub struct RegistryBack {
    /// How long it did not.
    pub after: Duration,
}

impl RegistryBack {
    /// Logs it and shows it.
    pub fn emit(self, state: &RegistryState) {
        info!(after = seconds(self.after), "registry back");
        state.lock().outage = None;
    }
}

/// The registry has another schema under an ID that is at hand. That must never happen: the registry was restored, or
/// replaced, or is another one, and records with this ID may mean either.
#[derive(Debug)]
pub struct SchemaChanged<'a> {
    /// The ID.
    pub id: SchemaId,
    /// What to do.
    pub advice: &'a str,
}

impl SchemaChanged<'_> {
    /// Logs it once, and shows it until the registry says the same again.
    pub fn emit(self, state: &RegistryState) {
        let mut board = state.lock();
        if board.changed.len() < MAX_IDS_SHOWN && board.changed.insert(self.id) {
            let id = self.id.0;
            error!(id, advice = self.advice, "the registry has another schema under a known ID; the known one stays");
        }
    }
}

/// The registry no longer has an ID that is at hand: deleted for good, or lost with a restore.
#[derive(Debug)]
pub struct SchemaGone {
    /// The ID.
    pub id: SchemaId,
}

impl SchemaGone {
    /// Logs it once, and shows it until the registry has the ID again.
    pub fn emit(self, state: &RegistryState) {
        let mut board = state.lock();
        if board.gone.len() < MAX_IDS_SHOWN && board.gone.insert(self.id) {
            warn!(id = self.id.0, "the registry no longer has a known ID; the known schema stays in use");
        }
    }
}

/// The registry has the schema under an ID that is at hand.
#[derive(Debug)]
pub struct SchemaConfirmed {
    /// The ID.
    pub id: SchemaId,
}

impl SchemaConfirmed {
    /// Logs it where it was not so before.
    pub fn emit(self, state: &RegistryState) {
        let mut board = state.lock();
        let (was_changed, was_gone) = (board.changed.remove(&self.id), board.gone.remove(&self.id));
        if was_changed || was_gone {
            info!(id = self.id.0, "the registry has the known schema under its ID again");
        }
    }
}

/// The registry cannot be asked for a target, and the one of the cache on disk is used until it can.
#[derive(Debug)]
pub struct TargetFromCache<'a> {
    /// The subject of the readers.
    pub subject: &'a Subject,
    /// The version.
    pub version: Version,
}

impl TargetFromCache<'_> {
    /// Logs it.
    pub fn emit(self) {
        let (subject, version) = (&*self.subject.0, self.version.0);
        warn!(subject, version, "target version of before the start is used until the registry answers");
    }
}

/// The registry cannot be asked for migration rules, and those of the cache on disk are used.
#[derive(Debug)]
pub struct RulesFromCache<'a> {
    /// The subject.
    pub subject: &'a Subject,
    /// The first version.
    pub from: Version,
    /// The last.
    pub to: Version,
}

impl RulesFromCache<'_> {
    /// Logs it.
    pub fn emit(self) {
        let (subject, from, to) = (&*self.subject.0, self.from.0, self.to.0);
        warn!(subject, from, to, "migration rules of before the start are used, since the registry does not answer");
    }
}

/// Whether known versions can be converted was not found out at the start.
#[derive(Debug)]
pub struct ConversionsUnchecked<'a> {
    /// Why.
    pub why: &'a str,
}

impl ConversionsUnchecked<'_> {
    /// Logs it.
    pub fn emit(self) {
        warn!(why = self.why, "mappings are not compared with the registry's schemas");
    }
}

/// A known version cannot be converted.
#[derive(Debug)]
pub struct VersionWithoutWay<'a> {
    /// The gate or converter.
    pub gate: &'a str,
    /// Which, and why.
    pub what: &'a str,
}

impl VersionWithoutWay<'_> {
    /// Logs it.
    pub fn emit(self) {
        warn!(gate = self.gate, what = self.what, "a known version has no way to the target");
    }
}

/// A file of the cache on disk is passed over.
#[derive(Debug)]
pub struct CacheFileIgnored<'a> {
    /// The file.
    pub file: &'a Path,
    /// Why.
    pub why: &'a str,
}

impl CacheFileIgnored<'_> {
    /// Logs it.
    pub fn emit(self) {
        warn!(file = %self.file.display(), why = self.why, "file in the schema cache ignored");
    }
}

/// The cache on disk cannot be written: what is learnt now does not survive a restart during an outage.
#[derive(Debug)]
pub struct CacheNotWritten<'a> {
    /// The file.
    pub file: &'a Path,
    /// The system's error.
    pub error: &'a std::io::Error,
}

impl CacheNotWritten<'_> {
    /// Logs it.
    pub fn emit(self) {
        let (file, error) = (self.file.display(), self.error);
        warn!(%file, %error, "the schema cache cannot be written; what is learnt now will not survive a restart");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_that_lost_everything_names_so_many_ids() {
        let state = RegistryState::default();
        for id in 0..2 * i32::try_from(MAX_IDS_SHOWN).unwrap() {
            SchemaGone { id: SchemaId(id) }.emit(&state);
            SchemaChanged { id: SchemaId(id), advice: "look" }.emit(&state);
        }
        let board = state.board();
        assert_eq!((board.gone.len(), board.changed.len()), (MAX_IDS_SHOWN, MAX_IDS_SHOWN));
    }
}
