//! Searches against a broker that refuses every batch with a culprit in it, and names nobody.

use std::collections::BTreeSet;

use super::*;

const PARTITIONS: i32 = 3;

fn origin(partition: i32, offset: i64) -> Origin {
    Origin { source: Source(0), partition: Partition(partition), offset: Offset(offset) }
}

/// What came of a run: the culprits found, records written, and transactions that were aborted.
struct Run {
    found: BTreeSet<(i32, i64)>,
    written: Vec<Origin>,
    aborts: usize,
    transactions: usize,
}

/// Plays the loop over `records` per partition in runs of 7: a transaction of `most` records at most, a batch per
/// partition, all of it refused where a culprit is in it. All partitions have one output partition if they `share` it.
fn play(records: i64, culprits: &[(i32, i64)], most: usize, share: bool) -> Run {
    let culprits: BTreeSet<_> = culprits.iter().copied().collect();
    let mut search = Search::default();
    let mut run = Run { found: BTreeSet::new(), written: Vec::new(), aborts: 0, transactions: 0 };
    let mut committed = [0_i64; PARTITIONS as usize];
    'transactions: while committed.iter().any(|next| *next < records) {
        run.transactions += 1;
        assert!(run.transactions < 10_000, "no progress: {committed:?}, {search:?}");
        let (mut next, mut staged) = (committed, Vec::new());
        'staging: while staged.len() < most && next.iter().any(|next| *next < records) {
            for partition in 0..PARTITIONS {
                let at = &mut next[partition as usize];
                for _ in 0..7.min(records - *at) {
                    let origin = origin(partition, *at);
                    if search.cuts_before(origin, !staged.is_empty()) {
                        break 'staging;
                    }
                    staged.push(origin);
                    *at += 1;
                }
            }
        }
        let place = |origin: &Origin| if share { 0 } else { origin.partition.0 };
        let is_bad = |origin: &&Origin| {
            let key = (origin.partition.0, origin.offset.0);
            culprits.contains(&key) && !run.found.contains(&key)
        };
        let bad: BTreeSet<_> = staged.iter().filter(is_bad).map(place).collect();
        if bad.is_empty() {
            run.written.extend(staged);
            committed = next;
            search.committed(|_, partition| Some(Offset(committed[partition.0 as usize])));
            continue;
        }
        run.aborts += 1;
        search.aborted();
        for bad in bad {
            let refused: Vec<_> = staged.iter().copied().filter(|origin| place(origin) == bad).collect();
            if let [culprit] = refused[..] {
                search.found(culprit);
                run.found.insert((culprit.partition.0, culprit.offset.0));
                continue 'transactions;
            }
            search.narrow(&refused, &staged, false);
        }
    }
    run
}

#[test]
fn finds_all_culprits_and_nobody_else() {
    let cases: [(&str, &[(i32, i64)]); 7] = [
        ("none", &[]),
        ("the first", &[(0, 0)]),
        ("the last", &[(2, 299)]),
        ("in the middle", &[(1, 137)]),
        ("two beside each other", &[(1, 137), (1, 138)]),
        ("one per partition", &[(0, 5), (1, 150), (2, 298)]),
        ("many", &[(0, 1), (0, 7), (0, 77), (0, 200), (1, 3), (2, 0), (2, 150), (2, 299)]),
    ];
    for (name, culprits) in cases {
        for share in [false, true] {
            for most in [10, 100, 900] {
                let run = play(300, culprits, most, share);
                let expected: BTreeSet<_> = culprits.iter().copied().collect();
                assert_eq!(run.found, expected, "{name}, {most} records in a transaction, shared: {share}");
                let mut sorted = run.written.clone();
                sorted.sort_by_key(|origin| (origin.partition, origin.offset));
                sorted.dedup();
                assert_eq!((run.written.len(), sorted.len()), (900, 900), "{name}: each record once");
            }
        }
    }
}

/// The work is the logarithm of the batch for each culprit, not its records.
#[test]
fn work_is_logarithmic() {
    for offset in [0, 1, 4_321, 9_999] {
        let run = play(10_000, &[(1, offset)], 30_000, false);
        assert!(run.aborts <= 2 + 14, "offset {offset}: {} aborts", run.aborts);
        assert!(run.transactions <= 2 * run.aborts + 6, "offset {offset}: {} transactions", run.transactions);
    }
}

/// What is remembered is a few numbers per partition, and forgotten with the partition.
#[test]
fn forgets_what_is_gone() {
    let mut search = Search::default();
    let staged: Vec<_> = (0..100).map(|offset| origin(0, offset)).collect();
    search.narrow(&staged, &staged, true);
    assert_eq!(search.stretches.len(), 1);
    assert!(!search.committed(|_, _| None), "a partition that went away proves nothing");
    assert!(search.is_idle());
    search.narrow(&staged, &staged, true);
    assert!(search.committed(|_, _| Some(Offset(100))), "all were good: the batch was too large");
    assert!(search.is_idle());
}
