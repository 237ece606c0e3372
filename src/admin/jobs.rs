//! The migration jobs of the configuration, as far as their state topics tell: they run in processes of their own.
//!
//! The cluster is asked while somebody watches and not otherwise, every twenty seconds, by a thread of its own: clients
//! that wait for brokers keep neither a request nor the end of the process waiting.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::oneshot;

use crate::config::Config;
use crate::migrate::{Cast, status};

/// Time from an answer to the next question.
const INTERVAL: Duration = Duration::from_secs(20);

/// Time between looks at whether somebody watches.
const TICK: Duration = Duration::from_millis(500);

/// One job.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Job {
    /// Its name in the configuration.
    pub name: String,
    /// The topic that is copied.
    pub source: String,
    /// Where its records go.
    pub to: String,
    /// `unknown` (it was not asked for yet, or the cluster does not answer), `not_begun`, `copying`, `following`, `done` or
    /// `abandoned`.
    pub state: &'static str,
    /// Why it is not known.
    pub error: Option<String>,
    /// Records copied, those that were converted included.
    pub copied: u64,
    /// Those that were converted.
    pub converted: u64,
    /// Records that became dead letters.
    pub dead_letters: u64,
    /// Offsets from where it is to its end, or to that of its source.
    pub left: i64,
    /// The share of its offsets that is behind it, 0 to 1.
    pub share: f64,
    /// Records per second between the last two answers; null before the second.
    pub rate: Option<f64>,
    /// Seconds since the last checkpoint; null where nothing was copied.
    pub quiet_seconds: Option<u64>,
    /// The consumer groups, and whether each reads the target now.
    pub groups: BTreeMap<String, bool>,
}

/// All jobs of the configuration.
#[derive(Debug, Default)]
pub struct Jobs {
    board: Mutex<Vec<Seen>>,
    is_wanted: AtomicBool,
}

/// What is known of one job, and since when.
#[derive(Debug)]
struct Seen {
    cast: Cast,
    job: Job,
    at: Option<Instant>,
}

