//! What answers and log say of each other beyond single deeds: when a state ended, what was read back, what was lost.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Asked, Exchange, Record, State, Told};

/// Returns a record that was there for certain when this was answered: the first one that may be its own.
fn place(log: &[Record], exchange: &Exchange) -> Option<usize> {
    let Told::Done(body) = &exchange.told else { return None };
    let is_it = |record: &Record| {
        let key = |name: &str| record.key[name].as_str().unwrap_or_default();
        let value = record.value.as_ref();
        match &exchange.asked {
            // It may have been there before.
            Asked::Register { subject, schema } => value.is_some_and(|value| {
                let is_same = value["id"] == body["id"] && value["schema"].as_str() == Some(schema);
                key("keytype") == "SCHEMA" && key("subject") == subject && is_same
            }),
            Asked::DeleteSubject { subject, permanent: false } => {
                key("keytype") == "DELETE_SUBJECT" && key("subject") == subject && record.at >= exchange.from
            }
            _ => false,
        }
    };
    log.iter().position(|record| record.at <= exchange.to && is_it(record))
}

/// Returns when each state ended at the latest: the log has one order, so what was answered of a record tells that all
/// before it were there. Without such evidence a record may become visible so much later than its timestamp says.
pub(super) fn ends(states: &[(i64, State)], log: &[Record], exchanges: &[Exchange], visible_ms: i64) -> Vec<i64> {
    // The first answer to each record.
    let mut answered: BTreeMap<usize, i64> = BTreeMap::new();
    for exchange in exchanges {
        if let Some(place) = place(log, exchange) {
            let first = answered.entry(place).or_insert(exchange.to);
            *first = (*first).min(exchange.to);
        }
    }
    let mut earliest = i64::MAX;
    let mut ends = vec![i64::MAX; states.len()];
    // The state with number n ends with the record n.
    for index in (0..log.len()).rev() {
        earliest = earliest.min(answered.get(&index).copied().unwrap_or(i64::MAX));
        ends[index] = log[index].at.saturating_add(visible_ms).min(earliest);
    }
    ends
}

/// What was registered and not found at once has gone for good. A node may have told of it that lagged behind its end.
pub(super) fn unread(states: &[(i64, State)], exchanges: &[Exchange], visible_ms: i64) -> Vec<String> {
    let was_removed = |subject: &str, id: &Value, from: i64| {
        let has = |state: &State| {
            let versions = state.subjects.get(subject).into_iter().flatten();
            versions.into_iter().any(|(_, version)| Some(version.id) == id.as_i64())
        };
        states.windows(2).any(|pair| pair[1].0 >= from - visible_ms && has(&pair[0].1) && !has(&pair[1].1))
    };
    let missing = |exchange: &Exchange| match (&exchange.asked, &exchange.told) {
        (Asked::Register { subject, schema }, Told::Done(body))
            if exchange.is_missing && !was_removed(subject, &body["id"], exchange.from) =>
        {
            Some(format!("{schema} of '{subject}' was registered and not found, and nobody has removed it"))
        }
        _ => None,
    };
    exchanges.iter().filter_map(missing).collect()
}

/// What is live is not registered once more, and what was said not to be written is not there.
pub(super) fn written_twice(log: &[Record], exchanges: &[Exchange]) -> Vec<String> {
    let mut state = State::default();
    let mut faults = Vec::new();
    for record in log {
        let subject = record.key["subject"].as_str().unwrap_or_default();
        if let Some(value) = record.value.as_ref().filter(|_| record.key["keytype"] == "SCHEMA")
            && value["deleted"] != true
        {
            let schema = value["schema"].as_str().unwrap();
            if state.live(subject).iter().any(|(_, live)| live.schema == schema) {
                faults.push(format!("{schema} of '{subject}' was written twice"));
            }
            let asks = |exchange: &&Exchange| matches!(&exchange.asked, Asked::Register { subject: s, schema: text } if s == subject && text == schema);
            let by_nobody = |told: &Told| matches!(told, Told::Unknown { is_unwritten: true } | Told::Refused(_));
            let mut asked = exchanges.iter().filter(asks).peekable();
            if asked.peek().is_some() && asked.all(|exchange| by_nobody(&exchange.told)) {
                faults.push(format!("{schema} of '{subject}' was said not to be written, and is there"));
            }
        }
        state.take(record);
    }
    faults
}

/// What was set was written while it was asked for, also where it was so before.
pub(super) fn levels(log: &[Record], exchanges: &[Exchange]) -> Vec<String> {
    let is_there = |subject: &str, level: &str, exchange: &Exchange| {
        log.iter().any(|record| {
            let value = record.value.as_ref();
            record.key["keytype"] == "CONFIG"
                && record.key["subject"] == subject
                && (exchange.from..=exchange.to).contains(&record.at)
                && value.is_some_and(|value| value["compatibilityLevel"] == level)
        })
    };
    let lost = |exchange: &Exchange| match (&exchange.asked, &exchange.told) {
        (Asked::Config { subject, level }, Told::Done(_)) if !is_there(subject, level, exchange) => {
            Some(format!("{level} of '{subject}' was answered and was not written meanwhile"))
        }
        _ => None,
    };
    exchanges.iter().filter_map(lost).collect()
}

/// What was deleted for good was there no more at some moment until the answer.
pub(super) fn lost_for_good(states: &[(i64, State)], exchanges: &[Exchange]) -> Vec<String> {
    let lost = |exchange: &Exchange| {
        let (Asked::DeleteSubject { subject, permanent: true }, Told::Done(body)) = (&exchange.asked, &exchange.told)
        else {
            return None;
        };
        let numbers: Vec<i64> = body.as_array().into_iter().flatten().filter_map(Value::as_i64).collect();
        let is_gone = |state: &State| {
            let versions = state.subjects.get(subject);
            numbers.iter().all(|number| versions.is_none_or(|versions| !versions.contains_key(number)))
        };
        let had = |state: &State| {
            let versions = state.subjects.get(subject);
            numbers.iter().all(|number| versions.is_some_and(|versions| versions.contains_key(number)))
        };
        // They were there, and so many records later they are not.
        let went = states.iter().enumerate().any(|(index, (_, before))| {
            let last = states[index + 1..].iter().take(numbers.len()).find(|(_, state)| is_gone(state));
            had(before) && last.is_some_and(|(at, _)| *at >= exchange.from && *at <= exchange.to)
        });
        (!went).then(|| format!("'{subject}' was said to be gone for good ({numbers:?}), and never went meanwhile"))
    };
    exchanges.iter().filter_map(lost).collect()
}
