//! What we add to rdkafka, once.

pub mod topics;
