//! Searches against a broker that refuses every batch with a culprit in it, and names nobody.

use std::collections::BTreeSet;

use super::*;

const PARTITIONS: i32 = 3;

fn origin(partition: i32, offset: i64) -> Origin {
    Origin { source: Source(0), partition: Partition(partition), offset: Offset(offset) }
}

/// A loop over `records` per partition, and a broker that refuses whole batches: one per partition and transaction, or
/// one for all partitions where they `share` their output.
struct Play {
    records: i64,
    culprits: BTreeSet<(i32, i64)>,
    share: bool,
    search: Search,
    committed: [i64; PARTITIONS as usize],
    next: [i64; PARTITIONS as usize],
    staged: Vec<Origin>,
    found: BTreeSet<(i32, i64)>,
    written: Vec<Origin>,
    aborts: usize,
    transactions: usize,
}

impl Play {
    fn new(records: i64, culprits: &[(i32, i64)], share: bool) -> Self {
        Self {
            records,
            culprits: culprits.iter().copied().collect(),
            share,
            search: Search::default(),
            committed: [0; PARTITIONS as usize],
            next: [0; PARTITIONS as usize],
            staged: Vec::new(),
            found: BTreeSet::new(),
            written: Vec::new(),
            aborts: 0,
            transactions: 0,
        }
    }

    /// Runs to the end, with transactions of `most` records at most; partitions come in runs of 7 records.
    fn run(mut self, most: usize) -> Self {
        while self.committed.iter().any(|next| *next < self.records) {
            assert!(self.transactions < 10_000, "no progress: {:?}, {:?}", self.committed, self.search);
            if self.turn(most) {
                self.commit();
            }
        }
        self
    }

    /// Stages until a transaction is full; `false` where one was refused meanwhile.
    fn turn(&mut self, most: usize) -> bool {
        while self.staged.len() < most && self.next.iter().any(|next| *next < self.records) {
            for partition in 0..PARTITIONS {
                for _ in 0..7 {
                    let offset = self.next[partition.cast_unsigned() as usize];
                    if offset < self.records && !self.stage(origin(partition, offset)) {
                        return false;
                    }
                }
            }
        }
        true
    }

    fn stage(&mut self, origin: Origin) -> bool {
        if self.search.cuts_before(origin, !self.staged.is_empty()) {
            if !self.commit() {
                return false;
            }
            self.search.restart_with(origin);
        }
        self.staged.push(origin);
        self.next[origin.partition.0.cast_unsigned() as usize] += 1;
        true
    }

    fn place(&self, origin: &Origin) -> i32 {
        if self.share { 0 } else { origin.partition.0 }
    }

    fn commit(&mut self) -> bool {
        self.transactions += 1;
        let staged = std::mem::take(&mut self.staged);
        let is_bad = |origin: &&Origin| {
            let key = (origin.partition.0, origin.offset.0);
            self.culprits.contains(&key) && !self.found.contains(&key)
        };
        let bad: BTreeSet<_> = staged.iter().filter(is_bad).map(|origin| self.place(origin)).collect();
        if bad.is_empty() {
            self.written.extend(staged);
            self.committed = self.next;
            let committed = self.committed;
            self.search.committed(|_, partition| Some(Offset(committed[partition.0.cast_unsigned() as usize])));
            return true;
        }
        self.aborts += 1;
        self.next = self.committed;
        self.search.aborted();
        for place in bad {
            let refused: Vec<_> = staged.iter().copied().filter(|origin| self.place(origin) == place).collect();
            if let [culprit] = refused[..] {
                self.search.found(culprit);
                self.found.insert((culprit.partition.0, culprit.offset.0));
            } else {
                self.search.narrow(&refused, &staged, false);
            }
        }
        false
    }
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
                let run = Play::new(300, culprits, share).run(most);
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
        let run = Play::new(10_000, &[(1, offset)], false).run(30_000);
        assert!(run.aborts <= 2 + 14, "offset {offset}: {} aborts", run.aborts);
        assert!(run.transactions <= 2 * 16, "offset {offset}: {} transactions", run.transactions);
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
