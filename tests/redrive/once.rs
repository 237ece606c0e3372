//! What passes is sent once: killed anywhere, stopped, or with a second redrive of the same topic.

use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;

use super::common::process::Process;
use super::common::{long, seed, wait_for};
use super::shop::Shop;

/// For a redrive to come somewhere on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

#[test]
fn what_passes_is_sent_once_and_told_in_the_state() {
    let shop = Shop::new("once");
    let orders = shop.orders(60);
    shop.refuse(&orders);
    // The same records again, as a gate that delivers at least once leaves them; and one that is damaged.
    shop.refuse(&orders[..5]);
    let mut damaged = shop.order(60);
    damaged.content.value.as_mut().unwrap().truncate(7);
    shop.refuse(&[damaged]);

    let report = shop.redrive(&["--run"]);
    assert_eq!((&report["passed"], &report["failed"]), (&json!(0), &json!(66)), "{report:#}");
    let state = shop.state();
    let first = report["run"].as_str().unwrap();
    assert_eq!(state[&format!("run/{first}")]["failed"], json!({ "subject_mismatch": 66 }), "{state:#?}");
    shop.assert_once(&[]);

    shop.correct();
    assert_eq!(shop.redrive(&[])["over"], json!({ "same_record": 5 }), "as it will be");
    let config = shop.config().set("/log", json!({ "level": "debug" })).set("/kafka/debug", "msg");
    let (report, log) = shop.redrive_by(&config, &["--run", "--source", &shop.raw]);
    assert_eq!((&report["passed"], &report["failed"], &report["done"]), (&json!(60), &json!(1), &json!(true)));
    assert_eq!(report["over"], json!({ "same_record": 5 }), "{report:#}");
    shop.assert_once(&orders);
    // By the target's own codec, so that brokers need not compress anew.
    let is_of_target =
        |line: &&str| line.contains("Produce MessageSet") && line.contains(&format!("{} [", shop.orders));
    let sent: Vec<&str> = log.lines().filter(is_of_target).collect();
    assert!(sent.iter().any(|line| line.contains("zstd")), "{sent:?}");
    assert!(!sent.iter().any(|line| line.contains("lz4")), "{sent:?}");

    let state = shop.state();
    let audit = &state[&format!("run/{}", report["run"].as_str().unwrap())];
    assert_eq!((&audit["read"], &audit["redriven"], &audit["to"]), (&json!(66), &json!(60), &json!("validated")));
    assert_eq!(audit["filters"], json!({ "source": [shop.raw] }));
    assert!(audit["ended"].as_i64() >= audit["begun"].as_i64(), "{audit:#}");
    let entry = &state["letter/1/3"];
    assert_eq!((&entry["state"], &entry["attempt"]), (&json!("redriven"), &json!(1)), "{entry:#}");
    assert_eq!(entry["to"], json!({ "topic": shop.orders, "partition": 1 }));
    assert_eq!(entry["source"], json!({ "topic": shop.raw, "partition": 1, "offset": 3 }));
    let failed: Vec<_> =
        state.values().filter(|entry| entry["state"] == "failed" && entry["reason"] == "invalid_length").collect();
    assert_eq!(failed.len(), 1, "{failed:#?}");
    assert_eq!(failed[0]["path"], "name");

    let before = shop.scene.kafka.ends(&shop.orders, "read_uncommitted");
    let report = shop.redrive(&["--run"]);
    assert_eq!(report["over"], json!({ "redriven": 60, "same_record": 5 }), "{report:#}");
    assert_eq!(shop.scene.kafka.ends(&shop.orders, "read_uncommitted"), before);
}

#[test]
fn killed_anywhere_nothing_is_lost_and_nothing_sent_twice() {
    let shop = Shop::new("killed");
    let orders = shop.orders(400);
    shop.refuse(&orders);
    shop.correct();
    let config = shop.file("sluice", &shop.config());
    // Every one of these is met, however fast the machine is: records are left until the last, and each run commits twice or more.
    let mut points = vec!["after_produce=150:kill".to_owned(), "before_commit=2:kill".to_owned()];
    if long() {
        let mut random = StdRng::seed_from_u64(seed());
        for _ in 0..47 {
            let name = ["after_produce", "before_commit", "after_commit"][random.random_range(0..3)];
            let last = if name == "after_produce" { 300 } else { 3 };
            points.push(format!("{name}={}:kill", random.random_range(1..=last)));
        }
    }
    points.push("after_commit=2:kill".to_owned());
    let certain = [0, 1, points.len() - 1];
    for (number, point) in points.iter().enumerate() {
        let ended = shop.command(&config, &["--run"]).env("SLUICE_FAILPOINTS", point).output().unwrap();
        let errors = String::from_utf8_lossy(&ended.stderr);
        let is_killed = ended.status.signal() == Some(9);
        // By chance more may be asked for than a run does.
        assert!(is_killed || (ended.status.success() && !certain.contains(&number)), "{point}: {errors}");
    }
    shop.redrive(&["--run"]);
    shop.assert_once(&orders);
}

#[test]
fn of_two_the_newcomer_goes_on_and_one_that_is_stopped_can_be_resumed() {
    let shop = Shop::new("two");
    let orders = shop.orders(300);
    shop.refuse(&orders);
    shop.correct();
    let config = shop.file("sluice", &shop.config());
    let start = |options: &[&str]| {
        let folder = tempfile::Builder::new().prefix("sluice-redrive-").tempdir().unwrap();
        Process::start("redrive", shop.command(&config, options), folder)
    };
    let sent = |least: usize| {
        wait_for("records of a redrive", LIMIT, || (shop.read(&shop.orders).len() >= least).then_some(()));
    };
    // So slow that none of them comes to its end by itself.
    let mut stopped = start(&["--run", "--rate", "2"]);
    sent(1);
    stopped.signal("TERM");
    let status = stopped.wait(LIMIT);
    assert_eq!(status.code(), Some(3), "{}", stopped.log());
    assert!(stopped.log().contains("stopped by SIGTERM before the end"), "{}", stopped.log());
    let before = shop.read(&shop.orders).len();

    let mut older = start(&["--run", "--rate", "2"]);
    sent(before + 1);
    let report = shop.redrive(&["--run"]);
    assert_eq!(report["done"], true, "{report:#}");
    let status = older.wait(LIMIT);
    let log = older.log();
    assert_eq!(status.code(), Some(3), "{log}");
    let told = format!("error: another redrive of '{}' has taken over", shop.letters);
    assert_eq!(log.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{log}");
    assert!(log.contains(&told), "{log}");
    shop.assert_once(&orders);
}
