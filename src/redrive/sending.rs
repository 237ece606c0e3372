//! One attempt at work: dead letters as they are read, and the transactions in which their records leave.
//!
//! A transaction holds records, what became of each of their dead letters, and the audit record with the counts so far.

mod wait;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::Error;
use super::audit::now;
use super::judge::Judge;
use super::leave::Leaving;
use super::report::{Report, Why};
use super::run::{Gauge, Run, Stopped};
use super::sort::{Author, Passes, Sorted, entry, sort};
use crate::dead_letters::state::{Fate, Key, RUNS};
use crate::dead_letters::{Ledger, Letter, State};
use crate::gate::dead_letter::one_line;
use crate::gate::verdict::Finding;
use crate::kafka::ffi::{self, Message, Outgoing, TopicHandle};
use crate::kafka::reading::Met;
use crate::pipeline::failpoint::{self, Point};
use crate::pipeline::letter;
use crate::record::{Header, Offset, Partition};
use crate::transactions::{Pace, Spot, Trouble, Writer};

/// Records after which a transaction ends however young it is.
const MOST_STAGED: usize = 20_000;

/// What an attempt does.
pub(super) struct Sending<'r> {
    run: &'r Run,
    writer: Writer,
    judge: Judge,
    ledger: Ledger,
    gauge: &'r Gauge,
    topics: BTreeMap<String, TopicHandle>,
    state: TopicHandle,
    /// By their tags: the dead letters of the records under way; what the state says has none.
    staged: Vec<Option<Spot>>,
    /// The topics that the records under way go to.
    sent: BTreeMap<Spot, String>,
    /// The *next* offset of each partition of the dead letters, with what is under way.
    nexts: BTreeMap<i32, i64>,
    report: Report,
    is_open: bool,
    is_spent: bool,
    pace: Pace,
    last_commit: Instant,
}

/// A dead letter as it was read.
#[derive(Clone, Copy)]
struct At<'m> {
    message: Message<'m>,
    headers: &'m [Header<'m>],
    letter: &'m Letter<'m>,
    spot: Spot,
}

impl<'r> Sending<'r> {
    pub(super) fn new(
        run: &'r Run,
        mut writer: Writer,
        (judge, ledger): (Judge, Ledger),
        gauge: &'r Gauge,
    ) -> Result<Self, Stopped> {
        let state = writer.topic(&run.prepared.state)?;
        let now = Instant::now();
        Ok(Self {
            run,
            writer,
            judge,
            ledger,
            gauge,
            topics: BTreeMap::new(),
            state,
            staged: Vec::new(),
            sent: BTreeMap::new(),
            nexts: BTreeMap::new(),
            report: run.report.borrow().clone(),
            is_open: false,
            is_spent: false,
            pace: Pace::new(run.order.rate, now),
            last_commit: now,
        })
    }

    /// Tells whether the producer must not be used again, though what it has committed counts.
    pub(super) fn is_spent(&self) -> bool {
        self.is_spent
    }

    /// Writes the audit record of a run that begins.
    pub(super) fn begin(&mut self) -> Result<(), Stopped> {
        if self.run.has_begun.get() {
            return Ok(());
        }
        self.open()?;
        let begun = self.commit(None);
        // It is committed, too, where the producer is spent.
        self.run.has_begun.set(begun.is_ok() || self.is_spent);
        begun
    }

    /// Takes what was read.
    pub(super) fn meet(&mut self, met: Met<'_>) -> Result<ControlFlow<()>, Stopped> {
        if self.run.stop.is_asked() {
            return Ok(ControlFlow::Break(()));
        }
        if let Met::Record(message) = met
            && !self.take(message)?
        {
            return Ok(ControlFlow::Break(()));
        }
        self.commit_if_due()?;
        Ok(ControlFlow::Continue(()))
    }

    /// Commits what is under way, and that the run has ended; tells whether it has come to the end.
    pub(super) fn finish(&mut self) -> Result<bool, Stopped> {
        let is_done = !self.run.stop.is_asked();
        self.open()?;
        match self.commit(Some(now())) {
            // It is the last one.
            Err(_) if self.is_spent => Ok(is_done),
            ended => ended.map(|()| is_done),
        }
    }

