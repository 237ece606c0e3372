//! An outage of the registry holds data back and condemns none of it (faults 20 to 25).
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

mod common;

use std::time::{Duration, Instant};

#[cfg(feature = "tls")]
use common::certificates::Authority;
#[cfg(feature = "tls")]
use common::door::Door;
use common::fault::{Fault, endure, seen};
use common::gate::{Config, Gate};
use common::http;
use common::registry::{Fault as Wrong, wait_cached};
use common::scene::{Line, Scene};
use common::schemas::{Version, zigzag};
use common::traffic::{Class, Policy, Sent, Traffic, by_id};
use common::{long, seed, wait_for};
use serde_json::{Value, json};

const V1: [Class; 1] = [Class::Order(Version::V1)];
const V3: [Class; 1] = [Class::Order(Version::V3)];
/// What waits for a registry that is well again: backoff, jitter, a busy machine.
const BOUND: Duration = Duration::from_secs(60);

/// Longer than the session timeout (6 s), so that a gate that stopped polling would be out of its group.
fn outage() -> Duration {
    Duration::from_secs(if long() { 600 } else { 8 })
}

/// A process with two gates: `orders` has a load whose schemas are at hand, `pioneers` meets new ones.
struct Cast<'s> {
    scene: &'s Scene,
    gate: Gate,
    traffic: Traffic,
    /// What went to the pioneers.
    sent: Vec<Sent>,
    schemas: u32,
}

/// Makes the cluster, the registry and the topics of both gates.
fn scene(name: &str) -> Scene {
    let mut scene = Scene::new(name, 2);
    scene.add("pioneers", 2, Policy::ANY_TARGET, json!({}));
    scene
}

impl<'s> Cast<'s> {
    /// Starts the process, lets the pioneers know version 1, and the orders all that their load will have.
    fn start(scene: &'s Scene, configure: impl FnOnce(Config) -> Config) -> Self {
        // Refusals stay for an hour: one that has to be confirmed while the registry is away would hold the load.
        let config = configure(scene.config().set("/registry/refresh", "1h"));
        let gate = Gate::start(&config);
        let traffic = scene.lines[1].traffic(seed());
        let mut cast = Self { scene, gate, traffic, sent: Vec::new(), schemas: 0 };
        let known = cast.send(0, &V1, None);
        cast.scene.wait_committed(cast.pioneers(), &known);
        let mut traffic = scene.line().traffic(seed());
        let usual = Class::usual().iter().map(|class| traffic.record(*class)).collect();
        // What has another subject waits for the grace, which is 3 minutes at most here.
        let usual = scene.send(scene.line(), usual);
        scene.wait_committed_within(scene.line(), &usual, Duration::from_secs(600));
        cast
    }

    fn pioneers(&self) -> &'s Line {
        &self.scene.lines[1]
    }

    /// Sends 20 records to one partition of the pioneers, under a schema with this ID instead of their own.
    fn send(&mut self, partition: i32, classes: &[Class], schema: Option<i32>) -> Vec<Sent> {
        let mut planned = self.traffic.on_partition(partition, 20, classes);
        for (number, record) in (0..).zip(&mut planned) {
            if let Some(id) = schema {
                record.content.value = Some(by_id(id, &zigzag(number)));
            }
        }
        let sent = self.scene.send(self.pioneers(), planned);
        self.sent.extend(sent.clone());
        sent
    }

    /// Registers a schema that nobody has met, and returns its ID.
    fn new_schema(&mut self) -> i32 {
        self.schemas += 1;
        let text =
            format!(r#"{{"type":"record","name":"New{}","fields":[{{"name":"n","type":"long"}}]}}"#, self.schemas);
        self.scene.registry.register(&format!("{}-value", self.pioneers().source), &text)
    }

    /// Waits until partition 1 of the pioneers, and nothing else, waits for this cause.
    fn wait_held(&self, cause: &str) {
        let held = |gate: &str| self.gate.metrics().sum("sluice_held_partitions", &[("gate", gate)]);
        let labels = [("gate", "pioneers"), ("cause", cause)];
        wait_for("a partition is held", BOUND, || {
            (self.gate.metrics().sum("sluice_held_partitions", &labels) > 0.5).then_some(())
        });
        assert!((held("pioneers") - 1.0).abs() < 0.1 && held("orders") < 0.1, "others are held too");
    }

    /// Waits until more of the load has passed than was under way when the count was `before`.
    fn wait_passed(&self, before: u64) {
        let wanted = before + 1_000;
        wait_for("the load to go on", BOUND, || (records(&self.gate, "orders") > wanted).then_some(()));
    }

    /// What holds during any fault of the registry: records with a new schema wait, and nobody else does.
    fn assert_only_new_schemas_wait(&mut self, id: i32, cause: &str, time: Duration) {
        let waiting = self.send(1, &V1, Some(id));
        let flowing = self.send(0, &V1, None);
        self.scene.wait_committed(self.pioneers(), &flowing);
        self.wait_held(cause);
        let before = records(&self.gate, "orders");
        std::thread::sleep(time);
        self.wait_passed(before);
        self.wait_held(cause);
        for line in &self.scene.lines {
            let is_member = || self.scene.kafka.members(&self.scene.group(line)) == 1;
            wait_for(&format!("{} to be a member", line.gate), BOUND, || is_member().then_some(()));
        }
        let done = self.sent.len() - waiting.len();
        wait_for("the others to be counted", BOUND, || (records(&self.gate, "pioneers") >= done as u64).then_some(()));
        assert_eq!(records(&self.gate, "pioneers"), done as u64, "the new schema waits, the others do not");
    }

    /// Waits for the pioneers' records, and judges them.
    fn verify(&self) {
        self.scene.verify(self.pioneers(), &self.sent, Some(&self.gate));
    }
}

