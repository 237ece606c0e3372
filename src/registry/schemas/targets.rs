//! Target schemas: pinned versions are fetched once, `latest` is looked up again in the background.
//!
//! One task per process looks at all of them, one after the other, every `refresh`, and asks for version and
//! ID alone until they differ: version numbers start again after a subject was deleted for good. A lookup that
//! fails changes nothing, and what was the latest stays so until the registry says otherwise.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::Schemas;
use super::audit::Audit;
use super::compile::Known;
use super::error::Error;
use super::flights::Flights;
use super::memo::Memo;
use crate::gate::policy::TargetRule;
use crate::registry::client::{self, Kind, Registered};
use crate::schema::avro::Schema;
use crate::schema::table::Place;
use crate::schema::{SchemaGuid, SchemaId, SchemaRef, SchemaText, Subject, Version};
use crate::telemetry::events::TargetFromCache;

/// How long a `latest` is kept up to date that no pipeline goes by: one that has lost its consumer comes back to it.
pub(super) const KEPT_UNUSED: Duration = Duration::from_secs(600);

/// What readers use.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) subject: Subject,
    pub(super) version: Version,
    pub(super) id: SchemaId,
    pub(super) guid: Option<SchemaGuid>,
    pub(super) text: SchemaText,
    pub(super) schema: Known,
}

impl Target {
    /// Returns the schema that readers use.
    pub(super) fn reader(&self) -> Result<Arc<Schema>, Error> {
        let fault = match &self.schema {
            Known::Usable(schema) => return Ok(Arc::clone(schema)),
            Known::Unusable(reason) => format!("cannot be compiled: {reason}"),
            Known::OtherFormat(format) => format!("is {format}, and the gate reads avro"),
        };
        Err(Error::Target(format!("target version {} of subject '{}' {fault}", self.version, self.subject).into()))
    }
}

/// `latest` of a subject became another version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetChanged {
    /// The subject.
    pub subject: Subject,
    /// The version that was the target; `None`: the subject had none when it was asked for.
    pub from: Option<Version>,
    /// The version that is the target now; equal to `from` where the subject was deleted and made anew.
    pub to: Version,
}

/// Says that a pipeline goes by the `latest` of a subject, as long as it is kept.
#[derive(Debug, Clone)]
pub struct InUse {
    _mark: Arc<()>,
}

/// What is known of the `latest` of a subject.
#[derive(Debug)]
struct Latest {
    /// `None`: the subject had no version when it was asked for.
    target: Option<Arc<Target>>,
    asked: Instant,
    users: Weak<()>,
}

impl Latest {
    fn new(target: Option<Arc<Target>>) -> Self {
        Self { target, asked: Instant::now(), users: Weak::new() }
    }

    fn is_in_use(&self, now: Instant) -> bool {
        self.users.strong_count() > 0 || now.duration_since(self.asked) < KEPT_UNUSED
    }
}

#[derive(Debug)]
pub(super) struct Targets {
    pinned: Memo<(Subject, Version), Arc<Target>>,
    latest: Mutex<HashMap<Subject, Latest>>,
    flights: Flights<Subject, Result<Arc<Target>, Error>>,
}

impl Targets {
    pub(super) fn new() -> Self {
        Self { pinned: Memo::new(|target| target.schema.stays()), latest: Mutex::default(), flights: Flights::new() }
    }

    fn latest(&self) -> MutexGuard<'_, HashMap<Subject, Latest>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the `latest` of a subject as it is known.
    fn known(&self, subject: &Subject) -> Option<Arc<Target>> {
        self.latest().get(subject)?.target.clone()
    }

    /// Returns it to somebody who asks for it.
    fn asked_for(&self, subject: &Subject) -> Option<Arc<Target>> {
        let mut latest = self.latest();
        let known = latest.get_mut(subject)?;
        known.asked = Instant::now();
        known.target.clone()
    }

