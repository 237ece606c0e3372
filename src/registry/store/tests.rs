//! Log records in, state out; and what registering appends.

use super::*;

fn subject(name: &str) -> Subject {
    Subject(name.into())
}

fn draft(name: &str, text: &str) -> Draft {
    Draft { subject: subject(name), format: Format::Avro, text: text.to_owned(), references: Vec::new() }
}

fn reference(name: &str, of: &str, version: i32) -> Reference {
    Reference { name: name.to_owned(), subject: subject(of), version: Version(version) }
}

fn register(store: &mut Store, draft: &Draft) -> Found {
    let registration = store.register(draft).unwrap();
    for record in &registration.records {
        store.apply(record).unwrap();
    }
    let found = registration.found;
    let stored = store.version(&found.subject, Wanted::Version(found.version), false).unwrap();
    assert_eq!(stored, found, "what was announced is what the log says");
    found
}

fn record(key: &str, value: Option<&str>) -> LogRecord {
    LogRecord { key: key.as_bytes().to_vec(), value: value.map(|value| value.as_bytes().to_vec()) }
}

fn schema_record(name: &str, version: i32, id: i32, text: &str, deleted: bool) -> LogRecord {
    let key = format!(r#"{{"keytype":"SCHEMA","subject":"{name}","version":{version},"magic":1}}"#);
    let value = serde_json::json!({"subject": name, "version": version, "id": id, "schema": text, "deleted": deleted});
    record(&key, Some(&value.to_string()))
}

fn numbers(found: &Found) -> (i32, i32) {
    (found.id.0, found.version.0)
}

#[test]
fn ids_belong_to_contents_and_versions_to_subjects() {
    let mut store = Store::default();
    let cases = [
        ("a", r#""string""#, (1, 1)),
        ("a", r#" "string" "#, (1, 1)),
        ("a", r#""int""#, (2, 2)),
        ("b", r#""int""#, (2, 1)),
        ("b", r#"{ "type": "string" }"#, (3, 2)),
        (":.eu:a", r#""int""#, (1, 1)),
        (":.eu:a", r#""string""#, (2, 2)),
    ];
    for (name, text, expected) in cases {
        assert_eq!(numbers(&register(&mut store, &draft(name, text))), expected, "{name} {text}");
    }
    assert_eq!(store.versions(&subject("a"), false).unwrap(), [Version(1), Version(2)]);
    assert_eq!(
        store.places(".", SchemaId(2), false).unwrap(),
        [(&subject("a"), Version(2)), (&subject("b"), Version(1))]
    );
    let int = store.by_id(".", SchemaId(2)).unwrap().guid;
    assert_eq!(store.ids(int).unwrap(), [(".", SchemaId(2)), (".eu", SchemaId(1))]);
    assert_eq!(&*store.by_guid(int).unwrap().text, r#""int""#);
    let subjects: Vec<_> = store.subjects(false).map(|subject| &*subject.0).collect();
    assert_eq!(subjects, ["a", "b", ":.eu:a"]);
}

#[test]
fn log_keys_are_confluents_byte_for_byte() {
    let registration = Store::default().register(&draft(":.eu:o\"1", r#""int""#)).unwrap();
    let keys: Vec<_> = registration.records.iter().map(|record| std::str::from_utf8(&record.key).unwrap()).collect();
    assert_eq!(
        keys,
        [
            r#"{"keytype":"CONTEXT","tenant":"default","context":".eu","magic":0}"#,
            r#"{"keytype":"SCHEMA","subject":":.eu:o\"1","version":1,"magic":1}"#
        ]
    );
    let value: serde_json::Value = serde_json::from_slice(registration.records[1].value.as_deref().unwrap()).unwrap();
    let expected = serde_json::json!({
        "subject": ":.eu:o\"1", "version": 1, "id": 1, "md5": value["md5"],
        "schemaType": "AVRO", "schema": "\"int\"", "deleted": false
    });
    assert_eq!(value, expected);
}

/// The GUIDs were computed with Python's hashlib by the description of Confluent's `Schema.updateHash`.
#[test]
fn guid_is_the_md5_of_text_and_references() {
    let mut store = Store::default();
    let plain = register(&mut store, &draft("s", r#""string""#));
    assert_eq!(plain.content.guid.to_string(), "095d71cf-1255-6b9d-5e33-0ad575b3df5d");
    for size in 1..=3 {
        let fixed = format!(r#"{{"type":"fixed","name":"B","namespace":"com","size":{size}}}"#);
        register(&mut store, &draft("b-value", &fixed));
    }
    let text = r#"{"type":"record","name":"A","fields":[{"name":"b","type":"com.B"}]}"#;
    let with_reference = Draft { references: vec![reference("com.B", "b-value", 3)], ..draft("a-value", text) };
    assert_eq!(register(&mut store, &with_reference).content.guid.to_string(), "7b4879ad-e87b-7829-a549-f121b28deaff");
    let latest = Draft { references: vec![reference("com.B", "b-value", -1)], ..draft("a-value", text) };
    assert_eq!(
        numbers(&register(&mut store, &latest)),
        (5, 1),
        "version -1 is the latest, and that is the same schema"
    );
}

#[test]
fn bad_drafts_are_refused_with_confluents_words() {
    let mut store = Store::default();
    register(&mut store, &draft("there", r#""int""#));
    let dangling =
        |name: &str, version| Draft { references: vec![reference("R", name, version)], ..draft("s", "\"R\"") };
    let cases = [
        (draft("s", " "), "Empty schema"),
        (draft("s", "{"), "Invalid schema, it is not JSON: EOF while parsing an object at line 1 column 1"),
        (
            draft("s", r#"{"type":"fixed","name":"F"}"#),
            r#"Invalid schema {"type":"fixed","name":"F"}, details: Fixed schema has no `size`"#,
        ),
        (draft("", r#""int""#), "The specified subject '' is not a valid."),
        (draft("__GLOBAL", r#""int""#), "The specified subject '__GLOBAL' is not a valid."),
        (draft("a\nb", r#""int""#), "The specified subject 'a\nb' is not a valid."),
        (
            dangling("there", 2),
            "Invalid schema, its reference 'R' to version 2 of subject 'there' leads nowhere: Version 2 not found.",
        ),
        (
            dangling("nowhere", 1),
            "Invalid schema, its reference 'R' to version 1 of subject 'nowhere' leads nowhere: Subject 'nowhere' not found.",
        ),
    ];
    for (draft, expected) in cases {
        assert_eq!(store.register(&draft).unwrap_err().to_string(), expected);
    }
}

#[test]
fn soft_deleted_versions_are_hidden_and_still_there() {
    let mut store = Store::default();
    for (version, text) in [(1, "\"int\""), (2, "\"long\"")] {
        store.apply(&schema_record("s", version, version, text, false)).unwrap();
    }
    store.apply(&schema_record("s", 2, 2, "\"long\"", true)).unwrap();
    let s = subject("s");
    assert_eq!(store.version(&s, Wanted::Latest, true).unwrap().version, Version(1), "latest is never a deleted one");
    assert!(matches!(store.version(&s, Wanted::Version(Version(2)), false), Err(Error::VersionNotFound(Version(2)))));
    assert_eq!(store.version(&s, Wanted::Version(Version(2)), true).unwrap().id, SchemaId(2));
    assert_eq!(store.places(".", SchemaId(2), false).unwrap(), []);
    assert_eq!(store.places(".", SchemaId(2), true).unwrap(), [(&s, Version(2))]);
    assert_eq!(numbers(&register(&mut store, &draft("s", "\"long\""))), (2, 3), "its ID stays, its version does not");
}

#[test]
fn subject_deletes_and_tombstones_follow_the_log() {
    let mut store = Store::default();
    let s = subject("s");
    store.apply(&schema_record("s", 1, 1, "\"int\"", false)).unwrap();
    store.apply(&schema_record("s", 2, 2, "\"long\"", false)).unwrap();
    let key = r#"{"keytype":"DELETE_SUBJECT","subject":"s","magic":0}"#;
    store.apply(&record(key, Some(r#"{"subject":"s","version":2}"#))).unwrap();
    assert!(matches!(store.versions(&s, false), Err(Error::SubjectNotFound(_))));
    assert_eq!(store.versions(&s, true).unwrap(), [Version(1), Version(2)]);
    assert_eq!(store.subjects(false).count(), 0);

    // Karapace writes an empty value where Confluent writes null.
    for (version, value) in [(2, None), (1, Some(""))] {
        let key = format!(r#"{{"keytype":"SCHEMA","subject":"s","version":{version},"magic":1}}"#);
        store.apply(&record(&key, value)).unwrap();
    }
    assert!(matches!(store.versions(&s, true), Err(Error::SubjectNotFound(_))));
    assert!(matches!(store.by_id(".", SchemaId(2)), Err(Error::SchemaNotFound(_))));
    assert_eq!(numbers(&register(&mut store, &draft("s", "\"long\""))), (3, 1), "an ID is not given twice");
}

#[test]
fn records_that_say_nothing_about_schemas_change_nothing() {
    let mut store = Store::default();
    store.apply(&schema_record("s", 1, 7, "\"int\"", false)).unwrap();
    let before = format!("{store:?}");
    let passed_over = [
        record(r#"{"keytype":"NOOP","magic":0}"#, None),
        record(r#"{"keytype":"CONFIG","subject":null,"magic":0}"#, Some(r#"{"compatibilityLevel":"FULL"}"#)),
        record(r#"{"keytype":"MODE","subject":"s","magic":0}"#, Some(r#"{"mode":"READONLY"}"#)),
        record(r#"{"keytype":"ELSE"}"#, Some("?")),
    ];
    for record in passed_over {
        store.apply(&record).unwrap();
    }
    let refused = [
        (record("", None), "the log record is not the JSON of a registry"),
        (record(r#"{"keytype":"SCHEMA","subject":"s","version":2}"#, Some("{}")), "the log record is not the JSON"),
        (
            schema_record("t", 1, 7, "\"long\"", false),
            "the log record gives ID 7 of context '.' to another schema, registered as version 1 of subject 't'",
        ),
    ];
    for (record, expected) in refused {
        let message = store.apply(&record).unwrap_err().to_string();
        assert!(message.starts_with(expected), "{message}");
    }
    assert_eq!(format!("{store:?}"), before);
    assert_eq!(numbers(&register(&mut store, &draft("s", "\"long\""))), (8, 2));
}

#[test]
fn lookup_tells_a_missing_subject_from_a_missing_schema() {
    let mut store = Store::default();
    register(&mut store, &draft("s", "\"int\""));
    assert_eq!(numbers(&store.lookup(&draft("s", " \"int\"")).unwrap()), (1, 1));
    assert!(matches!(store.lookup(&draft("s", "\"long\"")), Err(Error::ContentNotFound)));
    assert!(matches!(store.lookup(&draft("t", "\"int\"")), Err(Error::SubjectNotFound(_))));
}

#[test]
fn numbers_at_their_end_do_not_wrap() {
    let mut store = Store::default();
    store.apply(&schema_record("s", i32::MAX, i32::MAX, "\"int\"", false)).unwrap();
    let registration = store.register(&draft("s", "\"long\"")).unwrap();
    let error = store.apply(&registration.records[0]).unwrap_err();
    assert!(matches!(error, Error::IdTaken { .. }), "{error}");
}
