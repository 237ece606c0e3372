//! Rules of the proxy: which frames they mean, and what becomes of them.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kafka_protocol::messages::ApiKey;

use super::{Proxy, Shared};

/// The way of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the client to the node.
    Request,
    /// From the node to the client.
    Answer,
}

/// What becomes of a frame.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Action {
    /// It waits until the rule is released or gone, and what follows on the connection waits behind it.
    Hold,
    /// As `Hold`, and the client's connection is cut at once: the node gets the frame later, from a client that has
    /// long gone.
    Strand,
    /// It and what follows come that much later.
    Delay(Duration),
    /// It gets nowhere, and the connection ends.
    Cut,
    /// It is delivered, then the connection ends.
    CutAfter,
    /// It gets nowhere, and nobody is told.
    Drop,
    /// It gets nowhere, and the client's connection is reset (RST).
    Reset,
    /// All frames of the rule together pass at this many bytes a second.
    Bandwidth(u32),
    /// It comes in pieces of that many bytes.
    Slice(usize),
}

/// Which frames, and what becomes of them.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    direction: Direction,
    apis: Vec<ApiKey>,
    node: Option<i32>,
    aborts: bool,
    from: u32,
    count: u32,
    action: Action,
}

impl Rule {
    fn new(direction: Direction, apis: &[ApiKey], action: Action) -> Self {
        Self { direction, apis: apis.to_vec(), node: None, aborts: false, from: 1, count: u32::MAX, action }
    }

    /// Means all requests of these APIs; of all, if none is named.
    pub(crate) fn requests(apis: &[ApiKey], action: Action) -> Self {
        Self::new(Direction::Request, apis, action)
    }

    /// Means all answers to these APIs; to all, if none is named.
    pub(crate) fn answers(apis: &[ApiKey], action: Action) -> Self {
        Self::new(Direction::Answer, apis, action)
    }

    /// Means all requests that abort a transaction.
    pub(crate) fn aborts(action: Action) -> Self {
        Self { aborts: true, ..Self::requests(&[ApiKey::EndTxn], action) }
    }

    /// Means only those of one node.
    pub(crate) fn of_node(mut self, node: i32) -> Self {
        self.node = Some(node);
        self
    }

    /// Means the `nth` (from 1) after the rule was set, and no other.
    pub(crate) fn nth(mut self, nth: u32) -> Self {
        (self.from, self.count) = (nth, 1);
        self
    }

    /// Means the first `count` only.
    pub(crate) fn first(mut self, count: u32) -> Self {
        self.count = count;
        self
    }

    fn means(&self, node: i32, direction: Direction, api: Option<ApiKey>, is_abort: bool) -> bool {
        self.direction == direction
            && (is_abort || !self.aborts)
            && self.node.is_none_or(|only| only == node)
            && (self.apis.is_empty() || api.is_some_and(|api| self.apis.contains(&api)))
    }
}

/// A rule in force.
#[derive(Debug)]
pub(super) struct Active {
    rule: Rule,
    seen: AtomicU32,
    hits: AtomicU32,
    released: AtomicBool,
    /// When the bytes that have passed so far are through, at the rule's bandwidth.
    through: Mutex<Instant>,
}

impl Active {
    /// Counts a frame; tells what is to be done with it, if it is meant.
    pub(super) fn judge(&self, node: i32, direction: Direction, api: Option<ApiKey>, is_abort: bool) -> Option<Action> {
        if !self.rule.means(node, direction, api, is_abort) {
            return None;
        }
        let number = self.seen.fetch_add(1, Ordering::SeqCst) + 1;
        let is_due = number >= self.rule.from && number - self.rule.from < self.rule.count;
        (is_due && !self.is_released()).then(|| {
            self.hits.fetch_add(1, Ordering::SeqCst);
            self.rule.action
        })
    }

    pub(super) fn is_released(&self) -> bool {
        self.released.load(Ordering::SeqCst)
    }

    /// Waits until that many bytes may pass.
    pub(super) fn pay(&self, bytes: usize, per_second: u32) {
        let until = {
            let mut through = self.through.lock().unwrap();
            let takes = Duration::from_secs_f64(f64::from(u32::try_from(bytes).unwrap()) / f64::from(per_second));
            *through = (*through).max(Instant::now()) + takes;
            *through
        };
        std::thread::sleep(until.saturating_duration_since(Instant::now()));
    }
}

/// A test's hold on its rule, which ends with it. A rule that never met a frame fails the test: it showed nothing.
#[must_use = "the rule ends with this value"]
pub(crate) struct Set<'p> {
    proxy: &'p Shared,
    active: Arc<Active>,
    may_miss: bool,
}

impl Proxy {
    /// Puts a rule in force; the first that is due decides about a frame.
    pub(crate) fn set(&self, rule: Rule) -> Set<'_> {
        let active = Arc::new(Active {
            rule,
            seen: AtomicU32::new(0),
            hits: AtomicU32::new(0),
            released: AtomicBool::new(false),
            through: Mutex::new(Instant::now()),
        });
        self.shared.rules.lock().unwrap().push(Arc::clone(&active));
        Set { proxy: &self.shared, active, may_miss: false }
    }
}

impl Set<'_> {
    /// Returns how many frames it was applied to.
    pub(crate) fn hits(&self) -> u32 {
        self.active.hits.load(Ordering::SeqCst)
    }

    /// Waits until it was applied to that many frames.
    pub(crate) fn wait_hits(&self, hits: u32, limit: Duration) {
        let what = format!("{hits} frames of {:?}", self.active.rule);
        crate::common::wait_for(&what, limit, || (self.hits() >= hits).then_some(()));
    }

    /// Lets go what it holds; it does nothing any more.
    pub(crate) fn release(&self) {
        self.active.released.store(true, Ordering::SeqCst);
        self.proxy.wake();
    }

    /// Says that it may as well meet no frame, where chance decides.
    pub(crate) fn may_miss(mut self) -> Self {
        self.may_miss = true;
        self
    }
}

impl Drop for Set<'_> {
    fn drop(&mut self) {
        self.release();
        self.proxy.rules.lock().unwrap().retain(|active| !Arc::ptr_eq(active, &self.active));
        if self.hits() == 0 && !self.may_miss && !std::thread::panicking() {
            panic!("the rule met no frame: {:?}", self.active.rule);
        }
    }
}
