//! Import mode: what another registry has judged is taken as it is.

use super::*;

#[test]
fn imports_keep_ids_versions_and_contracts() {
    let mut store = Store::default();
    set_mode(&mut store, None, "IMPORT", false).unwrap();
    register(&mut store, "s", imported(7, 1, "\"int\""));
    assert_eq!(numbers(&register(&mut store, "s", imported(7, 2, "\"int\""))), (7, 2), "one schema, two versions");
    assert_eq!(numbers(&register(&mut store, "s", imported(8, 3, "\"int\""))), (8, 3), "and under two IDs");
    let contract = serde_json::from_str(r#"{"properties":{"owner":"a"}}"#).unwrap();
    let other = Draft { metadata: contract, ..imported(7, 1, "\"int\"") };
    let refused = "Overwrite new schema with id 7 in context  is not permitted.";
    for name in ["s", "t"] {
        assert_eq!(try_register(&mut store, name, other.clone()).unwrap_err().to_string(), refused, "{name}");
    }
    let again = run(&mut store, &command("s", imported(7, 2, "\"int\""))).unwrap();
    assert_eq!(again.1, [], "what is there already is not written again");
    let error = try_register(&mut store, "s", Draft { id: Some(SchemaId(9)), ..draft("\"int\"") }).unwrap_err();
    assert_eq!(error, Error::IdMismatch { found: SchemaId(8), given: SchemaId(9) });
    for (id, version) in [(i32::MAX, 9), (9, i32::MAX)] {
        assert_eq!(try_register(&mut store, "s", imported(id, version, "\"long\"")).unwrap_err().code(), 42201);
    }
}

#[test]
fn an_import_leaves_newer_versions_that_are_deleted_alone() {
    let mut store = Store::default();
    set_mode(&mut store, None, "IMPORT", false).unwrap();
    register(&mut store, "s", imported(7, 5, "\"int\""));
    delete(&mut store, "s", Some(5), false).unwrap();
    register(&mut store, "s", imported(7, 3, "\"int\""));
    assert_eq!(store.versions(&subject("s"), Deleted::With).unwrap(), [Version(3), Version(5)]);
    delete(&mut store, "s", Some(3), false).unwrap();
    register(&mut store, "s", imported(7, 4, "\"int\""));
    assert_eq!(store.versions(&subject("s"), Deleted::With).unwrap(), [Version(4), Version(5)]);
}

/// Compaction keeps the last record of each key alone.
#[test]
fn an_id_whose_record_is_written_over_is_not_given_again() {
    let mut store = Store::default();
    set_mode(&mut store, Some("s"), "IMPORT", false).unwrap();
    register(&mut store, "s", imported(70, 1, "\"int\""));
    let (_, records) = run(&mut store, &command("s", imported(5, 1, "\"long\""))).unwrap();
    let mut compacted = Store::default();
    records.iter().for_each(|record| compacted.apply(record).unwrap());
    assert_eq!(numbers(&register(&mut compacted, "t", draft("\"string\""))), (71, 1));
}
