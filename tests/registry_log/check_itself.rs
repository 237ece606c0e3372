//! The checker finds each fault that a registry could commit.

use serde_json::{Value, json};

use crate::check::{Asked, Exchange, Record, Told, VISIBLE_MS, check};

fn put(at: i64, subject: &str, version: i64, id: i64, schema: &str) -> Record {
    let value = json!({"subject": subject, "version": version, "id": id, "schema": schema, "deleted": false});
    Record {
        at,
        key: json!({"keytype": "SCHEMA", "subject": subject, "version": version, "magic": 1}),
        value: Some(value),
    }
}

fn delete(at: i64, subject: &str, last: i64) -> Record {
    let value = json!({"subject": subject, "version": last});
    Record { at, key: json!({"keytype": "DELETE_SUBJECT", "subject": subject, "magic": 0}), value: Some(value) }
}

fn gone(at: i64, subject: &str, version: i64) -> Record {
    Record { value: None, ..put(at, subject, version, 0, "") }
}

fn level(at: i64, level: &str) -> Record {
    Record { at, key: json!({"keytype": "CONFIG", "magic": 0}), value: Some(json!({ "compatibilityLevel": level })) }
}

fn level_of(subject: &str, at: i64) -> Record {
    let key = json!({"keytype": "CONFIG", "subject": subject, "magic": 0});
    Record { key, ..level(at, "FULL") }
}

fn exchange(from: i64, to: i64, asked: Asked, told: Told) -> Exchange {
    Exchange { asked, told, from, to, is_missing: false }
}

fn registered(subject: &str, schema: &str, id: i64) -> Exchange {
    let asked = Asked::Register { subject: subject.into(), schema: schema.into() };
    exchange(0, 9, asked, Told::Done(json!({ "id": id })))
}

fn deleting(subject: &str, from: i64, to: i64, told: Told) -> Exchange {
    exchange(from, to, Asked::DeleteSubject { subject: subject.into(), permanent: false }, told)
}

fn done() -> Told {
    Told::Done(Value::Null)
}

#[test]
fn a_right_log_has_no_faults() {
    let log = [
        level(0, "NONE"),
        put(1, "a", 1, 1, "x"),
        put(2, "b", 1, 1, "x"),
        put(3, "a", 2, 2, "y"),
        put(3, ":.eu:a", 1, 1, "z"),
        delete(4, "a", 2),
        put(5, "a", 3, 3, "w"),
        delete(6, "b", 1),
        gone(7, "b", 1),
        put(8, "b", 1, 1, "x"),
        delete(9, "b", 1),
        gone(9, "b", 1),
        put(9, "b", 2, 1, "x"),
        level_of("a", 9),
    ];
    let told = [
        registered("a", "x", 1),
        deleting("a", 3, 5, done()),
        deleting("b", 5, 7, done()),
        deleting("b", 8, 9, done()),
        exchange(9, 9, Asked::Config { subject: "a".into(), level: "FULL" }, done()),
    ];
    assert_eq!(check(&log, &told, VISIBLE_MS), Vec::<String>::new());
}

