//! The writer: decides what waits, appends it in one transaction, and answers once it was read back.
//!
//! ```text
//!  serve ─> settle what is not known ─> plan ─(nothing to append)─> read to the end, plan again ─> answer
//!                                         └─(something)─> take the role, read to the end, plan again
//!                                                              └─> append ─> commit ─> read back ─> answer
//! ```
//!
//! While the role is kept nobody else can have written, so the plan is made on the state as it is; should the role be gone
//! without our knowing, the commit fails. A refusal is answered where the log's end was read after the request came, or
//! a transaction of ours that began after it has committed: both say that the state had everything.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use rand::Rng as _;
use rdkafka::config::ClientConfig;

use super::Settings;
use super::clients::{self, Consumer};
use super::error::Error;
use super::plan::Plan;
use super::producer::{Trouble, Writing};
use super::progress::{Role, Shared, WriteId};
use super::request::{Request, Requests};

/// How long nothing may come before there is a look whether to stop.
const IDLE: Duration = Duration::from_millis(200);

/// How long the reader may take to get to the end, or to read back what was written, before the writer looks up.
const READ_LIMIT: Duration = Duration::from_secs(3);

/// How long the log may seem to end before what was read of it: a broker that was just cut off says so for a while. Beyond
/// that it is another log.
const SHORT_LIMIT: Duration = Duration::from_secs(5);

/// The wait after being fenced, or after another trouble: it grows from the one to the other.
const SHORTEST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// A transaction whose commit may or may not have happened.
struct Unsettled {
    plan: Plan,
    requests: Vec<Request>,
    /// The offset of its last record.
    last: i64,
}

struct Writer<'a> {
    settings: &'a Settings,
    shared: &'a Shared,
    incoming: &'a Requests,
    asker: Consumer,
    config: ClientConfig,
    role: Option<Writing>,
    unsettled: Option<Unsettled>,
    /// Since when the log has ended before what was read of it, and what was to be read next.
    short: Option<(Instant, i64)>,
    /// Troubles since the last success.
    troubles: u32,
    /// Commands in one transaction: half as many after each refusal of a record, until it is known whose it is.
    most: usize,
}

/// Serves requests until the process stops.
pub(super) fn run(settings: &Settings, shared: &Shared, requests: &Requests) -> Result<(), Error> {
    let mut writer = Writer {
        settings,
        shared,
        incoming: requests,
        asker: clients::asker(settings)?,
        config: clients::producer(settings),
        role: None,
        unsettled: None,
        short: None,
        troubles: 0,
        most: usize::MAX,
    };
    while !shared.is_stopping() {
        let waiting = requests.take(IDLE);
        if !waiting.is_empty() {
            writer.serve(waiting)?;
        }
        if writer.short.is_some() && writer.read_to_end().is_err() {
            writer.check_cut()?;
        }
        // Errors of a connection wait in its queue.
        drop(writer.asker.poll(Duration::ZERO));
    }
    Ok(())
}

