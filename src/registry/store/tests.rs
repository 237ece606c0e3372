//! Log records in, state out; and what commands append.

mod imports;
mod records;

use super::*;
use crate::registry::settings::ConfigPatch;
use crate::schema::Version;

fn subject(name: &str) -> Subject {
    Subject(name.into())
}

fn draft(text: &str) -> Draft {
    Draft { text: text.to_owned(), ..Draft::default() }
}

fn reference(name: &str, of: &str, version: i32) -> Reference {
    Reference { name: name.to_owned(), subject: subject(of), version: Version(version) }
}

fn command(name: &str, draft: Draft) -> Command {
    Command::Register { subject: subject(name), draft, normalize: false }
}

/// Decides, applies what is appended, and returns the answer with what was appended.
fn run(store: &mut Store, command: &Command) -> Result<(Outcome, Vec<LogRecord>), Error> {
    let Decision { records, outcome } = store.decide(command)?;
    for record in &records {
        store.apply(record).unwrap();
    }
    Ok((outcome, records))
}

fn try_register(store: &mut Store, name: &str, draft: Draft) -> Result<Found, Error> {
    let (outcome, _) = run(store, &command(name, draft))?;
    let Outcome::Registered(found) = outcome else { panic!("{outcome:?}") };
    let stored = store.version(&found.subject, Wanted::Version(found.version), Deleted::Without).unwrap();
    assert_eq!(stored, *found, "what was announced is what the log says");
    Ok(*found)
}

fn register(store: &mut Store, name: &str, draft: Draft) -> Found {
    try_register(store, name, draft).unwrap()
}

fn keys(records: &[LogRecord]) -> Vec<&str> {
    records.iter().map(|record| std::str::from_utf8(&record.key).unwrap()).collect()
}

fn set(store: &mut Store, scope: Option<&str>, patch: &str) {
    let patch: ConfigPatch = serde_json::from_str(patch).unwrap();
    run(store, &Command::SetConfig { scope: scope.map(subject), patch }).unwrap();
}

fn set_mode(
    store: &mut Store,
    scope: Option<&str>,
    mode: &str,
    force: bool,
) -> Result<(Outcome, Vec<LogRecord>), Error> {
    run(store, &Command::SetMode { scope: scope.map(subject), mode: mode.to_owned(), force })
}

fn delete(store: &mut Store, name: &str, version: Option<i32>, permanent: bool) -> Result<Vec<LogRecord>, Error> {
    let subject = subject(name);
    let command = match version {
        Some(version) => Command::DeleteVersion { subject, wanted: Wanted::Version(Version(version)), permanent },
        None => Command::DeleteSubject { subject, permanent },
    };
    Ok(run(store, &command)?.1)
}

