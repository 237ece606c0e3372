//! Subjects of the target's registry in import mode, in which versions come under IDs of their own; and how all is put back.
//!
//! ```text
//!  look at the mode ─> note in the job's state ─> IMPORT ─> (versions come) ─> mark deleted ─> mode put back ─> note that it is over
//! ```
//! - **The mode of a subject is changed, never that of all**: other subjects are registered in meanwhile.
//! - **The note comes first**, so that whoever was killed in between is followed by a process that knows what was there before.
//! - **A subject that is in import mode already stays so**: somebody has decided that, or another process is at work there and puts
//!   it back. Where that happens under the hands of this one, it begins again ([`Fault::Waiting`]).
//! - **A read-only subject stays so, too**: somebody has said that nothing is to come.
//!
//! A version that is deleted in the source's registry is marked so when it is there, and only if this job has brought it.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Mutex;

use super::cast::Cast;
use super::error::Error;
use super::schemas::Fault;
use super::settle::take_lanes;
use super::state::Import;
use super::store;
use super::writing::{self, IMPORTS};
use crate::pipeline::Stop;
use crate::registry::remote::{self, Remote};
use crate::registry::settings::Mode;
use crate::schema::{Subject, Version};

/// Pauses between attempts to put modes back: a registry that is restarted is there again after them.
const PAUSES: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(5), Duration::from_secs(10)];

/// Pause between looks at whether the job was asked to stop.
const LOOK: Duration = Duration::from_millis(20);

/// Confluent's code for what the mode of a subject, or that of the server, does not allow.
pub(super) const NOT_PERMITTED: i32 = 42205;

/// The subjects that are open.
#[derive(Debug)]
pub(super) struct Imports {
    cast: Cast,
    target: Remote,
    runtime: Handle,
    /// What is noted and not over.
    open: Mutex<BTreeMap<String, Import>>,
}

impl Imports {
    pub(super) fn new(cast: &Cast, target: &Remote) -> Self {
        Self { cast: cast.clone(), target: target.clone(), runtime: Handle::current(), open: Mutex::default() }
    }

    /// Says what has to be done so that versions can come under their own IDs; `wanted` has those that are to be marked as deleted.
    pub(super) async fn look(&self, wanted: BTreeMap<String, Vec<i32>>) -> Result<BTreeMap<String, Import>, Fault> {
        let mut found = BTreeMap::new();
        for (name, deleted) in wanted {
            let subject = Subject(name.as_str().into());
            let before = self.target.mode(Some(&subject)).await?;
            let mode = self.target.mode_of(&subject).await?;
            let is_taken = match Mode::from_name(&mode) {
                Some(Mode::Import | Mode::Forward) => false,
                Some(Mode::ReadWrite) => true,
                Some(Mode::ReadOnly | Mode::ReadOnlyOverride) | None => {
                    return Err(Fault::Final(format!(
                        "subject '{name}' is in mode {mode} in the target's registry, and nothing can come there; set its mode to \
                         READWRITE, or to IMPORT"
                    )));
                }
            };
            found.insert(name, Import { is_taken, before: before.filter(|_| is_taken), deleted, is_over: false });
        }
        Ok(found)
    }

    /// Opens subjects, as [`look`](Self::look) has found them.
    pub(super) async fn begin(&self, imports: BTreeMap<String, Import>) -> Result<(), Fault> {
        self.end().await?;
        let imports: BTreeMap<_, _> =
            imports.into_iter().filter(|(_, import)| import.is_taken || !import.deleted.is_empty()).collect();
        self.note(&imports).await?;
        self.open.lock().await.clone_from(&imports);
        for (name, _) in imports.iter().filter(|(_, import)| import.is_taken) {
            self.target.set_mode(Some(&Subject(name.as_str().into())), Mode::Import.name()).await?;
        }
        Ok(())
    }

    /// Puts back whatever is open.
    pub(super) async fn end(&self) -> Result<(), Fault> {
        let mut open = self.open.lock().await;
        let mut over = BTreeMap::new();
        for (name, import) in &*open {
            self.put_back(name, import).await?;
            over.insert(name.clone(), Import { is_over: true, ..import.clone() });
        }
        self.note(&over).await?;
        open.clear();
        Ok(())
    }

    async fn put_back(&self, name: &str, import: &Import) -> Result<(), Fault> {
        let subject = Subject(name.into());
        for version in &import.deleted {
            match self.target.delete(&subject, Version(*version)).await {
                // It had not come yet.
                Err(remote::Error::Refused { refusal, .. }) if refusal.is_absent() => {}
                Err(error @ remote::Error::Refused { .. }) => {
                    tracing::warn!(subject = name, version, %error, "a version is not marked as deleted in the target's registry");
                }
                answer => answer?,
            }
        }
        match &import.before {
            _ if !import.is_taken => {}
            Some(mode) => self.target.set_mode(Some(&subject), mode).await?,
            None => self.target.delete_mode(Some(&subject)).await?,
        }
        Ok(())
    }

    /// Writes to the job's state; whoever takes the same name meanwhile has this one begin again.
    async fn note(&self, imports: &BTreeMap<String, Import>) -> Result<(), Fault> {
        if imports.is_empty() {
            return Ok(());
        }
        let (cast, imports) = (self.cast.clone(), imports.clone());
        let noted = self.runtime.spawn_blocking(move || writing::put_imports(&cast, &imports)).await;
        let noted = noted.unwrap_or(Err(Error::Panicked));
        noted.map_err(|error| Fault::Waiting(error.to_string()))
    }

    /// Ends what another process of the job has left open, and waits while the registry is away.
    pub(super) fn take_over(&self, stop: &Stop) -> Result<(), Error> {
        // What was committed shows to all from then on, and its writer is ended.
        take_lanes(&self.cast, IMPORTS..=IMPORTS)?;
        *self.open.blocking_lock() = store::state(&self.cast, Some(&[0]))?.imports;
        self.end_patiently(stop)
    }

    /// Ends all; an outage is waited for, for a while.
    pub(super) fn end_patiently(&self, stop: &Stop) -> Result<(), Error> {
        let mut pauses = PAUSES.into_iter();
        loop {
            let fault = match self.runtime.block_on(self.end()) {
                Ok(()) => return Ok(()),
                Err(fault) => fault,
            };
            let pause = pauses.next().filter(|_| !matches!(fault, Fault::Final(_)));
            let Some(pause) = pause else {
                let open = self.open.blocking_lock();
                let names: Vec<_> = open.keys().map(|name| format!("'{name}'")).collect();
                return Err(Error::Kafka {
                    what: format!(
                        "the mode of {} in the target's registry is IMPORT still; run the job again, or put it back by hand",
                        names.join(", ")
                    ),
                    reason: fault.to_string(),
                });
            };
            tracing::warn!(%fault, "the target's registry is not put back yet");
            let mut left = pause;
            while !left.is_zero() && !stop.is_asked() {
                thread::sleep(LOOK);
                left = left.saturating_sub(LOOK);
            }
        }
    }
}
