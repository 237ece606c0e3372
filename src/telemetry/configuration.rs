//! Which configuration the process runs with: what its gates are, when it was read, and how the last reload has ended.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// Mistakes of a refused file that are shown; the log has all.
pub const MAX_MISTAKES: usize = 20;

/// How a reload has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reload {
    /// The file is what the process runs with.
    Applied {
        /// When.
        at: SystemTime,
        /// What has become of the gates, in a line.
        what: String,
    },
    /// Nothing has changed.
    Refused {
        /// When.
        at: SystemTime,
        /// What is wrong with the file; [`MAX_MISTAKES`] at most.
        mistakes: Vec<String>,
        /// How many more there are.
        more: usize,
    },
}

/// Everything behind the lock; cloned for readers.
#[derive(Debug, Clone)]
pub struct ConfigurationBoard {
    /// When the configuration that runs was taken over.
    pub since: SystemTime,
    /// The last reload; none since the start.
    pub last: Option<Reload>,
    /// Files taken over since the start, that of the start not counted.
    pub applied: u64,
    /// Files refused since the start.
    pub refused: u64,
    kinds: BTreeMap<String, &'static str>,
}

impl ConfigurationBoard {
    /// Tells what a gate is: `gate` or `converter`.
    #[must_use]
    pub fn kind(&self, gate: &str) -> &'static str {
        self.kinds.get(gate).copied().unwrap_or("gate")
    }

    /// Tells whether the process runs with the file that it was asked to read last.
    #[must_use]
    pub fn is_current(&self) -> bool {
        !matches!(self.last, Some(Reload::Refused { .. }))
    }
}

/// The configuration as this process shows it.
#[derive(Debug)]
pub struct ConfigurationState {
    board: Mutex<ConfigurationBoard>,
}

impl Default for ConfigurationState {
    fn default() -> Self {
        let (since, kinds) = (SystemTime::now(), BTreeMap::new());
        Self { board: Mutex::new(ConfigurationBoard { since, last: None, applied: 0, refused: 0, kinds }) }
    }
}

impl ConfigurationState {
    /// Returns a copy of what is known.
    #[must_use]
    pub fn board(&self) -> ConfigurationBoard {
        self.lock().clone()
    }

    /// Says what a gate is, from now on.
    pub fn serve(&self, gate: &str, kind: &'static str) {
        self.lock().kinds.insert(gate.to_owned(), kind);
    }

    /// Forgets a gate.
    pub fn forget(&self, gate: &str) {
        self.lock().kinds.remove(gate);
    }

    pub(super) fn applied(&self, what: String) {
        let at = SystemTime::now();
        let mut board = self.lock();
        board.applied += 1;
        board.since = at;
        board.last = Some(Reload::Applied { at, what });
    }

    pub(super) fn refused(&self, mut mistakes: Vec<String>) {
        let at = SystemTime::now();
        let more = mistakes.len().saturating_sub(MAX_MISTAKES);
        mistakes.truncate(MAX_MISTAKES);
        let mut board = self.lock();
        board.refused += 1;
        board.last = Some(Reload::Refused { at, mistakes, more });
    }

    fn lock(&self) -> MutexGuard<'_, ConfigurationBoard> {
        // Plain values, each whole at any time: a panic elsewhere does not spoil them.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
