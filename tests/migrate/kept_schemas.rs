//! Jobs that keep schema IDs: versions come to the target's registry under the numbers that they have, and records stay as they are.

use std::time::Duration;

use serde_json::{Value, json};

use super::common::client::Content;
use super::common::http;
use super::common::kafka::{Cluster, shared};
use super::common::registry::Registry;
use super::common::schemas::zigzag;
use super::common::traffic::by_id;
use super::common::wait_for;
use super::copies::assert_copied;
use super::job::Job;
use super::schemas::{MONEY, order};

/// Waits for another process, on a machine that is busy.
const LIMIT: Duration = Duration::from_secs(60);

/// A source whose first version of two is deleted, both with references, metadata and rules; and an empty registry.
struct World {
    source: Registry,
    target: Registry,
    job: Job,
    ids: [i32; 2],
}

impl World {
    fn new(cluster: &Cluster, name: &str) -> Self {
        let (source, target) = (Registry::start(), Registry::start());
        for number in 1..=9 {
            source.register(&format!("first-{number}"), &format!(r#"{{"type":"fixed","name":"F","size":{number}}}"#));
        }
        source.register("money", MONEY);
        let topic = cluster.topic(name, 2, &[]);
        let job = Job::new(cluster, &topic).set("/registry", json!({ "url": source.url() }));
        let target_of_job = json!({ "registry": { "url": target.url() }, "ids": "keep" });
        let job = job.set("/migrations/copy/target", target_of_job);
        let mut world = Self { source, target, job, ids: [0; 2] };
        world.ids = [1, 2].map(|version| world.register_order(version));
        world.source.ask("DELETE", &format!("/subjects/{}/versions/1", world.subject()), "");
        world
    }

    fn subject(&self) -> String {
        format!("{}-value", self.job.source)
    }

    fn register_order(&self, version: usize) -> i32 {
        let rule = json!({ "name": "paid", "kind": "CONDITION", "mode": "WRITE", "type": "CEL", "expr": "message.price.cents > 0" });
        let body = json!({
            "schema": order(version),
            "references": [{ "name": "Money", "subject": "money", "version": 1 }],
            "metadata": { "properties": { "owner": format!("team-{version}") } },
            "ruleSet": { "domainRules": [rule] },
        });
        let answer = self.source.ask("POST", &format!("/subjects/{}/versions", self.subject()), &body.to_string());
        i32::try_from(answer["id"].as_i64().unwrap()).unwrap()
    }

    fn send(&self, cluster: &Cluster, ids: &[i32]) {
        let contents: Vec<Content> = ids.iter().map(|id| content(by_id(*id, &zigzag(7)))).collect();
        cluster.writer().write(&self.job.source, contents.iter().map(|content| (0, content)), || {});
    }

    /// Checks that the target's registry has what the source's has, and that nobody is kept from registering there.
    fn assert_kept(&self) {
        let subject = self.subject();
        for path in [
            format!("/subjects/{subject}/versions/1"),
            format!("/subjects/{subject}/versions/2"),
            "/subjects/money/versions/1".to_owned(),
        ] {
            let of = |registry: &Registry| {
                let mut version = registry.ask("GET", &format!("{path}?deleted=true"), "");
                version.as_object_mut().unwrap().remove("ts");
                version
            };
            assert_eq!(of(&self.source), of(&self.target), "{path}");
        }
        for query in ["", "?deleted=true"] {
            let of = |registry: &Registry| registry.ask("GET", &format!("/subjects/{subject}/versions{query}"), "");
            assert_eq!(of(&self.source), of(&self.target));
        }
        assert_eq!(self.mode("money"), None);
        assert_eq!(self.mode(&subject), None);
    }

    /// Returns the mode that a subject of the target's registry has itself.
    fn mode(&self, subject: &str) -> Option<String> {
        let answer = http::request("GET", self.target.port(), &format!("/mode/{subject}"), "").unwrap();
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        (answer.status == 200).then(|| body["mode"].as_str().unwrap().to_owned())
    }
}

fn content(value: Vec<u8>) -> Content {
    Content { key: None, value: Some(value), headers: Vec::new(), timestamp: 1_750_000_000_000 }
}

#[test]
fn ids_versions_and_contracts_are_kept() {
    let cluster = shared();
    let world = World::new(&cluster, "kept");
    let [first, second] = world.ids;
    world.send(&cluster, &[second, first]);
    let guid = world.source.ask("GET", &format!("/schemas/ids/{second}"), "")["guid"].as_str().unwrap().to_owned();
    let guid = u128::from_str_radix(&guid.replace('-', ""), 16).unwrap().to_be_bytes();
    let mut by_header = content(zigzag(7));
    by_header.headers.push(("__value_schema_id".to_owned(), Some([&[1], &guid[..]].concat())));
    let others = [by_header, content(b"no schema".to_vec())];
    cluster.writer().write(&world.job.source, others.iter().map(|content| (1, content)), || {});

    let plan = world.job.ask(&["plan"]).json();
    let of = |subject: &str, version| json!({ "subject": subject, "version": version, "id": null });
    let planned = json!([of(&world.subject(), 1), of(&world.subject(), 2), of("money", 1)]);
    assert_eq!(plan["schemas"], planned, "{plan}");
    assert_eq!(world.target.requests("PUT") + world.target.requests("POST"), 0, "a plan changes nothing");

    assert_eq!(world.job.ask(&["run"]).json()["done"], true);
    assert_eq!(assert_copied(&cluster, &world.job), 4);
    world.assert_kept();
    assert_eq!(world.job.ask(&["verify"]).json()["counts"], json!({}));
    // A further run finds all there, and changes nothing.
    let changes = || world.target.requests("PUT /mode/") + world.target.requests("DELETE /");
    let before = changes();
    world.send(&cluster, &[second]);
    assert_eq!(world.job.ask(&["run"]).json()["copied"], 1);
    assert_eq!(changes(), before);
    // Another contract under the ID is a difference, though the text is the same.
    let answer = world.target.ask("GET", &format!("/subjects/{}/versions/2", world.subject()), "");
    let mut answer = answer;
    answer["metadata"]["properties"]["owner"] = json!("somebody");
    world.target.replace(&format!("/subjects/{}/versions/2", world.subject()), answer);
    let ended = world.job.ask(&["verify"]);
    assert!(ended.code() == 1 && ended.any_json()["counts"] == json!({ "schema": 3 }), "{ended:?}");
}

#[test]
fn what_is_something_else_there_is_named_before_anything_is_written() {
    let cluster = shared();
    let world = World::new(&cluster, "taken");
    let [first, second] = world.ids;
    world.send(&cluster, &[second]);
    let import = |id: i32, subject: &str, version: i32| {
        world.target.ask("PUT", &format!("/mode/{subject}?force=true"), r#"{"mode":"IMPORT"}"#);
        let body = json!({ "schema": r#"{"type":"fixed","name":"Other","size":3}"#, "id": id, "version": version });
        world.target.ask("POST", &format!("/subjects/{subject}/versions"), &body.to_string());
    };
    import(first, "elsewhere", 4);
    let ended = world.job.ask(&["run"]);
    assert_eq!(ended.code(), 2, "{ended:?}");
    for part in [
        format!("ID {first} is version 1 of subject '{}' (SHA-256 ", world.subject()),
        "and version 4 of subject 'elsewhere' (SHA-256 ".to_owned(),
        "'target.ids: map'".to_owned(),
    ] {
        assert!(ended.err.contains(&part), "{part}: {ended:?}");
    }
    assert_eq!(cluster.partitions(&world.job.to), None, "nothing was made");
    assert_eq!(world.target.requests(&format!("PUT /mode/{}", world.subject())), 0);
    // The plan says the same.
    let plan = world.job.ask(&["plan"]).json();
    assert!(plan["refused"].to_string().contains("'elsewhere'"), "{plan}");

    // A subject of another name is met with its first record.
    world.target.ask("DELETE", "/subjects/elsewhere", "");
    world.target.ask("DELETE", "/subjects/elsewhere?permanent=true", "");
    assert_eq!(world.job.ask(&["run"]).json()["copied"], 1);
    let late = world.source.register("late", r#""long""#);
    import(late, "elsewhere", 1);
    world.send(&cluster, &[second, late]);
    let ended = world.job.ask(&["run"]);
    assert!(ended.code() == 3 && ended.err.contains(&format!("ID {late} is version 1 of subject 'late'")), "{ended:?}");
    assert_eq!(world.mode("late"), None);

    // Where somebody has said that nothing is to come, nothing comes.
    let read_only = world.source.register("read-only", r#""int""#);
    world.target.ask("PUT", "/mode/read-only", r#"{"mode":"READONLY"}"#);
    let topic = cluster.topic("read-only", 1, &[]);
    cluster.writer().write(&topic, [content(by_id(read_only, &zigzag(1)))].iter().map(|content| (0, content)), || {});
    let job = Job::new(&cluster, &topic).set("/registry", json!({ "url": world.source.url() }));
    let target = json!({ "registry": { "url": world.target.url() }, "ids": "keep" });
    let ended = job.set("/migrations/copy/target", target).ask(&["run"]);
    assert!(ended.code() == 3 && ended.err.contains("subject 'read-only' is in mode READONLY"), "{ended:?}");
    assert_eq!(world.mode("read-only").as_deref(), Some("READONLY"));
}

#[test]
fn a_job_that_is_killed_at_any_step_leaves_nothing_in_import_mode() {
    let cluster = shared();
    let world = World::new(&cluster, "kept-and-killed");
    let subject = world.subject();
    world.send(&cluster, &world.ids);
    world.target.ask("PUT", "/mode/money", r#"{"mode":"READWRITE"}"#);
    for step in ["PUT /mode/", &format!("POST /subjects/{subject}/versions"), "DELETE /subjects/", "PUT /mode/money"] {
        let before = world.target.requests(step);
        world.target.silence(step);
        let running = world.job.start(&["run"], &[]);
        wait_for(step, LIMIT, || (world.target.requests(step) > before).then_some(()));
        running.signal("KILL");
        running.dies();
        world.target.restore();
    }
    assert_eq!(world.job.ask(&["run"]).json()["done"], true);
    assert_eq!(world.mode("money").as_deref(), Some("READWRITE"), "as it was before");
    world.target.ask("DELETE", "/mode/money", "");
    world.assert_kept();
    assert_eq!(assert_copied(&cluster, &world.job), 2);
    assert_eq!(world.job.ask(&["verify"]).json()["counts"], json!({}));
}

#[test]
fn an_abandoned_job_leaves_nothing_in_import_mode() {
    let cluster = shared();
    let world = World::new(&cluster, "kept-and-abandoned");
    world.send(&cluster, &world.ids);
    let step = "POST /subjects/money/versions";
    world.target.silence(step);
    let running = world.job.start(&["run"], &[]);
    wait_for(step, LIMIT, || (world.target.requests(step) > 0).then_some(()));
    running.signal("KILL");
    running.dies();
    world.target.restore();
    assert_eq!(world.mode("money").as_deref(), Some("IMPORT"));
    world.job.ask(&["abandon"]).json();
    assert_eq!(world.mode("money"), None);
    assert_eq!(world.mode(&world.subject()), None);
}

#[test]
fn two_jobs_keep_the_same_schemas_at_once() {
    let cluster = shared();
    let world = World::new(&cluster, "kept-twice");
    world.send(&cluster, &world.ids);
    let target = json!({ "registry": { "url": world.target.url() }, "ids": "keep" });
    let other = Job::new(&cluster, &world.job.source).set("/registry", json!({ "url": world.source.url() }));
    let other = other.set("/migrations/copy/target", target);
    let running = [world.job.start(&["run"], &[]), other.start(&["run"], &[])];
    for running in running {
        assert_eq!(running.wait().json()["done"], true);
    }
    world.assert_kept();
    for job in [&world.job, &other] {
        assert_eq!(assert_copied(&cluster, job), 2);
    }
}
