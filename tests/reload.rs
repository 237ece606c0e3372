//! SIGHUP: gates come, change and go beside one that goes on, and a file with mistakes changes nothing.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::gate::{Config, Gate};
use common::kafka::{Cluster, Hold};
use common::load::Load;
use common::process::free_port;
use common::scene::{Line, Scene};
use common::traffic::{Class, Policy};
use common::{seed, wait_for};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(60);

/// Records per second of a load.
const RATE: u32 = 300;

/// The configuration of some of the scene's gates.
fn only(scene: &Scene, gates: &[&str]) -> Config {
    let mut config = scene.config().patient();
    config.0["gates"].as_object_mut().unwrap().retain(|name, _| gates.contains(&name.as_str()));
    config
}

/// What shows that a gate was touched: changes of its assignment, and pipelines that began. (Brokers that are slow to end a
/// transaction cost a producer whatever else is done.)
fn touched(gate: &Gate, name: &str) -> BTreeMap<&'static str, u64> {
    let metrics = gate.metrics();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, not negative")]
    let rebalances = metrics.sum("sluice_rebalances_total", &[("gate", name)]) as u64;
    BTreeMap::from([
        ("rebalances", rebalances),
        ("begun anew", gate.log().matches(&format!("gate started gate=\"{name}\"")).count() as u64),
    ])
}

/// Waits until a gate has committed some more records than it had.
fn goes_on(gate: &Gate, name: &str) {
    let records = || gate.records(name).values().sum::<u64>();
    let before = records();
    wait_for("further records", LIMIT, || (records() > before).then_some(()));
}

