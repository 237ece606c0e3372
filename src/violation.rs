//! What can be wrong with a record: the closed set of reasons, and one finding.
//!
//! A violation is a value, never an error: the record is at fault, the gate works.
//! Faults of broker and registry are errors of the modules that talk to them and can
//! not become a violation. [`ReasonCode`] is the one source of the dead-letter header
//! `sluice.reason`, the metric label `reason` and the table in docs/dead-letters.md: names may be
//! added, never changed. It stands below `wire` and `schema`, which find violations, and
//! `gate`, which routes by them.

use std::fmt;

/// Declares the reason codes once: variant, stable name, stage, and the words of docs/dead-letters.md.
macro_rules! reason_codes {
    ($($variant:ident $name:literal $stage:ident $doc:literal),+ $(,)?) => {
        /// Why a record is a dead letter. Closed; names are a contract.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ReasonCode {
            $(#[doc = $doc] $variant),+
        }

        impl ReasonCode {
            /// All codes, in the order of the stages.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Returns the stable name: header value, metric label, table entry.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// Returns the stage that finds it.
            #[must_use]
            pub fn stage(self) -> Stage {
                match self { $(Self::$variant => Stage::$stage),+ }
            }

            /// Returns one sentence for people.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $doc),+ }
            }

            /// Finds a code by its stable name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

/// The part of the check that finds a violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The bytes that name the schema.
    Frame,
    /// The schema that they name.
    Schema,
    /// The datum under its writer schema.
    Datum,
    /// Data-contract rules.
    Rules,
    /// The datum under the target schema.
    Target,
    /// The record as a whole.
    Record,
}

impl Stage {
    /// Returns the name used in docs/dead-letters.md.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Frame => "frame",
            Self::Schema => "schema",
            Self::Datum => "datum",
            Self::Rules => "rules",
            Self::Target => "target",
            Self::Record => "record",
        }
    }
}

reason_codes! {
    NotFramed "not_framed" Frame "the bytes start with no wire format that we know",
    TruncatedFrame "truncated_frame" Frame "the bytes end inside the schema ID",
    WireFormatNotAllowed "wire_format_not_allowed" Frame "the wire format is known, and the gate does not allow it",
    UnknownSchema "unknown_schema" Schema "the registry has no schema of this ID, asked again after the grace time",
    UnusableSchema "unusable_schema" Schema "the schema cannot be compiled, and the gate is told to dead-letter its records",
    FormatMismatch "format_mismatch" Schema "the schema is of another format than the gate expects",
    SubjectMismatch "subject_mismatch" Schema "the schema is not registered under the gate's subject",
    Truncated "truncated" Datum "the datum ends before its schema does",
    TrailingBytes "trailing_bytes" Datum "bytes are left after the datum",
    InvalidVarint "invalid_varint" Datum "a variable-length integer is too long or out of range",
    InvalidLength "invalid_length" Datum "a length or count is negative, or beyond the bytes left",
    InvalidUtf8 "invalid_utf8" Datum "a string is not UTF-8",
    InvalidBoolean "invalid_boolean" Datum "a boolean is neither 0 nor 1",
    InvalidUnionBranch "invalid_union_branch" Datum "a union index names no branch",
    InvalidEnumSymbol "invalid_enum_symbol" Datum "an enum index names no symbol",
    TooDeep "too_deep" Datum "the datum nests deeper than the limit",
    TooManyItems "too_many_items" Datum "arrays and maps hold more items than the limit",
    InvalidJson "invalid_json" Datum "the value is not JSON",
    SchemaViolation "schema_violation" Datum "the value breaks its JSON Schema",
    RuleFailed "rule_failed" Rules "a rule of the data contract says no",
    TargetMissingEnumSymbol "target_missing_enum_symbol" Target "the target's enum lacks this symbol and has no default",
    TargetMissingUnionBranch "target_missing_union_branch" Target "the target's union or type cannot take this branch",
    NoConversionPath "no_conversion_path" Target "the target cannot read this version, and no conversion is configured",
    ConversionFailed "conversion_failed" Target "the conversion to the target failed for this record",
    TombstoneNotAllowed "tombstone_not_allowed" Record "a null value where the gate allows none",
    MissingKey "missing_key" Record "a null key where the gate requires one",
    TooLarge "too_large" Record "the record is larger than its output takes",
    BrokerRejected "broker_rejected" Record "the broker refused this record",
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One finding about one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The reason.
    pub code: ReasonCode,
    /// The field, such as `order.lines[3].price`; `None` where no field is concerned or the root is meant.
    pub path: Option<String>,
    /// One line: the limit broken and what was found in numbers, never a value of the record.
    pub detail: String,
}

impl Violation {
    /// Creates a violation that concerns no field.
    #[must_use]
    pub fn new(code: ReasonCode, detail: impl Into<String>) -> Self {
        Self { code, path: None, detail: detail.into() }
    }

    /// Sets the field path; an empty one is the root and stays `None`.
    #[must_use]
    pub fn at(mut self, path: impl Into<String>) -> Self {
        let path = path.into();
        self.path = (!path.is_empty()).then_some(path);
        self
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{} at '{path}': {}", self.code, self.detail),
            None => write!(f, "{}: {}", self.code, self.detail),
        }
    }
}
