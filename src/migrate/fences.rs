//! Whether another process runs a lane: it fences ours, and commits in its place.
//!
//! A fence alone says less: a cut-over and `abandon` take lanes to end what is open, and the coordinator ends a transaction that takes too
//! long. After that the checkpoint stands where we have left it; one that is not ours was written by somebody who copies.

use std::time::{Duration, Instant};

use super::state::Checkpoint;

/// What one lane knows of its checkpoint.
#[derive(Debug, Default)]
pub(super) struct Fences {
    /// As it was read, or committed before the last transaction.
    last: Option<Checkpoint>,
    /// What our last transaction has written, which may be committed.
    written: Option<Checkpoint>,
    /// Whether we were fenced since it was read.
    is_fenced: bool,
    /// When the checkpoint of somebody else was found.
    found: Option<Instant>,
}

impl Fences {
    /// Notes that somebody has taken the lane, or ended a transaction.
    pub(super) fn fence(&mut self) {
        self.is_fenced = true;
    }

    /// Notes a checkpoint that is in a transaction now; the one before was committed.
    pub(super) fn write(&mut self, checkpoint: &Checkpoint) {
        if let Some(before) = self.written.replace(checkpoint.clone()) {
            self.last = Some(before);
        }
    }

    /// Takes in the checkpoint that an attempt begins with; tells whether somebody else has fenced us and committed twice in this
    /// time.
    pub(super) fn read(&mut self, found: &Checkpoint, time: Duration) -> bool {
        let is_ours = [&self.last, &self.written].into_iter().flatten().any(|ours| ours == found);
        let is_first = self.last.is_none();
        self.last = Some(found.clone());
        self.written = None;
        if !std::mem::take(&mut self.is_fenced) || is_first || is_ours {
            return false;
        }
        self.found.replace(Instant::now()).is_some_and(|before| before.elapsed() < time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_secs(600);

    fn at(next: i64) -> Checkpoint {
        Checkpoint { next: [(0, next)].into(), ..Checkpoint::default() }
    }

    #[test]
    fn who_only_ends_what_is_open_is_no_second_job() {
        let mut fences = Fences::default();
        for (committed, open) in [(0, 5), (5, 8), (5, 9), (9, 12)] {
            assert!(!fences.read(&at(committed), TIME), "{committed}");
            if open == 12 {
                fences.write(&at(10));
            }
            fences.write(&at(open));
            fences.fence();
        }
        assert!(!fences.read(&at(10), TIME), "what was committed before");
    }

    #[test]
    fn who_commits_twice_is() {
        let mut fences = Fences::default();
        for (found, is_second) in [(0, false), (7, false), (9, true)] {
            assert_eq!(fences.read(&at(found), TIME), is_second, "{found}");
            fences.write(&at(found + 1));
            fences.fence();
        }
        assert!(!fences.read(&at(20), Duration::ZERO), "long ago");
        assert!(!fences.read(&at(30), TIME), "nobody has fenced us");
    }
}
