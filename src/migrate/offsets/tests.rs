//! Random histories of copies, each judged record by record, and the size of a map.

use proptest::prelude::*;

use super::*;

/// What stands at one source offset.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// A record, with the hash of its key.
    Copied(u32),
    DeadLetter,
    /// A marker, an aborted record, or what compaction took.
    Hole,
}

/// What happens next in a history.
#[derive(Debug, Clone)]
enum Step {
    /// These stand next in this source partition, and are copied in the running transaction.
    Read(usize, Vec<Kind>),
    /// The transaction commits; its marker takes an offset in each target partition.
    Commit,
    /// It aborts: its records keep their offsets, and are copied again.
    Abort,
    /// Somebody else writes into a target partition.
    Foreign(usize),
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![8 => any::<u32>().prop_map(Kind::Copied), 1 => Just(Kind::DeadLetter), 1 => Just(Kind::Hole)]
}

fn step(sources: usize) -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..sources, prop::collection::vec(kind(), 0..12)).prop_map(|(partition, kinds)| Step::Read(partition, kinds)),
        2 => Just(Step::Commit),
        1 => Just(Step::Abort),
        1 => (0..16_usize).prop_map(Step::Foreign),
    ]
}

/// A history played out.
#[derive(Debug, Default)]
struct World {
    map: Map,
    /// Every copied record: from, to.
    pairs: Vec<(Spot, Spot)>,
    /// The next offset of each partition.
    source_ends: Vec<i64>,
    /// The first record of somebody else in each target partition.
    born: Offsets,
    bytes: usize,
}

fn play(steps: &[Step], sources: usize, targets: usize) -> World {
    let mut world = World { source_ends: vec![7; sources], ..World::default() };
    let mut ends = vec![3_i64; targets];
    let mut open: Vec<(usize, Vec<Kind>)> = Vec::new();
    for step in steps.iter().chain([&Step::Commit]) {
        match step {
            Step::Read(partition, kinds) => open.push((*partition, kinds.clone())),
            Step::Foreign(target) => {
                let target = target % targets;
                world.born.entry(i32::try_from(target).unwrap()).or_insert(ends[target]);
                ends[target] += 1;
            }
            Step::Abort => copy(&open, &mut world.source_ends.clone(), &mut ends, sources == targets, |_, _| {}),
            Step::Commit => commit(&mut world, &std::mem::take(&mut open), &mut ends),
        }
        if matches!(step, Step::Commit | Step::Abort) {
            ends.iter_mut().for_each(|end| *end += 1);
        }
    }
    world.map.sort();
    world
}

fn commit(world: &mut World, open: &[(usize, Vec<Kind>)], ends: &mut [i64]) {
    let mut pieces: BTreeMap<i32, Piece> = BTreeMap::new();
    let is_equal = world.source_ends.len() == ends.len();
    let pairs = &mut world.pairs;
    copy(open, &mut world.source_ends, ends, is_equal, |from, to| {
        pairs.push((from, to));
        pieces.entry(from.0).or_default().push(from, to);
    });
    for (key, value) in pieces.values().flat_map(Piece::records) {
        world.bytes += key.len() + value.len();
        world.map.add(&key, &value, None).unwrap();
    }
}

fn copy(
    open: &[(usize, Vec<Kind>)],
    nexts: &mut [i64],
    ends: &mut [i64],
    is_equal: bool,
    mut copied: impl FnMut(Spot, Spot),
) {
    let number = |index: usize| i32::try_from(index).unwrap();
    for &(partition, ref kinds) in open {
        for kind in kinds {
            if let Kind::Copied(hash) = kind {
                let target = if is_equal { partition } else { *hash as usize % ends.len() };
                copied((number(partition), nexts[partition]), (number(target), ends[target]));
                ends[target] += 1;
            }
            nexts[partition] += 1;
        }
    }
}

