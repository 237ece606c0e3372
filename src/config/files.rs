//! The files that a configuration names and does not hold, by what is in them: certificates and keys.
//!
//! Clients read them when they are made. A certificate that was renewed in its place changes no word of the configuration, and
//! still is a change.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::kafka::Kafka;
use super::registry::Tls;

/// What names a file among librdkafka's properties.
const KAFKA_ENDS: [&str; 2] = [".location", ".keytab"];

/// The files that were there, each with the hash of its contents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Files(BTreeMap<PathBuf, [u8; 32]>);

impl Files {
    /// Reads the files of the section `kafka`.
    pub(super) fn of_kafka(kafka: &Kafka) -> Self {
        let names_file = |name: &str| KAFKA_ENDS.iter().any(|end| name.ends_with(end));
        let named = kafka.consumer().chain(kafka.producer()).filter(|(name, _)| names_file(name));
        Self::read(named.map(|(_, path)| Path::new(path)))
    }

    /// Reads the files of a section `tls`.
    pub(super) fn of_tls(tls: Option<&Tls>) -> Self {
        Self::read(
            tls.into_iter().flat_map(|tls| [&tls.ca, &tls.certificate, &tls.key]).flatten().map(PathBuf::as_path),
        )
    }

    /// What cannot be read, or is a folder, is left out: the client that needs it says what is wrong.
    fn read<'p>(paths: impl Iterator<Item = &'p Path>) -> Self {
        let hash = |path: &Path| Some((path.to_owned(), Sha256::digest(fs::read(path).ok()?).into()));
        Self(paths.filter_map(hash).collect())
    }
}
