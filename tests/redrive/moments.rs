//! Killed by chance, at any moment, fifty times; long only.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::common::{long, seed, wait_for};
use super::shop::Shop;

const KILLS: usize = 50;
const ORDERS: i64 = 8_000;

#[test]
fn killed_at_fifty_moments_of_chance_nothing_is_lost_and_nothing_sent_twice() {
    if !long() {
        println!("long only: SLUICE_TEST_LONG=1");
        return;
    }
    let (shop, mut random, began) = (Shop::new("moments"), StdRng::seed_from_u64(seed()), Instant::now());
    let orders = shop.orders(ORDERS);
    shop.refuse(&orders);
    shop.correct();
    let config = shop.file("sluice", &shop.config());
    let state = format!("{}.state", shop.letters);
    for kill in 0..KILLS {
        // What it commits first says that it has begun; of some the first records are waited for.
        let topic = if kill % 5 == 0 { &shop.orders } else { &state };
        let before = shop.read(topic).len();
        // So slow that fifty of them do not come to the end.
        let mut command = shop.command(&config, &["--run", "--rate", "20"]);
        let mut redrive = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_for("a redrive at work", Duration::from_secs(120), || (shop.read(topic).len() > before).then_some(()));
        std::thread::sleep(Duration::from_millis(random.random_range(0..2_000)));
        redrive.kill().unwrap();
        assert_eq!(redrive.wait().unwrap().signal(), Some(9), "it has not come to the end");
    }
    let (sent, runs) =
        (shop.read(&shop.orders).len(), shop.state().keys().filter(|key| key.starts_with("run/")).count());
    println!(
        "{KILLS} kills in {:.0} s; {sent} of {ORDERS} records were sent by {runs} runs",
        began.elapsed().as_secs_f64()
    );
    assert!(sent > 0 && sent < orders.len(), "they were killed at work");
    shop.redrive(&["--run"]);
    shop.assert_once(&orders);
}
