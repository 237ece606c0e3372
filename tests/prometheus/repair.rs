//! A bad deploy from its first record to its repair: seen in a real Prometheus, explained by `dead-letters stats`, repaired by
//! `dead-letters redrive` once the schema is registered where it belongs; nothing lost, nothing twice.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::common::client::{Content, Read};
use super::common::gate::{Gate, binary};
use super::common::schemas::zigzag;
use super::common::traffic::by_id;
use super::common::wait_for;
use super::dashboards::read;
use super::live::{SEEN, hurried, number, wait_firing};
use super::server::{Prometheus, program};
use super::shop::{PARTITIONS, Shop};

/// What the old release writes: the new one leaves a field out.
const OLD: &str = r#"{"type":"record","name":"Order","fields":[{"name":"id","type":"long"},{"name":"name","type":"string"},{"name":"gift","type":"boolean"}]}"#;

/// Records written, by the number in their header.
type Written = BTreeMap<String, (i32, Content)>;

/// Writes orders until it is told to end: of the old release, and of the new one, too, once that is deployed.
fn produce(shop: &Shop, old: i32, is_deployed: &AtomicBool, end: &AtomicBool) -> (Written, Written) {
    let (writer, mut good, mut bad) = (shop.scene.kafka.writer(), Written::new(), Written::new());
    let mut next = 0;
    while !end.load(Ordering::Relaxed) {
        let orders: Vec<(i32, Content)> = (next..next + 20)
            .map(|order| {
                let (is_new, mut content) =
                    (is_deployed.load(Ordering::Relaxed) && order % 4 == 0, shop.order(order).content);
                if !is_new {
                    content.value = Some(by_id(old, &[zigzag(order), vec![6], b"Zoe".to_vec(), vec![1]].concat()));
                }
                let partition = i32::try_from(order).unwrap() % PARTITIONS;
                let written = if is_new { &mut bad } else { &mut good };
                written.insert(order.to_string(), (partition, content.clone()));
                (partition, content)
            })
            .collect();
        writer.write(&shop.raw, orders.iter().map(|(partition, content)| (*partition, content)), || {});
        next += 20;
        std::thread::sleep(Duration::from_millis(200));
    }
    (good, bad)
}

/// Ends the traffic when it goes, a panic included: a scope waits for the thread that writes.
struct Ending<'e>(&'e AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_bad_deploy_is_seen_explained_and_repaired() {
    let Some(program) = program("prometheus") else { return };
    let shop = Shop::new("deploy");
    let old = shop.scene.registry.register(&format!("{}-value", shop.raw), OLD);
    let gate = Gate::start(&shop.config());
    let prometheus = Prometheus::start(&program, &[("shop", gate.admin())], &hurried(&read("alerts.yaml")));
    let (is_deployed, end) = (AtomicBool::new(false), AtomicBool::new(false));
    let (good, bad) = std::thread::scope(|scope| {
        let ending = Ending(&end);
        let traffic = scope.spawn(|| produce(&shop, old, &is_deployed, &end));
        let rate = r#"sum(rate(sluice_records_total{gate="orders"}[10s]))"#;
        wait_for("good records in Prometheus", SEEN, || number(&prometheus, rate).filter(|rate| *rate > 0.0));
        assert!(!is_alarmed(&prometheus), "all is good");
        is_deployed.store(true, Ordering::Relaxed);
        let began = Instant::now();
        let bad = r#"sum(sluice_records_total{gate="orders",reason="subject_mismatch"})"#;
        wait_for("the bad deploy in Prometheus", SEEN, || number(&prometheus, bad).filter(|records| *records > 0.0));
        println!("the bad deploy is in Prometheus after {:.1} s", began.elapsed().as_secs_f64());
        wait_firing(&prometheus, &["SluiceRejectRate"]);
        drop(ending);
        traffic.join().unwrap()
    });
    wait_for("all dead letters", SEEN, || (shop.read(&shop.letters).len() == bad.len()).then_some(()));

    // Why, and whose: one reason and one schema, that of the new release.
    let stats = dead_letters(&shop, &["stats", &shop.letters]);
    let groups = stats["groups"].as_array().unwrap();
    assert_eq!((groups.len(), &stats["count"]), (1, &json!(bad.len())), "{stats:#}");
    assert_eq!(
        (&groups[0]["reason"], &groups[0]["schema_id"], &groups[0]["count"]),
        (&json!("subject_mismatch"), &json!(shop.schema), &json!(bad.len())),
        "{stats:#}"
    );
    assert_eq!(shop.redrive(&[])["passed"], 0, "nothing was mended yet");

    shop.correct();
    assert_eq!(shop.redrive(&[])["passed"], bad.len());
    shop.redrive(&["--run"]);
    assert_all_there(&shop, &good, &bad);
    let stats = dead_letters(&shop, &["stats", &shop.letters]);
    let states = json!({ "open": 0, "failed": 0, "redriven": bad.len() });
    assert_eq!((&stats["count"], &stats["states"]), (&json!(0), &states), "{stats:#}");
    let runs = dead_letters(&shop, &["runs", &shop.letters]);
    let audit = &runs["runs"][0]["audit"];
    assert_eq!((&audit["redriven"], audit["ended"].is_i64()), (&json!(bad.len()), true), "{runs:#}");

    shop.redrive(&["--run"]);
    assert_all_there(&shop, &good, &bad);
    wait_for("the alert to end", SEEN, || (!is_alarmed(&prometheus)).then_some(()));
}

fn is_alarmed(prometheus: &Prometheus) -> bool {
    prometheus.firing().iter().any(|alert| alert == "SluiceRejectRate")
}

fn dead_letters(shop: &Shop, asked: &[&str]) -> Value {
    let config = shop.file("looked", &shop.config());
    let mut command = Command::new(binary());
    let output =
        command.arg("dead-letters").args(asked).args(["--output", "json", "--config"]).arg(config).output().unwrap();
    assert!(output.status.success(), "{asked:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The universal check: each record that was written is in the validated topic once, as it was and in its partition; none is
/// anywhere else but in its dead letter.
fn assert_all_there(shop: &Shop, good: &Written, bad: &Written) {
    let of = |record: &Read, name: &str| {
        let found = record.content.headers.iter().find(|(found, _)| found == name)?;
        String::from_utf8(found.1.clone()?).ok()
    };
    let mut left: BTreeMap<_, _> = good.iter().chain(bad).collect();
    for record in shop.read(&shop.orders) {
        let number = of(&record, "trace").unwrap();
        let (partition, content) =
            left.remove(&number).unwrap_or_else(|| panic!("{number} is there twice: {record:?}"));
        let found = (record.partition, &record.content.key, &record.content.value, record.content.timestamp);
        assert_eq!(found, (*partition, &content.key, &content.value, content.timestamp), "{number}");
        let names = |content: &Content| content.headers.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        let mut told = names(&record.content);
        told.retain(|name| name != "sluice.attempt");
        assert_eq!(told, names(content), "{number}: no other header of the dead letter");
    }
    assert!(left.is_empty(), "{} records are lost: {:?}", left.len(), left.keys().take(5).collect::<Vec<_>>());
    assert_eq!(shop.read(&shop.raw).len(), good.len() + bad.len(), "the source has what the producer wrote");
    assert_eq!(shop.read(&shop.letters).len(), bad.len());
}
