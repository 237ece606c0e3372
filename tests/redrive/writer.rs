//! Records that name a wrong schema: judged as written with the one that is given, and sent with its ID.

use serde_json::json;

use super::common::traffic::by_id;
use super::shop::{ORDER, Order, Shop};

#[test]
fn records_of_a_wrong_id_leave_with_the_right_one() {
    let shop = Shop::new("writer");
    let orders = shop.orders(30);
    shop.refuse(&orders);
    let mut bare = shop.order(30);
    bare.content.value = Some(b"{\"id\":1}".to_vec());
    shop.refuse(&[bare]);
    // The same fields, and another schema: the one that the producer should have named.
    let text = ORDER.replacen('{', "{\"doc\":\"an order of the shop\",", 1);
    let right = shop.scene.registry.register(&format!("{}-value", shop.raw), &text);
    assert_ne!(right, shop.schema);

    assert_eq!(shop.redrive(&[])["failed"], json!(31));
    let id = right.to_string();
    let report = shop.redrive(&["--writer-schema", &id]);
    assert_eq!((&report["passed"], &report["over"]), (&json!(30), &json!({ "no_prefix": 1 })), "{report:#}");
    let unknown = shop.redrive(&["--writer-schema", "987654"]);
    assert_eq!(unknown["faults"][0]["reason"], "unknown_schema", "{unknown:#}");

    shop.redrive(&["--writer-schema", &id, "--run"]);
    let renamed = |order: &Order| {
        let mut order = order.clone();
        let datum = order.content.value.as_deref().unwrap()[5..].to_vec();
        order.content.value = Some(by_id(right, &datum));
        order
    };
    shop.assert_once(&orders.iter().map(renamed).collect::<Vec<_>>());
    let state = shop.state();
    let (_, run) = state.iter().find(|(key, _)| key.starts_with("run/")).unwrap();
    assert_eq!(run["overrides"], json!({ "writer-schema": id }), "{run:#}");
    let again = shop.redrive(&["--writer-schema", &id, "--run"]);
    assert_eq!(again["over"], json!({ "no_prefix": 1, "redriven": 30 }), "{again:#}");
}