/// Checks the places of one direction against all pairs, one by one.
fn judge(places: &[Place], pairs: &[(Spot, Spot)], nexts: &Offsets, (starts, born): (&Offsets, &Offsets)) {
    for place in places {
        let born = born.get(&place.partition).copied().unwrap_or(i64::MAX);
        assert!(born >= place.next, "the record of somebody else at {born} is passed over by {place:?}");
        let here: Vec<_> = pairs.iter().filter(|(_, to)| to.0 == place.partition).collect();
        let is_read = |from: &Spot| nexts.get(&from.0).is_some_and(|next| from.1 < *next);
        let (read, unread): (Vec<_>, Vec<_>) = here.into_iter().partition(|(from, _)| is_read(from));
        for (from, to) in &unread {
            assert!(to.1 >= place.next, "{from:?} was not read, and {place:?} is behind its copy at {to:?}");
        }
        assert_eq!(place.unread, unread.len() as u64);
        let again: Vec<_> = read.iter().filter(|(_, to)| to.1 >= place.next).collect();
        assert_eq!(place.again, again.len() as u64);
        let first_unread = unread.iter().map(|(_, to)| to.1).min().unwrap_or(i64::MAX).min(born);
        assert!(again.iter().all(|(_, to)| to.1 > first_unread), "what is read twice stands behind what was not read");
        let last_read = read.iter().map(|(_, to)| to.1).filter(|to| *to < first_unread).max();
        let expected = last_read.map_or(starts[&place.partition], |last| last + 1);
        assert_eq!(place.next, expected.max(starts[&place.partition]), "{place:?}");
    }
}

fn check(steps: &[Step], (sources, targets): (usize, usize), at: &[u16]) {
    let world = play(steps, sources, targets);
    let spots: BTreeMap<Spot, Spot> = world.pairs.iter().copied().collect();
    assert_eq!(world.map.records(), spots.len() as u64);
    for (partition, &end) in world.source_ends.iter().enumerate() {
        for offset in 0..=end {
            let from = (i32::try_from(partition).unwrap(), offset);
            assert_eq!(world.map.target(from), spots.get(&from).copied(), "{from:?}");
        }
    }
    let starts = |count: usize| (0..i32::try_from(count).unwrap()).map(|partition| (partition, 0)).collect();
    // One partition in eight was never read by the group.
    let next = |at: u16, end: i64| (!at.is_multiple_of(8)).then(|| i64::from(at) % (end + 3));
    let nexts: BTreeMap<i32, i64> =
        (0..).zip(world.source_ends.iter().zip(at)).filter_map(|(p, (&end, &at))| Some((p, next(at, end)?))).collect();
    let starts_there = starts(targets);
    let runs = || world.map.runs().iter().copied();
    let held = place(runs(), &nexts, (&starts_there, &world.born));
    judge(&held, &world.pairs, &nexts, (&starts_there, &world.born));
    let nobody = Offsets::new();
    let places = place(runs(), &nexts, (&starts_there, &nobody));
    judge(&places, &world.pairs, &nexts, (&starts_there, &nobody));
    if sources == targets {
        assert!(places.iter().all(|place| place.again == 0), "{places:?}");
    }
    // And the way back, from where the places are.
    let back: BTreeMap<i32, i64> = places.iter().map(|place| (place.partition, place.next)).collect();
    let starts_here = starts(sources);
    let places = place(world.map.runs().iter().map(|run| run.reversed()), &back, (&starts_here, &nobody));
    let pairs: Vec<_> = world.pairs.iter().map(|&(from, to)| (to, from)).collect();
    judge(&places, &pairs, &back, (&starts_here, &nobody));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if std::env::var_os("SLUICE_TEST_LONG").is_some() { 20_000 } else { 500 }))]

    #[test]
    fn no_record_is_missed_and_none_is_read_twice(
        steps in prop::collection::vec(step(4), 0..60),
        at in prop::array::uniform4(any::<u16>()),
    ) {
        check(&steps, (4, 4), &at);
    }

    #[test]
    fn where_partitions_are_spread_nothing_is_missed_and_what_is_read_twice_is_counted(
        steps in prop::collection::vec(step(4), 0..60),
        at in prop::array::uniform4(any::<u16>()),
    ) {
        check(&steps, (4, 6), &at);
    }

    #[test]
    fn what_is_no_map_is_refused_and_never_a_panic(
        key in prop_oneof!["[0-9]{1,3}/[0-9]{1,20}", ".{0,8}"],
        value in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut map = Map::default();
        if map.add(key.as_bytes(), &value, None).is_ok() {
            prop_assert!(map.runs().iter().all(|run| run.length > 0));
        }
    }
}

