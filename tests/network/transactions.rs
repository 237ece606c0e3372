//! Requests of the transaction that come late, twice or without an answer.
//!
//! What the brokers said is read off the proxy: a test of a stray request shows that it arrived, and what it met.

use std::time::{Duration, Instant};

use crate::common::fault::{Fault, endure};
use crate::common::gate::Gate;
use crate::common::proxy::{Action, ApiKey, Exchange, Proxy, Rule};
use crate::common::scene::Scene;
use crate::common::wait_for;
use crate::{assert_alive, through};

const LIMIT: Duration = Duration::from_secs(30);

/// `INVALID_PRODUCER_EPOCH` and `PRODUCER_FENCED`: the request came from a producer that has a successor.
const FENCED: [i16; 2] = [47, 90];

/// Returns the requests of this API that were asked after `since` and answered without error.
fn done(proxy: &Proxy, api: ApiKey, since: Instant) -> Vec<Exchange> {
    let is_done = |exchange: &Exchange| {
        exchange.asked > since && exchange.answered.is_some_and(|(_, error)| error.unwrap_or(0) == 0)
    };
    proxy.exchanged(api).into_iter().filter(is_done).collect()
}

/// Waits until the `number`th transaction after a moment has records with the brokers and is not yet ended.
fn wait_inside_transaction(proxy: &Proxy, since: Instant, number: usize) {
    wait_for("a transaction with records", LIMIT, || {
        let ended = done(proxy, ApiKey::EndTxn, since).get(number - 1).cloned()?;
        let began = done(proxy, ApiKey::AddPartitionsToTxn, ended.asked).first().cloned()?;
        done(proxy, ApiKey::Produce, began.asked).first().map(drop)
    });
}

/// Keeps the `EndTxn` of a transaction from the coordinator, by `action`, until the `later`th transaction after it.
fn delayed_end(name: &str, what: &'static str, action: Action, later: usize) {
    let scene = Scene::new(name, 2);
    let proxy = Proxy::start(&scene.kafka);
    // Long transactions, so that the stray comes in the middle of one.
    let config = through(&proxy, &scene).set("/commit_interval", "700ms").set("/kafka/socket.timeout.ms", "1500");
    let mut gate = Gate::start(&config);
    let fault = Fault { number: "9", what, bound: Duration::from_secs(30) };
    endure(&scene, scene.line(), fault, || {
        let stray = proxy.set(Rule::requests(&[ApiKey::EndTxn], action).first(1));
        stray.wait_hits(1, LIMIT);
        let since = proxy.exchanged(ApiKey::EndTxn).last().unwrap().asked;
        wait_inside_transaction(&proxy, since, later);
        stray.release();
        let stray = wait_for("the stray's answer", LIMIT, || {
            let exchanged = proxy.exchanged(ApiKey::EndTxn);
            exchanged.into_iter().find(|exchange| exchange.asked == since)?.answered.map(|(_, error)| error.unwrap())
        });
        println!("the stray EndTxn was answered with {stray}");
        assert!(FENCED.contains(&stray), "the stray EndTxn was answered with {stray}: it met its own epoch");
    });
    assert_alive(&mut gate);
}

/// Fault 9: the bytes of an `EndTxn` are held in the network, the connection ends, and they arrive in the middle of the
/// next transaction (KAFKA-17754). The producer was replaced meanwhile, so the stray meets a newer epoch and ends
/// nothing. Bound: the retry, a new producer, and the machine.
#[test]
fn fault_09_delayed_end_after_a_cut() {
    delayed_end("delayed-cut", "delayed EndTxn after a cut", Action::Strand, 1);
}

/// Fault 9, once more: the stray arrives in the transaction after the next.
#[test]
fn fault_09_delayed_end_one_later() {
    delayed_end("delayed-later", "delayed EndTxn, one transaction later", Action::Strand, 2);
}

/// Fault 9, once more: no cut, the request times out in the client.
#[test]
fn fault_09_delayed_end_after_a_timeout() {
    delayed_end("delayed-timeout", "delayed EndTxn after a timeout", Action::Hold, 1);
}
