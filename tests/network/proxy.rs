//! The proxy itself: it harms nothing without a rule, and each rule does what it says and no more.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::common::kafka::{Cluster, shared};
use crate::common::proxy::{Action, ApiKey, Proxy, Rule};
use crate::common::registry::Registry;
use crate::common::traffic::{Class, Policy, Traffic, send};
use crate::common::{seed, unique, wait_for};

/// Time in which an answer would have come.
const MOMENT: Duration = Duration::from_millis(300);
const LIMIT: Duration = Duration::from_secs(20);

/// A client that says one thing: which versions do you speak?
struct Asker(TcpStream);

impl Asker {
    fn new(proxy: &Proxy) -> Self {
        Self(TcpStream::connect(proxy.bootstrap().split(',').next().unwrap()).unwrap())
    }

    fn ask(&mut self, correlation: i32) {
        // ApiVersions, version 0, no client ID.
        let head = [&[0, 18, 0, 0], correlation.to_be_bytes().as_slice(), &[0xff, 0xff]].concat();
        self.0.write_all(&[&u32::try_from(head.len()).unwrap().to_be_bytes(), head.as_slice()].concat()).unwrap();
    }

    /// Returns the correlation ID of the next answer, and its size.
    fn answer(&mut self, within: Duration) -> std::io::Result<(i32, usize)> {
        self.0.set_read_timeout(Some(within)).unwrap();
        let mut length = [0; 4];
        self.0.read_exact(&mut length)?;
        let mut answer = vec![0; u32::from_be_bytes(length) as usize];
        self.0.read_exact(&mut answer)?;
        Ok((i32::from_be_bytes(answer[..4].try_into().unwrap()), answer.len()))
    }

    fn assert_answered(&mut self, correlation: i32) {
        self.ask(correlation);
        assert_eq!(self.answer(LIMIT).unwrap().0, correlation);
    }

    fn assert_silent(&mut self) {
        assert_eq!(self.answer(MOMENT).unwrap_err().kind(), ErrorKind::WouldBlock);
    }

    fn assert_ended(&mut self, kind: ErrorKind) {
        assert_eq!(self.answer(LIMIT).unwrap_err().kind(), kind);
    }
}

const ASKED: &[ApiKey] = &[ApiKey::ApiVersions];

fn answered(proxy: &Proxy) -> usize {
    proxy.exchanged(ApiKey::ApiVersions).iter().filter(|exchange| exchange.answered.is_some()).count()
}

#[test]
fn traffic_passes_unharmed() {
    let kafka = shared();
    let proxy = Proxy::start(&kafka);
    let behind = Cluster::reached_at(&proxy.bootstrap());
    let ids = Registry::start().register_orders(&unique("unharmed-value"));
    let mut traffic = Traffic::new(seed(), ids, Policy::default(), 3);
    let mut planned = traffic.mixed(3_000, &Class::usual());
    planned.push(traffic.record(Class::Padded(700_000)));
    let topic = behind.topic("unharmed", 3, &[]);
    // Pieces are no harm either.
    let sliced = proxy.set(Rule::requests(&[ApiKey::Produce], Action::Slice(1_000)).first(5));
    let sent = send(&behind.writer(), &topic, planned, || {});
    let _sliced = (sliced, proxy.set(Rule::answers(&[ApiKey::Fetch], Action::Slice(1_000)).first(5)));
    let mut read = behind.read(&[&topic]);
    read.sort_by_key(|record| (record.partition, record.offset));
    let mut expected = sent;
    expected.sort_by_key(|record| (record.source.1, record.offset));
    assert_eq!(read.len(), expected.len());
    for (read, sent) in read.iter().zip(&expected) {
        assert_eq!((read.partition, read.offset), (sent.source.1, sent.offset));
        assert!(read.content == sent.content, "record {} of partition {}", sent.offset, sent.source.1);
    }
    assert!(!proxy.exchanged(ApiKey::Fetch).is_empty(), "the client went through the proxy");
}

#[test]
fn held_and_delayed_frames_come_later() {
    let proxy = Proxy::start(&shared());
    let mut asker = Asker::new(&proxy);
    for rule in [Rule::requests(ASKED, Action::Hold).nth(2), Rule::answers(ASKED, Action::Hold).nth(2)] {
        let held = proxy.set(rule);
        asker.assert_answered(1);
        asker.ask(2);
        held.wait_hits(1, LIMIT);
        asker.assert_silent();
        assert_eq!(held.hits(), 1);
        held.release();
        assert_eq!(asker.answer(LIMIT).unwrap().0, 2);
    }
    let start = Instant::now();
    let _delayed = proxy.set(Rule::answers(ASKED, Action::Delay(MOMENT)).first(1));
    asker.assert_answered(3);
    assert!(start.elapsed() >= MOMENT);
    asker.assert_answered(4);
}

