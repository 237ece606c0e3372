//! Requests of the transaction that come late, twice or without an answer.
//!
//! What the brokers said is read off the proxy: a test of a stray request shows that it arrived, and what it met.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::common::fault::{Fault, endure};
use crate::common::gate::Gate;
use crate::common::proxy::{Action, ApiKey, Exchange, Proxy, Rule};
use crate::common::scene::Scene;
use crate::common::{long, wait_for};
use crate::{SAID, assert_alive, is_held, through};

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

/// Returns when the first request that has no answer was asked: the one that is held, and not one that was asked after it.
fn first_open(proxy: &Proxy, api: ApiKey) -> Instant {
    let open = proxy.exchanged(api).into_iter().find(|exchange| exchange.answered.is_none());
    open.expect("one is held").asked
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
        let since = first_open(&proxy, ApiKey::EndTxn);
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

/// Fault 9, once more: not the end but the offsets of a transaction are delayed, and arrive between those of the next one
/// and its end. They have no sequence numbers: written over newer ones they would send the next owner of the partitions
/// back. The gate is killed in that very moment, so that its successor begins with what is committed then.
#[test]
fn fault_09_delayed_offsets() {
    let scene = Scene::new("delayed-offsets", 2);
    let proxy = Proxy::start(&scene.kafka);
    let config = through(&proxy, &scene).set("/commit_interval", "700ms");
    let fault = Fault { number: "9", what: "delayed TxnOffsetCommit", bound: LIMIT };
    let gate = Cell::new(Some(Gate::start(&config)));
    endure(&scene, scene.line(), fault, || {
        let stray = proxy.set(Rule::requests(&[ApiKey::TxnOffsetCommit], Action::Strand).first(1));
        stray.wait_hits(1, LIMIT);
        let since = first_open(&proxy, ApiKey::TxnOffsetCommit);
        // The transaction of the stray ends, and the next one has its offsets.
        wait_for("the stray's own transaction to end", LIMIT, || {
            (!done(&proxy, ApiKey::EndTxn, since).is_empty()).then_some(())
        });
        let end = proxy.set(Rule::requests(&[ApiKey::EndTxn], Action::Hold).first(1));
        end.wait_hits(1, LIMIT);
        stray.release();
        let stray = wait_for("the stray's answer", LIMIT, || {
            let exchanged = proxy.exchanged(ApiKey::TxnOffsetCommit);
            exchanged.into_iter().find(|exchange| exchange.asked == since)?.answered.map(|(_, error)| error.unwrap())
        });
        end.release();
        wait_for("the next transaction to end", LIMIT, || {
            (done(&proxy, ApiKey::EndTxn, since).len() >= 2).then_some(())
        });
        gate.take().unwrap().kill();
        gate.set(Some(Gate::start(&config)));
        println!("the stray TxnOffsetCommit was answered with {stray}");
        assert!(FENCED.contains(&stray), "the stray TxnOffsetCommit was answered with {stray}: it met its own epoch");
    });
    assert_alive(&mut gate.take().unwrap());
}

/// Fault 9, once more: an abort is delayed, and must not take the first records of the next transaction with it, whose
/// offsets would be committed all the same: that would lose them.
#[test]
fn fault_09_delayed_abort() {
    let scene = Scene::new("delayed-abort", 2);
    let proxy = Proxy::start(&scene.kafka);
    let config = through(&proxy, &scene).patient().set("/commit_interval", "700ms");
    let stray = proxy.set(Rule::aborts(Action::Strand).first(1));
    let mut gate = Gate::spawn_with(&config, &[("SLUICE_FAILPOINTS", "before_commit=8:abort")]);
    gate.wait_ready();
    let fault = Fault { number: "9", what: "delayed abort", bound: LIMIT };
    endure(&scene, scene.line(), fault, || {
        stray.wait_hits(1, LIMIT);
        let since = proxy.exchanged(ApiKey::EndTxn).iter().find(|end| end.is_abort()).expect("it is held").asked;
        wait_inside_transaction(&proxy, since, 1);
        stray.release();
        let stray = wait_for("the stray's answer", LIMIT, || {
            let exchanged = proxy.exchanged(ApiKey::EndTxn);
            exchanged.into_iter().find(|exchange| exchange.asked == since)?.answered.map(|(_, error)| error.unwrap())
        });
        println!("the stray abort was answered with {stray}");
        assert!(FENCED.contains(&stray), "the stray abort was answered with {stray}: it met its own epoch");
    });
    assert_alive(&mut gate);
}

/// The requests of a transaction that librdkafka makes for us, in their order.
const STEPS: [ApiKey; 5] =
    [ApiKey::AddPartitionsToTxn, ApiKey::Produce, ApiKey::AddOffsetsToTxn, ApiKey::TxnOffsetCommit, ApiKey::EndTxn];

/// Fault 10: a request of the transaction arrives and is done, and the connection ends before its answer. It is asked
/// again, nothing is processed again, and whatever was counted is so. Bound: the retries, a new producer, and the machine.
#[test]
fn fault_10_commit_ambiguous() {
    let scene = Scene::new("ambiguous", 2);
    let proxy = Proxy::start(&scene.kafka);
    // None may be given up.
    let config = through(&proxy, &scene).patient();
    let mut gate = Gate::start(&config);
    let fault = Fault { number: "10", what: "answers of the transaction cut", bound: Duration::from_secs(30) };
    endure(&scene, scene.line(), fault, || {
        for step in STEPS {
            let cut = proxy.set(Rule::answers(&[step], Action::Cut).first(1));
            cut.wait_hits(1, LIMIT);
            let since = Instant::now();
            wait_for("two commits", LIMIT, || (done(&proxy, ApiKey::EndTxn, since).len() >= 2).then_some(()));
            println!("{step:?}: two commits {:?} after the cut", since.elapsed());
        }
        let ends = proxy.exchanged(ApiKey::EndTxn);
        let aborts = ends.iter().filter(|exchange| exchange.is_abort()).count();
        assert_eq!(aborts, 0, "a transaction was given up though its commit could be asked for again");
        // A new producer has no answer to its first request either.
        let cut = proxy.set(Rule::answers(&[ApiKey::InitProducerId], Action::Cut).first(2));
        let second = Gate::start(&config);
        cut.wait_hits(2, LIMIT);
        second.stop(LIMIT);
    });
    assert_alive(&mut gate);
}

/// Fault 10, once more: the answers get lost one after the other without a sign, and the client has to time out.
#[test]
fn fault_10_answers_lost() {
    let scene = Scene::new("lost-answers", 2);
    let proxy = Proxy::start(&scene.kafka);
    let mut gate = Gate::start(&through(&proxy, &scene).set("/kafka/socket.timeout.ms", "1000"));
    let fault = Fault { number: "10", what: "answers of the transaction lost", bound: Duration::from_secs(30) };
    endure(&scene, scene.line(), fault, || {
        for step in STEPS {
            let lost = proxy.set(Rule::answers(&[step], Action::Drop).first(1));
            lost.wait_hits(1, LIMIT);
            let since = Instant::now();
            wait_for("two commits", LIMIT, || (done(&proxy, ApiKey::EndTxn, since).len() >= 2).then_some(()));
            println!("{step:?}: two commits {:?} after the loss", since.elapsed());
        }
    });
    assert_alive(&mut gate);
}

/// Fault 10, once more: the answers of one step are cut again and again, for longer than a transaction may take. No call
/// hangs (librdkafka#5456, #5511), the transaction ends one way or the other, and the producer is replaced in the process.
#[test]
fn fault_10_no_answer_for_longer_than_a_transaction() {
    let scene = Scene::new("no-answers", 2);
    let proxy = Proxy::start(&scene.kafka);
    let mut gate = Gate::start(&through(&proxy, &scene));
    let fault = Fault { number: "10", what: "no answers for 6 s, step by step", bound: Duration::from_secs(40) };
    endure(&scene, scene.line(), fault, || {
        let steps = [ApiKey::TxnOffsetCommit, ApiKey::EndTxn, ApiKey::AddOffsetsToTxn];
        for step in steps.into_iter().take(if long() { 3 } else { 2 }) {
            let cut = proxy.set(Rule::answers(&[step], Action::Cut));
            cut.wait_hits(1, LIMIT);
            std::thread::sleep(Duration::from_secs(6));
            assert_alive(&mut gate);
            drop(cut);
            let since = Instant::now();
            wait_for("two commits", LIMIT, || (done(&proxy, ApiKey::EndTxn, since).len() >= 2).then_some(()));
            println!("{step:?}: two commits {:?} after the end of the fault", since.elapsed());
        }
    });
    assert_alive(&mut gate);
}

/// Fault 14: a batch of records is held in the network for longer than a transaction may take: the coordinator aborts
/// it. The producer is replaced in the process, and what it had is read again. Bound: a pause, a new producer, and the
/// machine.
#[test]
fn fault_14_transaction_timeout() {
    let scene = Scene::new("timeout", 2);
    let proxy = Proxy::start(&scene.kafka);
    let mut gate = Gate::start(&through(&proxy, &scene));
    let fault = Fault { number: "14", what: "records held past the transaction", bound: Duration::from_secs(40) };
    endure(&scene, scene.line(), fault, || {
        let held = proxy.set(Rule::requests(&[ApiKey::Produce], Action::Hold));
        held.wait_hits(1, LIMIT);
        wait_for("the gate to say that it waits", SAID, || is_held(&gate).then_some(()));
        // Three transactions: the coordinator fences a producer with each, and is no twin for all that.
        std::thread::sleep(Duration::from_secs(13));
        assert_alive(&mut gate);
    });
    assert_alive(&mut gate);
}