    /// Does with a dead letter what is to be done; tells whether there was time for that before it was asked to stop.
    fn take(&mut self, message: Message<'_>) -> Result<bool, Stopped> {
        let headers = ffi::headers(message);
        let letter = Letter::read(&headers);
        let spot = (message.partition(), message.offset());
        let at = At { message, headers: &headers, letter: &letter, spot };
        let mut sorted = loop {
            match sort((message, &headers, &letter), &self.run.order, &mut self.judge, &self.ledger) {
                Sorted::Lacks(needs) if !self.fetch(&needs)? => return Ok(false),
                Sorted::Lacks(_) => {}
                Sorted::Unanswered(error) if !self.wait_for_registry(&error)? => return Ok(false),
                Sorted::Unanswered(_) => {}
                sorted @ (Sorted::NotMeant | Sorted::Passes(_) | Sorted::Fails(_) | Sorted::Over(_)) => break sorted,
            }
        };
        if let Sorted::Passes(passes) = &sorted
            && let Some(code) = self.run.refused.borrow().refusal(spot)
        {
            sorted = Sorted::Fails(Box::new(letter::refusal(&passes.topic, code)));
        }
        match &sorted {
            Sorted::Passes(_) if !self.wait_for_pace()? => return Ok(false),
            Sorted::Passes(passes) => self.send(at, passes)?,
            Sorted::Fails(finding) => self.keep(at, finding)?,
            Sorted::NotMeant | Sorted::Over(_) | Sorted::Lacks(_) | Sorted::Unanswered(_) => {}
        }
        let doubtful = self.run.doubtful.borrow();
        match (&sorted, doubtful.get(&spot)) {
            // The commit of which nobody knew has happened.
            (Sorted::Over(Why::Redriven), Some(topic)) => self.report.pass_meant(topic),
            _ => self.report.count(&sorted, (Partition(spot.0), Offset(spot.1))),
        }
        self.nexts.insert(spot.0, spot.1 + 1);
        self.gauge.done.fetch_add(1, Ordering::Relaxed);
        Ok(true)
    }

    /// Sends a record, and says so of its dead letter.
    fn send(&mut self, at: At<'_>, passes: &Passes) -> Result<(), Stopped> {
        let topic = match self.topics.get(&passes.topic) {
            Some(topic) => *topic,
            None => {
                let codec = self.run.codecs.get(&passes.topic).copied();
                let topic = self.writer.topic_in(&passes.topic, codec)?;
                self.topics.insert(passes.topic.clone(), topic);
                topic
            }
        };
        self.open()?;
        let is_apart = self.run.refused.borrow().is_suspect(at.spot);
        if is_apart {
            self.writer.drain()?;
        }
        let tag = self.tag(Some(at.spot));
        let At { message, headers, letter, .. } = at;
        let (rewrite, renamed) = (&self.judge.rewrite, self.judge.renamed());
        let leaving = Leaving { message, headers, letter, rewrite, renamed };
        self.writer.stage(|| leaving.outgoing(self.run.order.to, (topic, passes.partition), tag))?;
        if is_apart {
            self.writer.drain()?;
        }
        self.sent.insert(at.spot, passes.topic.clone());
        let fate = Fate::Redriven { topic: &passes.topic, partition: passes.partition };
        self.note(at, fate, &passes.hash)?;
        self.pace.note();
        failed(Point::AfterProduce)
    }

    /// Says of a dead letter why it stays, unless that is said already.
    fn keep(&mut self, at: At<'_>, finding: &Finding) -> Result<(), Stopped> {
        // As long as in a dead letter's headers.
        let path = finding.violation.path.as_deref().map(one_line);
        let (reason, path) = (finding.violation.code.name(), path.as_deref());
        if let State::Failed(Some(known)) = self.ledger.state(at.spot.0, at.spot.1)
            && (&*known.reason, known.path.as_deref()) == (reason, path)
        {
            return Ok(());
        }
        self.open()?;
        let hash = crate::gate::rewrite::hash(at.message.key(), at.message.value());
        self.note(at, Fate::Failed { reason, path: path.map(Into::into) }, &hash)
    }

