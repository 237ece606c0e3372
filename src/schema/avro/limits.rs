//! The limits of schemas and data, each with its reason.
//!
//! Schema texts come from a registry that others write to, and data from whoever may
//! produce: neither may cost more time or memory than its own size explains. What a
//! limit refuses in a schema is an [`Error`](super::Error), so the record is held, not
//! condemned; what it refuses in a datum is a violation that names the limit.

/// Bytes of one schema text. Kafka's default record size, which a registry's log keeps to.
pub const TEXT_BYTES: usize = 1 << 20;

/// Bytes of a schema text and all its references together.
pub const TOTAL_TEXT_BYTES: usize = 8 << 20;

/// JSON nesting of a schema text: the fixed limit of `serde_json`, which bounds our own recursion too.
/// A record in a nullable field costs four levels; deeper data is written with named types.
pub const TEXT_NESTING: usize = 127;

/// Named types (records, enums, fixed) of a schema with its references.
pub const NAMED_TYPES: usize = 10_000;

/// Types of any kind: every field, item, value and union branch. Bounds what a compiled schema may occupy.
pub const TYPES: usize = 200_000;

/// Symbols of one enum. Data names them by number, but each resolution looks at all of them.
pub const SYMBOLS: usize = 20_000;

/// Aliases of one named type or field. Each is compared with the names of every type it may meet.
pub const ALIASES: usize = 1_000;

/// Bytes of one name with its namespace, of a field, a symbol or an alias. A path repeats the names of all open
/// levels, so that a long one, some sixty levels deep, would cost megabytes with every bad record.
pub const NAME_BYTES: usize = 1_024;

/// Steps of one resolution: pairs of writer and reader types, the fields, symbols, branches and aliases looked at for
/// them, the values of defaults tried, and every sixteen bytes of a mismatch's words. Named types can meet in any
/// combination, so two schemas within the limits above could take hours and gigabytes; this many steps take a
/// fraction of a second.
pub const RESOLUTION_STEPS: usize = 1_000_000;

/// Types within types to which two schemas are compared: the comparison recurses, and named types can follow one another
/// without end in sight, where the text of either nests a hundred levels at most. Beyond three hundred, a build without
/// optimisation has used up the stack of a thread.
pub const COMPARISON_LEVELS: usize = 200;

/// Values looked at for one field's default, so that defaults that fan out through named records stay cheap. A
/// default that needs more is taken as fitting: it costs a reader, not the gate.
pub const DEFAULT_WORK: usize = 10_000;

/// Levels to which defaults of defaults are followed: a recursive record may ask for itself.
pub const DEFAULT_NESTING: usize = 128;

/// Records, arrays and maps open at once while a datum is read (plain items, such as strings, open
/// nothing): the walk recurses, and consumers such as `serde_avro_fast` refuse deeper data by default.
pub const DEPTH: u32 = 64;

/// Items of arrays and maps in one datum that take no bytes (null, empty records, fixed of size 0).
/// All other items are bounded by the datum's own length; these let ten bytes ask for 2^62 turns.
pub const EMPTY_ITEMS: u64 = 1_000_000;

/// Bytes of an `int`, a union index or an enum index.
pub const INT_BYTES: usize = 5;

/// Bytes of a `long`, a length or a count.
pub const LONG_BYTES: usize = 10;

/// Values without bytes (null, empty records, fixed of size 0) of one datum that is held as a value: some sixteen
/// megabytes. A datum within the limits above may hold as many for each of its items as its schema has fields.
pub const VALUES: usize = 500_000;

/// Levels of one datum that is held as a value: those of data, and what takes no bytes, which does not count there.
pub const VALUE_LEVELS: usize = 256;

/// What a converted datum may have beyond eight times the bytes of its source: room for defaults. Kafka takes a megabyte
/// unless told otherwise.
pub const GROWTH: usize = 16 << 20;

/// Losses of one pair of schemas that are listed: whoever reads more than that reads no list.
pub const LOSSES: usize = 1_000;

/// Bytes of a path in that list, from which on it is cut: fields nest deep, and their names are long.
pub const LOSS_PATH: usize = 1_000;

/// Types looked at for the losses of one pair: a type that stands in many places is looked at in each.
pub const LOSS_STEPS: usize = 100_000;