fn records(gate: &Gate, line: &str) -> u64 {
    gate.records(line).values().sum()
}

fn status(gate: &Gate) -> Value {
    serde_json::from_str(&http::get(gate.admin(), "/status").expect("/status answers").body).unwrap()
}

/// Fault 20, registry stopped, connections refused: schemas at hand go on, a partition that meets another one waits,
/// nothing is dead-lettered, the group keeps its members. Bound: a minute from its return until all is through.
#[test]
fn fault_20_registry_stopped() {
    let scene = scene("f20-stopped");
    let mut cast = Cast::start(&scene, |config| config);
    let id = cast.new_schema();
    endure(&scene, scene.line(), Fault { number: "20", what: "registry stopped", bound: BOUND }, || {
        scene.registry.down();
        cast.assert_only_new_schemas_wait(id, "registry_unavailable", outage());
        let status = status(&cast.gate);
        assert_eq!(status["registry"]["state"], "unavailable");
        assert_eq!(status["gates"][0]["state"], "degraded");
        scene.registry.up();
    });
    cast.verify();
    let log = cast.gate.log();
    assert!(log.contains("registry unavailable; schemas at hand go on") && log.contains("registry back"), "{log}");
}

/// Fault 20, the name of the first address is not found, the second address is stopped for a while: as above.
#[test]
fn fault_20_name_not_found() {
    let scene = scene("f20-name");
    let urls = json!(["http://registry.invalid:8081", scene.registry.url()]);
    let mut cast = Cast::start(&scene, |config| config.set("/registry/url", urls));
    let id = cast.new_schema();
    endure(
        &scene,
        scene.line(),
        Fault { number: "20", what: "no address of the registry's name", bound: BOUND },
        || {
            scene.registry.down();
            cast.assert_only_new_schemas_wait(id, "registry_unavailable", Duration::from_secs(3));
            scene.registry.up();
        },
    );
    cast.verify();
}

/// Fault 20, the registry's certificate has expired, or is of an authority that nobody trusts: as above.
#[cfg(feature = "tls")]
#[test]
fn fault_20_certificate_expired_or_of_a_stranger() {
    let scene = scene("f20-tls");
    let (authority, stranger) = (Authority::new("ours"), Authority::new("a stranger"));
    let good = authority.sign("registry", &["127.0.0.1"]);
    let door = Door::open(scene.registry.port(), &good);
    let mut cast = Cast::start(&scene, |config| {
        config
            .set("/registry/url", json!([door.url()]))
            .set("/registry/tls", json!({ "ca": authority.file().to_str().unwrap() }))
    });
    let id = cast.new_schema();
    endure(&scene, scene.line(), Fault { number: "20", what: "registry's certificate expired", bound: BOUND }, || {
        door.show(&authority.sign_expired("expired", &["127.0.0.1"]));
        cast.assert_only_new_schemas_wait(id, "registry_unavailable", Duration::from_secs(2));
        door.show(&stranger.sign("stranger", &["127.0.0.1"]));
        std::thread::sleep(Duration::from_secs(2));
        cast.wait_held("registry_unavailable");
        door.show(&good);
    });
    cast.verify();
}

