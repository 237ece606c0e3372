//! That few versions are looked at, and that these are the right ones.

use super::super::super::{LogRecord, Reference};
use super::super::{Command, Decision};
use super::*;
use crate::registry::settings::Mode;
use crate::schema::SchemaId;

const FORMS: [Deleted; 3] = [Deleted::Without, Deleted::With, Deleted::Only];

fn name() -> Subject {
    Subject("orders".into())
}

/// Two forms of each number mean the same: attributes have no order.
fn text(number: usize, form: usize) -> String {
    let attributes = [format!(r#""p":{number},"q":0"#), format!(r#""q":0,"p":{number}"#)];
    format!(r#"{{"type":"record","name":"R","fields":[],{}}}"#, attributes[form % 2])
}

fn draft(text: String) -> Draft {
    Draft { text, ..Draft::default() }
}

fn run(store: &mut Store, command: &Command) -> Result<Vec<LogRecord>, Error> {
    let Decision { records, .. } = store.decide(command)?;
    records.iter().for_each(|record| store.apply(record).unwrap());
    Ok(records)
}

fn register(store: &mut Store, draft: Draft) -> Result<Vec<LogRecord>, Error> {
    run(store, &Command::Register { subject: name(), draft, normalize: false })
}

fn like(store: &Store, text: String) -> usize {
    let parsed = store.as_sent(&name(), &draft(text), false).unwrap();
    store.like(&name(), &parsed).len()
}

/// Looks at each version, as a reader of the rule would.
fn by_each(store: &Store, draft: &Draft, deleted: Deleted) -> Option<Found> {
    let parsed = store.as_sent(&name(), draft, false).unwrap();
    let history = store.history(&name(), deleted);
    let exact = history.iter().rev().find(|found| found.content.is_same(&parsed.content));
    exact.or_else(|| history.iter().rev().find(|found| store.means_the_same(found, &parsed))).cloned()
}

fn assert_found(store: &Store, drafts: &[Draft], step: &str) {
    for draft in drafts {
        for deleted in FORMS {
            let found = store.lookup(&name(), draft, false, deleted).ok();
            assert_eq!(found, by_each(store, draft, deleted), "{step}: {deleted:?} {}", draft.text);
        }
    }
}

#[test]
fn however_many_versions_there_are_few_are_looked_at() {
    let (mut store, mut log) = (Store::unchecked(), Vec::new());
    for number in 0..500 {
        assert_eq!(like(&store, text(number, 0)), 0, "no version says anything like it");
        log.extend(register(&mut store, draft(text(number, 0))).unwrap());
        assert_eq!(register(&mut store, draft(text(number, 1))).unwrap(), [], "it means the same");
        assert_eq!(like(&store, text(number / 2, 1)), 1);
    }
    // A node that has read the log has looked at none of them.
    let mut late = Store::unchecked();
    log.iter().for_each(|record| late.apply(record).unwrap());
    assert_eq!(late.versions(&name(), Deleted::Without).unwrap().len(), 500);
    assert_eq!((like(&late, text(7, 1)), like(&late, text(500, 0))), (1, 0));
}

#[test]
fn what_is_found_is_what_a_look_at_each_version_finds() {
    let mut store = Store::unchecked();
    let drafts: Vec<Draft> = (0..8).map(|number| draft(text(number / 2, number))).collect();
    let delete = |version: usize, permanent| {
        let wanted = Wanted::Version(Version(i32::try_from(version).unwrap()));
        Command::DeleteVersion { subject: name(), wanted, permanent }
    };
    // Anything but even: each step meets another state.
    for step in 0..200 {
        let draft = drafts[step * 7 % drafts.len()].clone();
        let version = step * 5 % (step / 3 + 1) + 1;
        let done = match step % 5 {
            0..=2 => register(&mut store, draft).map(|_| ()),
            3 => run(&mut store, &delete(version, false)).map(|_| ()),
            _ => run(&mut store, &delete(version, false)).and(run(&mut store, &delete(version, true))).map(|_| ()),
        };
        if step % 3 != 0 {
            assert_found(&store, &drafts, &format!("step {step}, {done:?}"));
        }
    }
}

#[test]
fn imports_that_write_over_versions_are_found_as_they_are() {
    let mut store = Store::unchecked();
    let mode = Command::SetMode { scope: None, mode: Mode::Import.name().to_owned(), force: false };
    run(&mut store, &mode).unwrap();
    let drafts: Vec<Draft> = (0..6).map(|number| draft(text(number / 2, number))).collect();
    for step in 0..60 {
        let number = step * 5 % 6;
        // The same content under one ID, and now and then under another.
        let id = i32::try_from(number + 10 * usize::from(step > 30 && step % 4 == 0)).unwrap() + 1;
        let version = Some(Version(i32::try_from(step * 3 % 8).unwrap() + 1));
        let done = register(&mut store, Draft { id: Some(SchemaId(id)), version, ..drafts[number].clone() });
        assert_found(&store, &drafts, &format!("step {step}, {done:?}"));
    }
}

#[test]
fn a_schema_is_found_with_its_references_resolved_or_not() {
    let part = r#"{"type":"record","name":"com.B","fields":[]}"#;
    let whole = |of: &str| format!(r#"{{"type":"record","name":"com.A","fields":[{{"name":"b","type":{of}}}]}}"#);
    let reference = Reference { name: "com.B".to_owned(), subject: Subject("b".into()), version: Version(1) };
    let referring = Draft { references: vec![reference], ..draft(whole(r#""com.B""#)) };
    let drafts = [referring, draft(whole(part))];
    for (first, second) in [(0, 1), (1, 0)] {
        let mut store = Store::unchecked();
        let command =
            Command::Register { subject: Subject("b".into()), draft: draft(part.to_owned()), normalize: false };
        run(&mut store, &command).unwrap();
        register(&mut store, draft(text(0, 0))).unwrap();
        assert_eq!(register(&mut store, drafts[first].clone()).unwrap().len(), 1);
        assert_eq!(register(&mut store, drafts[second].clone()).unwrap(), [], "it means the same");
        register(&mut store, draft(text(1, 0))).unwrap();
        assert_found(&store, &drafts, "among others");
        assert_eq!(store.lookup(&name(), &drafts[second], false, Deleted::Without).unwrap().version, Version(2));
    }
}
