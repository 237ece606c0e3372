//! The limits of a configuration, each with its reason.
//!
//! The file is its operator's own, but templates, generators and mounted volumes write it too: what is not meant to
//! be one must end in a message, not in a process without memory or stack. Every limit is far beyond real files.

/// Bytes of the file. It stops what is no configuration, such as a device or a dump, before it fills the memory.
pub const FILE_BYTES: usize = 1 << 20;

/// Tables and lists within each other. The deepest key has five; the YAML loader calls itself for each level.
pub const NESTING: usize = 32;

/// Values of the file, those of YAML's aliases counted wherever they are used: nine aliases of nine aliases, nine
/// levels deep, would be 387 million.
pub const VALUES: usize = 100_000;

/// Bytes of all substitutions together, `${file:…}` included: certificates and keys have some kilobytes.
pub const SUBSTITUTED_BYTES: usize = 4 << 20;

/// Gates of one process: each has a thread, a consumer and a producer at least, and each is compared with each.
pub const GATES: usize = 250;

/// Topics that all gates name together: a pattern names more. Each is compared with each.
pub const TOPICS: usize = 5_000;

/// Bytes of a source pattern.
pub const PATTERN_BYTES: usize = 4_096;

/// Bytes of a compiled source pattern: counted repetitions of repetitions take no more space in the file.
pub const PATTERN_SIZE: usize = 1 << 20;

/// Examples of topics by which patterns are compared. A conflict that none of them shows is found where the topic is.
pub const EXAMPLES: usize = 5_000;
