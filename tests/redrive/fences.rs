//! Whoever takes the role of a redrive at work: one that begins goes on, one that goes again is a mishap.

use std::path::Path;
use std::time::Duration;

use rdkafka::producer::{BaseProducer, Producer as _};

use super::common::process::Process;
use super::common::wait_for;
use super::shop::Shop;

/// For a redrive to come somewhere on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

/// A shop whose records would pass, and the configuration of its redrives.
fn corrected(name: &str) -> (Shop, std::path::PathBuf) {
    let shop = Shop::new(name);
    shop.refuse(&shop.orders(300));
    shop.correct();
    // Whatever stands still here is not fenced for that.
    let config = shop.file("sluice", &shop.config().set("/kafka/transaction.timeout.ms", "60000"));
    (shop, config)
}

fn start(shop: &Shop, config: &Path, options: &[&str], failpoints: &str) -> Process {
    let folder = tempfile::Builder::new().prefix("sluice-redrive-").tempdir().unwrap();
    let mut command = shop.command(config, &[&["--run"], options].concat());
    command.env("SLUICE_FAILPOINTS", failpoints);
    Process::start("redrive", command, folder)
}

#[test]
fn fenced_once_it_goes_on_and_fenced_again_it_ends() {
    let (shop, config) = corrected("fences");
    let sent = |least: usize| {
        wait_for("records of a redrive", LIMIT, || (shop.read(&shop.orders).len() >= least).then_some(()));
    };
    let fence = || {
        let mut config = shop.scene.kafka.client();
        config.set("transactional.id", format!("{}.redrive.{}", shop.scene.application, shop.letters));
        let taker: BaseProducer = config.create().unwrap();
        taker.init_transactions(Duration::from_secs(60)).unwrap();
        shop.read(&shop.orders).len()
    };
    // So slow that it does not come to its end by itself.
    let mut redrive = start(&shop, &config, &["--rate", "2"], "");
    sent(1);
    // Nothing of the producer that was fenced is committed after that.
    let before = fence();
    sent(before + 1);
    fence();
    let status = redrive.wait(LIMIT);
    let log = redrive.log();
    assert_eq!(status.code(), Some(3), "{log}");
    assert!(log.contains(&format!("error: another redrive of '{}' has taken over", shop.letters)), "{log}");
    shop.redrive(&["--run"]);
    shop.assert_once(&shop.orders(300));
}

/// The older one begins anew, looks, and takes the role again just after the newer one has begun.
#[test]
fn of_two_that_take_the_role_from_each_other_the_newer_goes_on() {
    let (shop, config) = corrected("each-other");
    let halted = |failpoints: &str| {
        let redrive = start(&shop, &config, &[], failpoints);
        wait_for("a redrive to be halted", LIMIT, || redrive.is_halted().then_some(()));
        redrive
    };
    let mut older = halted("before_commit=2:abort,before_role=2:stop");
    let mut newer = halted("after_commit=1:stop");
    older.signal("CONT");
    assert_eq!(older.wait(LIMIT).code(), Some(3), "{}", older.log());
    assert!(older.log().contains("has taken over"), "{}", older.log());
    newer.signal("CONT");
    assert_eq!(newer.wait(LIMIT).code(), Some(0), "{}", newer.log());
    shop.assert_once(&shop.orders(300));
}
