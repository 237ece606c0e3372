//! Restarts during an outage, and registries that say something else than before.

use std::path::Path;

use super::*;
use crate::registry::disk::Disk;

/// Starts as a process does, with the cache in this folder.
pub(super) fn process(server: &Server, base: &Path) -> Arc<Schemas> {
    let disk = Disk::open(base, std::slice::from_ref(&server.url)).unwrap();
    Schemas::new(server.client(), REFRESH, Some(disk))
}

/// Waits until a condition holds.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..20_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("waited in vain: {what}");
}

pub(super) async fn written(schemas: &Schemas, files: u64) {
    let counts = schemas.disk_counts().unwrap();
    until("files are written", || counts.written.load(Ordering::Relaxed) >= files).await;
}

fn latest(number: i32) -> Question {
    question(id(number), SubjectRule::Topic, TargetRule::Latest)
}

#[tokio::test]
async fn a_restart_during_an_outage_forgets_nothing() {
    let (server, base) = (Server::start().await, tempfile::tempdir().unwrap());
    server.register("orders-value", V1);
    server.register("orders-value", V2);
    let pinned = question(id(1), SubjectRule::Topic, TargetRule::Version(Version(1)));
    let before = process(&server, base.path());
    assert_eq!(judged(before.answer(&latest(1)).await).target, Some(Version(2)));
    judged(before.answer(&pinned).await);
    written(&before, 4).await;
    drop(before);

    server.fail("", Fault::Answer(StatusCode::SERVICE_UNAVAILABLE, ""));
    let schemas = process(&server, base.path());
    let judgement = judged(schemas.answer(&latest(1)).await);
    assert_eq!((judgement.version, judgement.target), (Some(Version(1)), Some(Version(2))));
    judged(schemas.answer(&pinned).await);
    assert!(matches!(schemas.answer(&latest(2)).await, Err(Error::Registry(_))), "nobody asked for schema 2 before");
    let state = schemas.state();
    until("the outage is told", || state.board().outage.is_some()).await;

    server.heal();
    server.register("orders-value", V3);
    let mut changes = schemas.changes();
    pass(REFRESH).await;
    let change = changes.recv().await.unwrap();
    assert_eq!((change.from, change.to), (Some(Version(2)), Version(3)));
    until("the outage is over", || state.board().outage.is_none()).await;
    assert_eq!(judged(schemas.answer(&latest(1)).await).target, Some(Version(3)));
}

#[tokio::test]
async fn a_healthy_registry_is_asked_for_targets_and_not_for_schemas() {
    let (server, base) = (Server::start().await, tempfile::tempdir().unwrap());
    server.register("orders-value", V1);
    let before = process(&server, base.path());
    judged(before.answer(&latest(1)).await);
    written(&before, 3).await;
    drop(before);
    server.register("orders-value", V2);
    server.forget_requests();
    let schemas = process(&server, base.path());
    assert_eq!(judged(schemas.answer(&latest(1)).await).target, Some(Version(2)), "not the one on disk");
    server.received(2).await;
    let mut requests = server.requests();
    requests.sort();
    assert_eq!(requests, ["/schemas/ids/1", "/subjects/orders-value/versions/latest"], "the first is the audit's");
    assert!(schemas.state().board().changed.is_empty());
}

#[tokio::test]
async fn a_damaged_file_costs_a_question() {
    let (server, base) = (Server::start().await, tempfile::tempdir().unwrap());
    server.register("orders-value", V1);
    let before = process(&server, base.path());
    judged(before.answer(&by_topic(id(1))).await);
    written(&before, 2).await;
    for file in std::fs::read_dir(before.disk.as_ref().unwrap().folder()).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() / 2]).unwrap();
    }
    drop(before);
    let schemas = process(&server, base.path());
    judged(schemas.answer(&by_topic(id(1))).await);
    assert_eq!(schemas.disk_counts().unwrap().ignored.load(Ordering::Relaxed), 2);
    written(&schemas, 2).await;
}

