//! Clients that are slow, and too many of them.
