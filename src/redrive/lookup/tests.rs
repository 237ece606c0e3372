//! Answers of a registry that is well, and of one that is not.

use axum::http::StatusCode;
use tokio::runtime::Runtime;

use super::*;
use crate::gate::policy::SubjectRule;
use crate::record::Part;
use crate::registry::tests::{Fault, Server};
use crate::schema::table::{Slot, Source};
use crate::schema::{SchemaId, SchemaRef, Version};
use crate::wire::{WireFormat, WireFormats};

const REFRESH: Duration = Duration::from_secs(30);
const V1: &str = r#"{"type":"record","name":"Order","fields":[{"name":"id","type":"long"}]}"#;
const V2: &str =
    r#"{"type":"record","name":"Order","fields":[{"name":"id","type":"long"},{"name":"n","type":"int","default":0}]}"#;

/// A registry, and what asks it. Answers are waited for outside of the runtime.
struct Scene {
    lookup: Lookup,
    server: Server,
    _runtime: Runtime,
}

impl Scene {
    fn new(refresh: Duration) -> Self {
        let runtime = Runtime::new().unwrap();
        let server = runtime.block_on(Server::start());
        let context = runtime.enter();
        let schemas = Schemas::new(server.client(), refresh, None);
        let lookup = Lookup::new(schemas, refresh, runtime.handle());
        drop(context);
        Self { lookup, server, _runtime: runtime }
    }

    fn ask(&mut self, id: i32, target: TargetRule) -> Result<(), schemas::Error> {
        let wire = WireFormats::from_iter(WireFormat::ALL);
        let policy = PartPolicy { wire, subject: SubjectRule::Topic, target, conversion: None };
        self.lookup.ask(need(id), &"orders".into(), policy)
    }

    fn entry(&self, id: i32) -> Option<&Entry> {
        self.lookup.table.get(need(id).slot, need(id).schema)
    }

    fn target(&self, id: i32) -> Option<Version> {
        let Some(Entry::Judged(judgement)) = self.entry(id) else { panic!("not judged: {:?}", self.entry(id)) };
        judgement.target
    }
}

fn need(id: i32) -> Need {
    Need { slot: Slot { source: Source(0), part: Part::Value }, schema: SchemaRef::Id(SchemaId(id)) }
}

#[test]
fn a_schema_that_the_registry_cannot_give_stops_no_other() {
    let mut scene = Scene::new(REFRESH);
    let [bad, good] = [V1, V2].map(|text| scene.server.register("orders-value", text).id.0);
    assert_eq!((bad, good), (1, 2));
    scene.server.fail("/schemas/ids/1", Fault::Answer(StatusCode::INTERNAL_SERVER_ERROR, "{}"));
    for _ in 1..FAILURES {
        scene.ask(bad, TargetRule::Any).unwrap_err();
        assert!(!scene.lookup.withholds(&[need(bad)]));
    }
    scene.ask(bad, TargetRule::Any).unwrap();
    assert!(scene.lookup.withholds(&[need(good), need(bad)]) && !scene.lookup.withholds(&[need(good)]));
    scene.ask(good, TargetRule::Any).unwrap();
    assert!(matches!(scene.entry(good), Some(Entry::Judged(_))));
    // It may be well again by then.
    scene.server.heal();
    scene.lookup.renew(Instant::now());
    assert!(scene.lookup.withholds(&[need(bad)]));
    scene.lookup.renew(Instant::now() + 2 * REFRESH);
    assert!(!scene.lookup.withholds(&[need(bad)]));
    scene.ask(bad, TargetRule::Any).unwrap();
    assert!(matches!(scene.entry(bad), Some(Entry::Judged(_))));
}

#[test]
fn a_missing_reference_is_an_answer() {
    let mut scene = Scene::new(REFRESH);
    scene.server.register("base", V1);
    let text = r#"{"type":"record","name":"Cart","fields":[{"name":"order","type":"Order"}]}"#;
    let id = scene.server.register_with("orders-value", text, &[("Order", "base", 1)]).id.0;
    let gone = r#"{"error_code":40402,"message":"gone"}"#;
    scene.server.fail("/subjects/base/versions/1", Fault::Answer(StatusCode::NOT_FOUND, gone));
    scene.ask(id, TargetRule::Any).unwrap();
    assert!(scene.lookup.withholds(&[need(id)]));
}

#[test]
fn a_registry_that_is_away_is_waited_for() {
    let mut scene = Scene::new(REFRESH);
    let id = scene.server.register("orders-value", V1).id.0;
    scene.server.fail("/", Fault::Answer(StatusCode::SERVICE_UNAVAILABLE, "{}"));
    for _ in 0..=FAILURES {
        scene.ask(id, TargetRule::Any).unwrap_err();
    }
    assert!(!scene.lookup.withholds(&[need(id)]) && !scene.lookup.is_registry_there());
    scene.server.heal();
    assert!(scene.lookup.is_registry_there());
    scene.ask(id, TargetRule::Any).unwrap();
}

#[test]
fn refusals_count_for_a_while_and_are_bounded() {
    let mut scene = Scene::new(REFRESH);
    scene.ask(99, TargetRule::Any).unwrap();
    assert!(matches!(scene.entry(99), Some(Entry::Refused(_))));
    scene.lookup.renew(Instant::now() + 2 * REFRESH);
    assert!(scene.entry(99).is_none() && scene.lookup.passing.is_empty());

    scene.ask(99, TargetRule::Any).unwrap();
    let refusal = scene.entry(99).unwrap().clone();
    for id in 0..i32::try_from(MOST_PASSING).unwrap() {
        scene.lookup.table.insert(need(1000 + id), refusal.clone());
        scene.lookup.keep_for_a_while(need(1000 + id));
    }
    assert_eq!(scene.lookup.passing.len(), MOST_PASSING);
    assert!(scene.entry(99).is_none() && scene.entry(1000).is_some());
}

#[test]
fn what_was_judged_against_the_latest_version_is_forgotten_when_that_moves() {
    let mut scene = Scene::new(Duration::from_millis(20));
    let id = scene.server.register("orders-value", V1).id.0;
    scene.ask(id, TargetRule::Latest).unwrap();
    assert_eq!(scene.target(id), Some(Version(1)));
    scene.lookup.renew(Instant::now());
    assert!(scene.entry(id).is_some());
    scene.server.register("orders-value", V2);
    let began = Instant::now();
    while scene.entry(id).is_some() {
        assert!(began.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(5));
        scene.lookup.renew(Instant::now());
    }
    scene.ask(id, TargetRule::Latest).unwrap();
    assert_eq!(scene.target(id), Some(Version(2)));
}
