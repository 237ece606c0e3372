//! The folder of one registry: found or made, listed, swept.

use std::fs::{self, DirBuilder, DirEntry};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use url::Url;

use super::file::{self, Content};
use super::writer::write_whole;
use crate::telemetry::events::CacheFileIgnored;

/// The file that says whose folder it is.
const REGISTRY: &str = "registry.json";
/// The ending of files that are being written.
pub(super) const UNFINISHED: &str = ".tmp";
/// An unfinished file that is older was left by a crash: no write takes so long.
const LEFT_AFTER: Duration = Duration::from_secs(3600);
/// Foreign files that the log names at a start.
const FOREIGN_SHOWN: u64 = 10;

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("'registry.cache_dir': {doing} '{}': {source}; let this user own it, or name another folder", path.display())]
pub struct Error {
    /// What was tried.
    pub doing: &'static str,
    /// With what.
    pub path: PathBuf,
    /// The system's answer.
    pub source: io::Error,
}

/// A file of the cache.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) bytes: u64,
    pub(super) used: SystemTime,
}

/// What is in a folder.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) ours: Vec<Listed>,
    pub(super) foreign: u64,
}

/// Finds the folder of the registry with these addresses, or makes it, and sees that it can be written.
pub(super) fn open(base: &Path, urls: &[Url]) -> Result<PathBuf, Error> {
    make(base)?;
    let urls: Vec<String> = urls.iter().map(ToString::to_string).collect();
    let folder = match find(base, &urls)? {
        Some(folder) => folder,
        None => base.join(name(urls.first().map_or("", String::as_str))),
    };
    make(&folder)?;
    if let Some(why) = distrust(&folder) {
        return Err(Error { doing: "will not use the folder", path: folder, source: io::Error::other(why) });
    }
    let path = folder.join(REGISTRY);
    let written = file::encode(&Content::Registry { urls }).map_err(io::Error::other);
    written.and_then(|bytes| write_whole(&folder, REGISTRY, &bytes)).map_err(|source| Error {
        doing: "cannot write",
        path,
        source,
    })?;
    Ok(folder)
}

/// Makes a folder that only its owner can enter; one that is there is left as it is.
fn make(path: &Path) -> Result<(), Error> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| Error { doing: "cannot make the folder", path: path.to_owned(), source })
}

/// Finds the folder of a registry that shares an address: lists of addresses are reordered and grow.
fn find(base: &Path, urls: &[String]) -> Result<Option<PathBuf>, Error> {
    let mut folders: Vec<PathBuf> = entries(base)?.iter().map(DirEntry::path).filter(|path| path.is_dir()).collect();
    folders.sort();
    let is_it = |folder: &PathBuf| owner(folder).iter().any(|url| urls.contains(url));
    let is_trusted = |folder: &PathBuf| match distrust(folder) {
        None => true,
        Some(why) => {
            CacheFileIgnored { file: folder, why }.emit();
            false
        }
    };
    Ok(folders.into_iter().filter(is_it).find(is_trusted))
}

/// Says why a folder may hold what another user of this machine has put there. Records are judged by what is in it.
fn distrust(folder: &Path) -> Option<&'static str> {
    const ROOT: u32 = 0;
    let Ok(metadata) = fs::metadata(folder) else { return Some("it cannot be looked at") };
    if ![ROOT, rustix::process::geteuid().as_raw()].contains(&metadata.uid()) {
        return Some("it belongs to another user");
    }
    (metadata.mode() & 0o002 != 0).then_some("every user may write in it")
}

/// Returns the addresses of the registry that a folder belongs to; none where it does not say.
fn owner(folder: &Path) -> Vec<String> {
    let path = folder.join(REGISTRY);
    let Ok(bytes) = fs::read(&path) else { return Vec::new() };
    match file::decode_any(&bytes) {
        Ok(Content::Registry { urls }) => urls,
        Ok(_) => Vec::new(),
        Err(why) => {
            CacheFileIgnored { file: &path, why: &why }.emit();
            Vec::new()
        }
    }
}

/// Lists a folder, drops what crashes have left, names what is not the cache's.
pub(super) fn list(folder: &Path) -> Result<Listing, Error> {
    let mut listing = Listing::default();
    for entry in entries(folder)? {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Ok(metadata) = entry.metadata() else { continue };
        let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        if file::is_ours(&name) && metadata.is_file() {
            listing.ours.push(Listed { name, bytes: metadata.len(), used });
        } else if name.ends_with(UNFINISHED) {
            if used.elapsed().is_ok_and(|age| age > LEFT_AFTER) {
                fs::remove_file(entry.path()).ok();
            }
        } else if name != REGISTRY {
            listing.foreign += 1;
            if listing.foreign <= FOREIGN_SHOWN {
                CacheFileIgnored { file: &entry.path(), why: "it is none of the cache's" }.emit();
            }
        }
    }
    Ok(listing)
}

fn entries(folder: &Path) -> Result<Vec<DirEntry>, Error> {
    let listed = fs::read_dir(folder).and_then(Iterator::collect);
    listed.map_err(|source| Error { doing: "cannot list", path: folder.to_owned(), source })
}

/// Names the folder of a registry, for people by its address.
fn name(url: &str) -> String {
    let place = url.split_once("://").map_or(url, |(_, rest)| rest).trim_end_matches('/');
    let hash = file::short_hash(url);
    format!("{}-{hash}", file::shown(place, 60))
}
