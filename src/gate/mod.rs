//! The gate.
pub mod policy;
pub mod verdict;
