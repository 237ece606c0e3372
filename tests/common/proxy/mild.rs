//! A proxy fault by chance, mild enough for any moment of a longer schedule.

use std::time::Duration;

use kafka_protocol::messages::ApiKey;
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::{Action, Proxy, Rule};

/// What a transaction asks, and what keeps a member in its group.
pub(crate) const OF_A_GATE: [ApiKey; 9] = [
    ApiKey::Produce,
    ApiKey::Fetch,
    ApiKey::Metadata,
    ApiKey::FindCoordinator,
    ApiKey::Heartbeat,
    ApiKey::AddPartitionsToTxn,
    ApiKey::AddOffsetsToTxn,
    ApiKey::TxnOffsetCommit,
    ApiKey::EndTxn,
];

impl Proxy {
    /// Does a random fault to one of these APIs for a few seconds at most and undoes it; returns what it was.
    pub(crate) fn mild_fault(&self, apis: &[ApiKey], random: &mut StdRng) -> String {
        let time = Duration::from_secs_f64(random.random_range(0.5..3.0));
        if random.random_bool(0.2) {
            self.reset_all();
            return "all connections reset".to_owned();
        }
        let api = *apis.choose(random).expect("an API");
        let actions = [
            Action::Hold,
            Action::Strand,
            Action::Delay(time / 4),
            Action::Cut,
            Action::CutAfter,
            Action::Reset,
            Action::Bandwidth(50_000),
            Action::Slice(100),
        ];
        let action = *actions.choose(random).expect("an action");
        // An answer that is stranded would have nobody to go to.
        let is_request = matches!(action, Action::Strand) || random.random_bool(0.5);
        let rule = if is_request { Rule::requests(&[api], action) } else { Rule::answers(&[api], action) };
        let what = format!("{} {api:?} {action:?}", if is_request { "requests" } else { "answers" });
        let set = self.set(rule.first(random.random_range(1..4))).may_miss();
        std::thread::sleep(time);
        drop(set);
        what
    }
}
