//! Jobs that convert for readers who ask another registry: copies name the target's version by its ID there.

use serde_json::{Value, json};

use super::common::kafka::shared;
use super::common::registry::Registry;
use super::common::seed;
use super::orders::{Kind, MIXED, World, count, orders};

/// Lets a registry number its schemas otherwise.
fn number_otherwise(registry: &Registry) {
    for size in 1..5 {
        registry.register(&format!("other-{size}"), &format!(r#"{{"type":"fixed","name":"F","size":{size}}}"#));
    }
}

#[test]
fn converted_records_name_the_schema_of_the_other_registry() {
    let cluster = shared();
    let (world, target) = World::between(&cluster, "converted-far", "map");
    number_otherwise(&target);
    let orders = orders(seed(), 600, &MIXED);
    world.send(&cluster, &orders);
    let plan = world.job.ask(&["plan", "--whole"]).json();
    let of = |version| json!({ "subject": world.subject, "version": version, "id": null });
    assert_eq!(
        plan["schemas"],
        json!([of(1), of(2)]),
        "what becomes of records is copied, and what was before: {plan}"
    );
    assert_eq!(plan["conversion"]["converted"], count(&orders, |order| order.kind == Kind::Old), "{plan}");
    assert_eq!(target.requests(&format!("POST /subjects/{}/versions", world.subject)), 0, "a plan changes nothing");

    world.job.start(&["run", "--rate", "100"], &[("SLUICE_FAILPOINTS", "before_commit=2:kill")]).dies();
    assert_eq!(world.job.ask(&["run"]).json()["done"], true);
    let world = world.read_by(&target);
    assert_ne!(world.written, world.ids[1], "registries number otherwise");
    world.assert_done(&cluster, &orders, |order| order.kind.reason());
    let versions = target.ask("GET", &format!("/subjects/{}/versions", world.subject), "");
    assert_eq!(versions, json!([1, 2]), "no copy names the third");
    let report = world.job.ask(&["verify"]).json();
    assert_eq!((&report["counts"], &report["compared"]), (&json!({}), &json!(orders.len())), "{report}");
    assert_eq!(report["converted"], count(&orders, |order| order.kind == Kind::Old), "{report}");

    // Readers who ask for the ID would get another schema.
    target.replace(&format!("/schemas/ids/{}", world.written), json!({ "schema": r#""long""# }));
    let ended = world.job.ask(&["verify"]);
    let copied = count(&orders, |order| matches!(order.kind, Kind::Old | Kind::Target));
    let report: Value = ended.any_json();
    assert!(ended.code() == 1 && report["counts"] == json!({ "schema": copied }), "{report}");
}

#[test]
fn converted_records_keep_the_ids_of_the_source() {
    let cluster = shared();
    let (world, target) = World::between(&cluster, "converted-kept", "keep");
    let orders = orders(seed(), 300, &MIXED);
    world.send(&cluster, &orders);
    assert_eq!(world.job.ask(&["run"]).json()["done"], true);
    let ids = world.ids;
    let world = world.read_by(&target);
    assert_eq!(world.written, ids[1]);
    world.assert_done(&cluster, &orders, |order| order.kind.reason());
    let report = world.job.ask(&["verify"]).json();
    assert_eq!((&report["counts"], &report["compared"]), (&json!({}), &json!(orders.len())), "{report}");
}

#[test]
fn a_target_that_the_other_registry_refuses_stops_the_job() {
    let cluster = shared();
    let (world, target) = World::between(&cluster, "converted-refused", "map");
    let orders = orders(seed(), 40, &[Kind::Tombstone, Kind::Old]);
    world.send(&cluster, &orders);
    target.ask("PUT", &format!("/mode/{}", world.subject), r#"{"mode":"READONLY"}"#);
    let ended = world.job.ask(&["run"]);
    let problem = format!("does not take version 1 of subject '{}'", world.subject);
    assert!(ended.code() == 3 && ended.err.contains(&problem), "{ended:?}");
    target.ask("PUT", &format!("/mode/{}", world.subject), r#"{"mode":"READWRITE"}"#);
    assert_eq!(world.job.ask(&["run"]).json()["done"], true);
    let world = world.read_by(&target);
    world.assert_done(&cluster, &orders, |order| order.kind.reason());
    assert_eq!(world.job.ask(&["verify"]).json()["counts"], json!({}));
}
