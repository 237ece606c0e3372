//! The thread that writes the files of the cache, and makes room when they become too many.
//!
//! Nobody waits for it: a gate that cannot keep what it learns is as good as one without a cache.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use super::file::{self, Content, Key};
use super::folder::{self, UNFINISHED};
use super::{MAX_FILE_BYTES, Shared};
use crate::telemetry::events::CacheNotWritten;

/// Files of one registry: a schema has two, and registries have some ten thousand schemas.
const MAX_FILES: usize = 50_000;
/// Bytes of all files of one registry.
const MAX_BYTES: u64 = 1024 * 1024 * 1024;
/// What may wait to be written; a disk so slow keeps what it can.
const MAX_WAITING: usize = 10_000;

/// Takes contents to write.
#[derive(Debug)]
pub(super) struct Writer {
    queue: mpsc::SyncSender<(Key, Content)>,
    shared: Arc<Shared>,
}

impl Writer {
    /// Starts the thread, which ends with the writer; `bytes` are there already.
    pub(super) fn start(shared: Arc<Shared>, bytes: u64) -> io::Result<Self> {
        let (queue, jobs) = mpsc::sync_channel(MAX_WAITING);
        let mut work = Work { shared: Arc::clone(&shared), bytes, room: (MAX_FILES, MAX_BYTES), is_failing: false };
        let run = move || jobs.iter().for_each(|(key, content)| work.write(&key, &content));
        thread::Builder::new().name("schema-cache".to_owned()).spawn(run)?;
        Ok(Self { queue, shared })
    }

    /// Hands a content over.
    pub(super) fn write(&self, key: Key, content: Content) {
        if self.queue.try_send((key, content)).is_err() {
            self.shared.counts.failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

struct Work {
    shared: Arc<Shared>,
    bytes: u64,
    /// Files and bytes at most.
    room: (usize, u64),
    /// Whether the last write failed, which is said once.
    is_failing: bool,
}

impl Work {
    fn write(&mut self, key: &Key, content: &Content) {
        let name = key.file_name();
        let written = file::encode(content).map_err(io::Error::other).and_then(|bytes| self.write_bytes(&name, &bytes));
        let counts = &self.shared.counts;
        match written {
            Ok(()) => {
                counts.written.fetch_add(1, Ordering::Relaxed);
                self.shared.names().insert(name);
                self.is_failing = false;
            }
            Err(error) => {
                counts.failed.fetch_add(1, Ordering::Relaxed);
                if !self.is_failing {
                    CacheNotWritten { file: &self.shared.folder.join(name), error: &error }.emit();
                }
                self.is_failing = true;
            }
        }
    }

    fn write_bytes(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let length = bytes.len() as u64;
        if length > MAX_FILE_BYTES {
            return Err(io::Error::other(format!("it would have more than {MAX_FILE_BYTES} bytes")));
        }
        if self.shared.names().len() >= self.room.0 || self.bytes + length > self.room.1 {
            self.make_room();
        }
        write_whole(&self.shared.folder, name, bytes)?;
        self.bytes += length;
        Ok(())
    }

    /// Removes what was unused longest, until a tenth is free.
    fn make_room(&mut self) {
        let Ok(mut listing) = folder::list(&self.shared.folder) else { return };
        listing.ours.sort_by_key(|file| file.used);
        let (mut files, mut bytes) = (listing.ours.len(), listing.ours.iter().map(|file| file.bytes).sum::<u64>());
        for file in listing.ours {
            if files < self.room.0 / 10 * 9 && bytes < self.room.1 / 10 * 9 {
                break;
            }
            if fs::remove_file(self.shared.folder.join(&file.name)).is_ok() {
                (files, bytes) = (files - 1, bytes - file.bytes);
                self.shared.names().remove(&file.name);
            }
        }
        self.bytes = bytes;
    }
}

/// Writes a file so that a crash leaves the old one or the new one, whoever else writes it at the same time.
pub(super) fn write_whole(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let unfinished =
        folder.join(format!(".{name}.{}-{number}-{:08x}{UNFINISHED}", std::process::id(), rand::random::<u32>()));
    let written = write_synced(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, folder.join(name)));
    if written.is_err() {
        // Nothing more can be done about a file that cannot even be removed; the next start sweeps.
        fs::remove_file(&unfinished).ok();
        return written;
    }
    File::open(folder)?.sync_all()
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Mutex;
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::registry::disk::DiskCounts;
    use crate::schema::{SchemaId, SchemaRef};

    #[test]
    fn what_was_unused_longest_makes_room() {
        let folder = tempfile::tempdir().unwrap();
        let names = Mutex::new(HashSet::new());
        let shared = Arc::new(Shared { folder: folder.path().to_owned(), names, counts: DiskCounts::default() });
        let mut work = Work { shared: Arc::clone(&shared), bytes: 0, room: (20, 1 << 20), is_failing: false };
        let write = |work: &mut Work, id| {
            let schema = SchemaRef::Id(SchemaId(id));
            work.write(&Key::Schema(schema), &Content::subjects(schema, &[]));
        };
        for id in 0..20 {
            write(&mut work, id);
            let file = File::open(folder.path().join(format!("schema-{id}.json"))).unwrap();
            // Number 3 was used last.
            let age = if id == 3 { 0 } else { 100 - u64::from(id.unsigned_abs()) };
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
        }
        write(&mut work, 20);
        let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left.len(), 18, "17 and the new one: {left:?}");
        assert!(left.contains(&"schema-3.json".into()) && !left.contains(&"schema-2.json".into()), "{left:?}");
        assert_eq!(shared.names().len(), 18);
        work.room = (20, work.bytes);
        write(&mut work, 21);
        assert!(fs::read_dir(folder.path()).unwrap().count() < 18, "bytes count as well");
        assert_eq!(shared.counts.failed.load(Ordering::Relaxed), 0);
    }
}
