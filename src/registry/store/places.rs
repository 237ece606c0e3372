//! Where a schema is registered: nearly always in one place, and a set for that would be as large as half the schema.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Place;
use crate::schema::{Subject, Version};

/// The places of a schema, by subject and version.
#[derive(Debug, Clone)]
pub(super) enum Places {
    One(Place),
    Several(Arc<BTreeSet<Place>>),
}

impl Places {
    pub(super) fn insert(&mut self, place: Place) {
        match self {
            Self::One(known) if *known == place => {}
            Self::One(known) => *self = Self::Several(Arc::new(BTreeSet::from([known.clone(), place]))),
            Self::Several(set) => {
                Arc::make_mut(set).insert(place);
            }
        }
    }

    /// Takes a place out; tells whether none is left, which leaves nothing to keep.
    pub(super) fn remove(&mut self, place: &Place) -> bool {
        match self {
            Self::One(known) => known == place,
            Self::Several(set) => {
                Arc::make_mut(set).remove(place);
                set.is_empty()
            }
        }
    }

    /// Lists those under a subject, oldest first.
    pub(super) fn of(&self, subject: &Subject) -> impl DoubleEndedIterator<Item = &Place> {
        let (one, several) = match self {
            Self::One(place) => (Some(place).filter(|(of, _)| of == subject), None),
            Self::Several(set) => {
                let all = (subject.clone(), Version(i32::MIN))..=(subject.clone(), Version(i32::MAX));
                (None, Some(set.range(all)))
            }
        };
        one.into_iter().chain(several.into_iter().flatten())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Place> {
        let (one, several) = match self {
            Self::One(place) => (Some(place), None),
            Self::Several(set) => (None, Some(set.iter())),
        };
        one.into_iter().chain(several.into_iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_in_order_each_once_and_go_one_by_one() {
        let place = |subject: &str, version| (Subject(subject.into()), Version(version));
        let mut places = Places::One(place("b", 1));
        for other in [place("b", 1), place("a", 2), place("b", 1), place("a", 1)] {
            places.insert(other);
        }
        let all: Vec<_> = places.iter().cloned().collect();
        assert_eq!(all, [place("a", 1), place("a", 2), place("b", 1)]);
        let of = |places: &Places, name: &str| places.of(&Subject(name.into())).cloned().collect::<Vec<_>>();
        assert_eq!((of(&places, "a"), of(&places, "b")), (all[..2].to_vec(), all[2..].to_vec()));
        assert_eq!(
            (of(&Places::One(all[2].clone()), "b"), of(&Places::One(all[2].clone()), "a")),
            (all[2..].to_vec(), vec![])
        );
        let gone: Vec<_> = all.iter().map(|place| places.remove(place)).collect();
        assert_eq!(gone, [false, false, true]);
        assert!(!Places::One(place("a", 1)).remove(&place("a", 2)));
    }
}
