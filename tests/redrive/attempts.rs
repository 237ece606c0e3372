//! Records that go back to their source: the gate there judges them again, and how often is counted.

use std::time::Duration;

use serde_json::json;

use super::common::client::Read;
use super::common::gate::Gate;
use super::common::wait_for;
use super::shop::Shop;

#[test]
fn a_record_that_is_refused_again_counts_on_until_the_bound() {
    let shop = Shop::new("attempts");
    // Its key is null, which the gate at work does not allow, and the configuration of the redrive does.
    let mut order = shop.order(0);
    assert_eq!(order.content.key, None);
    // The source is empty: nothing may come to stand where this one stood.
    order.offset = 900;
    shop.refuse(&[order]);
    shop.correct();
    let _gate = Gate::start(&shop.config().set("/gates/orders/key", json!({ "required": true })));
    for attempt in 2..=3_i64 {
        let report = shop.redrive(&["--run", "--to", "source", "--max-attempts", "2"]);
        assert_eq!(report["to"], json!({ &shop.raw: 1 }), "{report:#}");
        let letters = wait_for("the next dead letter", Duration::from_secs(120), || {
            Some(shop.read(&shop.letters)).filter(|letters| letters.len() as i64 == attempt)
        });
        let newest = letters.iter().max_by_key(|letter| letter.offset).unwrap();
        assert_eq!(told(newest, "sluice.attempt"), [attempt.to_string()]);
        assert_eq!(told(newest, "sluice.reason"), ["missing_key"]);
    }
    let report = shop.redrive(&["--run", "--to", "source", "--max-attempts", "2"]);
    assert_eq!(report["over"], json!({ "redriven": 2, "attempts": 1 }), "{report:#}");
    let sent = shop.read(&shop.raw);
    assert_eq!(sent.len(), 2);
    let names: Vec<_> = sent[1].content.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["trace", "none", "sluice.attempt"], "what the dead letter said is gone");
}

fn told(letter: &Read, name: &str) -> Vec<String> {
    let found = letter.content.headers.iter().filter(|(found, _)| found == name);
    found.map(|(_, value)| String::from_utf8(value.clone().unwrap()).unwrap()).collect()
}