    /// Replaces it; returns the one before, `None` where nobody had asked for it.
    fn replace(&self, subject: &Subject, target: &Arc<Target>) -> Option<Option<Arc<Target>>> {
        match self.latest().entry(subject.clone()) {
            Entry::Occupied(mut known) => Some(known.get_mut().target.replace(Arc::clone(target))),
            Entry::Vacant(place) => {
                place.insert(Latest::new(Some(Arc::clone(target))));
                None
            }
        }
    }
}

impl Schemas {
    /// Returns the target that a rule means; `None` where nobody asks.
    pub(super) async fn target(
        self: &Arc<Self>,
        rule: TargetRule,
        subject: Option<&Subject>,
    ) -> Result<Option<Arc<Target>>, Error> {
        let version = match rule {
            TargetRule::Any => return Ok(None),
            TargetRule::Latest => None,
            TargetRule::Version(version) => Some(version),
        };
        let Some(subject) = subject.cloned() else {
            return Err(Error::Target("a target version needs a subject; set 'subject', or 'target: any'".into()));
        };
        let target = match version {
            None => self.latest_target(subject).await?,
            Some(version) => self.pinned_target(subject, version).await?,
        };
        Ok(Some(target))
    }

    /// Returns where the version that a rule means is registered; `None` where it means any.
    ///
    /// # Errors
    /// There is no answer yet, or no such version; see [`Error`].
    pub async fn place(self: &Arc<Self>, rule: TargetRule, subject: &Subject) -> Result<Option<Place>, Error> {
        let target = self.target(rule, Some(subject)).await?;
        Ok(target.map(|target| Place {
            subject: target.subject.clone(),
            version: target.version,
            id: target.id,
            guid: target.guid,
        }))
    }

    async fn pinned_target(self: &Arc<Self>, subject: Subject, version: Version) -> Result<Arc<Target>, Error> {
        let schemas = Arc::clone(self);
        let place = (subject.clone(), version);
        let fetch = || async move {
            let registered = schemas.pace.call(schemas.client.version(&subject, version)).await;
            match schemas.compile_target(&subject, Some(version), registered).await {
                Err(error) => schemas.target_of_disk(&subject, Some(version), error).await,
                found => found,
            }
        };
        self.targets.pinned.get_or_make(place, fetch).await
    }

    async fn latest_target(self: &Arc<Self>, subject: Subject) -> Result<Arc<Target>, Error> {
        let known = self.targets.asked_for(&subject);
        if let Some(target) = known.filter(|target| target.schema.stays()) {
            return Ok(target);
        }
        let schemas = Arc::clone(self);
        let asked = subject.clone();
        self.targets.flights.join(subject, || async move { schemas.fetch_latest(&asked).await }).await
    }

    /// Fetches and compiles the latest version, and makes it the target.
    async fn fetch_latest(self: &Arc<Self>, subject: &Subject) -> Result<Arc<Target>, Error> {
        let registered = self.pace.call(self.client.latest(subject)).await;
        if registered.as_ref().is_err_and(|error| error.kind() == Kind::NotFound) {
            self.targets.latest().entry(subject.clone()).or_insert_with(|| Latest::new(None));
        }
        let target = match self.compile_target(subject, None, registered).await {
            // The one in use is newer than what the disk has.
            Err(error) if self.targets.latest().contains_key(subject) => return Err(error),
            Err(error) => self.target_of_disk(subject, None, error).await?,
            Ok(target) => target,
        };
        self.change_latest(subject, &target);
        Ok(target)
    }

    fn change_latest(&self, subject: &Subject, target: &Arc<Target>) {
        let Some(before) = self.targets.replace(subject, target) else { return };
        if before.as_ref().is_some_and(|before| (before.version, before.id) == (target.version, target.id)) {
            return;
        }
        self.forget_judgements(subject, target);
        let from = before.map(|before| before.version);
        // Nobody listens where no pipeline runs; that is no fault.
        drop(self.changes.send(TargetChanged { subject: subject.clone(), from, to: target.version }));
    }

