//! What a user can say of schemas and registries: `sluice schema` and `sluice registry`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};

use super::{ConfigFile, Output};
use crate::registry::settings::Compatibility as Level;
use crate::schema::avro::lint::LintCode;

/// `sluice schema`.
#[derive(Debug, Subcommand)]
pub enum SchemaCommand {
    /// Parse Avro schemas strictly, as new ones, and say what readers will miss; exit code 1 where there is something
    Check(Check),
    /// Tell whether a schema goes with a subject or with files; exit code 1 where it does not
    Compatibility(Compatibility),
    /// Register a schema; what is there already stays as it is. Exit code 1 where the registry refuses the schema
    Register(Register),
    /// Say what differs between two Avro schemas, and who must move first; exit code 1 where something does
    Diff(Diff),
    /// Print a schema by subject and version, ID or GUID
    Get(Get),
    /// List subjects, or the versions of one
    List(List),
}

/// `sluice registry`.
#[derive(Debug, Subcommand)]
pub enum RegistryCommand {
    /// Run a node: any number of them share one topic, each answers and writes
    Serve(ConfigFile),
    /// Write all subjects, versions, IDs, references, contracts, configurations and modes as JSON lines
    Export(Export),
    /// Read what export has written into a registry, IDs kept; exit code 1 where something contradicts what is there
    Import(Import),
}

/// Which registry is meant.
#[derive(Debug, Args)]
pub struct RegistryAt {
    /// The address of the registry; without it the configuration's section registry, which has credentials too
    #[arg(long, value_name = "URL")]
    pub registry: Option<String>,
    /// Where the configuration is.
    #[command(flatten)]
    pub file: ConfigFile,
}

/// What a schema refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedReference {
    /// The name by which its text uses it.
    pub name: String,
    /// The subject that has it.
    pub subject: String,
    /// The version there; `None` is the latest.
    pub version: Option<i32>,
}

impl FromStr for NamedReference {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('=').and_then(|(name, rest)| Some((name, rest.rsplit_once(':')?)));
        let Some((name, (subject, version))) =
            parts.filter(|(name, (subject, _))| !name.is_empty() && !subject.is_empty())
        else {
            return Err("give NAME=SUBJECT:VERSION, as in shop.Status=status-value:1");
        };
        let number = version.parse().ok().filter(|number| *number > 0);
        if number.is_none() && version != "latest" {
            return Err("give a version from 1 up, or latest");
        }
        Ok(Self { name: name.to_owned(), subject: subject.to_owned(), version: number })
    }
}

/// The language of a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the names say it, and a doc would be printed as help")]
pub enum SchemaType {
    Avro,
    Json,
    Protobuf,
}

/// `sluice schema check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The schemas
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// A finding that is meant, by its code; may be given more than once
    #[arg(long, value_name = "CODE", value_parser = lint_code)]
    pub allow: Vec<LintCode>,
    /// What the schemas refer to: a version of a subject in the registry
    #[arg(long = "reference", value_name = "NAME=SUBJECT:VERSION")]
    pub references: Vec<NamedReference>,
    /// Which registry.
    #[command(flatten)]
    pub at: RegistryAt,
    /// How the findings are printed
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

fn lint_code(name: &str) -> Result<LintCode, String> {
    LintCode::from_name(name).ok_or_else(|| format!("give one of: {}", LintCode::ALL.map(LintCode::name).join(", ")))
}