#[test]
fn copies_that_are_gone_count_where_the_group_has_not_read_them() {
    // Source 0: 10..20 to 100..110 of target 0; source 1: 0..5 to 0..5 of target 1.
    let runs = [Run { from: (0, 10), to: (0, 100), length: 10 }, Run { from: (1, 0), to: (1, 0), length: 5 }];
    let lost = |next: i64, from: i64, start: i64| {
        let (nexts, froms, starts) = ([(0, next), (1, 5)].into(), [(0, from)].into(), [(0, start), (1, 5)].into());
        lost(runs.into_iter(), &nexts, (&froms, &starts))
    };
    assert_eq!(lost(10, 0, 100), 0, "nothing is gone");
    assert_eq!(lost(10, 0, 104), 4);
    assert_eq!(lost(13, 0, 104), 1, "three were read");
    assert_eq!(lost(14, 0, 104), 0);
    assert_eq!(lost(10, 12, 104), 2, "two are gone from the source too");
    assert_eq!(lost(10, 0, 500), 10);
}

#[test]
fn one_piece_is_several_records_where_it_is_large() {
    let mut piece = Piece::default();
    (0..60_000).for_each(|offset| piece.push((1, offset * 2), (0, 1_000 + offset * 3)));
    let records = piece.records();
    assert!(records.len() > 2, "{}", records.len());
    let mut map = Map::default();
    for (key, value) in records.iter().rev() {
        assert!(value.len() <= PIECE_BYTES + 64, "{}", value.len());
        map.add(key, value, None).unwrap();
    }
    map.sort();
    assert_eq!(map.records(), 60_000);
    assert_eq!(map.target((1, 2 * 59_999)), Some((0, 1_000 + 59_999 * 3)));
    assert_eq!(map.target((1, 3)), None);
}

/// A topic that was made again has the name and the offsets of the one before.
#[test]
fn pieces_about_other_topics_count_for_nothing() {
    let [now, before, turned] =
        [("new", "old"), ("older", "old"), ("old", "new")].map(|(from, to)| Topics::of(from, to));
    let records = |topics: Option<Topics>| {
        let mut piece = Piece::of(topics);
        piece.push((0, 7), (0, 70));
        piece.records()
    };
    let read = |topics, wanted| {
        let mut map = Map::default();
        records(topics).iter().for_each(|(key, value)| map.add(key, value, wanted).unwrap());
        map.target((0, 7))
    };
    assert_eq!(read(Some(now), Some(now)), Some((0, 70)));
    assert_eq!(read(Some(now), None), Some((0, 70)), "brokers that give no IDs");
    assert_eq!([Some(before), Some(turned), None].map(|other| read(other, Some(now))), [None; 3]);
    let (key, value) = records(Some(now)).remove(0);
    (2..9).for_each(|length| assert!(Map::default().add(&key, &value[..length], None).is_err(), "{length}"));
}

/// The figures of docs/migration.md: bytes of map per million records, keys included.
#[test]
fn the_size_of_a_map_is_what_the_documentation_says() {
    let million = |targets: usize, dead: u32, transaction: u32| {
        let mut steps = Vec::new();
        for first in (0..1_000_000_u32).step_by(transaction as usize) {
            for partition in 0..4_usize {
                let mut numbers = (first..first + transaction).filter(|number| *number as usize % 4 == partition);
                let kind = |number: u32| {
                    let is_dead = dead > 0 && number % dead == 3;
                    if is_dead { Kind::DeadLetter } else { Kind::Copied(number.wrapping_mul(2_654_435_761) >> 7) }
                };
                steps.push(Step::Read(partition, numbers.by_ref().map(kind).collect()));
            }
            steps.push(Step::Commit);
        }
        play(&steps, 4, targets).bytes
    };
    let (equal, with_dead, spread) = (million(4, 0, 10_000), million(4, 100, 10_000), million(6, 0, 10_000));
    println!("bytes per million records: equal {equal}, one dead letter in 100 {with_dead}, 4 to 6 {spread}");
    assert!(equal < 10_000, "{equal}");
    assert!(with_dead < 60_000, "{with_dead}");
    assert!(spread < 5_000_000, "{spread}");
}
