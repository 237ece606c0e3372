//! The limits of rules, each with its reason. Rules come from whoever may register schemas, records from whoever may
//! produce; neither may stop a pipeline.

/// The most rules between two versions.
pub const RULES: usize = 1_000;

/// The longest expression, in bytes: as much as a person writes.
pub const EXPRESSION_BYTES: usize = 64 << 10;

/// The deepest nesting of an expression: it is compiled and run by recursion.
pub const EXPRESSION_NESTING: usize = 100;

/// The longest regular expression, in bytes.
pub const REGEX_BYTES: usize = 1 << 10;

/// The longest text that a regular expression is run over, in bytes: repeated matches may take time with its square.
pub const REGEX_TEXT: usize = 16 << 10;

/// The longest picture of a number or time, in bytes.
pub const PICTURE_BYTES: usize = 64;

/// What any record may cost, in units: one for each value that is looked at, one for each 16 bytes of text.
pub const COST: u64 = 1_000_000;

/// What a record may cost beyond that for each unit of its own: a rule that goes through the record a few dozen times is
/// usual, one that multiplies it is not.
pub const COST_PER_UNIT: u64 = 64;

/// The longest sequence of one step of an expression.
pub const SEQUENCE: usize = 1_000_000;

/// The deepest recursion of an expression, in nodes: Confluent's.
pub const RECURSION: usize = 1_000;

/// How long the expressions of one record may take together, in milliseconds: one takes microseconds. Loops that cost
/// nothing else end here.
pub const TIME_MS: u64 = 1_000;

/// How long where a plan has overrun that lately: a batch of such records should not outlast its transaction.
pub const HURRIED_MS: u64 = 20;

/// How often that time is granted to a record: the machine may have stood still.
pub const TRIES: usize = 2;

/// The most numbers of one record that JSON cannot hold.
pub const EXACT_NUMBERS: usize = 1 << 20;

/// The largest message, in the units of its cost, of names of fields and values without bytes: a record of many records has
/// the names of its fields in each.
pub const MESSAGE: usize = 4_000_000;

/// The largest result, in the units of its cost: what stands in many places is written in each of them.
pub const RESULT: usize = 4_000_000;
