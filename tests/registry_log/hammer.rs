//! Clients that write the same few subjects on all nodes at once, and note what they were told.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::check::{Asked, Exchange, Told};
use crate::node::{Answer, ask};

/// Subjects that all clients write; the last one's level changes.
const SUBJECTS: [&str; 5] = ["a", "b", "c", ":.eu:a", "level"];

/// Schemas that they register, none of which goes with another.
const SCHEMAS: u32 = 40;

/// What a client has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) exchanges: Vec<Exchange>,
    /// What each answered write took, in milliseconds.
    pub(crate) times: Vec<u128>,
    /// Schemas that a client did not find at once where it had registered them.
    pub(crate) unread: Vec<String>,
}

/// Clients at work.
pub(crate) struct Hammer {
    is_over: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    clients: Vec<JoinHandle<()>>,
}

impl Hammer {
    /// Starts so many clients for each of the ports.
    pub(crate) fn start(ports: &[u16], clients: u64, seed: u64) -> Self {
        let (is_over, seen) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Seen>>::default());
        let client = |(port, number)| {
            let (is_over, seen) = (Arc::clone(&is_over), Arc::clone(&seen));
            std::thread::spawn(move || {
                let mut rng = StdRng::seed_from_u64(seed.wrapping_mul(1_000).wrapping_add(number));
                while !is_over.load(Ordering::Relaxed) {
                    step(port, &mut rng, &seen);
                }
            })
        };
        let all =
            ports.iter().flat_map(|port| (0..clients).map(move |client| (*port, client + u64::from(*port) * 100)));
        let clients = all.map(client).collect();
        Self { is_over, seen, clients }
    }

    /// Ends them, and returns what they have seen.
    pub(crate) fn stop(self) -> Seen {
        self.is_over.store(true, Ordering::Relaxed);
        self.clients.into_iter().for_each(|client| client.join().unwrap());
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

/// Returns a schema by its number.
pub(crate) fn schema(number: u32) -> String {
    format!(r#"{{"type":"fixed","name":"F","size":{}}}"#, number + 1)
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
}

fn step(port: u16, rng: &mut StdRng, seen: &Mutex<Seen>) {
    let asked = choose(rng);
    let (method, path, body) = request(&asked);
    let from = now();
    let answer = ask(port, method, &path, &body);
    let to = now();
    let unread = answer.as_ref().and_then(|answer| unread(port, &asked, answer));
    let is_missing = unread == Some(Unread::Missing);
    if answer.as_ref().is_none_or(|answer| answer.status == 500) {
        // The node is down, or reads its log.
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let mut seen = seen.lock().unwrap();
    seen.times.extend(answer.as_ref().map(|answer| answer.took.as_millis()));
    if let Some(Unread::Other(what)) = unread {
        seen.unread.push(what);
    }
    seen.exchanges.push(Exchange { asked, told: told(answer), from, to, is_missing });
}

fn choose(rng: &mut StdRng) -> Asked {
    let subject = SUBJECTS[rng.random_range(0..SUBJECTS.len())].to_owned();
    match rng.random_range(0..100) {
        0..65 => Asked::Register { subject, schema: schema(rng.random_range(0..SCHEMAS)) },
        65..75 => Asked::DeleteVersion { subject, version: rng.random_range(1..12), permanent: false },
        75..85 => Asked::DeleteSubject { subject, permanent: false },
        85..93 => Asked::DeleteSubject { subject, permanent: true },
        _ => Asked::Config { subject: "level".into(), level: ["NONE", "BACKWARD"][rng.random_range(0..2)] },
    }
}

fn request(asked: &Asked) -> (&'static str, String, Value) {
    match asked {
        Asked::Register { subject, schema } => {
            ("POST", format!("/subjects/{subject}/versions"), json!({ "schema": schema }))
        }
        Asked::DeleteVersion { subject, version, permanent } => {
            ("DELETE", format!("/subjects/{subject}/versions/{version}?permanent={permanent}"), Value::Null)
        }
        Asked::DeleteSubject { subject, permanent } => {
            ("DELETE", format!("/subjects/{subject}?permanent={permanent}"), Value::Null)
        }
        Asked::Config { subject, level } => ("PUT", format!("/config/{subject}"), json!({ "compatibility": level })),
    }
}

fn told(answer: Option<Answer>) -> Told {
    let Some(answer) = answer else { return Told::Unknown { is_unwritten: false } };
    match answer.status {
        200 => Told::Done(answer.body),
        404 | 409 | 422 => Told::Refused(answer.code()),
        _ => Told::Unknown { is_unwritten: answer.code() == 50001 },
    }
}

/// What a client finds who reads what they have just been told to have written, where it is not that.
#[derive(Debug, PartialEq, Eq)]
enum Unread {
    /// Nothing: it must have been deleted for good meanwhile, which the log tells.
    Missing,
    /// Something else.
    Other(String),
}

/// Reads what was registered from the node that has just told that it is there.
fn unread(port: u16, asked: &Asked, answer: &Answer) -> Option<Unread> {
    let Asked::Register { subject, schema } = asked else { return None };
    if answer.status != 200 {
        return None;
    }
    let path = format!("/schemas/ids/{}?subject={subject}", answer.id());
    let found = ask(port, "GET", &path, &Value::Null)?;
    match (found.status, found.body["schema"].as_str()) {
        (404, _) => Some(Unread::Missing),
        (200, Some(text)) if text == schema => None,
        // The node has been started again, and reads its log.
        (500, _) => None,
        _ => Some(Unread::Other(format!("{path}: {schema} was registered, and {} is there", found.body))),
    }
}