/// Fault 20, the registry is down when the process starts, and it has no cache: it reads nothing past, says so, and goes
/// on when the registry comes.
#[test]
fn fault_20_down_at_the_start() {
    let scene = Scene::new("f20-first", 2);
    let line = scene.line();
    scene.registry.down();
    let sent = scene.send(line, line.traffic(seed()).mixed(100, &Class::usual()));
    let gate = Gate::start(&scene.config());
    let held = [("gate", "orders"), ("cause", "registry_unavailable")];
    wait_for("the partitions to wait", BOUND, || {
        (gate.metrics().sum("sluice_held_partitions", &held) > 1.5).then_some(())
    });
    assert_eq!(records(&gate, "orders"), 0);
    assert_eq!(status(&gate)["gates"][0]["causes"], json!(["registry_unavailable"]));
    scene.registry.up();
    scene.verify(line, &sent, Some(&gate));
    seen("20", &format!("registry down at the start: {} records held, 0 lost, 0 twice", sent.len()));
}

/// Fault 20, the process starts anew while the registry is down, with `cache_dir`: it serves what it knew, `latest`
/// included, shows that it is degraded, and takes over what is new when the registry is back.
#[test]
fn fault_20_restart_from_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let mut scene = Scene::empty("f20-cache");
    let line = scene.add("orders", 2, Policy::ANY_TARGET, json!({ "value": { "target": "latest" } }));
    let mut traffic = line.traffic(seed());
    let config = scene.config().set("/registry/cache_dir", folder.path().to_str().unwrap());
    let gate = Gate::start(&config);
    let mut sent = scene.send(&line, traffic.mixed(100, &V3));
    scene.wait_committed(&line, &sent);
    wait_cached(folder.path(), 4);
    gate.kill();

    scene.registry.down();
    let gate = Gate::start(&config);
    sent.extend(scene.send(&line, traffic.mixed(100, &V3)));
    scene.wait_committed(&line, &sent);
    wait_for("the process to say that it is degraded", BOUND, || {
        let status = status(&gate);
        let is_it = status["gates"][0]["state"] == "degraded" && status["registry"]["state"] == "unavailable";
        is_it.then_some(())
    });
    assert!(gate.metrics().sum("sluice_registry_up", &[]) < 0.5);
    assert!(gate.log().contains("target version of before the start is used"), "{}", gate.log());

    scene.registry.up();
    wait_for("the registry to be back", BOUND, || (gate.metrics().sum("sluice_registry_up", &[]) > 0.5).then_some(()));
    scene.verify(&line, &sent, None);
    seen("20", &format!("restart during an outage with a cache: {} records, 0 lost, 0 twice", sent.len()));
}

/// Fault 21, registry slow, busy and flapping: few questions at a time and at a bounded rate, the cached path unaffected,
/// the rest waits. Bound: a minute from its recovery.
#[test]
fn fault_21_slow_busy_and_flapping() {
    let scene = scene("f21");
    let mut cast = Cast::start(&scene, |config| config);
    let id = cast.new_schema();
    let mut more: Vec<i32> = (0..20).map(|_| cast.new_schema()).collect();
    endure(&scene, scene.line(), Fault { number: "21", what: "registry slow, 429, 500/503", bound: BOUND }, || {
        scene.registry.fault(Some(Wrong::Slow(Duration::from_secs(30))));
        cast.assert_only_new_schemas_wait(id, "registry_unavailable", Duration::from_secs(3));
        for wrong in [Wrong::Busy, Wrong::Flapping] {
            scene.registry.fault(Some(wrong));
            let (before, flow) = (scene.registry.requests(""), records(&cast.gate, "orders"));
            for id in more.split_off(more.len() - 10) {
                cast.send(1, &V1, Some(id));
            }
            std::thread::sleep(Duration::from_secs(4));
            let asked = scene.registry.requests("") - before;
            assert!(asked < 400, "{wrong:?}: asked {asked} times in four seconds");
            cast.wait_passed(flow);
        }
        assert!(scene.registry.most_under_way() <= 8, "{} at once", scene.registry.most_under_way());
        scene.registry.fault(None);
    });
    cast.verify();
}

