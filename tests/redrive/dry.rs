//! The dry run: what would pass, what would fail and why, what is passed over; nothing is changed.

use serde_json::json;

use super::common::client::Content;
use super::shop::{Shop, header, replace};

#[test]
fn a_dry_run_judges_by_the_schemas_of_today_and_changes_nothing() {
    let shop = Shop::new("dry");
    shop.refuse(&shop.orders(40));
    // Damaged whatever is registered; the field is told.
    let mut damaged = shop.order(40);
    damaged.content.value.as_mut().unwrap().truncate(7);
    shop.refuse(&[damaged]);
    // Not to be judged: of another gate, from another topic, seen too often, cut, of other tools, and without any header.
    let order = shop.order(41);
    let other_gate = shop.letter(&order, "payments");
    let mut elsewhere = shop.letter(&order, "orders");
    replace(&mut elsewhere, "sluice.source.topic", "nowhere");
    let mut often = shop.order(42);
    often.attempts = 5;
    let mut cut = shop.letter(&order, "orders");
    cut.headers.push(header("sluice.truncated.size", "1000"));
    let connect = Content {
        headers: vec![
            header("__connect.errors.topic", &shop.raw),
            header("__connect.errors.partition", "1"),
            header("__connect.errors.offset", "900"),
            header("__connect.errors.connector.name", "orders"),
        ],
        ..order.content.clone()
    };
    let bare = Content { headers: Vec::new(), ..order.content.clone() };
    let often = shop.letter(&often, "orders");
    shop.write(&[other_gate, elsewhere, often, cut, connect, bare].map(|letter| (0, letter)));
    let before = shop.ends();

    let over = json!({ "attempts": 1, "truncated": 1, "no_source": 1, "no_gate": 2, "not_read": 1 });
    let report = shop.redrive(&[]);
    let counts = |report: &serde_json::Value| {
        ["read", "passed", "failed", "passed_over"].map(|name| report[name].as_u64().unwrap())
    };
    assert_eq!((counts(&report), &report["over"]), ([47, 0, 41, 6], &over), "{report:#}");
    let fault = &report["faults"][0];
    assert_eq!((&fault["reason"], &fault["count"]), (&json!("subject_mismatch"), &json!(41)), "{report:#}");

    shop.correct();
    let report = shop.redrive(&[]);
    assert_eq!((counts(&report), &report["over"]), ([47, 40, 1, 6], &over), "{report:#}");
    assert_eq!(report["to"], json!({ &shop.orders: 40 }), "{report:#}");
    let fault = &report["faults"][0];
    assert_eq!((&fault["reason"], &fault["schema_id"]), (&json!("invalid_length"), &json!(shop.schema)), "{report:#}");
    assert_eq!(fault["examples"][0]["path"], "name", "{report:#}");
    assert_eq!(shop.redrive(&["--to", "source"])["to"], json!({ &shop.raw: 40 }));

    // Filters, the bound, and whose rules.
    assert_eq!(counts(&shop.redrive(&["--source-offsets", "3..5", "--source-partition", "1"])), [3, 3, 0, 0]);
    assert_eq!(counts(&shop.redrive(&["--max-attempts", "6"])), [47, 41, 1, 5]);
    let report = shop.redrive(&["--by", "orders"]);
    assert_eq!(counts(&report), [47, 42, 1, 4], "{report:#}");
    let output = shop.run(&shop.file("sluice", &shop.config()), &["--by", "order"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("'order' is no gate or converter of the configuration; there are: orders"), "{errors}");

    let output = shop.run(&shop.file("sluice", &shop.config()), &[]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("40 would pass now, 1 would fail still, 6 passed over"), "{told}");
    assert!(told.contains(" name\n") && told.contains("this was a dry run, and --run does it"), "{told}");
    assert_eq!(shop.ends(), before, "nothing was written");
    assert_eq!(shop.scene.kafka.partitions(&format!("{}.state", shop.letters)), None, "no topic was made");
}
