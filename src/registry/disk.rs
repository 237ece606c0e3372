//! The cache on disk: what is known of a registry, so that a restart during an outage forgets nothing.
//!
//! ```text
//! cache_dir/registry-1-8081-6f1c…/      one folder per registry, found by any address that both lists share
//!     registry.json                     its addresses
//!     schema-17.json  subjects-17.json  a schema with its references; where it is registered
//!     target-orders-value-…-latest.json what a target was when it was asked for last
//!     rules-orders-value-…-1-3.json     the rules of the versions from one to another
//! ```
//! Each file is JSON that a person can read, with a checksum, and is replaced as a whole: a crash leaves the old one or
//! the new one. What cannot be read is named in the log and passed over; nothing in here fails a gate once it runs.
//! Several processes may share a folder, for they write the same things. Writing is a thread's work, reading blocks.

mod file;
mod folder;
mod writer;

use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use url::Url;

pub use self::file::{Content, Key};
pub use self::folder::Error;
use self::writer::Writer;
use crate::telemetry::events::CacheFileIgnored;

/// The largest file: a schema and its references have 16 MB at most, and quotes and line ends take two bytes in JSON.
const MAX_FILE_BYTES: u64 = 48 * 1024 * 1024;

/// Counters since the start of the process.
#[derive(Debug, Default)]
pub struct DiskCounts {
    /// Files read and used.
    pub loaded: AtomicU64,
    /// Files written.
    pub written: AtomicU64,
    /// Files passed over, since they are damaged or not the cache's.
    pub ignored: AtomicU64,
    /// Files that could not be written.
    pub failed: AtomicU64,
}

/// What reader and writer share.
#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    /// Names of the files that are there: a flood of unknown IDs must not become one of file look-ups.
    names: Mutex<HashSet<String>>,
    counts: DiskCounts,
}

impl Shared {
    fn names(&self) -> MutexGuard<'_, HashSet<String>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The cache of one registry.
#[derive(Debug)]
pub struct Disk {
    shared: Arc<Shared>,
    writer: Writer,
}

impl Disk {
    /// Opens the folder of the registry with these addresses, and makes it if need be.
    ///
    /// # Errors
    /// It cannot be made, listed or written.
    pub fn open(path: &Path, urls: &[Url]) -> Result<Self, Error> {
        let folder = folder::open(path, urls)?;
        let listed = folder::list(&folder)?;
        let names = Mutex::new(listed.ours.iter().map(|file| file.name.clone()).collect());
        let counts = DiskCounts::default();
        counts.ignored.store(listed.foreign, Ordering::Relaxed);
        let bytes = listed.ours.iter().map(|file| file.bytes).sum();
        let shared = Arc::new(Shared { folder, names, counts });
        let writer = Writer::start(Arc::clone(&shared), bytes).map_err(|source| Error {
            doing: "cannot start the thread that writes",
            path: shared.folder.clone(),
            source,
        })?;
        Ok(Self { shared, writer })
    }

    /// Returns where the files are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.shared.folder
    }

    /// Returns the counters.
    #[must_use]
    pub fn counts(&self) -> &DiskCounts {
        &self.shared.counts
    }

    /// Tells whether there is a file, without looking.
    #[must_use]
    pub fn has(&self, key: &Key) -> bool {
        self.shared.names().contains(&key.file_name())
    }

    /// Reads a file; blocks. One that is damaged is named in the log, once, and is absent from then on.
    #[must_use]
    pub fn read(&self, key: &Key) -> Option<Content> {
        let name = key.file_name();
        if !self.shared.names().contains(&name) {
            return None;
        }
        let path = self.shared.folder.join(&name);
        let why = match read_file(&path) {
            Ok(bytes) => match file::decode(&bytes, key) {
                Ok(content) => {
                    self.shared.counts.loaded.fetch_add(1, Ordering::Relaxed);
                    return Some(content);
                }
                Err(why) => why,
            },
            // Another process that shares the folder has made room.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.shared.names().remove(&name);
                return None;
            }
            Err(error) => format!("it cannot be read: {error}"),
        };
        self.shared.names().remove(&name);
        self.shared.counts.ignored.fetch_add(1, Ordering::Relaxed);
        CacheFileIgnored { file: &path, why: &why }.emit();
        None
    }

    /// Keeps a content, soon.
    pub fn keep(&self, key: Key, content: Content) {
        self.writer.write(key, content);
    }
}

/// Reads a file of a bounded size, and marks it as used.
fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    let file = std::fs::File::open(path)?;
    if file.metadata()?.len() > MAX_FILE_BYTES {
        return Err(std::io::Error::other(format!("it has more than {MAX_FILE_BYTES} bytes")));
    }
    // Whoever makes room begins with what was unused longest. A folder that is read-only by now does not matter.
    file.set_modified(SystemTime::now()).ok();
    std::fs::read(path)
}

#[cfg(test)]
mod tests;