impl Jobs {
    /// Takes the jobs of a configuration; asks nobody yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let jobs = Self::default();
        jobs.replace(config);
        jobs
    }

    /// Takes the jobs of another configuration; of those that are the same it stays known what was.
    pub fn replace(&self, config: &Config) {
        let mut board = self.lock();
        let mut before = std::mem::take(&mut *board);
        board.extend(config.migrations.iter().map(|migration| {
            let cast = Cast::new(config, migration);
            let known = before.iter().position(|seen| seen.cast.is_same(&cast));
            known.map_or_else(|| Seen { job: Job::unknown(&cast), cast, at: None }, |index| before.swap_remove(index))
        }));
    }

    /// Notes an answer, unless the configuration has another job by now, or none.
    fn answered(&self, cast: &Cast, answer: Result<Option<status::Status>, String>) {
        let mut board = self.lock();
        let Some(seen) = board.iter_mut().find(|seen| seen.cast.is_same(cast)) else { return };
        let now = Instant::now();
        seen.job = Job::of(cast, answer, &seen.job, seen.at, now);
        seen.at = Some(now);
    }

    /// Returns what is known, and asks for news.
    pub(super) fn list(&self) -> Vec<Job> {
        self.is_wanted.store(true, Ordering::Relaxed);
        self.lock().iter().map(|seen| seen.job.clone()).collect()
    }

    /// Asks the cluster while somebody watches; never ends.
    pub(super) async fn watch(&self) -> Infallible {
        loop {
            tokio::time::sleep(TICK).await;
            if !self.is_wanted.swap(false, Ordering::Relaxed) {
                continue;
            }
            let casts: Vec<_> = self.lock().iter().map(|seen| seen.cast.clone()).collect();
            for cast in &casts {
                let answer = ask(cast).await;
                self.answered(cast, answer);
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks on a thread of its own, which the end of the process does not wait for.
async fn ask(cast: &Cast) -> Result<Option<status::Status>, String> {
    let (sender, answer) = oneshot::channel();
    let cast = Arc::new(cast.clone());
    let work = move || {
        let answer = status::look(&cast).map_err(|error| error.to_string());
        // Nobody waits any more when the server ends.
        sender.send(answer).ok();
    };
    if let Err(error) = std::thread::Builder::new().name("jobs".to_owned()).spawn(work) {
        return Err(format!("cannot start a thread: {error}"));
    }
    answer.await.unwrap_or_else(|_| Err("the question was not answered".to_owned()))
}

impl Job {
    fn unknown(cast: &Cast) -> Self {
        Self {
            name: cast.migration.name.clone(),
            source: cast.migration.source.clone(),
            to: cast.migration.to.clone(),
            state: "unknown",
            ..Self::default()
        }
    }

    fn of(
        cast: &Cast,
        answer: Result<Option<status::Status>, String>,
        before: &Self,
        at: Option<Instant>,
        now: Instant,
    ) -> Self {
        let found = match answer {
            // What was known stays, but for its state.
            Err(error) => return Self { state: "unknown", error: Some(error), rate: None, ..before.clone() },
            Ok(None) => return Self { state: "not_begun", ..Self::unknown(cast) },
            Ok(Some(found)) => found,
        };
        let ends = |of: &status::Partition| of.end.unwrap_or(of.source_end);
        let left = found.partitions.values().map(|of| (ends(of) - of.next).max(0)).sum();
        let all: i64 = found.partitions.values().map(|of| (ends(of) - of.source_start).max(0)).sum();
        let seconds = at.map(|at| now.duration_since(at).as_secs_f64()).filter(|_| before.copied <= found.copied);
        let state = match (found.job.abandoned, found.done, &found.job.ends) {
            (true, ..) => "abandoned",
            (_, true, _) => "done",
            (_, _, Some(_)) => "copying",
            (_, _, None) => "following",
        };
        Self {
            state,
            copied: found.copied,
            converted: found.converted,
            dead_letters: found.dead_letters,
            left,
            share: if all > 0 { 1.0 - (left as f64 / all as f64).min(1.0) } else { 1.0 },
            rate: seconds.map(|seconds| (found.copied - before.copied) as f64 / seconds),
            quiet_seconds: found.quiet_seconds,
            groups: found
                .groups
                .iter()
                .map(|(group, moved)| (group.clone(), !moved.is_back && !moved.is_moving))
                .collect(),
            ..Self::unknown(cast)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Syntax};

    /// Two jobs, of which the first goes to this topic.
    fn config(brokers: &str, to: &str) -> Config {
        let text = format!(
            "application: shop\nkafka: {{ bootstrap.servers: '{brokers}' }}\n\
             migrations:\n  one: {{ source: a, to: {to} }}\n  two: {{ source: c, to: d }}\n"
        );
        let environment = Environment { variable: &|_| None, file: &|_| Err(std::io::ErrorKind::NotFound.into()) };
        Config::parse(&text, Syntax::Yaml, &environment).unwrap()
    }

    fn states(jobs: &Jobs) -> Vec<(String, &'static str)> {
        jobs.list().into_iter().map(|job| (job.to, job.state)).collect()
    }

    #[test]
    fn a_reload_forgets_the_jobs_that_have_changed_and_no_others() {
        let before = config("localhost:9092", "b");
        let jobs = Jobs::new(&before);
        let casts: Vec<_> = before.migrations.iter().map(|migration| Cast::new(&before, migration)).collect();
        casts.iter().for_each(|cast| jobs.answered(cast, Ok(None)));
        let told = |to: &str, state| (to.to_owned(), state);
        assert_eq!(states(&jobs), [told("b", "not_begun"), told("d", "not_begun")]);
        jobs.replace(&before);
        assert_eq!(states(&jobs), [told("b", "not_begun"), told("d", "not_begun")]);
        jobs.replace(&config("localhost:9092", "elsewhere"));
        assert_eq!(states(&jobs), [told("elsewhere", "unknown"), told("d", "not_begun")]);
        // What was asked before is no answer about the other job of that name.
        jobs.answered(&casts[0], Ok(None));
        assert_eq!(states(&jobs)[0], told("elsewhere", "unknown"));
        jobs.replace(&config("localhost:9093", "b"));
        assert_eq!(states(&jobs), [told("b", "unknown"), told("d", "unknown")], "other brokers know other jobs");
    }
}
