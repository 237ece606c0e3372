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
        let mut work = Work { shared: Arc::clone(&shared), bytes, is_failing: false };
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
        if self.shared.names().len() >= MAX_FILES || self.bytes + length > MAX_BYTES {
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
            if files < MAX_FILES / 10 * 9 && bytes < MAX_BYTES / 10 * 9 {
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