    fn note(&mut self, at: At<'_>, fate: Fate<'_>, hash: &str) -> Result<(), Stopped> {
        let topic = self.run.prepared.id.as_deref().unwrap_or_default();
        let author = Author { topic, run: &self.run.audit.id, time: now() };
        let entry = entry(author, at.letter, fate, hash);
        let (partition, offset) = at.spot;
        self.write(partition, &Key::Letter { partition, offset }.to_string(), &entry.encode())?;
        self.ledger.note(at.spot, &entry);
        Ok(())
    }

    /// Writes a record of the state.
    fn write(&mut self, partition: i32, key: &str, value: &[u8]) -> Result<(), Stopped> {
        let (topic, tag) = (self.state, self.tag(None));
        let (key, value) = (Some(key.as_bytes()), Some(value));
        self.writer.stage(|| Outgoing { topic, partition, key, value, timestamp: 0, headers: None, tag })?;
        Ok(())
    }

    fn tag(&mut self, of: Option<Spot>) -> usize {
        self.staged.push(of);
        self.staged.len() - 1
    }

    fn open(&mut self) -> Result<(), Stopped> {
        if !self.is_open {
            self.writer.begin()?;
            self.is_open = true;
            self.last_commit = Instant::now();
        }
        Ok(())
    }

    fn commit_if_due(&mut self) -> Result<(), Stopped> {
        let is_due = self.last_commit.elapsed() >= self.run.config.commit_interval;
        if is_due || self.staged.len() >= MOST_STAGED {
            return self.commit_open();
        }
        if self.is_open && self.staged.len() % 512 == 1 {
            self.writer.look()?;
        }
        Ok(())
    }

    /// Commits where something is under way.
    fn commit_open(&mut self) -> Result<(), Stopped> {
        if self.is_open {
            return self.commit(None);
        }
        self.settle();
        Ok(())
    }

    fn commit(&mut self, ended: Option<i64>) -> Result<(), Stopped> {
        let run = self.run;
        let topic = run.prepared.id.as_deref().unwrap_or_default();
        let record = run.audit.record(&run.order, topic, &self.report, ended);
        self.write(RUNS, &Key::Run(&run.audit.id).to_string(), &record.encode())?;
        self.writer.drain()?;
        failed(Point::BeforeCommit)?;
        let watch = run.watch(self.gauge, "commit", run.config.kafka.transaction_timeout());
        let committed = self.writer.commit();
        drop(watch);
        let is_clean = committed.inspect_err(|_| run.doubtful.borrow_mut().append(&mut self.sent))?;
        failed(Point::AfterCommit)?;
        self.settle();
        if is_clean {
            return Ok(());
        }
        self.is_spent = true;
        Err(Trouble::new("its commit took long").into())
    }

    /// Takes what was met until now as done.
    fn settle(&mut self) {
        let run = self.run;
        run.pass(&self.nexts);
        run.refused.borrow_mut().forget(&self.nexts);
        self.report.misses = self.judge.misses();
        run.report.borrow_mut().clone_from(&self.report);
        run.doubtful
            .borrow_mut()
            .retain(|(partition, offset), _| self.nexts.get(partition).is_none_or(|next| offset >= next));
        self.staged.clear();
        self.sent.clear();
        self.is_open = false;
        self.last_commit = Instant::now();
    }

    /// Says which record it was that a topic does not take, if it was one: it fails then.
    pub(super) fn blame(&self, mut trouble: Trouble) -> Stopped {
        // The coordinator ends a transaction for its age, and says the same.
        trouble.is_fenced &= !self.is_open || self.last_commit.elapsed() < self.run.timeout();
        let Some((tag, code)) = trouble.refused else { return Stopped::Trouble(trouble) };
        let Some(Some(spot)) = self.staged.get(tag) else { return Stopped::Error(Error::Kafka(trouble.why)) };
        let (tags, is_named) = self.writer.refused();
        let mut spots: Vec<Spot> = tags.iter().filter_map(|tag| *self.staged.get(*tag)?).collect();
        // Our own client has refused it, before any broker saw it.
        if spots.is_empty() {
            spots.push(*spot);
        }
        self.run.refused.borrow_mut().add(&spots, (code, is_named));
        Stopped::Trouble(trouble)
    }
}

fn failed(point: Point) -> Result<(), Stopped> {
    failpoint::fault(point).map_or(Ok(()), |why| Err(Trouble::new(why).into()))
}
