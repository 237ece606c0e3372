//! One connection through the proxy: a thread for each direction, reading frames and doing what the rules say.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kafka_protocol::messages::ApiKey;
use socket2::SockRef;

use super::rule::{Action, Active, Direction};
use super::wire::{self, Head};
use super::{Exchange, Shared};

/// How long the answers to requests of a client that has gone are waited for, for the record of what was exchanged.
const LAST_ANSWER: Duration = Duration::from_secs(10);

/// What the bytes go in when their rate is limited: a packet.
const PACKET: usize = 1460;

/// The pause between pieces of a sliced frame: without it they would leave together.
const SLICE_PAUSE: Duration = Duration::from_micros(200);

/// A connection.
#[derive(Debug)]
pub(super) struct Link {
    node: i32,
    client: TcpStream,
    upstream: TcpStream,
    /// Requests without an answer: what they ask, and their place among the exchanges.
    open: Mutex<HashMap<i32, (Head, usize)>>,
    /// The node shall get what was sent, and answer it, even though the client has gone.
    is_owed: AtomicBool,
    is_over: AtomicBool,
}

/// Whether a connection goes on after a frame.
type Goes = io::Result<bool>;

impl Link {
    pub(super) fn new(node: i32, client: TcpStream, upstream: TcpStream) -> Self {
        for stream in [&client, &upstream] {
            stream.set_nodelay(true).unwrap();
        }
        let (is_owed, is_over) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { node, client, upstream, open: Mutex::default(), is_owed, is_over }
    }

    /// Starts to carry frames.
    pub(super) fn start(self: &Arc<Self>, shared: &Arc<Shared>) {
        for direction in [Direction::Request, Direction::Answer] {
            let (link, shared) = (Arc::clone(self), Arc::clone(shared));
            std::thread::spawn(move || link.carry(&shared, direction));
        }
    }

    /// Ends both sides; with `reset` the client gets an RST instead of a FIN.
    pub(super) fn end(&self, reset: bool) {
        self.is_over.store(true, Ordering::SeqCst);
        if reset {
            // The RST goes out when the last user of the socket is gone; a shutdown of the sending side would send a FIN.
            SockRef::from(&self.client).set_linger(Some(Duration::ZERO)).ok();
            self.client.shutdown(Shutdown::Read).ok();
        } else {
            self.client.shutdown(Shutdown::Both).ok();
        }
        self.upstream.shutdown(Shutdown::Both).ok();
    }

    pub(super) fn close_upstream(&self) {
        self.upstream.shutdown(Shutdown::Both).ok();
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    pub(super) fn node(&self) -> i32 {
        self.node
    }

    fn carry(&self, shared: &Shared, direction: Direction) {
        let from = if direction == Direction::Request { &self.client } else { &self.upstream };
        let client_left = loop {
            let Ok(Some(frame)) = wire::read(from) else { break direction == Direction::Request };
            let passed = match direction {
                Direction::Request => self.request(shared, &frame),
                Direction::Answer => self.answer(shared, frame),
            };
            if !matches!(passed, Ok(true)) {
                break direction == Direction::Answer;
            }
        };
        if direction == Direction::Request && self.is_owed.load(Ordering::SeqCst) {
            let start = Instant::now();
            while !self.open.lock().unwrap().is_empty() && start.elapsed() < LAST_ANSWER && !self.is_over() {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        if !client_left && !self.is_over() {
            // The node has closed: how late the client learns it is a fault of its own.
            std::thread::sleep(*shared.slow_close.lock().unwrap());
        }
        if !self.is_over() {
            self.end(false);
        }
        shared.forget(self);
    }

    fn request(&self, shared: &Shared, frame: &[u8]) -> Goes {
        let head = Head::of_request(frame);
        let exchange = Exchange::new(self.node, head, frame);
        let is_abort = exchange.is_abort();
        let number = shared.asked(exchange);
        self.open.lock().unwrap().insert(head.correlation, (head, number));
        self.pass(shared, Direction::Request, head.api, is_abort, frame)
    }

    fn answer(&self, shared: &Shared, frame: Vec<u8>) -> Goes {
        let asked = self.open.lock().unwrap().remove(&wire::correlation_of_answer(&frame));
        let Some((head, number)) = asked else {
            panic!("an answer that nobody asked for");
        };
        shared.answered(number, wire::error_code(head, &frame));
        let frame = wire::rewrite(head, frame, &shared.addresses);
        let goes = self.pass(shared, Direction::Answer, head.api, false, &frame);
        // A client that has gone does not keep the answers to it from being noted.
        if self.is_owed.load(Ordering::SeqCst) { Ok(true) } else { goes }
    }

    fn pass(&self, shared: &Shared, direction: Direction, api: Option<ApiKey>, is_abort: bool, frame: &[u8]) -> Goes {
        let to = if direction == Direction::Request { &self.upstream } else { &self.client };
        let bytes = wire::with_length(frame);
        let Some((active, action)) = shared.judge(self.node, direction, api, is_abort) else {
            return write(to, &bytes);
        };
        match action {
            Action::Hold => {
                self.is_owed.fetch_or(direction == Direction::Request, Ordering::SeqCst);
                shared.wait_release(&active, self);
                write(to, &bytes)
            }
            Action::Strand => {
                self.is_owed.store(true, Ordering::SeqCst);
                self.client.shutdown(Shutdown::Both).ok();
                shared.wait_release(&active, self);
                write(to, &bytes)
            }
            Action::Delay(time) => {
                std::thread::sleep(time);
                write(to, &bytes)
            }
            Action::Drop => Ok(true),
            Action::Cut | Action::Reset => {
                self.end(matches!(action, Action::Reset));
                Ok(false)
            }
            Action::CutAfter => {
                self.is_owed.fetch_or(direction == Direction::Request, Ordering::SeqCst);
                write(to, &bytes)?;
                self.client.shutdown(Shutdown::Both).ok();
                Ok(true)
            }
            Action::Bandwidth(per_second) => self.trickle(&active, to, &bytes, per_second),
            Action::Slice(size) => {
                for piece in bytes.chunks(size) {
                    write(to, piece)?;
                    std::thread::sleep(SLICE_PAUSE);
                }
                Ok(true)
            }
        }
    }

    fn trickle(&self, active: &Active, to: &TcpStream, bytes: &[u8], per_second: u32) -> Goes {
        for packet in bytes.chunks(PACKET) {
            if !active.is_released() && !self.is_over() {
                active.pay(packet.len(), per_second);
            }
            write(to, packet)?;
        }
        Ok(true)
    }
}

fn write(mut to: &TcpStream, bytes: &[u8]) -> Goes {
    to.write_all(bytes).map(|()| true)
}
