//! `sluice bench`: what gates and the registry do per second on your own machines, and what that costs.
//!
//! Whatever is measured is a process of its own, of this very program, so that its CPU and memory are its own.

mod child;
pub(crate) mod gate;
mod proc;
pub(crate) mod registry;