/// `sluice schema compatibility`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("other").required(true).args(["subject", "against"]))]
pub struct Compatibility {
    /// The new schema
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The subject that it would become a version of: the registry judges, at the subject's level
    #[arg(long, value_name = "SUBJECT")]
    pub subject: Option<String>,
    /// One version of the subject, a number or latest, instead of those that the level asks for
    #[arg(long, value_name = "VERSION", requires = "subject")]
    pub version: Option<String>,
    /// An earlier schema, instead of a registry; may be given more than once, the oldest first
    #[arg(long, value_name = "FILE")]
    pub against: Vec<PathBuf>,
    /// The level for --against [default: BACKWARD]
    #[arg(long, value_name = "LEVEL", requires = "against", value_parser = level)]
    pub level: Option<Level>,
    /// The language of the schema; files are compared as Avro
    #[arg(long = "type", value_name = "TYPE", value_enum, default_value_t = SchemaType::Avro, conflicts_with = "against")]
    pub schema_type: SchemaType,
    /// Bring the schema into the one form of what means the same first
    #[arg(long, requires = "subject")]
    pub normalize: bool,
    /// What the schema refers to: a version of a subject in the registry
    #[arg(long = "reference", value_name = "NAME=SUBJECT:VERSION")]
    pub references: Vec<NamedReference>,
    /// Which registry.
    #[command(flatten)]
    pub at: RegistryAt,
    /// How the verdict is printed
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

fn level(name: &str) -> Result<Level, String> {
    Level::from_name(name).ok_or_else(|| format!("give one of: {}", Level::ALL.map(Level::name).join(", ")))
}

/// `sluice schema register`.
#[derive(Debug, Args)]
pub struct Register {
    /// The schema
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The subject
    #[arg(long, value_name = "SUBJECT")]
    pub subject: String,
    /// The language of the schema
    #[arg(long = "type", value_name = "TYPE", value_enum, default_value_t = SchemaType::Avro)]
    pub schema_type: SchemaType,
    /// Bring the schema into the one form of what means the same first
    #[arg(long)]
    pub normalize: bool,
    /// What the schema refers to: a version of a subject in the registry
    #[arg(long = "reference", value_name = "NAME=SUBJECT:VERSION")]
    pub references: Vec<NamedReference>,
    /// Which registry.
    #[command(flatten)]
    pub at: RegistryAt,
    /// How the answer is printed
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `sluice schema diff`.
#[derive(Debug, Args)]
pub struct Diff {
    /// The old schema: a file, or with --subject a version
    #[arg(value_name = "OLD")]
    pub old: String,
    /// The new schema: a file, or with --subject a version, which may be latest
    #[arg(value_name = "NEW")]
    pub new: String,
    /// The subject whose versions are compared
    #[arg(long, value_name = "SUBJECT")]
    pub subject: Option<String>,
    /// What the files refer to: a version of a subject in the registry
    #[arg(long = "reference", value_name = "NAME=SUBJECT:VERSION", conflicts_with = "subject")]
    pub references: Vec<NamedReference>,
    /// Which registry.
    #[command(flatten)]
    pub at: RegistryAt,
    /// How the differences are printed
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `sluice schema get`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).args(["subject", "id", "guid"]))]
pub struct Get {
    /// The subject
    #[arg(value_name = "SUBJECT")]
    pub subject: Option<String>,
    /// The version: a number, which may be a deleted one's, or latest [default: latest]
    #[arg(long, value_name = "VERSION", requires = "subject")]
    pub version: Option<String>,
    /// The schema's ID, in the default context
    #[arg(long, value_name = "ID")]
    pub id: Option<i32>,
    /// The schema's GUID
    #[arg(long, value_name = "GUID")]
    pub guid: Option<String>,
    /// Which registry.
    #[command(flatten)]
    pub at: RegistryAt,
    /// text: the schema alone; json: with its place, language, references, metadata and rules
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `sluice schema list`.
#[derive(Debug, Args)]
pub struct List {
    /// The subject whose versions are listed; without it all subjects are
    #[arg(value_name = "SUBJECT")]
    pub subject: Option<String>,
    /// Subjects that begin so, in whatever context
    #[arg(long, value_name = "PREFIX", conflicts_with = "subject")]
    pub prefix: Option<String>,
    /// Soft-deleted ones too
    #[arg(long)]
    pub deleted: bool,
    /// Which registry.
    #[command(flatten)]
    pub at: RegistryAt,
    /// How the list is printed
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `sluice registry export`.
#[derive(Debug, Args)]
pub struct Export {
    /// Where the lines are written, which is made anew when all are there; - or nothing: standard output
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Which registry.
    #[command(flatten)]
    pub at: RegistryAt,
    /// How the summary is printed: on standard error where the lines are on standard output
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `sluice registry import`.
#[derive(Debug, Args)]
pub struct Import {
    /// Where the lines are read from; - or nothing: standard input
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Take schemas only, no configurations and modes
    #[arg(long)]
    pub without_settings: bool,
    /// Which registry.
    #[command(flatten)]
    pub at: RegistryAt,
    /// How the summary is printed
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Output::Text)]
    pub output: Output,
}
