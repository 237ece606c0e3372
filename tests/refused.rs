//! What brokers refuse of what a gate writes: records too large, records that a topic does not take (faults 17 and 18).
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests may")]

mod common;

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use common::check::{Finding, assert_clean};
use common::client::Read;
use common::fault::{Fault, endure, seen};
use common::gate::Gate;
use common::scene::{Line, Scene};
use common::schemas::Version;
use common::traffic::{Class, Expected, Planned, Policy, Sent};
use common::{seed, wait_for};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use sluice::gate::verdict::Route;
use sluice::violation::ReasonCode;

/// Classes of small records.
const SMALL: [Class; 5] =
    [Class::Order(Version::V1), Class::Order(Version::V2), Class::Tombstone, Class::NotFramed, Class::HeaderOrder];

const TOO_LARGE: Expected = Expected { route: Route::DeadLetter, reason: Some(ReasonCode::TooLarge) };
const REJECTED: Expected = Expected { route: Route::DeadLetter, reason: Some(ReasonCode::BrokerRejected) };

fn header(letter: &Read, name: &str) -> Option<String> {
    let (_, value) = letter.content.headers.iter().find(|(found, _)| found == name)?;
    Some(String::from_utf8(value.clone()?).unwrap())
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// Expects of all good records that `refuses` says yes to that the broker rejects them.
fn reject(planned: &mut [Planned], refuses: impl Fn(&Planned) -> bool) -> usize {
    let mut count = 0;
    for record in planned.iter_mut().filter(|record| record.expected.route == Route::Validated) {
        if refuses(record) {
            record.expected = REJECTED;
            count += 1;
        }
    }
    count
}

fn aborted(gate: &Gate) -> f64 {
    gate.metrics().sum("sluice_transactions_total", &[("result", "aborted")])
}

fn held(gate: &Gate, cause: &str) -> f64 {
    gate.metrics().sum("sluice_held_partitions", &[("cause", cause)])
}

/// Fault 18: null keys on their way to a compacted topic. Each is a dead letter that says which topic and why; all others
/// go where they belong. Bound: the usual time to catch up, with far fewer aborts than culprits.
#[test]
fn fault_18_null_keys_to_a_compacted_topic() {
    let scene = Scene::new("compacted", 3);
    let line = scene.line();
    scene.kafka.set_topic(&line.outputs.validated, "cleanup.policy", "compact");
    let mut planned = line.traffic(seed()).mixed(4_000, &Class::usual());
    let culprits = reject(&mut planned, |record| record.content.key.is_none());
    assert!(culprits > 100, "{culprits} culprits");
    let sent = scene.send(line, planned);
    // Transactions that hold many culprits each, however slow the machine.
    let gate = Gate::start(&scene.config().set("/commit_interval", "1s"));
    scene.verify(line, &sent, Some(&gate));
    let aborts = aborted(&gate);
    assert!(aborts < 60.0, "{aborts} aborts for {culprits} culprits");
    let letters = scene.kafka.read(&[&line.outputs.dead_letter]);
    let letter = letters.iter().find(|letter| header(letter, "sluice.reason").as_deref() == Some("broker_rejected"));
    let detail = header(letter.unwrap(), "sluice.detail").unwrap();
    assert!(detail.contains(&line.outputs.validated) && detail.contains("INVALID_RECORD"), "{detail}");
}

/// The same without transactions, where nothing is taken back: what stood after a culprit in its batch's time is first
/// there, its order among dead letters is that of the last copies.
#[test]
fn fault_18_null_keys_at_least_once() {
    let scene = Scene::new("compacted-alo", 2);
    let line = scene.line();
    scene.kafka.set_topic(&line.outputs.validated, "cleanup.policy", "compact");
    let mut planned = line.traffic(seed()).mixed(1_000, &Class::usual());
    assert!(reject(&mut planned, |record| record.content.key.is_none()) > 20);
    let sent = scene.send(line, planned);
    let gate = Gate::start(&scene.config().set("/delivery", "at-least-once"));
    scene.wait_committed(line, &sent);
    let findings = scene.findings(line, &sent, &BTreeMap::new(), true).into_iter();
    assert_clean(&findings.filter(|finding| !matches!(finding, Finding::Disordered(_))).collect::<Vec<_>>());
    drop(gate);
}

/// Fault 18: a topic that takes no old records. They are dead letters, the young ones pass.
#[test]
fn fault_18_times_out_of_bounds() {
    let scene = Scene::new("old", 2);
    let line = scene.line();
    let day = Duration::from_secs(86_400).as_millis();
    scene.kafka.set_topic(&line.outputs.validated, "message.timestamp.before.max.ms", &day.to_string());
    let (start, mut planned) = (now(), line.traffic(seed()).mixed(600, &Class::usual()));
    // Every 50th keeps its time, which is years ago, and so do the first good ones.
    let good = |record: &Planned| record.expected.route == Route::Validated;
    let kept: Vec<usize> = (0..planned.len()).filter(|number| good(&planned[*number])).take(4).collect();
    for (number, record) in planned.iter_mut().enumerate().filter(|(number, _)| number % 50 != 0) {
        if !kept.contains(&number) {
            record.content.timestamp = start - i64::try_from(number).unwrap();
        }
    }
    assert!(reject(&mut planned, |record| record.content.timestamp < start - 86_400_000) > 3);
    let sent = scene.send(line, planned);
    let gate = Gate::start(&scene.config());
    scene.verify(line, &sent, Some(&gate));
}

/// Fault 18: the dead letters refuse the record as well. Its partition is held and says so, once and without a loop; the
/// others go on; when the topic is mended it goes on by itself. Bound: one try in 30 s.
#[test]
fn fault_18_refused_everywhere() {
    let scene = Scene::new("nowhere", 2);
    let line = scene.line();
    let Line { outputs, .. } = line;
    for topic in [&outputs.validated, &outputs.dead_letter] {
        // Other settings return to their defaults: dead letters have their record's time now.
        scene.kafka.set_topic(topic, "message.timestamp.before.max.ms", "86400000");
    }
    let (start, good) = (now(), [Class::Order(Version::V2)]);
    let mut planned = line.traffic(seed()).mixed(400, &good);
    for (record, number) in planned.iter_mut().zip(0..) {
        record.content.timestamp = start - number;
    }
    let old = planned.iter_mut().filter(|record| record.partition == 0).nth(50).unwrap();
    (old.content.timestamp, old.expected) = (1_500_000_000_000, REJECTED);
    let sent = scene.send(line, planned);
    let gate = Gate::start(&scene.config());
    let limit = Duration::from_secs(30);
    wait_for("the hold", limit, || (held(&gate, "record_refused") > 0.5).then_some(()));
    let other: Vec<Sent> = sent.iter().filter(|record| record.source.1 == 1).cloned().collect();
    scene.wait_committed(line, &other);
    assert!(gate.log().contains("INVALID_TIMESTAMP"), "the log says why");
    assert!(gate.log().contains(&outputs.dead_letter), "the log names the topic");
    let before = aborted(&gate);
    std::thread::sleep(Duration::from_secs(3));
    assert!(aborted(&gate) < before + 2.0, "a held record is no loop");
    scene.kafka.set_topic(&outputs.dead_letter, "message.timestamp.type", "LogAppendTime");
    scene.verify(line, &sent, Some(&gate));
    assert!(held(&gate, "record_refused") < 0.5);
}

/// Records that no compressor makes smaller, in one partition: `sizes` are those of the padding.
fn padded(scene: &Scene, line: &Line, sizes: impl Iterator<Item = usize>) -> Vec<Planned> {
    let (mut traffic, _) = (line.traffic(seed()), scene);
    sizes.map(|size| Planned { partition: 0, ..traffic.record(Class::Padded(size)) }).collect()
}

/// Returns how many bytes a batch of this record alone takes, as the protocol lays it out.
fn batch_size(record: &Planned) -> usize {
    fn varint(number: usize) -> usize {
        (1..).find(|bytes| number < 1 << (7 * bytes - 1)).unwrap()
    }
    let part = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(1, |bytes| varint(bytes.len()) + bytes.len());
    let headers: usize =
        record.content.headers.iter().map(|(name, value)| varint(name.len()) + name.len() + part(value)).sum();
    let body =
        3 + part(&record.content.key) + part(&record.content.value) + varint(record.content.headers.len()) + headers;
    61 + varint(body) + body
}

/// Fault 17: records from 100 bytes below the limit of their topic to one above, each in a batch with good ones. Exactly
/// those above are dead letters. Dead letters grow by their headers, and are made smaller until they fit.
#[test]
fn fault_17_records_at_the_limit() {
    let mut scene = Scene::empty("limit");
    let line = scene.add("orders", 2, Policy::default(), json!({}));
    let limit = 20_000;
    scene.kafka.set_topic(&line.outputs.validated, "max.message.bytes", &limit.to_string());
    // Room for some headers above the limit of the validated topic.
    scene.kafka.set_topic(&line.outputs.dead_letter, "max.message.bytes", &(limit + 600).to_string());
    let mut planned = padded(&scene, &line, (0..12).map(|step| limit - 300 + 25 * step));
    // The sizes that matter most: exactly the limit, one byte less and one more.
    for (record, wanted) in planned.iter_mut().zip([limit - 1, limit, limit + 1]) {
        let pad = |record: &mut Planned, bytes| {
            record.content.headers = vec![("pad".to_owned(), Some(vec![b'x'; bytes]))];
            batch_size(record)
        };
        let bytes = wanted - pad(record, 0);
        // The longer length of a longer header.
        let excess = pad(record, bytes) - wanted;
        pad(record, bytes - excess);
        assert_eq!(batch_size(record), wanted);
    }
    for record in planned.iter_mut().filter(|record| batch_size(record) > limit) {
        record.expected = TOO_LARGE;
    }
    let mut traffic = line.traffic(seed() + 1);
    let mut all = Vec::new();
    for (mut record, shift) in planned.into_iter().zip(1..) {
        record.content.timestamp += shift;
        all.extend(traffic.mixed(20, &SMALL));
        all.push(record);
    }
    let sent = scene.send(&line, all);
    let gate = Gate::start(&scene.config().set("/kafka/compression.type", "none"));
    scene.wait_committed(&line, &sent);
    let findings = scene.findings(&line, &sent, &BTreeMap::new(), false);
    let letters = scene.kafka.read(&[&line.outputs.dead_letter]);
    let reduced = |extent| gate.metrics().sum("sluice_dead_letters_reduced_total", &[("extent", extent)]);
    // The smaller ones lack headers, of which the check knows all.
    let hard: Vec<_> =
        findings.into_iter().filter(|finding| !matches!(finding, Finding::DeadLetterHeader(_))).collect();
    assert_clean(&hard);
    let without = |name: &str| letters.iter().filter(|letter| header(letter, name).is_none()).count();
    #[allow(clippy::cast_precision_loss, reason = "small counts")]
    let (no_gate, no_detail) = (without("sluice.gate") as f64, without("sluice.detail") as f64);
    assert_eq!(reduced("minimal"), no_gate, "minimal dead letters");
    assert_eq!(reduced("no_detail") + reduced("minimal"), no_detail, "dead letters without detail");
    assert_eq!(reduced("truncated"), 0.0);
}

/// Fault 17: a record that fits no output holds its partition, and nothing of it is lost: with `oversize: truncate` the
/// begin of its value is a dead letter with size and hash of the whole, and everything else leaves as it came.
#[test]
fn fault_17_records_that_fit_nowhere() {
    let mut scene = Scene::empty("nowhere-fits");
    let line = scene.add("orders", 2, Policy::default(), json!({}));
    for topic in [&line.outputs.validated, &line.outputs.dead_letter] {
        scene.kafka.set_topic(topic, "max.message.bytes", "20000");
    }
    let mut traffic = line.traffic(seed() + 1);
    let mut planned = traffic.mixed(100, &SMALL);
    let large = [30_000, 90_000];
    planned.extend(padded(&scene, &line, large.into_iter()).into_iter().map(|mut record| {
        record.content.timestamp += 1;
        record
    }));
    planned.extend(traffic.mixed(100, &SMALL));
    let sent = scene.send(&line, planned);
    let gate = Gate::start(&scene.config());
    wait_for("the hold", Duration::from_secs(30), || (held(&gate, "oversize") > 0.5).then_some(()));
    let (status, log) = gate.stop(Duration::from_secs(10));
    assert!(status.success() && log.contains("oversize"), "{log}");

    let gate = Gate::start(&scene.config().set("/gates/orders/oversize", "truncate"));
    scene.wait_committed(&line, &sent);
    let letters = scene.kafka.read(&[&line.outputs.dead_letter]);
    let cut: Vec<_> = letters.iter().filter(|letter| header(letter, "sluice.truncated.size").is_some()).collect();
    let whole: Vec<_> = sent.iter().filter(|record| matches!(record.class, Class::Padded(_))).collect();
    assert_eq!(cut.len(), whole.len());
    for (letter, record) in cut.iter().zip(&whole) {
        let value = record.content.value.as_ref().unwrap();
        let hash: String = Sha256::digest(value).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(header(letter, "sluice.truncated.size"), Some(value.len().to_string()));
        assert_eq!(header(letter, "sluice.truncated.sha256"), Some(hash));
        assert_eq!(header(letter, "sluice.source.offset"), Some(record.offset.to_string()));
        assert_eq!(header(letter, "sluice.reason").as_deref(), Some("too_large"));
        assert_eq!(letter.content.key, record.content.key);
        let left = letter.content.value.as_ref().unwrap();
        assert!(value.starts_with(left) && left.len() > 15_000, "{} bytes are left", left.len());
    }
    let rest: Vec<_> = sent.iter().filter(|record| !matches!(record.class, Class::Padded(_))).cloned().collect();
    let others = scene.findings(&line, &rest, &BTreeMap::new(), false);
    let others: Vec<_> = others.into_iter().filter(|finding| !matches!(finding, Finding::Unknown(_))).collect();
    assert_clean(&others);
    assert_eq!(gate.metrics().sum("sluice_dead_letters_reduced_total", &[("extent", "truncated")]), 2.0);
}

/// Fault 17: a record that fits nowhere holds its partition until a limit is raised, and goes on without a restart. Bound:
/// 60 s, of which 30 are the time until it is tried again.
#[test]
fn fault_17_limit_raised() {
    let mut scene = Scene::empty("raised");
    let line = scene.add("orders", 2, Policy::default(), json!({}));
    for topic in [&line.outputs.validated, &line.outputs.dead_letter] {
        scene.kafka.set_topic(topic, "max.message.bytes", "20000");
    }
    let mut planned = line.traffic(seed() + 1).mixed(100, &SMALL);
    let large = padded(&scene, &line, std::iter::once(30_000)).into_iter();
    planned.splice(50..50, large.map(|record| Planned { expected: TOO_LARGE, ..record }).collect::<Vec<_>>());
    let sent = scene.send(&line, planned);
    let gate = Gate::start(&scene.config());
    wait_for("the hold", Duration::from_secs(30), || (held(&gate, "oversize") > 0.5).then_some(()));
    let topic = &line.outputs.dead_letter;
    scene.kafka.set_topic(topic, "max.message.bytes", "100000");
    let raised = Instant::now();
    scene.wait_committed(&line, &sent);
    let recovered = raised.elapsed().as_secs_f64();
    scene.verify(&line, &sent, Some(&gate));
    assert!(held(&gate, "oversize") < 0.5);
    seen("17", &format!("limit raised: {recovered:.1} s, 0 lost, 0 twice"));
}

/// Fault 17: the limit of an output is lowered under load, below what batches have by then. No record is at fault, and none
/// becomes a dead letter. Bound: 20 s.
#[test]
fn fault_17_limit_lowered() {
    let scene = Scene::new("lowered", 4);
    let line = scene.line();
    let gate = Gate::start(&scene.config());
    let fault = Fault { number: "17", what: "limit of an output lowered", bound: Duration::from_secs(20) };
    endure(&scene, line, fault, || {
        scene.kafka.set_topic(&line.outputs.validated, "max.message.bytes", "3000");
        // A backlog makes batches larger than that.
        gate.pause();
        std::thread::sleep(Duration::from_secs(2));
        gate.resume();
    });
    let rebuilt = gate.metrics().sum("sluice_producer_rebuilds_total", &[("cause", "limits")]);
    assert!((0.5..8.5).contains(&rebuilt), "{rebuilt} producers made anew for their batches");
    assert!(gate.records("orders").keys().all(|(_, reason)| reason != "too_large"));
}

/// A cluster where the gate's user has the rights that it needs to write, and not to see the settings of topics.
#[cfg(feature = "tls")]
mod guest {
    use super::*;
    use common::gate::Config;
    use common::java::Tools;
    use common::kafka::{Hold, PASSWORD, Setup, USER};
    use common::secured::over_sasl;

    struct Guest {
        scene: Scene,
        tools: Tools,
    }

    impl Guest {
        fn new(name: &str) -> Self {
            let setup = Setup::new(1).property("super.users", "User:ANONYMOUS");
            let class = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";
            let cluster = setup.property("authorizer.class.name", class).start();
            let mut scene = Scene::on(Hold::Own(cluster), name);
            scene.add("orders", 2, Policy::default(), json!({}));
            let guest = Self { scene, tools: Tools::start() };
            for (operations, resource) in
                [("Read Write Describe", "topic"), ("Read Describe", "group"), ("Write Describe", "transactional-id")]
            {
                let application = &guest.scene.application;
                guest.acl(operations, &format!("--{resource} {application} --resource-pattern-type prefixed"), "--add");
            }
            guest
        }

        fn acl(&self, operations: &str, resource: &str, change: &str) {
            let operations: String =
                operations.split(' ').map(|operation| format!(" --operation {operation}")).collect();
            let bootstrap = self.scene.kafka.bootstrap();
            let kind = if change.contains("deny") { "--deny-principal" } else { "--allow-principal" };
            let change = change.trim_end_matches("-deny");
            let force = if change == "--remove" { " --force" } else { "" };
            self.tools.run(&format!(
                "kafka-acls.sh --bootstrap-server {bootstrap} {change}{force} {kind} User:{USER}{operations} {resource}"
            ));
        }

        fn config(&self) -> Config {
            over_sasl(self.scene.config(), &self.scene.kafka, USER, PASSWORD)
        }
    }

    /// Fault 17: nobody tells the gate what its output takes, and it takes less than batches have. The records that are
    /// too large are found and become dead letters, and no others; batches are smaller from then on.
    #[test]
    fn fault_17_limit_unknown() {
        let guest = Guest::new("unknown");
        let line = guest.scene.line();
        guest.scene.kafka.set_topic(&line.outputs.validated, "max.message.bytes", "3000");
        let mut traffic = line.traffic(seed());
        let mut planned = traffic.mixed(1_500, &SMALL);
        let large = (0..2).map(|_| Planned { expected: TOO_LARGE, ..traffic.record(Class::Padded(6_000)) });
        planned.splice(700..700, large.collect::<Vec<_>>());
        let sent = guest.scene.send(line, planned);
        let gate = Gate::start(&guest.config());
        guest.scene.verify(line, &sent, Some(&gate));
        let rebuilt = gate.metrics().sum("sluice_producer_rebuilds_total", &[("cause", "limits")]);
        assert!(rebuilt > 0.5, "smaller batches need a producer of their own");
        assert!(aborted(&gate) < 60.0, "{} aborts", aborted(&gate));
    }

    /// Fault 18: the right to write an output is taken away under load and given back. The gate says which topic, dead-letters
    /// nothing, and goes on by itself. Bound: 20 s, of which 10 are the longest pause.
    #[test]
    fn fault_18_right_to_write_lost() {
        let guest = Guest::new("right");
        let (scene, line) = (&guest.scene, guest.scene.line());
        let gate = Gate::start(&guest.config());
        let fault = Fault { number: "18", what: "right to write lost and given back", bound: Duration::from_secs(20) };
        let deny = |change: &str| guest.acl("Write", &format!("--topic {}", line.outputs.validated), change);
        endure(scene, line, fault, || {
            deny("--add-deny");
            wait_for("the hold", Duration::from_secs(30), || (held(&gate, "target_unavailable") > 0.5).then_some(()));
            let before = aborted(&gate);
            std::thread::sleep(Duration::from_secs(3));
            assert!(aborted(&gate) < before + 6.0, "pauses grow");
            deny("--remove-deny");
        });
        assert!(gate.log().contains(&line.outputs.validated) && gate.log().contains("uthorization failed"));
    }
}
