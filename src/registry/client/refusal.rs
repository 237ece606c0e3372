//! What a healthy registry says to an order that it does not carry out.

use serde_json::from_slice;

use crate::registry::entities::ErrorEntity;

/// Statuses that are about the client or its pace, not about what was asked.
const NO_ANSWERS: [u16; 4] = [401, 403, 408, 429];

/// A no, with the registry's own reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the registry answered {code}: {message}")]
pub struct Refusal {
    /// The status of HTTP.
    pub status: u16,
    /// The registry's code.
    pub code: i32,
    /// Its words.
    pub message: String,
}

impl Refusal {
    /// Reads an answer; `None` where it is no refusal, or none of a registry.
    pub(super) fn read(status: u16, body: &[u8]) -> Option<Self> {
        if !(400..500).contains(&status) || NO_ANSWERS.contains(&status) {
            return None;
        }
        let ErrorEntity { error_code, message } = from_slice(body).ok()?;
        Some(Self { status, code: error_code, message })
    }

    /// Tells whether the subject, version or schema is not there, or the scope sets nothing.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        (40401..=40409).contains(&self.code) && ![40404, 40405, 40406, 40407].contains(&self.code)
    }

    /// Tells whether the registry does not know the path at all: an older one, or another product.
    #[must_use]
    pub fn is_unknown_path(&self) -> bool {
        [404, 405].contains(&self.status) && self.code < 1_000
    }
}
