//! Killed by chance, at any moment, fifty times; long only.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::common::{long, seed, wait_for};
use super::shop::{PARTITIONS, Shop};

const KILLS: usize = 50;
const ORDERS: i64 = 8_000;

#[test]
fn killed_at_fifty_moments_of_chance_nothing_is_lost_and_nothing_sent_twice() {
    if !long() {
        println!("long only: SLUICE_TEST_LONG=1");
        return;
    }
    let (shop, mut random, began) = (Shop::new("moments"), StdRng::seed_from_u64(seed()), Instant::now());
    let mut orders = shop.orders(ORDERS);
    shop.refuse(&orders);
    shop.correct();
    let config = shop.file("sluice", &shop.config());
    let (state, mut kills) = (format!("{}.state", shop.letters), 0);
    let ends = |topic: &str, isolation| shop.scene.kafka.ends(topic, isolation).into_values().sum::<i64>();
    while kills < KILLS {
        // What it commits first says that it has begun; of some the first records are waited for.
        let topic = if kills % 5 == 0 { &shop.orders } else { &state };
        // Beside what a killed one has left open, with a marker for each partition.
        let before = ends(topic, "read_uncommitted") + i64::from(PARTITIONS);
        let mut command = shop.command(&config, &["--run", "--rate", "20"]);
        let mut redrive = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_for("a redrive at work", Duration::from_secs(120), || {
            (redrive.try_wait().unwrap().is_some() || ends(topic, "read_committed") > before).then_some(())
        });
        std::thread::sleep(Duration::from_millis(random.random_range(0..2_000)));
        redrive.kill().unwrap();
        let status = redrive.wait().unwrap();
        if status.signal() == Some(9) {
            kills += 1;
            continue;
        }
        // It has come to the end, as on a slow machine: the others need more to do.
        assert!(status.success(), "{status}");
        let more: Vec<_> = (orders.len()..).take(1_000).map(|number| shop.order(number as i64)).collect();
        shop.refuse(&more);
        orders.extend(more);
    }
    let (sent, runs) =
        (shop.read(&shop.orders).len(), shop.state().keys().filter(|key| key.starts_with("run/")).count());
    println!(
        "{kills} kills in {:.0} s; {sent} of {} records were sent by {runs} runs",
        began.elapsed().as_secs_f64(),
        orders.len()
    );
    assert!(sent > 0, "they were killed at work");
    shop.redrive(&["--run"]);
    shop.assert_once(&orders);
}
