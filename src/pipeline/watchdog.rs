//! The watchdog: ends the process when a call into librdkafka does not come back.
//!
//! Some can hang for ever, such as closing a consumer that waits for a rebalance (librdkafka
//! #4041). No other thread can end such a call, so the process goes; what was not committed
//! is read again. Watched are the calls of a transaction but the one that is made aside
//! ([`super::aside`]), each of which may take twice its own limit, and the ends of clients
//! ([`Ending`]). What only asks or polls has a limit that librdkafka keeps; should it hang
//! all the same, `/livez` shows it.
//!
//! Time is what this thread has seen pass while it ran. A process that was halted, or whose
//! machine slept, finds its own tick late, and everybody gets the whole bound again.
//!
//! A migration job is told instead ([`Told`]), and ends as after any other failure.
//!
//! It ends the process by SIGABRT, so that supervisors see no clean end; [`no_core_dumps`]
//! has seen to it that memory, which holds secrets and records, does not go to disk.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, Once, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, setrlimit};

/// How often it looks.
const TICK: Duration = Duration::from_millis(250);

/// No call has less: with short timeouts a machine under load is late without being hung.
const LEAST_BOUND: Duration = Duration::from_secs(10);

/// A tick that is so late was not late by work: the process was halted.
const HALTED: Duration = Duration::from_secs(2);

/// What the end of a client may take, half of its bound: its threads end once the connections and name lookups have that
/// are under way.
pub(super) const ENDING: Duration = Duration::from_secs(45);

static WATCHED: Mutex<Watched> = Mutex::new(Watched { entries: Vec::new(), last_id: 0 });

#[derive(Debug)]
struct Watched {
    entries: Vec<Entry>,
    last_id: u64,
}

#[derive(Debug, Clone)]
struct Entry {
    id: u64,
    call: Call,
    bound: Duration,
    seen: Duration,
    /// Who is told instead of ending the process.
    told: Option<Told>,
}

/// Where it is told that a call hangs: one line.
pub(crate) type Told = Arc<OnceLock<String>>;

/// A call that is watched.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// The gate.
    pub(crate) gate: Arc<str>,
    /// Its name.
    pub(crate) name: &'static str,
    /// What was under way.
    pub(crate) state: &'static str,
}

/// Watches a call until it is dropped.
#[derive(Debug)]
pub(crate) struct Watch(u64);

/// Begins to watch a call that may take twice `limit`, and no less than ten seconds.
pub(super) fn watch(call: Call, limit: Duration) -> Watch {
    begin(call, limit, None)
}

/// The same, for somebody who ends the process himself once he is told.
pub(crate) fn watch_for(call: Call, limit: Duration, told: &Told) -> Watch {
    begin(call, limit, Some(Arc::clone(told)))
}

fn begin(call: Call, limit: Duration, told: Option<Told>) -> Watch {
    let mut watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
    watched.last_id += 1;
    let id = watched.last_id;
    watched.entries.push(Entry { id, call, bound: (limit * 2).max(LEAST_BOUND), seen: Duration::ZERO, told });
    Watch(id)
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
        watched.entries.retain(|entry| entry.id != self.0);
    }
}

/// A client whose end is watched: its drop waits for librdkafka's threads.
#[derive(Debug)]
pub(super) struct Ending<T> {
    /// There until the end.
    client: Option<T>,
    call: Call,
}

impl<T> Ending<T> {
    /// Takes a client; `call` is what its end is called.
    pub(super) fn new(client: T, call: Call) -> Self {
        Self { client: Some(client), call }
    }

    /// Ends the client where nobody waits for it, so that a hang harms nobody.
    pub(super) fn unwatched(mut self) {
        drop(self.client.take());
    }
}

impl<T> Deref for Ending<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.client.as_ref().expect("a client is there until its end")
    }
}

impl<T> DerefMut for Ending<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.client.as_mut().expect("a client is there until its end")
    }
}

impl<T> Drop for Ending<T> {
    fn drop(&mut self) {
        let _watch = watch(self.call.clone(), ENDING);
        drop(self.client.take());
    }
}

