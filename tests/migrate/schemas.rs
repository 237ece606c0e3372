//! Jobs whose target has another registry: schemas come before the records that name them, and records name them anew.

use std::time::Duration;

use serde_json::{Value, json};

use super::common::client::Content;
use super::common::kafka::{Cluster, shared};
use super::common::registry::Registry;
use super::common::schemas::zigzag;
use super::common::traffic::by_id;
use super::common::wait_for;
use super::copies::held;
use super::job::Job;

/// What an order refers to.
pub(super) const MONEY: &str = r#"{"type":"record","name":"Money","fields":[{"name":"cents","type":"long"}]}"#;
const KEY: &str = r#"{"type":"record","name":"Key","fields":[{"name":"id","type":"long"}]}"#;

/// An order that names a schema of another subject; version 2 adds a field.
pub(super) fn order(version: usize) -> String {
    let note = if version == 2 { r#",{"name":"note","type":"int","default":0}"# } else { "" };
    format!(r#"{{"type":"record","name":"Order","fields":[{{"name":"price","type":"Money"}}{note}]}}"#)
}

/// Two registries that number schemas otherwise, and a job between them.
struct World {
    source: Registry,
    target: Registry,
    job: Job,
}

impl World {
    fn new(cluster: &Cluster, name: &str) -> Self {
        let (source, target) = (Registry::start(), Registry::start());
        for number in 0..7 {
            target.register(
                &format!("other-{number}"),
                &format!(r#"{{"type":"fixed","name":"F","size":{}}}"#, number + 1),
            );
        }
        let topic = cluster.topic(name, 2, &[]);
        let job = Job::new(cluster, &topic).set("/registry", json!({ "url": source.url() }));
        let job = job.set("/migrations/copy/target", json!({ "registry": { "url": target.url() } }));
        Self { source, target, job }
    }

    fn subject(&self, part: &str) -> String {
        format!("{}-{part}", self.job.source)
    }

    /// Registers a version of the order in the source's registry.
    fn register_order(&self, version: usize) -> i32 {
        let reference = json!({ "name": "Money", "subject": "money", "version": 1 });
        let body = json!({ "schema": order(version), "references": [reference] }).to_string();
        let answer = self.source.ask("POST", &format!("/subjects/{}/versions", self.subject("value")), &body);
        i32::try_from(answer["id"].as_i64().unwrap()).unwrap()
    }

    fn send(&self, cluster: &Cluster, contents: &[Content]) {
        cluster.writer().write(&self.job.source, contents.iter().map(|content| (0, content)), || {});
    }
}

fn content(key: Option<Vec<u8>>, value: Option<Vec<u8>>) -> Content {
    Content { key, value, headers: vec![("a".to_owned(), Some(vec![1]))], timestamp: 1_750_000_000_000 }
}

/// Returns the ID that bytes begin with.
fn id_of(bytes: &[u8]) -> i32 {
    i32::from_be_bytes(bytes[1..5].try_into().unwrap())
}

#[test]
fn schemas_come_before_the_records_that_name_them() {
    let cluster = shared();
    let world = World::new(&cluster, "two-registries");
    world.source.register("money", MONEY);
    let key = world.source.register(&world.subject("key"), KEY);
    let orders = [1, 2].map(|version| world.register_order(version));
    let guid = world.source.ask("GET", &format!("/schemas/ids/{}", orders[1]), "")["guid"].as_str().unwrap().to_owned();
    let guid = u128::from_str_radix(&guid.replace('-', ""), 16).unwrap().to_be_bytes();
    let key_of = |number| Some(by_id(key, &zigzag(number)));
    let mut contents: Vec<Content> = (0..40)
        .map(|number| {
            content(key_of(number), Some(by_id(orders[usize::try_from(number % 2).unwrap()], &zigzag(number))))
        })
        .collect();
    contents.push(content(key_of(1), None));
    contents.push(content(None, Some(b"no schema".to_vec())));
    let mut by_header = content(None, Some(zigzag(7)));
    by_header.headers.push(("__value_schema_id".to_owned(), Some([&[1], &guid[..]].concat())));
    contents.push(by_header);
    world.send(&cluster, &contents);

    let plan = world.job.ask(&["plan"]).json();
    let planned: Vec<(&str, i64)> = plan["schemas"].as_array().unwrap().iter().map(of).collect();
    let (key_subject, value_subject) = (world.subject("key"), world.subject("value"));
    let mut expected = [("money", 1), (&*key_subject, 1), (&*value_subject, 1), (&*value_subject, 2)];
    expected.sort_unstable();
    assert_eq!(planned, expected, "{plan}");
    assert_eq!(world.target.requests(&format!("POST /subjects/{value_subject}/versions")), 0, "a plan changes nothing");

    assert_eq!(world.job.ask(&["run"]).json()["copied"], contents.len());
    let copies = held(&cluster, &world.job.to).swap_remove(0);
    let text = |registry: &Registry, id| registry.ask("GET", &format!("/schemas/ids/{id}"), "")["schema"].clone();
    for (came, copy) in contents.iter().zip(&copies).take(40) {
        for (came, copy) in [(&came.key, &copy.key), (&came.value, &copy.value)] {
            let (Some(came), Some(copy)) = (came, copy) else { panic!("{came:?} became {copy:?}") };
            assert_eq!(came[5..], copy[5..]);
            assert_ne!(id_of(came), id_of(copy), "registries number otherwise");
            assert_eq!(text(&world.source, id_of(came)), text(&world.target, id_of(copy)));
        }
        assert_eq!(came.headers, copy.headers);
    }
    assert_eq!(copies[40].value, None);
    assert_eq!(copies[41], contents[41]);
    assert_eq!(copies[42].value, contents[42].value);
    let (_, header) = copies[42].headers.last().unwrap();
    let guid = u128::from_be_bytes(header.as_ref().unwrap()[1..].try_into().unwrap());
    let there = world.target.ask("GET", &format!("/schemas/guids/{guid:032x}"), "");
    assert_eq!(there["schema"], text(&world.source, orders[1]));
    let version = world.target.ask("GET", &format!("/subjects/{value_subject}/versions/2"), "");
    assert_eq!(version["references"], json!([{ "name": "Money", "subject": "money", "version": 1 }]));
    let report = world.job.ask(&["verify"]).json();
    assert!(report["compared"] == contents.len() && report["converted"] == 0, "{report}");

    // Another run registers nothing.
    let registered = world.target.requests("POST /subjects/money/versions");
    world.send(&cluster, &contents);
    assert_eq!(world.job.ask(&["run"]).json()["done"], true);
    assert_eq!(world.target.requests("POST /subjects/money/versions"), registered);

    // Readers who ask for an ID would get another schema: that is a difference.
    let id = id_of(copies[0].value.as_ref().unwrap());
    world.target.replace(&format!("/schemas/ids/{id}"), json!({ "schema": KEY }));
    let ended = world.job.ask(&["verify"]);
    let report: Value = ended.any_json();
    assert!(ended.code() == 1 && report["counts"] == json!({ "schema": 40 }), "{report}");
    world.target.restore();

    // IDs of one registry are never written behind those of the other.
    let without = json!({ "source": world.job.source, "to": world.job.to });
    let job = world.job.set("/migrations/copy", without);
    let ended = job.ask(&["run"]);
    assert!(ended.code() == 2 && ended.err.contains("began with the schema IDs"), "{ended:?}");
}

fn of(carried: &Value) -> (&str, i64) {
    assert_eq!(carried["id"], Value::Null, "{carried}");
    (carried["subject"].as_str().unwrap(), carried["version"].as_i64().unwrap())
}

#[test]
fn a_schema_that_nobody_knows_holds_its_lane_and_then_stops_the_job() {
    let cluster = shared();
    let world = World::new(&cluster, "unknown-there");
    world.source.register("money", MONEY);
    let [first, second] = [1, 2].map(|version| world.register_order(version));
    let of = |id| content(None, Some(by_id(id, &zigzag(1))));
    world.send(&cluster, &[of(first), of(second)]);
    world.source.hide(second);
    let running = world.job.start(&["run"], &[]);
    wait_for("the lane to be held", Duration::from_secs(60), || running.log().contains("unknown_schema").then_some(()));
    world.source.release(second);
    let ended = running.wait();
    assert_eq!(ended.json()["copied"], 2, "{ended:?}");
    // Nobody registers the other one.
    world.send(&cluster, &[of(first), of(1_000_000), of(first)]);
    let job = world.job.set("/registry/unknown_schema", json!({ "grace": "2s", "max_hold": "2s" }));
    let ended = job.ask(&["run"]);
    let problem = "-0@3 cannot be copied: the source's registry does not know schema 1000000";
    assert!(ended.code() == 3 && ended.err.contains(problem), "{ended:?}");
    // What is before it is there.
    assert_eq!(held(&cluster, &job.to)[0].len(), 3);
    // It comes after all: the job goes on.
    world.source.ask("PUT", "/mode?force=true", r#"{"mode":"IMPORT"}"#);
    let body = json!({ "schema": r#""long""#, "id": 1_000_000, "version": 1 }).to_string();
    world.source.ask("POST", "/subjects/late/versions", &body);
    assert_eq!(job.ask(&["run"]).json()["done"], true);
    assert_eq!(held(&cluster, &job.to)[0].len(), 5);
    assert_eq!(job.ask(&["verify"]).json()["counts"], json!({}));
}

#[test]
fn plain_keys_that_look_framed_are_asked_about() {
    let cluster = shared();
    let world = World::new(&cluster, "plain-keys");
    let id = world.source.register("somewhere", r#""long""#);
    // The number 16,777,216 n as eight bytes, as Java writes longs.
    let key = (i64::from(id) << 24).to_be_bytes().to_vec();
    world.send(&cluster, &[content(Some(key.clone()), Some(by_id(id, &zigzag(3))))]);
    let ended = world.job.ask(&["run"]);
    assert!(ended.code() == 3 && ended.err.contains("'target.keys: framed'"), "{ended:?}");
    let job = world.job.set("/migrations/copy/target/keys", "plain");
    assert_eq!(job.ask(&["run"]).json()["done"], true);
    let copy = held(&cluster, &job.to)[0][0].clone();
    assert_eq!(copy.key, Some(key));
    assert_ne!(id_of(&copy.value.unwrap()), id);
    assert_eq!(job.ask(&["verify"]).json()["counts"], json!({}));
}
