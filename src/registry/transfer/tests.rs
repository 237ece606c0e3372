//! Lines, their order, and what an import makes of a registry that has something already.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::*;
use crate::registry::entities::ReferenceEntity;
use crate::registry::remote::Entry;
use crate::schema::Subject;

/// A version; its schema is named as it is.
fn entry(subject: &str, version: i32, id: i32) -> Entry {
    Entry {
        subject: subject.to_owned(),
        version,
        id,
        schema_type: "AVRO".to_owned(),
        schema: format!(r#"{{"type":"fixed","name":"T{id}","size":1}}"#),
        references: Vec::new(),
        metadata: None,
        rule_set: None,
    }
}

/// The same, which refers to another.
fn referring(entry: Entry, subject: &str, version: i32) -> Entry {
    let reference = ReferenceEntity { name: "T".to_owned(), subject: subject.to_owned(), version };
    Entry { references: vec![reference], ..entry }
}

fn written(archive: &Archive) -> String {
    let mut text = Vec::new();
    archive.write(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

fn read(text: &str) -> Result<Archive, Vec<String>> {
    let told =
        |faults: Vec<Fault>| faults.into_iter().map(|fault| format!("{}: {}", fault.line, fault.problem)).collect();
    Archive::read(&mut text.as_bytes()).map_err(told)
}

/// What a user would have in a file: three subjects in two contexts, one of them deleted.
fn sample() -> Archive {
    let metadata = json!({"properties": {"owner": "shop"}});
    Archive::new(
        vec![
            (referring(entry("orders", 1, 2), "status", 1), false),
            (entry("orders", 2, 3), true),
            (referring(entry(":.eu:orders", 1, 2), "status", 1), false),
            (entry("status", 1, 1), false),
            (Entry { metadata: Some(metadata), ..entry(":.eu:status", 1, 1) }, false),
        ],
        vec![
            (None, json!({"compatibilityLevel": "FULL"})),
            (Some(Subject("orders".into())), json!({"normalize": true})),
        ],
        vec![(None, "READWRITE".to_owned())],
    )
}

#[test]
fn what_is_referred_to_comes_first_and_lines_are_read_back() {
    let text = written(&sample());
    let places: Vec<_> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["kind"] == "schema")
        .map(|line| format!("{}/{}", line["subject"].as_str().unwrap(), line["version"]))
        .collect();
    assert_eq!(places, [":.eu:status/1", "status/1", ":.eu:orders/1", "orders/1", "orders/2"]);
    assert_eq!(text.lines().next(), Some(r#"{"kind":"header","format":1}"#));
    assert_eq!(text.lines().last(), Some(r#"{"kind":"end","lines":8}"#));
    let again = read(&text).unwrap();
    assert_eq!(written(&again), text);
    assert_eq!(again.schemas.iter().map(|schema| schema.line).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
}

#[test]
fn lines_at_fault_are_named() {
    let header = r#"{"kind":"header","format":1}"#;
    let schema = r#"{"kind":"schema","subject":"a","version":1,"id":1,"schema":"\"int\""}"#;
    let circle = |subject: &str, other: &str| {
        let entry = referring(entry(subject, 1, 1), other, 1);
        let mut line = json!(entry);
        line["kind"] = json!("schema");
        line.to_string()
    };
    for (name, lines, expected) in [
        ("nothing", vec![], vec!["1: does not begin an export: {\"kind\":\"header\",\"format\":1}"]),
        (
            "another format",
            vec![r#"{"kind":"header","format":2}"#],
            vec!["1: begins an export of format 2, and one of format 1 begins a file"],
        ),
        (
            "cut off",
            vec![header, schema],
            vec!["3: should end the export, and none does: 1 were read; the file was cut off"],
        ),
        (
            "a line that is missing",
            vec![header, r#"{"kind":"end","lines":1}"#],
            vec!["3: should end the export, and 1 lines were written: 0 were read; the file was cut off"],
        ),
        (
            "no JSON",
            vec![header, "{", r#"{"kind":"end","lines":0}"#],
            vec!["2: is no line of an export: EOF while parsing an object at column 1"],
        ),
        (
            "twice",
            vec![header, schema, schema, r#"{"kind":"end","lines":2}"#],
            vec!["3: is version 1 of subject 'a', as line 2 is"],
        ),
        (
            "more after the end",
            vec![header, r#"{"kind":"end","lines":0}"#, schema],
            vec!["3: comes after the line that ends the export"],
        ),
        (
            "a circle",
            vec![header, &circle("a", "b"), &circle("b", "a"), r#"{"kind":"end","lines":2}"#],
            vec![
                "2: version 1 of subject 'a' refers to itself in a circle",
                "3: version 1 of subject 'b' refers to itself in a circle",
            ],
        ),
    ] {
        assert_eq!(read(&lines.join("\n")).unwrap_err(), expected, "{name}");
    }
}

/// What a registry has that has taken an archive.
fn taken(archive: &Archive) -> State {
    let schemas = &archive.schemas;
    let setting = |scope: &Option<Subject>| scope.clone();
    State {
        versions: schemas
            .iter()
            .map(|one| ((one.entry.subject.clone(), one.entry.version), (one.entry.clone(), one.deleted)))
            .collect(),
        ids: HashMap::new(),
        configs: archive.configs.iter().map(|one| (setting(&one.scope), one.value.clone())).collect(),
        modes: archive.modes.iter().map(|one| (setting(&one.scope), one.value.clone())).collect(),
    }
}

#[test]
fn an_empty_registry_takes_all_and_one_that_has_all_takes_nothing() {
    let archive = read(&written(&sample())).unwrap();
    let empty = State {
        configs: [(None, json!({"compatibilityLevel": "BACKWARD"}))].into(),
        modes: [(None, "READWRITE".to_owned())].into(),
        ..State::default()
    };
    let all = plan(&archive, &empty, true).unwrap();
    let expected = Plan {
        register: vec![vec![0, 1], vec![2, 3], vec![4]],
        delete: vec![4],
        configs: vec![0, 1],
        modes: vec![],
        unchanged: 1,
    };
    assert_eq!(all, expected);
    assert!(plan(&archive, &taken(&archive), true).unwrap().is_empty());
    let schemas_only = plan(&archive, &empty, false).unwrap();
    assert_eq!((schemas_only.registrations(), schemas_only.configs.len()), (5, 0));
}

#[test]
fn what_contradicts_is_named_with_its_line() {
    let archive = read(&written(&sample())).unwrap();
    type Change = fn(&mut State);
    let cases: [(&str, Change, &str); 7] = [
        (
            "another ID",
            |state| state.versions.get_mut(&("status".to_owned(), 1)).unwrap().0.id = 9,
            "3: version 1 of subject 'status' has ID 9 there, and ID 1 here",
        ),
        (
            "another schema",
            |state| state.versions.get_mut(&("status".to_owned(), 1)).unwrap().0.schema = r#""int""#.to_owned(),
            "3: version 1 of subject 'status' is another schema, or has another contract, there",
        ),
        (
            "another contract",
            |state| state.versions.get_mut(&(":.eu:status".to_owned(), 1)).unwrap().0.metadata = None,
            "2: version 1 of subject ':.eu:status' is another schema, or has another contract, there",
        ),
        (
            "deleted",
            |state| state.versions.get_mut(&("status".to_owned(), 1)).unwrap().1 = true,
            "3: version 1 of subject 'status' was deleted there; delete it for good there, or leave the line out",
        ),
        (
            "an ID that is taken",
            |state| {
                let (other, _) = state.versions.remove(&("status".to_owned(), 1)).unwrap();
                state.ids.insert((".".to_owned(), 1), Entry { schema: r#""int""#.to_owned(), ..other });
            },
            "3: version 1 of subject 'status' has ID 1, which is another schema there",
        ),
        (
            "another configuration",
            |state| drop(state.configs.insert(None, json!({"compatibilityLevel": "NONE"}))),
            r#"7: the configuration of all subjects is {"compatibilityLevel":"NONE"} there"#,
        ),
        (
            "another mode",
            |state| drop(state.modes.insert(None, "READONLY".to_owned())),
            "9: the mode of all subjects is READONLY there",
        ),
    ];
    for (name, change, expected) in cases {
        let mut state = taken(&archive);
        change(&mut state);
        let faults = plan(&archive, &state, true).unwrap_err();
        let told: Vec<_> = faults.iter().map(|fault| format!("{}: {}", fault.line, fault.problem)).collect();
        assert_eq!(told, [expected], "{name}");
    }
}

#[test]
fn what_is_the_same_in_another_form_is_the_same() {
    let archive = read(&written(&sample())).unwrap();
    let mut state = taken(&archive);
    let known = &mut state.versions.get_mut(&("status".to_owned(), 1)).unwrap().0;
    known.schema = r#"{ "name": "T1", "size": 1, "type": "fixed" }"#.to_owned();
    known.metadata = Some(json!({"tags": {}, "properties": null}));
    state.configs.insert(None, json!({"alias": "", "compatibilityLevel": "FULL"}));
    assert!(plan(&archive, &state, true).unwrap().is_empty());
    // A deletion that an interrupted import has left undone is done.
    state.versions.get_mut(&("orders".to_owned(), 2)).unwrap().1 = false;
    assert_eq!(plan(&archive, &state, true).unwrap().delete, [4]);
}