impl Watched {
    /// Notes that time has passed; returns a call that is beyond its bound.
    fn pass(&mut self, time: Duration) -> Option<Entry> {
        for entry in &mut self.entries {
            entry.seen = if time < HALTED { entry.seen + time } else { Duration::ZERO };
        }
        let hung = self.entries.iter().position(|entry| entry.seen > entry.bound)?;
        Some(self.entries.swap_remove(hung))
    }
}

/// Starts it, once per process.
///
/// # Errors
/// The operating system gives no thread.
pub(crate) fn start() -> std::io::Result<()> {
    static STARTED: Once = Once::new();
    let mut result = Ok(());
    STARTED.call_once(|| result = thread::Builder::new().name("watchdog".to_owned()).spawn(run).map(drop));
    result
}

fn run() {
    let mut last = Instant::now();
    loop {
        thread::sleep(TICK);
        let now = Instant::now();
        let hung = WATCHED.lock().unwrap_or_else(PoisonError::into_inner).pass(now.duration_since(last));
        last = now;
        if let Some(Entry { call, seen, told: Some(told), .. }) = &hung {
            let (name, gate, seconds) = (call.name, &call.gate, seen.as_secs_f64());
            told.get_or_init(|| {
                format!("{gate}: a call does not come back after {seconds:.0} s ({name}, {})", call.state)
            });
        } else if let Some(Entry { call, bound, seen, .. }) = hung {
            tracing::error!(
                gate = %call.gate,
                call = call.name,
                state = call.state,
                seconds = seen.as_secs_f64(),
                limit = bound.as_secs_f64(),
                "a call into librdkafka does not come back: the process aborts, what was not committed is read again"
            );
            std::process::abort();
        }
    }
}

/// Keeps memory from going to disk when the process aborts or crashes: by the limit, which dumps to files honour, and by
/// the process flag, which those to a pipe honour as well.
pub(crate) fn no_core_dumps() {
    // Neither can fail for a process that asks for less; and what could be done about it?
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).ok();
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(bound: Duration) -> Watched {
        let call = Call { gate: "orders".into(), name: "commit", state: "drained" };
        Watched { entries: vec![Entry { id: 1, call, bound, seen: Duration::ZERO, told: None }], last_id: 1 }
    }

    #[test]
    fn a_call_beyond_its_bound_is_found() {
        let mut watched = one(Duration::from_secs(3));
        for _ in 0..3 {
            assert!(watched.pass(Duration::from_secs(1)).is_none());
        }
        assert_eq!(watched.pass(Duration::from_millis(1)).unwrap().call.name, "commit");
    }

    #[test]
    fn a_halted_process_gets_its_bound_again() {
        let mut watched = one(Duration::from_secs(3));
        assert!(watched.pass(Duration::from_millis(1_900)).is_none());
        assert!(watched.pass(Duration::from_secs(3_600)).is_none(), "halted for an hour");
        assert!(watched.pass(Duration::from_millis(1_900)).is_none());
        assert!(watched.pass(Duration::from_millis(1_900)).is_some());
    }

    #[test]
    fn what_has_come_back_is_not_watched() {
        let call = Call { gate: "what_has_come_back".into(), name: "commit", state: "drained" };
        let count = || WATCHED.lock().unwrap().entries.iter().filter(|e| &*e.call.gate == "what_has_come_back").count();
        let watch = watch(call, Duration::from_secs(60));
        assert_eq!(count(), 1);
        drop(watch);
        assert_eq!(count(), 0);
    }

    #[test]
    fn the_end_of_a_client_is_watched() {
        struct Client(&'static str);
        impl Drop for Client {
            fn drop(&mut self) {
                let watched = WATCHED.lock().unwrap();
                let count = watched.entries.iter().filter(|e| &*e.call.gate == self.0 && e.bound == ENDING * 2).count();
                assert_eq!(count, usize::from(self.0 == "watched"), "{}", self.0);
            }
        }
        let call = |gate: &str| Call { gate: gate.into(), name: "close", state: "lost" };
        let client = Ending::new(Client("watched"), call("watched"));
        assert_eq!(client.0, "watched");
        drop(client);
        Ending::new(Client("unwatched"), call("unwatched")).unwatched();
    }
}