fn record(key: &str, value: Option<&str>) -> LogRecord {
    LogRecord { key: key.as_bytes().to_vec(), value: value.map(|value| value.as_bytes().to_vec()), timestamp: 0 }
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
    let mut store = Store::unchecked();
    let cases = [
        ("a", r#""string""#, (1, 1)),
        ("a", r#" "string" "#, (1, 1)),
        ("a", r#""int""#, (2, 2)),
        ("b", r#""int""#, (2, 1)),
        ("b", r#"{ "type": "string" }"#, (1, 2)),
        (":.eu:a", r#""int""#, (1, 1)),
        (":.eu:a", r#""string""#, (2, 2)),
    ];
    for (name, text, expected) in cases {
        set(&mut store, Some(":.eu:"), r#"{"compatibility":"NONE"}"#);
        assert_eq!(numbers(&register(&mut store, name, draft(text))), expected, "{name} {text}");
    }
    assert_eq!(store.versions(&subject("a"), Deleted::Without).unwrap(), [Version(1), Version(2)]);
    assert_eq!(
        store.places(None, SchemaId(2), Deleted::Without).unwrap(),
        [(subject("a"), Version(2)), (subject("b"), Version(1))]
    );
    let int = store.by_id(None, SchemaId(2)).unwrap().content.guid;
    assert_eq!(store.ids(int).unwrap(), [(".", SchemaId(2)), (".eu", SchemaId(1))]);
    assert_eq!(&*store.by_guid(int).unwrap().content.text, r#""int""#);
    let all = names::Prefix::new(":*:");
    let subjects: Vec<_> = store.subjects(&all, Deleted::Without).map(|subject| &*subject.0).collect();
    assert_eq!(subjects, ["a", "b", ":.eu:a"]);
    assert_eq!(store.contexts().collect::<Vec<_>>(), [".", ".eu"]);
    assert_eq!(&*store.by_id(Some(":.eu:a"), SchemaId(2)).unwrap().content.text, r#""string""#);
    assert_eq!(&*store.by_id(Some("a"), SchemaId(2)).unwrap().content.text, r#""int""#);
}

/// The GUIDs were computed with Python's hashlib by the description of Confluent's `Schema.updateHash`.
#[test]
fn guid_is_the_md5_of_text_and_references() {
    let mut store = Store::unchecked();
    let plain = register(&mut store, "s", draft(r#""string""#));
    assert_eq!(plain.content.guid.to_string(), "095d71cf-1255-6b9d-5e33-0ad575b3df5d");
    for size in 1..=3 {
        let fixed = format!(r#"{{"type":"fixed","name":"B","namespace":"com","size":{size}}}"#);
        register(&mut store, "b-value", draft(&fixed));
    }
    let text = r#"{"type":"record","name":"A","fields":[{"name":"b","type":"com.B"}]}"#;
    let with_reference = Draft { references: vec![reference("com.B", "b-value", 3)], ..draft(text) };
    let found = register(&mut store, "a-value", with_reference);
    assert_eq!(found.content.guid.to_string(), "7b4879ad-e87b-7829-a549-f121b28deaff");
    let latest = Draft { references: vec![reference("com.B", "b-value", -1)], ..draft(text) };
    let again = register(&mut store, "a-value", latest);
    assert_eq!(numbers(&again), (5, 1), "version -1 is the latest, and that is the same schema");
    assert_eq!(store.referenced_by(&subject("b-value"), Version(3), Deleted::Without), [SchemaId(5)]);
    let error = delete(&mut store, "b-value", Some(3), false).unwrap_err();
    assert_eq!(
        error.to_string(),
        "One or more references exist to the schema {magic=1,keytype=SCHEMA,subject=b-value,version=3}."
    );
    delete(&mut store, "a-value", None, false).unwrap();
    delete(&mut store, "b-value", Some(3), false).unwrap();
}

/// Ten levels with twenty ways from one to the next: nobody could walk them all.
#[test]
fn references_are_followed_once_however_many_ways_lead_to_them() {
    let mut store = Store::unchecked();
    register(&mut store, "t0", draft(r#"{"type":"record","name":"T0","fields":[]}"#));
    for level in 1..=10 {
        let below = level - 1;
        let text = format!(r#"{{"type":"record","name":"T{level}","fields":[{{"name":"f","type":"T{below}"}}]}}"#);
        let references = (0..20).map(|way| reference(&format!("{way}"), &format!("t{below}"), 1)).collect();
        register(&mut store, &format!("t{level}"), Draft { references, ..draft(&text) });
    }
    let top = store.version(&subject("t10"), Wanted::Latest, Deleted::Without).unwrap();
    assert_eq!(store.texts(&subject("t10"), &top.content.references).unwrap().len(), 10);
}

#[test]
fn bad_drafts_are_refused_with_confluents_words() {
    let mut store = Store::unchecked();
    register(&mut store, "there", draft(r#""int""#));
    let dangling = |name: &str, version| Draft { references: vec![reference("R", name, version)], ..draft("\"R\"") };
    let rules =
        Draft { rule_set: serde_json::from_str(r#"{"domainRules":[{"name":"1"}]}"#).unwrap(), ..draft("\"int\"") };
    let cases = [
        ("s", draft(" "), "Empty schema", 42201),
        (
            "s",
            draft("{"),
            "Invalid schema {, details: schema text is not JSON of at most 127 levels: EOF while parsing an object at line 1 column 1",
            42201,
        ),
        (
            "s",
            draft(r#"{"type":"fixed","name":"F"}"#),
            r#"Invalid schema {"type":"fixed","name":"F"}, details: schema fixed 'F': has no 'size' from 0 to 2147483647"#,
            42201,
        ),
        (
            "s",
            draft(r#"{"type":"fixed","name":"a-b","size":1}"#),
            r#"Invalid schema {"type":"fixed","name":"a-b","size":1}, details: schema name 'a-b': is a name with something else than letters, digits and '_'"#,
            42201,
        ),
        ("", draft(r#""int""#), "The specified subject '' is not a valid.", 42208),
        ("__GLOBAL", draft(r#""int""#), "The specified subject '__GLOBAL' is not a valid.", 42208),
        ("a\nb", draft(r#""int""#), "The specified subject 'a\nb' is not a valid.", 42208),
        (
            "s",
            dangling("there", 2),
            "Invalid schema, its reference 'R' to version 2 of subject 'there' leads nowhere: Version 2 not found.",
            42201,
        ),
        (
            "s",
            dangling("nowhere", 1),
            "Invalid schema, its reference 'R' to version 1 of subject 'nowhere' leads nowhere: Subject 'nowhere' not found.",
            42201,
        ),
        ("s", rules, "Illegal initial character in rule name: 1", 42210),
        ("s", Draft { format: Some(crate::schema::Format::Json), ..draft("{}") }, "Invalid schema type JSON", 42201),
        (
            "s",
            Draft { version: Some(Version(7)), ..draft(r#""int""#) },
            "Version is not one more than previous version",
            42201,
        ),
        (
            "s",
            Draft { id: Some(SchemaId(7)), ..draft(r#""int""#) },
            "Subject s in context  is not in import mode",
            42205,
        ),
    ];
    for (name, draft, message, code) in cases {
        let error = store.decide(&command(name, draft)).unwrap_err();
        assert_eq!((error.to_string().as_str(), error.code()), (message, code));
    }
}

#[test]
fn versions_must_go_with_those_before_them() {
    let text = |kind: &str| format!(r#"{{"type":"record","name":"R","fields":[{{"name":"f","type":"{kind}"}}]}}"#);
    let mut store = Store::default();
    register(&mut store, "s", draft(&text("int")));
    register(&mut store, "s", draft(&text("long")));
    let error = try_register(&mut store, "s", draft(&text("string"))).unwrap_err();
    assert_eq!(error.code(), 409);
    assert_eq!(
        error.to_string(),
        "Schema being registered is incompatible with an earlier schema for subject \"s\", details: [\
         {errorType:'TYPE_MISMATCH', description:'The type (path '/fields/0/type') of a field in the new schema does not match with the old schema', \
         additionalInfo:'reader type: STRING not compatible with writer type: LONG'}, {oldSchemaVersion: 2}, \
         {oldSchema: '{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"f\",\"type\":\"long\"}]}'}, \
         {validateFields: 'false', compatibility: 'BACKWARD'}]"
    );
    let asked = |store: &Store, kind: &str, beside| {
        store.compatibility(&subject("s"), &draft(&text(kind)), false, beside).unwrap().is_empty()
    };
    let (latest, first) = (Some(Wanted::Latest), Some(Wanted::Version(Version(1))));
    for (level, expected) in [
        ("NONE", [true, true, true, true]),
        ("BACKWARD", [true, false, true, false]),
        ("FORWARD", [false, true, true, true]),
        ("FULL", [false, false, true, false]),
        ("BACKWARD_TRANSITIVE", [true, false, true, false]),
        ("FORWARD_TRANSITIVE", [false, true, false, true]),
        ("FULL_TRANSITIVE", [false, false, false, false]),
    ] {
        set(&mut store, Some("s"), &format!(r#"{{"compatibility":"{level}"}}"#));
        let found = [
            asked(&store, "double", latest),
            asked(&store, "int", latest),
            asked(&store, "long", None),
            asked(&store, "int", None),
        ];
        // Among all versions is the same schema, which goes with itself, and the other.
        let _ = first;
        assert_eq!(found, expected, "{level}");
    }
    assert!(store.compatibility(&subject("new"), &draft("\"int\""), false, latest).unwrap().is_empty());
    let error = store.compatibility(&subject("s"), &draft(""), false, latest).unwrap_err();
    assert_eq!(error.to_string(), "Empty schema");
    set(&mut store, Some("s"), r#"{"compatibility":"NONE"}"#);
    let wrong = draft(r#"{"type":"fixed","name":"a-b","size":1}"#);
    let judged = |store: &Store| store.compatibility(&subject("s"), &wrong, false, latest).is_ok();
    assert!(!judged(&store));
    set(&mut store, Some("s"), r#"{"validateNewSchemas":false}"#);
    assert!(judged(&store), "names are judged as at registration");
    let error =
        store.compatibility(&subject("s"), &draft("\"int\""), false, Some(Wanted::Version(Version(9)))).unwrap_err();
    assert_eq!(error, Error::VersionNotFound(Version(9)));
}

#[test]
fn what_means_the_same_is_not_registered_twice() {
    let mut store = Store::default();
    let a = r#"{"type":"record","name":"R","x":1,"y":2,"fields":[]}"#;
    let b = r#"{"type":"record","name":"R","y":2,"x":1,"fields":[]}"#;
    let first = register(&mut store, "s", draft(a));
    assert_eq!(numbers(&register(&mut store, "s", draft(b))), numbers(&first));
    let contract = |json: &str| Draft { metadata: serde_json::from_str(json).unwrap(), ..draft(a) };
    let second = register(&mut store, "s", contract(r#"{"properties":{"owner":"a"}}"#));
    assert_eq!(numbers(&second), (2, 2), "another contract is another schema");
    assert_eq!(
        numbers(&register(&mut store, "s", draft(a))),
        (1, 1),
        "what was sent without a contract is still the version without one"
    );
    let c = r#"{"type":"record","name":"R","x":3,"fields":[]}"#;
    let third = register(&mut store, "s", draft(c));
    assert_eq!(third.content.metadata, second.content.metadata, "the contract is taken over from the version before");
    let found = store.lookup(&subject("s"), &draft(a), false, Deleted::Without).unwrap();
    assert_eq!(numbers(&found), (1, 1), "as it was sent");
    let found = store.lookup(&subject("s"), &draft(c), false, Deleted::Without).unwrap();
    assert_eq!(numbers(&found), (3, 3), "with the contract of the latest");
    assert_eq!(store.lookup(&subject("s"), &draft(""), false, Deleted::Without).unwrap_err(), Error::ContentNotFound);
    let found =
        store.lookup(&subject("s"), &contract(r#"{"properties":{"owner":"a"}}"#), false, Deleted::Without).unwrap();
    assert_eq!(numbers(&found), (2, 2));
}

#[test]
fn modes_allow_and_refuse() {
    let mut store = Store::default();
    register(&mut store, "s", draft("\"int\""));
    set_mode(&mut store, Some("s"), "readonly", false).unwrap();
    let refused = "Subject s in context  is in read-only mode";
    assert_eq!(try_register(&mut store, "s", draft("\"long\"")).unwrap_err().to_string(), refused);
    assert_eq!(delete(&mut store, "s", None, false).unwrap_err().to_string(), refused);
    assert_eq!(numbers(&register(&mut store, "s", draft("\"int\""))), (1, 1), "what is there needs no writing");
    assert_eq!(set_mode(&mut store, None, "WHATEVER", false).unwrap_err(), Error::InvalidMode);
    assert_eq!(
        set_mode(&mut store, None, "IMPORT", false).unwrap_err().to_string(),
        "Cannot import since found existing subjects"
    );
    run(&mut store, &Command::DeleteMode { scope: Some(subject("s")), recursive: false }).unwrap();
    set_mode(&mut store, Some("in"), "IMPORT", false).unwrap();
    assert_eq!(numbers(&register(&mut store, "in", imported(70, 5, "\"long\""))), (70, 5));
    assert_eq!(
        try_register(&mut store, "in", imported(70, 6, "\"string\"")).unwrap_err().to_string(),
        "Overwrite new schema with id 70 in context  is not permitted."
    );
    assert_eq!(
        try_register(&mut store, "in", draft("\"string\"")).unwrap_err().to_string(),
        "Subject in in context  is not in read-write mode"
    );
    assert_eq!(numbers(&register(&mut store, "t", draft("\"string\""))), (71, 1), "IDs go on after those that came");
}

fn imported(id: i32, version: i32, text: &str) -> Draft {
    Draft { id: Some(SchemaId(id)), version: Some(Version(version)), ..draft(text) }
}

#[test]
fn what_is_deleted_for_good_leaves_its_id_behind() {
    let mut store = Store::unchecked();
    register(&mut store, "s", draft("\"int\""));
    register(&mut store, "s", draft("\"long\""));
    set(&mut store, Some("s"), r#"{"compatibility":"NONE"}"#);
    assert_eq!(
        delete(&mut store, "s", Some(2), true).unwrap_err(),
        Error::VersionNotSoftDeleted(subject("s"), Version(2))
    );
    delete(&mut store, "s", Some(2), false).unwrap();
    assert_eq!(
        delete(&mut store, "s", Some(2), false).unwrap_err(),
        Error::VersionSoftDeleted(subject("s"), Version(2))
    );
    let records = delete(&mut store, "s", Some(2), true).unwrap();
    assert_eq!(
        keys(&records),
        [r#"{"keytype":"SCHEMA","subject":"s","version":2,"magic":1}"#, r#"{"keytype":"NOOP","magic":0}"#]
    );
    assert_eq!(delete(&mut store, "s", None, true).unwrap_err(), Error::SubjectNotSoftDeleted(subject("s")));
    delete(&mut store, "s", None, false).unwrap();
    assert_eq!(delete(&mut store, "s", None, false).unwrap_err(), Error::SubjectSoftDeleted(subject("s")));
    let last = delete(&mut store, "s", None, true).unwrap();
    assert_eq!(
        keys(&last),
        [
            r#"{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}"#,
            r#"{"keytype":"CONFIG","subject":"s","magic":0}"#,
        ]
    );
    assert_eq!(delete(&mut store, "s", None, true).unwrap_err(), Error::SubjectNotFound(subject("s")));
    // A compacted log, read by a process that has seen nothing of it.
    let mut compacted = Store::unchecked();
    records.iter().chain(&last).for_each(|record| compacted.apply(record).unwrap());
    assert_eq!(numbers(&register(&mut compacted, "s", draft("\"string\""))), (3, 1));
    // Confluent's leader writes over the record; what was seen stays.
    compacted.apply(&record(r#"{"keytype":"NOOP","magic":0}"#, None)).unwrap();
    assert_eq!(compacted.highest(), BTreeMap::from([(".".to_owned(), 3)]));
}

#[test]
fn lookup_tells_a_missing_subject_from_a_missing_schema() {
    let mut store = Store::default();
    register(&mut store, "s", draft("\"int\""));
    let lookup = |name: &str, text: &str| store.lookup(&subject(name), &draft(text), false, Deleted::Without);
    assert_eq!(numbers(&lookup("s", " \"int\"").unwrap()), (1, 1));
    assert_eq!(lookup("s", "\"long\"").unwrap_err(), Error::ContentNotFound);
    assert_eq!(lookup("t", "\"int\"").unwrap_err(), Error::SubjectNotFound(subject("t")));
}

#[test]
fn numbers_at_their_end_do_not_wrap() {
    let mut store = Store::unchecked();
    store.apply(&schema_record("s", i32::MAX, i32::MAX, "\"int\"", false)).unwrap();
    assert_eq!(try_register(&mut store, "s", draft("\"long\"")).unwrap_err(), Error::Exhausted("versions"));
    assert_eq!(try_register(&mut store, "t", draft("\"long\"")).unwrap_err(), Error::Exhausted("IDs"));
    assert_eq!(numbers(&register(&mut store, "s", draft("\"int\""))), (i32::MAX, i32::MAX), "what is there answers");
}