/// Fault 22, answers that are none: a proxy's page, cut-off JSON, wrong types, 100 MB, an error of another server. What
/// waits is decided when the registry is well again, and memory stays bounded. Bound: a minute.
#[test]
fn fault_22_garbage() {
    let scene = scene("f22");
    let mut cast = Cast::start(&scene, |config| config.set("/registry/refresh", "2s"));
    let wrongs = [
        Wrong::Page,
        Wrong::Body(r#"{"schema":"{\"type\":\"rec"#),
        Wrong::Body(r#"{"schema":42}"#),
        Wrong::Body("[]"),
        // It is JSON of the right shape and no schema: held, asked for again, and not kept.
        Wrong::Body(r#"{"schema":"{\"type\":\"nonsense\"}"}"#),
        Wrong::Large,
        // Without the registry's error code these deny no schema.
        Wrong::Status(404),
        Wrong::Status(401),
    ];
    let ids: Vec<i32> = wrongs.iter().map(|_| cast.new_schema()).collect();
    for (wrong, id) in wrongs.into_iter().zip(ids) {
        // The counters move after the commit.
        let done = cast.sent.len() as u64;
        wait_for("all to be counted", BOUND, || (records(&cast.gate, "pioneers") >= done).then_some(()));
        let asked = scene.registry.requests("GET /schemas/ids/");
        scene.registry.fault(Some(wrong));
        cast.send(1, &V1, Some(id));
        wait_for("the gate to ask twice", BOUND, || {
            (scene.registry.requests("GET /schemas/ids/") >= asked + 2).then_some(())
        });
        assert_eq!(records(&cast.gate, "pioneers"), done, "{wrong:?}: nothing is decided");
        scene.registry.fault(None);
        scene.wait_committed(cast.pioneers(), &cast.sent);
    }
    let peak = cast.gate.usage().peak_kib / 1024;
    assert!(peak < 500, "{peak} MiB at the peak");
    cast.verify();
    seen("22", &format!("garbage instead of schemas: {} records, 0 lost, 0 twice, {peak} MiB", cast.sent.len()));
}

/// Fault 22, another schema for an ID that is at hand: an alarm, and the one at hand stays.
#[test]
fn fault_22_another_schema_for_a_known_id() {
    let scene = scene("f22-other");
    let mut cast = Cast::start(&scene, |config| config.set("/registry/refresh", "1s"));
    let id = scene.lines[1].ids.orders[0];
    scene.registry.replace(&format!("/schemas/ids/{id}"), json!({ "schema": r#""long""# }));
    let changed = |gate: &Gate| gate.metrics().sum("sluice_registry_changed_schemas", &[]) > 0.5;
    wait_for("the alarm", BOUND, || changed(&cast.gate).then_some(()));
    assert_eq!(status(&cast.gate)["registry"]["changed_ids"], json!([id]));
    let log = cast.gate.log();
    assert!(log.contains("the registry has another schema under a known ID"), "{log}");
    cast.send(0, &V1, None);
    cast.verify();
    scene.registry.restore();
    wait_for("the end of the alarm", BOUND, || (!changed(&cast.gate)).then_some(()));
    seen("22", &format!("another schema for a known ID: alarm, {} records, 0 lost, 0 twice", cast.sent.len()));
}

/// Fault 23, late registration: the registry says 404 and then 200, as a follower does that lags behind the producer's
/// registration. Within the grace that is no verdict. Bound: the grace.
#[test]
fn fault_23_late_registration() {
    let scene = scene("f23");
    let grace = |config: Config| {
        config.set("/registry/unknown_schema/grace", "3m").set("/registry/unknown_schema/max_hold", "4m")
    };
    let mut cast = Cast::start(&scene, grace);
    let id = cast.new_schema();
    endure(&scene, scene.line(), Fault { number: "23", what: "schema registered late", bound: BOUND }, || {
        scene.registry.hide(id);
        cast.assert_only_new_schemas_wait(id, "unknown_schema", Duration::from_secs(2));
        let asked = || scene.registry.requests(&format!("GET /schemas/ids/{id}"));
        wait_for("the gate to ask again", BOUND, || (asked() > 1).then_some(()));
        scene.registry.release(id);
    });
    cast.verify();
}

/// Fault 24, a flood of IDs that nobody knows, each another one: the registry is asked at a bounded rate, memory is
/// bounded, the partition is held no longer than `max_hold`, and the dead letters come at the rate of the questions.
#[test]
fn fault_24_flood_of_unknown_ids() {
    let count = if long() { 1_000_000 } else { 12_000 };
    let scene = Scene::new("f24", 1);
    let line = scene.line();
    let config = scene.config().set("/registry/refresh", "30s");
    let config = config.set("/registry/unknown_schema/grace", "2s").set("/registry/unknown_schema/max_hold", "4s");
    let gate = Gate::start(&config);
    let mut traffic = line.traffic(seed());
    let known = scene.send(line, traffic.mixed(100, &V1));
    scene.wait_committed(line, &known);
    let before = gate.usage().peak_kib / 1024;
    let started = Instant::now();
    let mut sent = known;
    for thousand in 0..count / 1_000 {
        let mut planned = traffic.mixed(1_000, &[Class::UnknownSchema]);
        for (number, record) in (0_i32..).zip(&mut planned) {
            let value = record.content.value.as_mut().unwrap();
            value[1..5].copy_from_slice(&(2_000_000 + thousand * 1_000 + number).to_be_bytes());
        }
        planned.extend(traffic.mixed(2, &V1));
        sent.extend(scene.send(line, planned));
    }
    // A tenth of the rate at which the registry may be asked, for a busy machine.
    let limit = Duration::from_secs(60) + Duration::from_millis(20) * u32::try_from(count).unwrap();
    wait_for("the flood to be over", limit, || (records(&gate, "orders") >= sent.len() as u64).then_some(()));
    let took = started.elapsed();
    let (peak, most) = (gate.usage().peak_kib / 1024, scene.registry.most_within(Duration::from_secs(1)));
    let asked = scene.registry.requests("GET /schemas/ids/");
    println!(
        "fault 24: {count} unknown IDs: over in {:.1} s, asked {asked} times, {most} within a second, {before} MiB before and \
         {peak} MiB at the peak",
        took.as_secs_f64()
    );
    assert!(most <= 1_050, "{most} requests within a second: the burst and a second's worth at most");
    assert!(peak < before + 100, "{before} MiB before and {peak} MiB at the peak");
    scene.verify(line, &sent, Some(&gate));
}

/// Fault 25, a schema is deleted for good, and a registry restored from a backup gives the numbers to other schemas: what
/// is at hand goes on over a restart too, and the alarm names the IDs.
#[test]
fn fault_25_deleted_and_restored_with_other_ids() {
    let folder = tempfile::tempdir().unwrap();
    let mut scene = Scene::empty("f25");
    let line = scene.add("orders", 2, Policy::ANY_TARGET, json!({}));
    let mut traffic = line.traffic(seed());
    let config = scene.config().set("/registry/cache_dir", folder.path().to_str().unwrap());
    let gate = Gate::start(&config);
    let classes = [Class::Order(Version::V1), Class::Order(Version::V2)];
    let [first, second, _] = line.ids.orders;
    let mut sent = scene.send(&line, traffic.mixed(100, &classes));
    scene.wait_committed(&line, &sent);
    scene.registry.hide(first);
    wait_for("the deletion to be seen", BOUND, || {
        (status(&gate)["registry"]["gone_ids"] == json!([first])).then_some(())
    });
    sent.extend(scene.send(&line, traffic.mixed(100, &classes)));
    scene.wait_committed(&line, &sent);
    wait_cached(folder.path(), 5);
    gate.kill();

    scene.registry.replace(&format!("/schemas/ids/{second}"), json!({ "schema": r#""long""# }));
    let gate = Gate::start(&config);
    sent.extend(scene.send(&line, traffic.mixed(100, &classes)));
    scene.wait_committed(&line, &sent);
    wait_for("the alarm", BOUND, || (status(&gate)["registry"]["changed_ids"] == json!([second])).then_some(()));
    let log = gate.log();
    let advice = "was the registry restored or replaced?";
    assert!(log.contains("the registry has another schema under a known ID") && log.contains(advice), "{log}");
    sent.extend(scene.send(&line, traffic.mixed(100, &classes)));
    scene.verify(&line, &sent, None);
    seen("25", &format!("deleted, and restored with other IDs: alarm, {} records, 0 lost, 0 twice", sent.len()));
}

/// A folder that cannot be used is a fault of the configuration, told at once and in one line.
#[test]
fn a_cache_folder_that_cannot_be_used_ends_the_process() {
    let folder = tempfile::NamedTempFile::new().unwrap();
    let scene = Scene::new("cache-file", 1);
    let config = scene.config().set("/registry/cache_dir", folder.path().to_str().unwrap());
    let (status, log) = Gate::spawn(&config).wait_exit(Duration::from_secs(30));
    assert_eq!(status.code(), Some(2), "{log}");
    let begin = format!("'registry.cache_dir': cannot make the folder '{}'", folder.path().display());
    assert!(log.contains(&begin), "{log}");
}
