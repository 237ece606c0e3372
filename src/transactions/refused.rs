//! Records that brokers refuse for what they are.
//!
//! Brokers take or refuse batches whole, and whoever writes begins anew after a refusal. So a record is to blame only if the broker named
//! it, or if it was refused alone: those that were refused together are sent one by one the next time ([`Refused::is_suspect`]).

use std::collections::{BTreeMap, BTreeSet};

use rdkafka::error::RDKafkaErrorCode;

use super::Spot;
use crate::gate::extent::Extent;
use crate::kafka::blame::is_size;

/// What a writer has learnt of records that it has not committed.
#[derive(Debug, Default)]
pub(crate) struct Refused {
    suspects: BTreeSet<Spot>,
    guilty: BTreeMap<Spot, RDKafkaErrorCode>,
    letters: BTreeMap<Spot, Extent>,
}

impl Refused {
    /// Takes in records that the target has refused together, and whether the broker named each of them. (Of a batch that is too
    /// large it names none.)
    pub(crate) fn add(&mut self, together: &[Spot], (code, is_named): (RDKafkaErrorCode, bool)) {
        if together.len() == 1 || (is_named && !is_size(code)) {
            self.suspects.retain(|spot| !together.contains(spot));
            self.guilty.extend(together.iter().map(|spot| (*spot, code)));
        } else {
            self.suspects.extend(together);
        }
    }

    /// Takes in a dead letter that was too large; tells whether there is a smaller form of it.
    pub(crate) fn shrink(&mut self, spot: Spot) -> bool {
        let smaller = self.extent(spot).smaller(false);
        smaller.is_some_and(|smaller| self.letters.insert(spot, smaller).is_none_or(|before| before < smaller))
    }

    /// Tells whether a record must be in no batch with others.
    pub(crate) fn is_suspect(&self, spot: Spot) -> bool {
        self.suspects.contains(&spot)
    }

    /// Returns why the target refuses a record.
    pub(crate) fn refusal(&self, spot: Spot) -> Option<RDKafkaErrorCode> {
        self.guilty.get(&spot).copied()
    }

    /// Returns how much a dead letter may carry.
    pub(crate) fn extent(&self, spot: Spot) -> Extent {
        self.letters.get(&spot).copied().unwrap_or(Extent::Full)
    }

    /// Forgets what is committed: all before these next offsets.
    pub(crate) fn forget(&mut self, nexts: &BTreeMap<i32, i64>) {
        let is_open = |spot: &Spot| nexts.get(&spot.0).is_none_or(|next| spot.1 >= *next);
        self.suspects.retain(is_open);
        self.guilty.retain(|spot, _| is_open(spot));
        self.letters.retain(|spot, _| is_open(spot));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_record_that_was_refused_alone_is_to_blame() {
        const CODE: RDKafkaErrorCode = RDKafkaErrorCode::MessageSizeTooLarge;
        let mut refused = Refused::default();
        refused.add(&[(0, 1), (0, 2)], (CODE, true));
        assert!(refused.is_suspect((0, 1)) && refused.is_suspect((0, 2)) && !refused.is_suspect((0, 3)));
        assert_eq!(refused.refusal((0, 1)), None);
        refused.add(&[(0, 2)], (CODE, false));
        assert_eq!((refused.refusal((0, 2)), refused.is_suspect((0, 2))), (Some(CODE), false));
        assert!(refused.shrink((0, 2)) && refused.shrink((0, 2)), "without detail, then the least");
        assert!(!refused.shrink((0, 2)), "there is nothing smaller");
        refused.forget(&BTreeMap::from([(0, 2)]));
        assert_eq!((refused.is_suspect((0, 1)), refused.refusal((0, 2))), (false, Some(CODE)));
    }

    #[test]
    fn records_that_the_broker_has_named_need_no_second_look() {
        const CODE: RDKafkaErrorCode = RDKafkaErrorCode::InvalidRecord;
        let mut refused = Refused::default();
        refused.add(&[(0, 1), (0, 2)], (CODE, true));
        assert_eq!((refused.refusal((0, 1)), refused.refusal((0, 2))), (Some(CODE), Some(CODE)));
        refused.add(&[(0, 3), (0, 4)], (CODE, false));
        assert!(refused.is_suspect((0, 3)) && refused.refusal((0, 3)).is_none());
    }
}