/// The mistakes that the page shows, as one text.
fn mistakes(configuration: &Value) -> String {
    assert_eq!(configuration["reload"], "refused", "{configuration}");
    let mistakes = configuration["mistakes"].as_array().unwrap();
    mistakes.iter().map(|mistake| mistake.as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn assert_applied(configuration: &Value, changes: &str) {
    assert_eq!(
        (&configuration["reload"], &configuration["changes"]),
        (&json!("applied"), &json!(changes)),
        "{configuration}"
    );
}

fn add(scene: &mut Scene, gate: &str) -> Line {
    scene.add(gate, 2, Policy::default(), json!({}))
}

/// One gate goes on through everything that is done to the other one, and neither loses a record or writes one twice.
#[test]
fn gates_come_change_and_go_beside_one_that_goes_on() {
    let seed = seed();
    let mut scene = Scene::empty("reload");
    let (orders, clicks) = (add(&mut scene, "orders"), add(&mut scene, "clicks"));
    let scene = scene;
    let (alone, both) = (only(&scene, &["orders"]), scene.config().patient());
    let changed = both.clone().set("/gates/clicks/threads", 2);
    let mut gate = Gate::start(&alone);
    let load = Load::new(&scene, &orders, seed, RATE);
    let untouched = std::thread::scope(|scope| {
        let _ending = load.ending();
        scope.spawn(|| load.run());
        goes_on(&gate, "orders");
        let untouched = touched(&gate, "orders");
        let of_clicks = Load::new(&scene, &clicks, seed, RATE);
        std::thread::scope(|scope| {
            let _ending = of_clicks.ending();
            scope.spawn(|| of_clicks.run());
            assert_applied(&gate.reload(&both), "added clicks");
            gate.wait_ready();
            goes_on(&gate, "clicks");
            assert_applied(&gate.reload(&changed), "changed clicks");
            gate.wait_ready();
            goes_on(&gate, "clicks");
            mistakes_change_nothing(&gate, &changed);
            goes_on(&gate, "clicks");
        });
        let sent = of_clicks.finish(&scene.kafka);
        // What was counted before the change goes on being counted.
        scene.verify(&clicks, &sent, Some(&gate));
        assert_applied(&gate.reload(&alone), "removed clicks");
        wait_for("the end of the gate", LIMIT, || (gate.status()["gates"].as_array()?.len() == 1).then_some(()));
        let metrics = gate.ask("/metrics").unwrap().body;
        assert!(!metrics.contains("gate=\"clicks\"") && metrics.contains("gate=\"orders\""), "{metrics}");
        let group = scene.group(&clicks);
        wait_for("the group to be left", LIMIT, || (scene.kafka.members(&group) == 0).then_some(()));
        gate.wait_ready();
        goes_on(&gate, "orders");
        untouched
    });
    let sent = load.finish(&scene.kafka);
    scene.verify(&orders, &sent, Some(&gate));
    assert_eq!(touched(&gate, "orders"), untouched);
}

/// Every mistake is told, and no gate is touched by a file that has some, nor by what runs already.
fn mistakes_change_nothing(gate: &Gate, running: &Config) {
    let before = touched(gate, "orders");
    let wrong = running.clone().set("/gates/orders/tombstones", "keep").set("/memory", "1KiB").set("/kafkas", 1);
    let told = mistakes(&gate.reload(&wrong));
    let log = gate.log();
    for key in ["gates.orders.tombstones: ", "memory: ", "kafkas: "] {
        assert!(told.contains(key) && log.contains(key), "no '{key}' in {told}");
    }
    let status = gate.status();
    let problems = status["problems"].as_array().unwrap();
    assert!(problems.iter().any(|problem| problem["kind"] == "reload"), "{problems:?}");
    assert_eq!(gate.metrics().sum("sluice_config_last_reload_successful", &[]), 0.0);
    assert_applied(&gate.reload(running), "no gate has changed");
    assert_eq!(gate.metrics().sum("sluice_config_last_reload_successful", &[]), 1.0);
    assert_eq!(touched(gate, "orders"), before);
}

/// What cannot work is found before anything stops: what only a restart changes, topics that are missing, brokers and a
/// registry that do not answer with their new settings.
#[test]
fn what_cannot_be_changes_nothing() {
    let mut scene = Scene::empty("reload-refused");
    let orders = add(&mut scene, "orders");
    let good = scene.config().patient();
    let gate = Gate::start(&good);
    let mut sent = scene.send(&orders, orders.traffic(1).mixed(200, &Class::usual()));
    scene.wait_committed(&orders, &sent);
    let untouched = touched(&gate, "orders");
    let missing = json!({ "source": "nowhere.raw", "validated": "nowhere", "value": { "format": "any" } });
    let nowhere = format!("127.0.0.1:{}", free_port());
    for (config, expected) in [
        (
            good.clone().set("/application", "other").set("/instance", "a"),
            "application: is not what the process runs with; restart",
        ),
        (good.clone().set("/gates/more", missing), "gates.more.source: source topic 'nowhere.raw' does not exist"),
        (good.clone().set("/gates/orders/validated", "not.there"), "'not.there'"),
        (good.clone().set("/registry/url", format!("http://{nowhere}")), "registry: its settings have changed"),
        (good.clone().set("/kafka/bootstrap.servers", nowhere.clone()), "kafka: its settings have changed"),
        (good.clone().set("/kafka/transaction.timeout.ms", "9000000"), "kafka.transaction.timeout.ms: "),
        (good.clone().without("/gates", "orders"), "gates: "),
    ] {
        let told = mistakes(&gate.reload(&config));
        assert!(told.contains(expected), "{told}");
    }
    assert_eq!(touched(&gate, "orders"), untouched);
    sent.extend(scene.send(&orders, orders.traffic(2).mixed(200, &Class::usual())));
    scene.verify(&orders, &sent, Some(&gate));
    // What all inherit begins all anew, and the records are counted on.
    assert_applied(
        &gate.reload(&good.set("/commit_interval", "50ms").set("/registry/refresh", "2s")),
        "changed orders",
    );
    sent.extend(scene.send(&orders, orders.traffic(3).mixed(200, &Class::usual())));
    scene.verify(&orders, &sent, Some(&gate));
}

/// Signals at any moment: before the process is ready, twice in a row while a slow gate leaves, during an outage of all
/// brokers, and while it stops. It neither ends by one nor waits for ever.
#[test]
fn an_outage_wedges_no_reload() {
    let mut scene = Scene::on(Hold::Own(Cluster::start()), "reload-outage");
    let (orders, clicks) = (add(&mut scene, "orders"), add(&mut scene, "clicks"));
    let scene = scene;
    let (alone, both) = (only(&scene, &["orders"]), scene.config().patient());
    let mut gate = Gate::spawn(&both);
    wait_for("its log", LIMIT, || gate.log().contains("admin server listens").then_some(()));
    assert_applied(&gate.reload(&alone), "removed clicks");
    gate.wait_ready();
    let mut sent = scene.send(&orders, orders.traffic(1).mixed(300, &Class::usual()));
    scene.wait_committed(&orders, &sent);
    scene.kafka.halt();
    // The first is still leaving when the second comes; a third asks for what was there before.
    let other = both.clone().set("/gates/orders/threads", 2);
    assert_applied(&gate.reload(&other), "added clicks; changed orders");
    gate.write(&both);
    gate.signal("HUP");
    gate.signal("HUP");
    let changed = || gate.log().matches("configuration reloaded added=\"\" changed=\"orders\"").count();
    wait_for("the next reload", LIMIT, || (changed() == 1).then_some(()));
    assert!(gate.answers("/livez"));
    scene.kafka.go_on();
    gate.wait_ready();
    sent.extend(scene.send(&orders, orders.traffic(2).mixed(300, &Class::usual())));
    let of_clicks = scene.send(&clicks, clicks.traffic(3).mixed(300, &Class::usual()));
    scene.verify(&clicks, &of_clicks, Some(&gate));
    scene.verify(&orders, &sent, Some(&gate));
    gate.signal("TERM");
    gate.signal("HUP");
    let (status, log) = gate.wait_exit(LIMIT);
    assert_eq!(status.code(), Some(0), "{log}");
}