    async fn compile_target(
        self: &Arc<Self>,
        subject: &Subject,
        version: Option<Version>,
        registered: Result<Registered, Arc<client::Error>>,
    ) -> Result<Arc<Target>, Error> {
        let registered = match registered {
            Ok(registered) => registered,
            Err(error) if error.kind() == Kind::NotFound => return Err(missing(subject, version)),
            Err(error) => return Err(error.into()),
        };
        let schema = self.compile(registered.text.clone()).await?;
        if schema.stays() {
            self.witness(SchemaRef::Id(registered.id), &registered.text, true).await?;
            self.keep_target(subject, version, &registered);
        }
        let Registered { version, id, guid, text } = registered;
        Ok(Arc::new(Target { subject: subject.clone(), version, id, guid, text, schema }))
    }

    /// Returns a target of before the start, where the registry cannot be asked for it.
    async fn target_of_disk(
        self: &Arc<Self>,
        subject: &Subject,
        wanted: Option<Version>,
        error: Error,
    ) -> Result<Arc<Target>, Error> {
        let Error::Registry(_) = &error else { return Err(error) };
        let Some(kept) = self.kept_target(subject, wanted).await else { return Err(error) };
        let schema = self.compile(kept.text.clone()).await?;
        if !schema.stays() {
            return Err(error);
        }
        self.witness(SchemaRef::Id(kept.id), &kept.text, false).await?;
        TargetFromCache { subject, version: kept.version }.emit();
        let Registered { version, id, guid, text } = kept;
        Ok(Arc::new(Target { subject: subject.clone(), version, id, guid, text, schema }))
    }

    /// Asks whether an outage is over, where nothing else would: a gate without records asks for nothing.
    async fn notice_return(&self) {
        if self.state.board().outage.is_some() {
            // Its outcome is the pace's to tell.
            drop(self.pace.call(self.client.ping()).await);
        }
    }

    /// Keeps the `latest` of a subject up to date, where it is one that was asked for.
    pub fn use_latest(&self, subject: &Subject) -> Option<InUse> {
        let mut latest = self.targets.latest();
        let known = latest.get_mut(subject)?;
        let mark = known.users.upgrade().unwrap_or_default();
        known.users = Arc::downgrade(&mark);
        Some(InUse { _mark: mark })
    }

    /// Looks at every `latest` in use once, and forgets those whose gates have gone.
    pub(super) async fn refresh_targets(self: &Arc<Self>) {
        if self.state.board().outage.is_none() {
            let now = Instant::now();
            self.targets.latest().retain(|_, known| known.is_in_use(now));
        }
        let subjects: Vec<Subject> = self.targets.latest().keys().cloned().collect();
        for subject in subjects {
            let now = self.pace.call(self.client.latest_version(&subject)).await;
            let Ok(now) = now else { continue };
            if !self.is_as_known(now.id, &now.text) {
                continue;
            }
            let known = self.targets.known(&subject);
            if known.is_none_or(|target| (target.version, target.id) != (now.version, now.id)) {
                // A failure leaves the target as it was, and the next round finds the difference again.
                drop(self.fetch_latest(&subject).await);
            }
        }
    }
}

/// Refreshes the targets and looks again at what is known, as long as anybody holds the schemas.
pub(super) async fn keep_fresh(schemas: Weak<Schemas>, audit: Arc<Audit>, refresh: Duration) {
    let mut due = Instant::now() + refresh;
    loop {
        let is_due = tokio::select! {
            () = tokio::time::sleep_until(due) => true,
            () = audit.wake.notified() => false,
        };
        let Some(schemas) = schemas.upgrade() else { return };
        if is_due {
            schemas.notice_return().await;
            schemas.refresh_targets().await;
            schemas.look_again(false).await;
            due = Instant::now() + refresh;
        }
        if schemas.look_again(true).await {
            audit.wake.notify_one();
        }
    }
}

fn missing(subject: &Subject, version: Option<Version>) -> Error {
    let text = match version {
        Some(version) => format!(
            "target version {version} of subject '{subject}' is not in the registry; register it, or change 'target'"
        ),
        None => format!(
            "the target subject '{subject}' has no version in the registry; register one, or change 'subject' or 'target'"
        ),
    };
    Error::Target(text.into())
}
