//! The end of a transaction: the map and the checkpoint follow the copies, and what a topic has refused is found.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::{Copy, Staged, Stopped, Turn, failed};
use crate::kafka::ffi::{Outgoing, TopicHandle};
use crate::migrate::error::Error;
use crate::migrate::now;
use crate::migrate::offsets::{MapRecord, Piece, Spot};
use crate::migrate::state::LANE;
use crate::pipeline::failpoint::Point;
use crate::transactions::Trouble;

impl Copy<'_> {
    /// Commits the copies, their map and the checkpoint.
    pub(super) fn commit(&mut self) -> Result<Turn, Stopped> {
        if !self.is_open {
            self.writer.begin()?;
        }
        self.writer.drain()?;
        failed(Point::BeforeOffsets)?;
        let mut tag = self.staged.len();
        for (key, value) in self.pieces()? {
            // The lane's own partition, so that no other lane's transaction hides it.
            self.write(self.topics.map, self.lane.number, (&key, &value), tag)?;
            tag += 1;
        }
        self.next.time = now();
        let value = serde_json::to_vec(&self.next).map_err(|error| Trouble::last(error.to_string()))?;
        self.lane.fences.borrow_mut().write(&self.next);
        self.write(self.topics.state, self.lane.number + 1, (LANE.as_bytes(), &value), tag)?;
        self.writer.drain()?;
        failed(Point::BeforeCommit)?;
        let began = Instant::now();
        let is_clean = self.writer.commit()?;
        let took = began.elapsed();
        failed(Point::AfterCommit)?;
        self.count();
        self.committed = self.next.clone();
        self.staged.clear();
        self.is_open = false;
        self.is_behind = true;
        self.last_commit = Instant::now();
        Ok(if is_clean { Turn::Again } else { Turn::Spent(took) })
    }

    /// Returns what the map says of the staged records.
    fn pieces(&self) -> Result<Vec<MapRecord>, Trouble> {
        let offsets = self.writer.offsets(self.staged.len())?;
        let mut pieces: BTreeMap<i32, Piece> = BTreeMap::new();
        for (staged, offset) in self.staged.iter().zip(offsets).filter(|(staged, _)| !staged.is_letter) {
            pieces.entry(staged.from.0).or_default().push(staged.from, (staged.target, offset));
        }
        Ok(pieces.values().flat_map(Piece::records).collect())
    }

    fn write(
        &self,
        topic: TopicHandle,
        partition: i32,
        (key, value): (&[u8], &[u8]),
        tag: usize,
    ) -> Result<(), Trouble> {
        let (key, value, timestamp) = (Some(key), Some(value), 0);
        self.writer.stage(|| Outgoing { topic, partition, key, value, timestamp, headers: None, tag })
    }

    fn count(&self) {
        let gauge = self.lane.gauge;
        let passed: i64 = self.next.next.iter().map(|(partition, next)| next - self.committed.next[partition]).sum();
        gauge.passed.fetch_add(passed, Ordering::Relaxed);
        gauge.copied.fetch_add(self.next.copied - self.committed.copied, Ordering::Relaxed);
        gauge.converted.fetch_add(self.next.converted - self.committed.converted, Ordering::Relaxed);
        gauge.dead_letters.fetch_add(self.next.dead_letters - self.committed.dead_letters, Ordering::Relaxed);
        gauge.bytes.fetch_add(self.next.bytes - self.committed.bytes, Ordering::Relaxed);
    }

    /// Says which record it was that a topic does not take, if it was one. Where there are dead letters, it becomes one; and
    /// of several that were refused together nobody knows yet which it was.
    pub(in crate::migrate) fn blame(&self, trouble: Trouble) -> Stopped {
        let record = trouble.refused.and_then(|(tag, code)| Some((self.staged.get(tag)?, code)));
        let Some((&Staged { from, is_letter, .. }, code)) = record else { return Stopped::Trouble(trouble) };
        let mut refused = self.lane.refused.borrow_mut();
        refused.forget(&self.committed.next);
        let letters = self.lane.terms.letters.as_ref();
        let is_answered = match (letters, is_letter) {
            (Some(_), true) => refused.shrink(from),
            (_, _) => {
                let (tags, is_named) = self.writer.refused();
                let spots = tags.iter().filter_map(|tag| self.staged.get(*tag));
                let mut spots: Vec<Spot> = spots.filter(|staged| !staged.is_letter).map(|staged| staged.from).collect();
                // Our own client has refused it, before any broker saw it.
                if spots.is_empty() {
                    spots.push(from);
                }
                refused.add(&spots, (code, is_named));
                letters.is_some() || refused.refusal(from).is_none()
            }
        };
        if is_answered {
            return Stopped::Trouble(trouble);
        }
        let to = letters.filter(|_| is_letter).map_or(&self.job.to, |letters| &letters.topic).clone();
        let (topic, (partition, offset)) = (self.job.source.clone(), from);
        Stopped::Error(Error::Refused { topic, partition, offset, to, code })
    }
}
