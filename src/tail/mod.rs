//! Records for people: decoded by the registry's schemas, one after the other.
//!
//! ```text
//!  record ─frame─> Codecs (once per schema, from the registry) ─decode─> Value ─> a line of JSON
//!                                                       └ cannot be decoded: the reason, and the begin of its bytes
//! ```
//! Nothing is judged here as a gate judges it: every wire format is read, a schema of any subject is taken, and what is
//! no Avro is shown as far as it is text.

mod asking;
mod choice;
mod codecs;
mod line;
mod sieve;

#[cfg(test)]
mod tests;

pub use self::asking::Patience;
pub use self::choice::Choice;
pub use self::codecs::{Codecs, Undecoded};
pub use self::line::{Line, SHOWN};
pub use self::sieve::Sieve;