impl Writer<'_> {
    /// Works until nobody waits any more.
    fn serve(&mut self, mut waiting: Vec<Request>) -> Result<(), Error> {
        while !self.shared.is_stopping() {
            waiting.extend(self.incoming.take(Duration::ZERO));
            waiting.retain(Request::is_wanted);
            self.unsettled.take_if(|unsettled| !unsettled.requests.iter().any(Request::is_wanted));
            if waiting.is_empty() && self.unsettled.is_none() {
                self.most = usize::MAX;
                break;
            }
            match self.attempt(&mut waiting) {
                Ok(()) => {
                    self.troubles = 0;
                    self.shared.complain(None);
                }
                Err(trouble) => {
                    self.suffer(&trouble);
                    self.check_cut()?;
                }
            }
        }
        Ok(())
    }

    /// Ends the node where the log has ended too early for too long.
    fn check_cut(&self) -> Result<(), Error> {
        match self.short {
            Some((since, offset)) if since.elapsed() > SHORT_LIMIT => {
                Err(Error::Cut { topic: self.settings.topic.clone(), offset })
            }
            Some(_) | None => Ok(()),
        }
    }

    fn attempt(&mut self, waiting: &mut Vec<Request>) -> Result<(), Trouble> {
        self.settle(waiting)?;
        let mut plan = self.plan(waiting);
        if plan.is_empty() {
            self.read_to_end()?;
            plan = self.plan(waiting);
        }
        if !plan.is_empty() && self.role.is_none() {
            self.take_role()?;
            plan = self.plan(waiting);
        }
        if plan.is_empty() {
            let covered = plan.len();
            plan.answer(waiting.drain(..covered));
            return Ok(());
        }
        self.write(plan, waiting)
    }

    fn plan(&self, waiting: &[Request]) -> Plan {
        Plan::of(&self.shared.state(), waiting, self.most, self.shared.record_limit())
    }

    /// Finds out what became of a transaction whose commit had no answer: once the role is ours and the log is read to its
    /// end, it is there or will never be. That end must lie behind it: the open transaction of a foreign producer hides all
    /// that comes after it, whether it was committed or not.
    fn settle(&mut self, waiting: &mut Vec<Request>) -> Result<(), Trouble> {
        let last = self.unsettled.as_ref().map(|unsettled| unsettled.last);
        if let Some(last) = last.filter(|_| !self.shared.is_seen()) {
            let end = self.take_role()?;
            if end <= last && !self.shared.is_seen() {
                let why = format!("the log is hidden from offset {end} on: another producer has a transaction open");
                return Err(Trouble::new(why));
            }
        }
        let Some(Unsettled { plan, requests, .. }) = self.unsettled.take() else { return Ok(()) };
        if self.shared.is_seen() {
            plan.answer(requests);
        } else {
            requests.iter().for_each(Request::release);
            waiting.splice(..0, requests);
        }
        Ok(())
    }

    /// Has all read that was committed before, and returns the end.
    fn read_to_end(&mut self) -> Result<i64, Trouble> {
        let end = clients::ask_end(&self.asker, &self.settings.topic)
            .map_err(|error| Trouble::new(format!("the end of the log is not known: {error}")))?;
        let next = self.shared.figures().next;
        if end < next {
            self.short.get_or_insert((Instant::now(), next));
            return Err(Trouble::new(format!(
                "the log ends at offset {end}, and was read to {next}: was it made again?"
            )));
        }
        self.short = None;
        if self.shared.wait_reached(end, READ_LIMIT) {
            return Ok(end);
        }
        Err(Trouble::new(format!("the log was not read to offset {end} in {READ_LIMIT:?}")))
    }

    /// Takes the role, reads the log to its end, and returns that.
    fn take_role(&mut self) -> Result<i64, Trouble> {
        let mut role = Writing::take(&self.config, &self.settings.topic, || self.shared.is_stopping())?;
        role.due = self.read_to_end()?;
        let end = role.due;
        self.role = Some(role);
        self.shared.set_role(Role::Writer);
        Ok(end)
    }

    fn write(&mut self, plan: Plan, waiting: &mut Vec<Request>) -> Result<(), Trouble> {
        let Some(mut role) = self.role.take() else { return Ok(()) };
        let requests: Vec<Request> = waiting.drain(..plan.len()).collect();
        if !plan.claim(&requests) {
            self.role = Some(role);
            waiting.splice(..0, requests);
            return Ok(());
        }
        let write = WriteId::random();
        self.shared.expect(write);
        let is_over = || self.shared.is_stopping();
        let last = match role.append(write, &plan.records, is_over) {
            Ok(last) => last,
            Err(trouble) => {
                self.take_back(&trouble, &plan, requests, waiting);
                return Err(trouble);
            }
        };
        // From here on it may happen, whatever we hear of it.
        self.unsettled = Some(Unsettled { plan, requests, last });
        let is_clean = role.commit(is_over)?;
        self.shared.commits.fetch_add(1, Ordering::Relaxed);
        if !self.shared.wait_seen(READ_LIMIT) {
            return Err(Trouble::new(format!("what was written was not read back in {READ_LIMIT:?}")));
        }
        if let Some(Unsettled { plan, requests, .. }) = self.unsettled.take() {
            plan.answer(requests);
        }
        self.most = self.most.saturating_mul(2);
        if is_clean {
            self.role = Some(role);
        } else {
            self.shared.set_role(Role::Reader);
        }
        Ok(())
    }

    /// Nothing of a plan was committed, nor will be: its requests wait again, but for one whose own record was refused.
    fn take_back(&mut self, trouble: &Trouble, plan: &Plan, mut requests: Vec<Request>, waiting: &mut Vec<Request>) {
        if let Some(code) = trouble.refused {
            self.most = (requests.len() / 2).max(1);
            if let Some(culprit) = requests.pop_if(|_| plan.len() == 1) {
                culprit.answer(Err(plan.refusal(code, self.shared.record_limit())));
            }
        }
        requests.iter().for_each(Request::release);
        waiting.splice(..0, requests);
    }

    /// The role is gone. Waits, so that nodes which write at the same time do not fence each other for ever.
    fn suffer(&mut self, trouble: &Trouble) {
        self.role = None;
        self.shared.set_role(Role::Reader);
        let is_news = self.shared.complain(Some(&trouble.why));
        if trouble.is_fenced {
            self.shared.fences.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(why = trouble.why, "another node has taken the writer's role");
        } else if is_news {
            tracing::warn!(why = trouble.why, "the registry's log cannot be written");
        }
        self.troubles = (self.troubles + 1).min(8);
        let longest = (SHORTEST_WAIT * (1 << self.troubles)).min(LONGEST_WAIT);
        thread::sleep(rand::rng().random_range(SHORTEST_WAIT..=longest));
    }
}