#[tokio::test]
async fn another_schema_under_a_known_id_is_an_alarm_and_replaces_nothing() {
    let (server, base) = (Server::start().await, tempfile::tempdir().unwrap());
    server.register("orders-value", V1);
    let before = process(&server, base.path());
    judged(before.answer(&by_topic(id(1))).await);
    written(&before, 2).await;
    drop(before);

    // Restored from a backup, the registry gives the number to another schema.
    let other = r#"{"schema":"\"long\""}"#;
    server.fail("/schemas/ids/1", Fault::Answer(StatusCode::OK, other));
    let schemas = process(&server, base.path());
    assert_eq!(judged(schemas.answer(&by_topic(id(1))).await).schema.full_name(), Some("shop.Order"));
    let state = schemas.state();
    until("the alarm", || state.board().changed.contains(&SchemaId(1))).await;
    assert_eq!(judged(schemas.answer(&by_topic(id(1))).await).schema.full_name(), Some("shop.Order"));
    drop(schemas);
    let again = process(&server, base.path());
    assert_eq!(judged(again.answer(&by_topic(id(1))).await).schema.full_name(), Some("shop.Order"), "nor on disk");

    let state = again.state();
    until("the alarm again", || state.board().changed.contains(&SchemaId(1))).await;
    server.heal();
    pass(REFRESH).await;
    until("the registry is mended", || state.board().changed.is_empty()).await;
}

#[tokio::test]
async fn without_a_disk_a_change_is_seen_in_time_as_well() {
    let (server, schemas) = start().await;
    server.register("orders-value", V1);
    judged(schemas.answer(&by_topic(id(1))).await);
    let state = schemas.state();
    let gone = r#"{"error_code":40403,"message":"Schema not found"}"#;
    server.fail("/schemas/ids/1", Fault::Answer(StatusCode::NOT_FOUND, gone));
    pass(REFRESH).await;
    until("it is gone", || state.board().gone.contains(&SchemaId(1))).await;
    judged(schemas.answer(&by_topic(id(1))).await);
    server.heal();
    server.fail("/schemas/ids/1", Fault::Answer(StatusCode::OK, r#"{"schema":"\"long\""}"#));
    pass(REFRESH).await;
    until("it is another", || state.board().changed.contains(&SchemaId(1))).await;
    assert_eq!(judged(schemas.answer(&by_topic(id(1))).await).schema.full_name(), Some("shop.Order"));
}

#[tokio::test]
async fn a_latest_whose_id_means_something_else_is_not_taken_over() {
    let (server, schemas) = start().await;
    server.register("orders-value", V1);
    judged(schemas.answer(&latest(1)).await);
    let other = r#"{"subject":"orders-value","version":2,"id":1,"schema":"\"long\""}"#;
    server.fail("/subjects/orders-value/versions/latest", Fault::Answer(StatusCode::OK, other));
    let state = schemas.state();
    pass(REFRESH).await;
    until("the alarm", || state.board().changed.contains(&SchemaId(1))).await;
    // The look at the ID itself finds nothing, and takes nothing back.
    let by_id = || server.requests().iter().filter(|path| *path == "/schemas/ids/1").count();
    until("the ID was looked at too", || by_id() > 1).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(state.board().changed.contains(&SchemaId(1)));
    assert_eq!(judged(schemas.answer(&latest(1)).await).target, Some(Version(1)));
    server.heal();
    pass(REFRESH).await;
    until("the registry is mended", || state.board().changed.is_empty()).await;
}

#[tokio::test]
async fn what_cannot_be_compiled_is_not_kept() {
    let (server, base) = (Server::start().await, tempfile::tempdir().unwrap());
    server.register("orders-value", V1);
    server.fail("/schemas/ids/1", Fault::Answer(StatusCode::OK, r#"{"schema":"{\"type\":\"nonsense\"}"}"#));
    let schemas = process(&server, base.path());
    assert!(matches!(schemas.answer(&by_topic(id(1))).await, Ok(Answer::Unusable { .. })));
    server.heal();
    judged(schemas.answer(&by_topic(id(1))).await);
    assert!(schemas.state().board().changed.is_empty(), "a proxy's page was no witness");
}
