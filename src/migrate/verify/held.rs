//! What is kept of the target's records until those of the source are met: in memory, and what is more than that in files.
//!
//! A topic of any size is compared in bounded memory: beyond [`MOST`] records all of them are in a file for each partition, [`SLOT`]
//! bytes each at the place that its offset gives, in the folder for temporary files. The files have no name there, and go with the process.
//! A file that cannot be written or read ends the comparison ([`Held::fault`]): what was found by then says nothing.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read as _, Seek as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::super::offsets::Spot;

/// Records that are kept in memory: some 100 MB.
const MOST: usize = 1_000_000;

/// Bytes of a record in its file: what it is, its time, and its content.
const SLOT: usize = 32;

/// What is kept of a record of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) content: [u8; 16],
    /// None where the brokers have set their own.
    pub(super) time: Option<i64>,
}

impl Seen {
    fn write(self) -> [u8; SLOT] {
        let mut slot = [0; SLOT];
        slot[0] = if self.time.is_some() { 1 } else { 2 };
        slot[8..16].copy_from_slice(&self.time.unwrap_or_default().to_le_bytes());
        slot[16..].copy_from_slice(&self.content);
        slot
    }

    /// Reads a slot; one that is empty was never written, or is taken.
    fn read(slot: &[u8; SLOT]) -> Option<Self> {
        let (mut time, mut content) = ([0; 8], [0; 16]);
        time.copy_from_slice(&slot[8..16]);
        content.copy_from_slice(&slot[16..]);
        let time = match slot[0] {
            0 => return None,
            1 => Some(i64::from_le_bytes(time)),
            _ => None,
        };
        Some(Self { content, time })
    }
}

/// The records of one partition.
#[derive(Debug)]
struct Slots {
    file: File,
    /// The offset of the first slot.
    base: i64,
}

impl Slots {
    fn place(&self, offset: i64) -> Option<u64> {
        u64::try_from(offset.checked_sub(self.base)?).ok()?.checked_mul(SLOT as u64)
    }

    fn take(&self, offset: i64) -> io::Result<Option<Seen>> {
        let (Some(place), mut slot) = (self.place(offset), [0; SLOT]) else { return Ok(None) };
        match self.file.read_exact_at(&mut slot, place) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        let seen = Seen::read(&slot);
        if seen.is_some() {
            self.file.write_all_at(&[0; SLOT], place)?;
        }
        Ok(seen)
    }
}

/// All that is kept.
#[derive(Debug)]
pub(super) struct Held {
    few: HashMap<Spot, Seen>,
    most: usize,
    many: Option<BTreeMap<i32, Slots>>,
    fault: Option<io::Error>,
}

impl Default for Held {
    fn default() -> Self {
        Self { few: HashMap::new(), most: MOST, many: None, fault: None }
    }
}

impl Held {
    /// Keeps a record.
    pub(super) fn insert(&mut self, spot: Spot, seen: Seen) {
        if self.many.is_none() {
            self.few.insert(spot, seen);
            if self.few.len() <= self.most {
                return;
            }
            self.many = Some(BTreeMap::new());
            let mut few: Vec<_> = std::mem::take(&mut self.few).into_iter().collect();
            // The first of a partition is the base of its file.
            few.sort_unstable_by_key(|(spot, _)| *spot);
            few.into_iter().for_each(|(spot, seen)| self.put(spot, seen));
            return;
        }
        self.put(spot, seen);
    }

    fn put(&mut self, spot: Spot, seen: Seen) {
        let written = self.try_put(spot, seen);
        self.note(written);
    }

    fn try_put(&mut self, (partition, offset): Spot, seen: Seen) -> io::Result<()> {
        let many = self.many.get_or_insert_default();
        let slots = match many.entry(partition) {
            std::collections::btree_map::Entry::Occupied(slots) => slots.into_mut(),
            std::collections::btree_map::Entry::Vacant(free) => {
                free.insert(Slots { file: nameless(&std::env::temp_dir())?, base: offset })
            }
        };
        let place = slots.place(offset).ok_or_else(|| io::Error::other("records do not come in their order"))?;
        slots.file.write_all_at(&seen.write(), place)
    }

    /// Takes a record out.
    pub(super) fn take(&mut self, spot: Spot) -> Option<Seen> {
        let Some(many) = &self.many else { return self.few.remove(&spot) };
        let taken = many.get(&spot.0).map_or(Ok(None), |slots| slots.take(spot.1));
        self.note(taken).flatten()
    }

    /// Hands out what is left, in order.
    pub(super) fn each(&mut self, mut each: impl FnMut(Spot)) {
        let mut few: Vec<Spot> = self.few.keys().copied().collect();
        few.sort_unstable();
        few.into_iter().for_each(&mut each);
        let many = self.many.take().unwrap_or_default();
        let read = many.into_iter().try_for_each(|(partition, mut slots)| {
            slots.file.rewind()?;
            let (mut file, mut slot, mut offset) = (BufReader::new(&slots.file), [0; SLOT], slots.base);
            loop {
                match file.read_exact(&mut slot) {
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                    read => read?,
                }
                if Seen::read(&slot).is_some() {
                    each((partition, offset));
                }
                offset += 1;
            }
        });
        self.note(read);
    }

    /// Returns why the comparison is none, if files could not be written or read.
    pub(super) fn fault(&mut self) -> Option<io::Error> {
        self.fault.take()
    }

    fn note<T>(&mut self, result: io::Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.fault.get_or_insert(error);
                None
            }
        }
    }
}

/// Makes a file that only this process sees.
fn nameless(folder: &Path) -> io::Result<File> {
    let mut number = 0;
    loop {
        let path = folder.join(format!("sluice-verify-{}-{number}", std::process::id()));
        match OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            file => {
                let file = file?;
                std::fs::remove_file(&path)?;
                return Ok(file);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_keep_what_memory_keeps() {
        let (mut memory, mut files) = (Held::default(), Held { most: 3, ..Held::default() });
        let seen = |number: u8, time| Seen { content: [number; 16], time };
        let records = [
            ((1, 7_000_000_000), seen(1, Some(5))),
            ((0, 4), seen(2, None)),
            ((0, 9), seen(3, Some(-1))),
            ((1, 7_000_000_001), seen(4, Some(0))),
            ((2, 0), seen(5, Some(i64::MAX))),
            ((0, 5_000), seen(6, Some(6))),
        ];
        for held in [&mut memory, &mut files] {
            records.into_iter().for_each(|(spot, seen)| held.insert(spot, seen));
            for (spot, seen) in &records[1..4] {
                assert_eq!(held.take(*spot), Some(*seen));
                assert_eq!(held.take(*spot), None, "it is taken");
            }
            for spot in [(0, 0), (0, 5), (0, 6_000), (1, 0), (3, 0)] {
                assert_eq!(held.take(spot), None);
            }
            let mut left = Vec::new();
            held.each(|spot| left.push(spot));
            assert_eq!(left, [(0, 5_000), (1, 7_000_000_000), (2, 0)]);
            assert!(held.fault().is_none());
        }
        assert!(memory.many.is_none() && files.few.is_empty());
    }

    #[test]
    fn a_folder_that_is_not_there_is_a_fault() {
        assert!(nameless(Path::new("/nowhere")).is_err());
    }
}
