//! What a command adds to the log. Decided on one state, and true while the log ends where that state does.

mod delete;
mod draft;
mod lookup;
mod register;
mod retag;
mod settings;

pub use self::retag::Retag;
use super::log::Change;
use super::{Error, Found, LogRecord, Store, Wanted, context_of, names};
use crate::registry::contract::{Metadata, RuleSet};
use crate::registry::settings::{Config, ConfigPatch, Mode};
use crate::schema::avro::tree::Tags;
use crate::schema::{Format, Reference, SchemaId, Subject, Version};

/// Something to be written.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// A schema becomes a version of a subject.
    Register {
        /// The subject.
        subject: Subject,
        /// The schema.
        draft: Draft,
        /// Whether it is brought into the one form of what means the same.
        normalize: bool,
    },
    /// Tags and rules of a version change, which makes another one.
    Retag {
        /// The subject.
        subject: Subject,
        /// The version.
        wanted: Wanted,
        /// What changes.
        change: Retag,
    },
    /// A version goes.
    DeleteVersion {
        /// The subject.
        subject: Subject,
        /// The version.
        wanted: Wanted,
        /// Whether it goes for good.
        permanent: bool,
    },
    /// All versions of a subject go.
    DeleteSubject {
        /// The subject.
        subject: Subject,
        /// Whether they go for good.
        permanent: bool,
    },
    /// The configuration of a scope changes.
    SetConfig {
        /// The scope; `None` is that of all subjects.
        scope: Option<Subject>,
        /// What changes.
        patch: ConfigPatch,
    },
    /// A scope sets nothing any more.
    DeleteConfig {
        /// The scope.
        scope: Option<Subject>,
    },
    /// The mode of a scope changes.
    SetMode {
        /// The scope.
        scope: Option<Subject>,
        /// The word that was sent.
        mode: String,
        /// Whether import begins although there are subjects.
        force: bool,
    },
    /// A scope has no mode of its own any more.
    DeleteMode {
        /// The scope.
        scope: Option<Subject>,
        /// Whether the subjects in it lose theirs too.
        recursive: bool,
    },
    /// A context without subjects goes.
    DeleteContext {
        /// Its name.
        name: String,
    },
}

/// A schema to be registered, looked up or compared.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Draft {
    /// The language; Avro where none is named.
    pub format: Option<Format>,
    /// The text; empty for that of the version before.
    pub text: String,
    /// What it refers to.
    pub references: Vec<Reference>,
    /// What is said about it.
    pub metadata: Option<Metadata>,
    /// Its rules.
    pub rule_set: Option<RuleSet>,
    /// The ID that it must have, in import mode.
    pub id: Option<SchemaId>,
    /// The version that it must become; one below 1 is the next, whichever that is.
    pub version: Option<Version>,
    /// Tags that are put into its text.
    pub tags_to_add: Vec<Tags>,
    /// Tags that are taken out of it.
    pub tags_to_remove: Vec<Tags>,
    /// Whether the tags of the version before are put into it.
    pub keeps_tags: bool,
}

/// What a command comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// What to append to the log; nothing where all is as it should be.
    pub records: Vec<LogRecord>,
    /// The answer once these are applied.
    pub outcome: Outcome,
}

/// The answer to a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The version of the schema.
    Registered(Box<Found>),
    /// The versions that went.
    Versions(Vec<Version>),
    /// The configuration: the new one, or the one that went.
    Config(Box<Config>),
    /// The mode: the new one, or the one that went.
    Mode(Mode),
    /// Nothing to say.
    Done,
}

impl Store {
    /// Decides what a command adds to the log; changes nothing.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn decide(&self, command: &Command) -> Result<Decision, Error> {
        let (changes, outcome) = match command {
            Command::Register { subject, draft, normalize } => self.register(subject, draft, *normalize)?,
            Command::Retag { subject, wanted, change } => self.retag(subject, *wanted, change)?,
            Command::DeleteVersion { subject, wanted, permanent } => {
                self.delete_version(subject, *wanted, *permanent)?
            }
            Command::DeleteSubject { subject, permanent } => self.delete_subject(subject, *permanent)?,
            Command::SetConfig { scope, patch } => self.set_config(scope.as_ref(), patch)?,
            Command::DeleteConfig { scope } => self.delete_config(scope.as_ref())?,
            Command::SetMode { scope, mode, force } => self.set_mode(scope.as_ref(), mode, *force)?,
            Command::DeleteMode { scope, recursive } => self.delete_mode(scope.as_ref(), *recursive)?,
            Command::DeleteContext { name } => self.delete_context(name)?,
        };
        let records = changes.iter().map(|change| self.records(change)).collect::<Result<Vec<_>, _>>()?;
        Ok(Decision { records: records.concat(), outcome })
    }

    /// Refuses where the mode of a scope allows no writing.
    fn check_writable(&self, scope: Option<&Subject>) -> Result<(), Error> {
        if self.mode(scope).is_read_only() {
            return Err(not_permitted(scope, "is in read-only mode"));
        }
        Ok(())
    }
}

type Changes = Vec<Change>;
type Decided = Result<(Changes, Outcome), Error>;

fn not_permitted(scope: Option<&Subject>, why: &str) -> Error {
    let context = names::within(scope.map_or(super::DEFAULT_CONTEXT, context_of), "");
    let name = scope.map_or("null", |scope| &scope.0);
    Error::NotPermitted(format!("Subject {name} in context {context} {why}"))
}
