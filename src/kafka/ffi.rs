//! The calls to librdkafka that rdkafka does not offer; the only unsafe code of the crate.
//!
//! What is missing there. Records: it takes them off a queue one by one, and reads the clock for each (`queue`). Headers: its
//! reader panics on a header name that is not UTF-8, and names are data from the outside (`message`). Producing: it makes a C
//! string of the topic's name and looks the topic up for every record; a handle made once does neither (`producer`). Reports: it
//! makes a message of every record that was delivered (`reports`). Errors: it
//! drops topic, partition and offset of what a consumer cannot read, and of ends (`meet`). Requests: it waits for the group's
//! coordinator for as long as that takes, and tells no ID of topics, by which one that was made again is known (`request`).
//! Everything here is safe to call: handles live in the client that they were made for, and nothing that is borrowed can outlive its message.

#![allow(unsafe_code)]

mod meet;
mod message;
mod producer;
mod queue;
mod reports;
mod request;

pub use self::meet::{Met, look, meet};
pub use self::message::{Headers, Message, OwnedHeaders, OwnedMessage, headers};
pub use self::producer::{Outgoing, Producer, TopicHandle};
pub use self::queue::{Batch, Queue, Unreadable};
pub use self::reports::Deliveries;
pub use self::request::{commit, describe, start_mock_groups_at_once};