#[test]
fn a_stranded_request_arrives_without_its_client() {
    let proxy = Proxy::start(&shared());
    let mut asker = Asker::new(&proxy);
    let stranded = proxy.set(Rule::requests(ASKED, Action::Strand).first(1));
    asker.ask(1);
    asker.assert_ended(ErrorKind::UnexpectedEof);
    Asker::new(&proxy).assert_answered(2);
    assert_eq!(answered(&proxy), 1);
    stranded.release();
    wait_for("the stranded request's answer", LIMIT, || (answered(&proxy) == 2).then_some(()));
    wait_for("its connection's end", LIMIT, || (proxy.connections() == 0).then_some(()));
}

#[test]
fn a_held_request_arrives_though_its_client_gave_up() {
    let proxy = Proxy::start(&shared());
    let held = proxy.set(Rule::requests(ASKED, Action::Hold));
    Asker::new(&proxy).ask(1);
    held.wait_hits(1, LIMIT);
    assert_eq!(answered(&proxy), 0);
    drop(held);
    wait_for("the held request's answer", LIMIT, || (answered(&proxy) == 1).then_some(()));
}

#[test]
fn cut_dropped_and_reset_frames_get_nowhere() {
    let proxy = Proxy::start(&shared());
    let ends = [
        (Rule::requests(ASKED, Action::Cut), ErrorKind::UnexpectedEof, 0),
        (Rule::answers(ASKED, Action::Cut), ErrorKind::UnexpectedEof, 1),
        (Rule::requests(ASKED, Action::CutAfter), ErrorKind::UnexpectedEof, 1),
        (Rule::requests(ASKED, Action::Reset), ErrorKind::ConnectionReset, 0),
    ];
    for (rule, kind, delivered) in ends {
        let before = answered(&proxy);
        let mut asker = Asker::new(&proxy);
        let set = proxy.set(rule.first(1));
        asker.ask(1);
        asker.assert_ended(kind);
        wait_for("its connection's end", LIMIT, || (proxy.connections() == 0).then_some(()));
        assert_eq!(answered(&proxy) - before, delivered, "after {kind}");
        drop(set);
    }
    for rule in [Rule::requests(ASKED, Action::Drop), Rule::answers(ASKED, Action::Drop)] {
        let _dropped = proxy.set(rule.first(1));
        let mut asker = Asker::new(&proxy);
        asker.ask(1);
        asker.assert_silent();
        asker.assert_answered(2);
    }
}

#[test]
fn bytes_pass_at_the_bandwidth() {
    let proxy = Proxy::start(&shared());
    let mut asker = Asker::new(&proxy);
    let _limited = proxy.set(Rule::answers(ASKED, Action::Bandwidth(2_000)).first(2));
    let start = Instant::now();
    asker.ask(1);
    asker.ask(2);
    let size = asker.answer(LIMIT).unwrap().1 + asker.answer(LIMIT).unwrap().1;
    let least = Duration::from_secs_f64(f64::from(u32::try_from(size).unwrap()) / 2_000.0);
    assert!(start.elapsed() >= least, "{size} bytes took {:?}, not {least:?}", start.elapsed());
}

#[test]
fn a_port_goes_down_and_up_and_connections_are_reset() {
    let proxy = Proxy::start(&shared());
    let address = proxy.bootstrap();
    let mut asker = Asker::new(&proxy);
    asker.assert_answered(1);
    for node in proxy.nodes() {
        proxy.down(node);
    }
    asker.assert_ended(ErrorKind::UnexpectedEof);
    wait_for("the port to close", LIMIT, || TcpStream::connect(&address).is_err().then_some(()));
    for node in proxy.nodes() {
        proxy.up(node);
    }
    let stream = wait_for("the port to open", LIMIT, || TcpStream::connect(&address).ok());
    let mut asker = Asker(stream);
    asker.assert_answered(2);
    proxy.reset_all();
    asker.assert_ended(ErrorKind::ConnectionReset);
}

#[test]
fn a_rule_that_met_no_frame_fails_its_test() {
    let proxy = Proxy::start(&shared());
    let unmet = || drop(proxy.set(Rule::requests(&[ApiKey::EndTxn], Action::Drop)));
    assert!(catch_unwind(AssertUnwindSafe(unmet)).is_err());
    drop(proxy.set(Rule::requests(&[ApiKey::EndTxn], Action::Drop)).may_miss());
    let other_node = proxy.set(Rule::requests(ASKED, Action::Drop).of_node(99)).may_miss();
    Asker::new(&proxy).assert_answered(1);
    assert_eq!(other_node.hits(), 0);
}
