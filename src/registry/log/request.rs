//! Commands that wait for the writer, and who may still give them up.
//!
//! A request is in one of three states. *Waiting*: whoever asked may give it up, and it is never written. *Claimed*: it
//! is part of a transaction whose commit may be sent, and to give it up means not to know. *Given up*: the writer passes
//! it over. The change is one atomic step, so that "nothing was written" is the truth.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::registry::node;
use crate::registry::store::{Command, Outcome};

const WAITING: u8 = 0;
const CLAIMED: u8 = 1;
const GIVEN_UP: u8 = 2;

/// Commands that wait at most, and bytes of their schemas: clients that hang up leave theirs until the writer comes by.
const MOST_WAITING: usize = 1_000;
const MOST_BYTES: usize = 64 << 20;

/// What a command comes to.
pub(super) type Answer = Result<Outcome, node::Error>;

/// The hold that whoever asked has on a request.
#[derive(Debug, Clone, Default)]
pub(super) struct Ticket(Arc<AtomicU8>);

impl Ticket {
    /// Gives the request up; tells whether it is certain that it is not written.
    pub(super) fn give_up(&self) -> bool {
        self.change(WAITING, GIVEN_UP)
    }

    fn change(&self, from: u8, to: u8) -> bool {
        self.0.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// A command on its way.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) command: Command,
    deadline: Instant,
    ticket: Ticket,
    answer: oneshot::Sender<Answer>,
}

impl Request {
    /// Tells whether somebody waits for it.
    pub(super) fn is_wanted(&self) -> bool {
        let is_claimed = self.ticket.0.load(Ordering::Acquire) == CLAIMED;
        !self.answer.is_closed() && (is_claimed || self.deadline > Instant::now())
    }

    /// Returns the bytes of what makes a command large.
    fn bytes(&self) -> usize {
        if let Command::Register { draft, .. } = &self.command { draft.text.len() } else { 0 }
    }

    /// Takes it into a transaction; `false` where it was given up.
    pub(super) fn claim(&self) -> bool {
        self.ticket.change(WAITING, CLAIMED)
    }

    /// Takes it out again: it is certain that the transaction was not committed.
    pub(super) fn release(&self) {
        self.ticket.change(CLAIMED, WAITING);
    }

    /// Answers it.
    pub(super) fn answer(self, answer: Answer) {
        // Whoever asked may have gone.
        self.answer.send(answer).ok();
    }
}

/// The requests that nobody has taken yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Requests(Arc<Queue>);

#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Vec<Request>>,
    changed: Condvar,
}

impl Requests {
    /// Adds one, or answers at once that too many wait.
    pub(super) fn put(&self, command: Command, deadline: Instant) -> (Ticket, oneshot::Receiver<Answer>) {
        let ticket = Ticket::default();
        let (answer, receiver) = oneshot::channel();
        let request = Request { command, deadline, ticket: ticket.clone(), answer };
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = |waiting: &[Request]| waiting.iter().map(Request::bytes).sum::<usize>();
        let is_full = |waiting: &[Request]| waiting.len() >= MOST_WAITING || bytes(waiting) > MOST_BYTES;
        if is_full(&waiting) {
            waiting.retain(Request::is_wanted);
        }
        if is_full(&waiting) {
            drop(waiting);
            request.answer(Err(node::Error::Unavailable("too many writes wait already".to_owned())));
        } else {
            waiting.push(request);
            self.0.changed.notify_one();
        }
        (ticket, receiver)
    }

    /// Takes all that wait; waits for the first one, at most so long.
    pub(super) fn take(&self, wait: Duration) -> Vec<Request> {
        let waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let is_empty = |waiting: &mut Vec<Request>| waiting.is_empty();
        let waited = self.0.changed.wait_timeout_while(waiting, wait, is_empty);
        let (mut waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *waiting)
    }

    /// Lets whoever takes look up.
    pub(super) fn wake(&self) {
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(requests: &Requests, limit: Duration) -> (Ticket, oneshot::Receiver<Answer>) {
        requests.put(Command::DeleteContext { name: ".a".to_owned() }, Instant::now() + limit)
    }

    #[test]
    fn more_than_a_limit_are_refused_at_once_but_not_for_those_who_have_gone() {
        let requests = Requests::default();
        let limit = Duration::from_secs(60);
        let gone: Vec<_> = (0..MOST_WAITING).map(|_| put(&requests, limit).0).collect();
        let mut kept: Vec<_> = (0..MOST_WAITING).map(|_| put(&requests, limit).1).collect();
        assert!(kept.iter_mut().all(|answer| answer.try_recv().is_err()), "they wait");
        let (_, mut refused) = put(&requests, limit);
        assert_eq!(refused.try_recv().unwrap().map_err(|error| error.code()), Err(50001));
        assert_eq!((gone.len(), requests.take(Duration::ZERO).len()), (MOST_WAITING, MOST_WAITING));
    }

    #[test]
    fn what_was_given_up_is_never_claimed() {
        let requests = Requests::default();
        let (ticket, _answer) = put(&requests, Duration::from_secs(9));
        let taken = requests.take(Duration::ZERO);
        assert!(ticket.give_up());
        assert!(!taken[0].claim());
    }

    #[test]
    fn what_was_claimed_is_not_known_until_it_is_released() {
        let requests = Requests::default();
        let (ticket, _answer) = put(&requests, Duration::from_secs(9));
        let taken = requests.take(Duration::ZERO);
        assert!(taken[0].claim());
        assert!(!ticket.give_up());
        taken[0].release();
        assert!(ticket.give_up());
    }

    #[test]
    fn nobody_wants_what_is_late_or_whose_asker_has_gone() {
        let requests = Requests::default();
        let (_late, _answer) = put(&requests, Duration::ZERO);
        let (_gone, answer) = put(&requests, Duration::from_secs(9));
        drop(answer);
        let (_kept, _waits) = put(&requests, Duration::from_secs(9));
        let wanted: Vec<_> = requests.take(Duration::ZERO).iter().map(Request::is_wanted).collect();
        assert_eq!(wanted, [false, false, true]);
        assert!(requests.take(Duration::from_millis(1)).is_empty());
    }
}