#[test]
fn each_fault_is_found() {
    let usual = || vec![level(0, "NONE"), put(1, "a", 1, 1, "x"), put(2, "a", 2, 2, "y")];
    let with = |more: Vec<Record>| [usual(), more].concat();
    let unknown = |is_unwritten| Told::Unknown { is_unwritten };
    let register = Asked::Register { subject: "a".into(), schema: "q".into() };
    let set = Asked::Config { subject: "a".into(), level: "FULL" };
    let with_version = Exchange { told: Told::Done(json!({ "id": 2, "version": 3 })), ..registered("a", "y", 2) };
    let missing = Exchange { is_missing: true, ..registered("a", "y", 2) };
    let removed = |at| with(vec![delete(3, "a", 2), gone(at, "a", 2), gone(at, "a", 1)]);
    let permanently = |told| Asked::DeleteSubject { subject: told, permanent: true };
    let for_good = |from, to| exchange(from, to, permanently("a".to_owned()), Told::Done(json!([1, 2])));
    let late = exchange(30, 40, permanently("a".to_owned()), Told::Refused(40405));
    let cases: Vec<(&str, Vec<Record>, Vec<Exchange>, &str)> = vec![
        ("an ID twice", with(vec![put(3, "b", 1, 2, "z")]), vec![], "ID 2 was given twice"),
        ("two IDs for one schema", with(vec![put(3, "b", 1, 3, "x")]), vec![], "and another one elsewhere"),
        (
            "an ID again after it has gone",
            with(vec![delete(3, "a", 2), gone(4, "a", 2), put(5, "b", 1, 2, "z")]),
            vec![],
            "ID 2 was given twice",
        ),
        (
            "an ID below the highest",
            with(vec![put(3, "b", 1, 9, "z"), put(4, "b", 2, 5, "v")]),
            vec![],
            "ID 5 of v comes after 9",
        ),
        ("a gap", with(vec![put(3, "a", 4, 3, "z")]), vec![], "version 4 of 'a' comes where 3 is due"),
        (
            "a gap behind another's",
            with(vec![delete(3, "a", 2), gone(3, "a", 2), put(3, "a", 3, 3, "z")]),
            vec![],
            "comes where 2 is due",
        ),
        ("a version overwritten", with(vec![put(3, "a", 2, 3, "z")]), vec![], "version 2 of 'a' was overwritten"),
        ("a lost write", usual(), vec![registered("b", "z", 3)], "a write was lost"),
        ("another ID than was told", usual(), vec![registered("a", "y", 3)], "a write was lost"),
        ("a deletion that is not there", usual(), vec![deleting("a", 0, 9, done())], "0 times in the log"),
        ("a deletion of nobody", with(vec![delete(3, "a", 2)]), vec![], "1 times in the log, answered 0"),
        (
            "a deletion that was said not to be",
            with(vec![delete(3, "a", 2)]),
            vec![deleting("a", 0, 9, unknown(true))],
            "answered 0 times, 0 may be",
        ),
        (
            "a deletion told to two",
            with(vec![delete(3, "a", 2)]),
            vec![deleting("a", 0, 9, done()), deleting("a", 0, 9, done())],
            "answered 2 times",
        ),
        (
            "deleted, they said, before it was",
            with(vec![delete(9_000, "a", 2)]),
            vec![deleting("a", 8_999, 9_001, done()), deleting("a", 10, 20, Told::Refused(40404))],
            "40404 was answered",
        ),
        ("a version that was not told", usual(), vec![with_version], "a write was lost"),
        ("written twice", with(vec![put(3, "a", 3, 2, "y")]), vec![], "was written twice"),
        (
            "there, though said not to be",
            with(vec![put(3, "a", 3, 3, "q")]),
            vec![exchange(2, 9, register.clone(), unknown(true))],
            "said not to be written",
        ),
        ("a level that is not there", usual(), vec![exchange(0, 9, set.clone(), done())], "was not written meanwhile"),
        ("a level of before", with(vec![level_of("a", 3)]), vec![exchange(4, 9, set.clone(), done())], "meanwhile"),
        ("a level of later", with(vec![level_of("a", 10)]), vec![exchange(4, 9, set, done())], "meanwhile"),
        ("not gone for good", with(vec![delete(3, "a", 2)]), vec![for_good(4, 9)], "never went meanwhile"),
        ("gone for good later", removed(12), vec![for_good(4, 9)], "never went meanwhile"),
        ("not found by its writer", usual(), vec![missing.clone()], "nobody has removed it"),
        (
            "not there yet, they said, after another was told that it is",
            with(vec![delete(10, "a", 2)]),
            vec![deleting("a", 9, 20, done()), deleting("c", 0, 1, Told::Refused(40401)), late],
            "40405 was answered",
        ),
        (
            "incompatible, they said, and nothing was checked",
            usual(),
            vec![exchange(5, 6, register, Told::Refused(409))],
            "409 was answered",
        ),
    ];
    for (name, log, exchanges, expected) in cases {
        let faults = check(&log, &exchanges, VISIBLE_MS);
        assert!(faults.iter().any(|fault| fault.contains(expected)), "{name}: {faults:?}");
    }
    let allowed = check(&with(vec![delete(3, "a", 2)]), &[deleting("a", 0, 9, unknown(false))], VISIBLE_MS);
    assert!(allowed.is_empty(), "{allowed:?}");
    let allowed = check(&removed(5), &[deleting("a", 0, 4, done()), for_good(4, 9), missing], VISIBLE_MS);
    assert!(allowed.is_empty(), "{allowed:?}");
}
