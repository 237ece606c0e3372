//! What records of the log say, and how ours look.

use super::*;

#[test]
fn log_keys_are_confluents_byte_for_byte() {
    let store = Store::default();
    let records = store.decide(&command(":.eu:o\"1", draft(r#""int""#))).unwrap().records;
    assert_eq!(
        keys(&records),
        [
            r#"{"keytype":"CONTEXT","tenant":"default","context":".eu","magic":0}"#,
            r#"{"keytype":"SCHEMA","subject":":.eu:o\"1","version":1,"magic":1}"#
        ]
    );
    let value: serde_json::Value = serde_json::from_slice(records[1].value.as_deref().unwrap()).unwrap();
    let expected = serde_json::json!({
        "subject": ":.eu:o\"1", "version": 1, "id": 1, "md5": value["md5"],
        "schemaType": "AVRO", "schema": "\"int\"", "deleted": false
    });
    assert_eq!(value, expected);
    let patch: ConfigPatch = serde_json::from_str(r#"{"compatibility":"FULL"}"#).unwrap();
    let config = |scope: Option<&str>| Command::SetConfig { scope: scope.map(subject), patch: patch.clone() };
    let mode =
        |scope: Option<&str>| Command::SetMode { scope: scope.map(subject), mode: "READONLY".into(), force: false };
    for (command, key, value) in [
        (config(None), r#"{"keytype":"CONFIG","magic":0}"#, r#"{"compatibilityLevel":"FULL"}"#),
        (
            config(Some("s")),
            r#"{"keytype":"CONFIG","subject":"s","magic":0}"#,
            r#"{"subject":"s","compatibilityLevel":"FULL"}"#,
        ),
        (mode(None), r#"{"keytype":"MODE","magic":0}"#, r#"{"mode":"READONLY"}"#),
        (mode(Some("s")), r#"{"keytype":"MODE","subject":"s","magic":0}"#, r#"{"subject":"s","mode":"READONLY"}"#),
    ] {
        assert_eq!(store.decide(&command).unwrap().records, [record(key, Some(value))]);
    }
}

/// What another registry has written with a key of its own form is written again in that form, or compaction would keep both.
#[test]
fn keys_keep_the_form_that_they_have_in_the_log() {
    let mut store = Store::default();
    let global = r#"{"keytype":"CONFIG","subject":null,"magic":0}"#;
    store.apply(&record(global, Some(r#"{"compatibilityLevel":"FULL"}"#))).unwrap();
    let karapace = r#"{"subject":"s","version":1,"magic":1,"keytype":"SCHEMA"}"#;
    store.apply(&record(karapace, Some(r#"{"subject":"s","version":1,"id":1,"schema":"\"int\""}"#))).unwrap();
    let patch: ConfigPatch = serde_json::from_str(r#"{"compatibility":"NONE"}"#).unwrap();
    let (_, records) = run(&mut store, &Command::SetConfig { scope: None, patch }).unwrap();
    assert_eq!(keys(&records), [global]);
    assert_eq!(keys(&delete(&mut store, "s", Some(1), false).unwrap()), [karapace]);
    let spaced = r#"{"keytype": "SCHEMA", "subject": "s", "version": 1, "magic": 1}"#;
    store
        .apply(&record(spaced, Some(r#"{"subject":"s","version":1,"id":1,"schema":"\"int\"","deleted":true}"#)))
        .unwrap();
    let own = r#"{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}"#;
    let gone = delete(&mut store, "s", None, true).unwrap();
    assert_eq!(keys(&gone), [karapace, spaced, own, r#"{"keytype":"NOOP","magic":0}"#], "none of them comes back");
}

#[test]
fn soft_deleted_versions_are_hidden_and_still_there() {
    let mut store = Store::unchecked();
    for (version, text) in [(1, "\"int\""), (2, "\"long\"")] {
        store.apply(&schema_record("s", version, version, text, false)).unwrap();
    }
    store.apply(&schema_record("s", 2, 2, "\"long\"", true)).unwrap();
    let s = subject("s");
    assert_eq!(
        store.version(&s, Wanted::Latest, Deleted::With).unwrap().version,
        Version(1),
        "latest is never a deleted one"
    );
    assert!(matches!(
        store.version(&s, Wanted::Version(Version(2)), Deleted::Without),
        Err(Error::VersionNotFound(Version(2)))
    ));
    assert_eq!(store.version(&s, Wanted::Version(Version(2)), Deleted::With).unwrap().id, SchemaId(2));
    assert_eq!(store.places(None, SchemaId(2), Deleted::Without).unwrap(), []);
    assert_eq!(store.places(None, SchemaId(2), Deleted::With).unwrap(), [(s.clone(), Version(2))]);
    assert_eq!(numbers(&register(&mut store, "s", draft("\"long\""))), (2, 3), "its ID stays, its version does not");
}

#[test]
fn subject_deletes_and_tombstones_follow_the_log() {
    let mut store = Store::unchecked();
    let s = subject("s");
    store.apply(&schema_record("s", 1, 1, "\"int\"", false)).unwrap();
    store.apply(&schema_record("s", 2, 2, "\"long\"", false)).unwrap();
    let key = r#"{"keytype":"DELETE_SUBJECT","subject":"s","magic":0}"#;
    store.apply(&record(key, Some(r#"{"subject":"s","version":2}"#))).unwrap();
    assert!(matches!(store.versions(&s, Deleted::Without), Err(Error::SubjectNotFound(_))));
    assert_eq!(store.versions(&s, Deleted::With).unwrap(), [Version(1), Version(2)]);
    assert_eq!(store.subjects(&names::Prefix::new(""), Deleted::Without).count(), 0);

    // Karapace writes an empty value where Confluent writes null.
    for (version, value) in [(2, None), (1, Some(""))] {
        let key = format!(r#"{{"keytype":"SCHEMA","subject":"s","version":{version},"magic":1}}"#);
        store.apply(&record(&key, value)).unwrap();
    }
    assert!(matches!(store.versions(&s, Deleted::With), Err(Error::SubjectNotFound(_))));
    assert!(matches!(store.by_id(None, SchemaId(2)), Err(Error::SchemaNotFound(_))));
    assert_eq!(numbers(&register(&mut store, "s", draft("\"long\""))), (3, 1), "an ID is not given twice");
}

#[test]
fn records_that_say_nothing_about_schemas_change_nothing() {
    let mut store = Store::unchecked();
    store.apply(&schema_record("s", 1, 7, "\"int\"", false)).unwrap();
    let before = format!("{store:?}");
    let passed_over = [record(r#"{"keytype":"NOOP","magic":0}"#, None), record(r#"{"keytype":"ELSE"}"#, Some("?"))];
    for record in passed_over {
        store.apply(&record).unwrap();
    }
    let refused = [
        (record("", None), "the log record is not the JSON of a registry"),
        (record(r#"{"keytype":"CONFIG","subject":"s","magic":0}"#, Some("?")), "the log record is not the JSON"),
    ];
    for (record, expected) in refused {
        let message = store.apply(&record).unwrap_err().to_string();
        assert!(message.starts_with(expected), "{message}");
    }
    assert_eq!(format!("{store:?}"), before);
    assert_eq!(numbers(&register(&mut store, "s", draft("\"long\""))), (8, 2));
}

/// What would be registered in their place would take it in the log too, and compaction would leave nothing of them.
#[test]
fn records_that_cannot_be_taken_keep_their_ids_and_versions() {
    let key =
        |name: &str, version| format!(r#"{{"keytype":"SCHEMA","subject":"{name}","version":{version},"magic":1}}"#);
    let mut store = Store::unchecked();
    store.apply(&schema_record("s", 1, 7, "\"int\"", false)).unwrap();
    let other = r#"{"subject":"s","version":2,"id":9,"schemaType":"THRIFT","schema":"struct"}"#;
    store.apply(&record(&key("s", 2), Some(other))).unwrap();
    let broken = r#"{"subject":"t","version":4,"id":12,"schema":{}}"#;
    assert_eq!(store.apply(&record(&key("t", 4), Some(broken))).unwrap_err().code(), 50001);
    store.apply(&record(&key("u", 6), Some("?"))).unwrap_err();
    let taken = store.apply(&schema_record("v", 1, 7, "\"long\"", false)).unwrap_err().to_string();
    assert_eq!(
        taken,
        "the log record gives ID 7 of context '.' to another schema, registered as version 1 of subject 'v'"
    );
    for (name, expected) in [("s", (13, 3)), ("t", (13, 5)), ("u", (13, 7)), ("v", (13, 2)), ("w", (13, 1))] {
        assert_eq!(numbers(&register(&mut store, name, draft("\"string\""))), expected, "{name}");
    }
    set_mode(&mut store, Some("x"), "IMPORT", false).unwrap();
    let refused = "Overwrite new schema with id 12 in context  is not permitted.";
    assert_eq!(try_register(&mut store, "x", imported(12, 1, "\"long\"")).unwrap_err().to_string(), refused);
    // Until they are gone for good.
    store.apply(&record(&key("u", 6), None)).unwrap();
    delete(&mut store, "u", None, false).unwrap();
    delete(&mut store, "u", None, true).unwrap();
    assert_eq!(numbers(&register(&mut store, "u", draft("\"string\""))), (13, 1));
}

/// Confluent keeps a contract with every version, and an ID with a text.
#[test]
fn versions_of_one_id_may_have_contracts_of_their_own() {
    let with_owner = |name: &str, version: i32, owner: &str| {
        let mut record = schema_record(name, version, 1, "\"int\"", false);
        let mut value: serde_json::Value = serde_json::from_slice(record.value.as_deref().unwrap()).unwrap();
        value["metadata"] = serde_json::json!({"properties": {"owner": owner}});
        record.value = Some(value.to_string().into_bytes());
        record
    };
    let owner = |store: &Store, name: &str| {
        let found = store.version(&subject(name), Wanted::Version(Version(1)), Deleted::With).unwrap();
        found.content.metadata.as_ref().map(|metadata| metadata.properties["owner"].clone())
    };
    let some = |owner: &str| Some(owner.to_owned());
    let mut store = Store::unchecked();
    store.apply(&schema_record("a", 1, 1, "\"int\"", false)).unwrap();
    store.apply(&with_owner("b", 1, "b")).unwrap();
    delete(&mut store, "b", Some(1), false).unwrap();
    assert_eq!((owner(&store, "a"), owner(&store, "b")), (None, some("b")), "deleted with what it says");
    store.apply(&record(r#"{"keytype":"SCHEMA","subject":"b","version":1,"magic":1}"#, None)).unwrap();
    store.apply(&with_owner("a", 1, "a")).unwrap();
    assert_eq!(owner(&store, "a"), some("a"), "the last record counts");
    let guid = store.by_id(None, SchemaId(1)).unwrap().content.guid;
    assert_eq!(store.ids(guid).unwrap(), [(".", SchemaId(1))]);
}
