//! Records of a registry's log, of whatever registry: each is taken or refused, never a panic; what is then listed is
//! found, no ID has two meanings, the same log makes the same state, and a state of any log can be written to.
//!
//! Input: keys and values by turns, each ended by [`END`](super::END).

use std::collections::BTreeMap;

use sluice::registry::store::names::Prefix;
use sluice::registry::store::{Command, Deleted, Draft, Error, LogRecord, Outcome, Store, Wanted, context_of};
use sluice::schema::Subject;

use super::{measured, split};

/// Checks the oracle, and returns how the records were taken.
pub(crate) fn judge(mut input: &[u8]) -> String {
    let mut records = Vec::new();
    while !input.is_empty() {
        let key = split(&mut input).to_vec();
        let value = split(&mut input);
        records.push(LogRecord { key, value: (!value.is_empty()).then(|| value.to_vec()), timestamp: 0 });
    }
    let (mut store, refused) = measured(|| replay(&records));
    consistent(&store);
    assert_eq!(listed(&store), listed(&replay(&records).0), "the same log makes the same state");
    let written = write(&mut store);
    let outcome = match (refused, records.len()) {
        (0, _) => "taken",
        (refused, all) if refused == all => "refused",
        _ => "some_refused",
    };
    format!("{outcome}{}", if written { "" } else { "_read_only" })
}

fn replay(records: &[LogRecord]) -> (Store, usize) {
    let mut store = Store::default();
    let refused = records.iter().filter(|record| store.apply(record).is_err()).count();
    (store, refused)
}

/// Lists all versions with their IDs.
fn listed(store: &Store) -> BTreeMap<(Subject, i32), (i32, bool)> {
    let prefix = Prefix::new(":*:");
    let subjects = store.subjects(&prefix, Deleted::With);
    let versions = subjects.flat_map(|subject| store.history(subject, Deleted::With));
    versions.map(|found| ((found.subject, found.version.0), (found.id.0, found.deleted))).collect()
}

/// Checks that what is listed is found, with one text per ID.
fn consistent(store: &Store) {
    let prefix = Prefix::new(":*:");
    let mut texts = BTreeMap::new();
    for subject in store.subjects(&prefix, Deleted::With) {
        for found in store.history(subject, Deleted::With) {
            let version = store.version(subject, Wanted::Version(found.version), Deleted::With);
            assert_eq!(version.as_ref(), Ok(&found), "it is listed");
            let place = (context_of(subject).to_owned(), found.id);
            let text = texts.entry(place).or_insert_with(|| found.content.text.clone());
            assert_eq!(*text, found.content.text, "two meanings of ID {}", found.id);
            let scope = format!(":{}:", context_of(subject));
            let by_id = store.by_id(Some(&scope), found.id).expect("its ID leads to it");
            assert_eq!(by_id.content.text, found.content.text);
        }
    }
}

/// Registers a schema; tells whether the modes allow it.
fn write(store: &mut Store) -> bool {
    let draft = Draft { text: r#"{"type":"fixed","name":"New","size":77}"#.to_owned(), ..Draft::default() };
    let command = Command::Register { subject: Subject("written-afterwards".into()), draft, normalize: false };
    let decision = match measured(|| store.decide(&command)) {
        Ok(decision) => decision,
        Err(Error::NotPermitted(_) | Error::Exhausted(_) | Error::InvalidRules(_)) => return false,
        Err(Error::Incompatible { .. }) => return false,
        Err(error) => panic!("{error}"),
    };
    for record in &decision.records {
        store.apply(record).expect("what was decided can be taken");
    }
    let Outcome::Registered(found) = &decision.outcome else { panic!("it is registered") };
    let again = store.decide(&command).expect("as before");
    let Outcome::Registered(known) = &again.outcome else { panic!("it is registered") };
    assert!(again.records.is_empty() && known.id == found.id && known.version == found.version, "it is there");
    true
}
