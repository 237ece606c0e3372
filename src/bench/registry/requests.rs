//! The requests that are measured, and the schemas in them: records of some 2 KB, each the next version of its subject.

use std::fmt::Write as _;

use axum::body::Bytes;
use axum::http::Method;
use serde_json::json;

/// Versions of one subject. Each goes with those before it at the default level, as a shop's schemas would.
pub(super) const SUBJECT_VERSIONS: u64 = 10;

/// Fields of a schema: some 2 KB of text.
const FIELDS: u64 = 34;

/// Between the schemas of two requests: a prime, so that one after the other all come.
const STRIDE: u64 = 7_919;

/// A kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    GetById,
    GetLatest,
    PostKnown,
    PostNew,
}

impl Kind {
    /// All of them, reads first: what is registered anew comes on top of what they have met.
    pub(crate) const ALL: [Self; 4] = [Self::GetById, Self::GetLatest, Self::PostKnown, Self::PostNew];

    /// Returns the name that people read.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::GetById => "GET by ID",
            Self::GetLatest => "GET latest version",
            Self::PostKnown => "POST what is there",
            Self::PostNew => "POST a new schema",
        }
    }

    /// Returns the name in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::GetById => "get_by_id",
            Self::GetLatest => "get_latest",
            Self::PostKnown => "post_known",
            Self::PostNew => "post_new",
        }
    }
}

/// A request.
#[derive(Debug)]
pub(super) struct Shot {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Bytes,
}

/// The schemas that are there before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schemas {
    pub(super) count: u64,
}

impl Schemas {
    /// Makes the `n`th request of a kind; new schemas are those from `first` on.
    pub(super) fn request(self, kind: Kind, n: u64, first: u64) -> Shot {
        let known = n.wrapping_mul(STRIDE) % self.count;
        let get = |path| Shot { method: Method::GET, path, body: Bytes::new() };
        match kind {
            Kind::GetById => get(format!("/schemas/ids/{}", known + 1)),
            Kind::GetLatest => get(format!("/subjects/{}/versions/latest", subject(known))),
            Kind::PostKnown => self.registration(known),
            Kind::PostNew => self.registration(first + n),
        }
    }

    /// Makes the request that registers a schema.
    pub(super) fn registration(self, n: u64) -> Shot {
        let body = json!({ "schema": text(n) }).to_string().into();
        Shot { method: Method::POST, path: format!("/subjects/{}/versions", subject(n)), body }
    }
}

fn subject(n: u64) -> String {
    format!("bench-{}-value", n / SUBJECT_VERSIONS)
}

/// Writes a schema that no other number has.
pub(super) fn text(n: u64) -> String {
    let mut text = r#"{"type":"record","name":"Order","namespace":"shop","fields":["#.to_owned();
    for field in 0..FIELDS {
        let comma = if field == 0 { "" } else { "," };
        // Writing to a string cannot fail.
        write!(text, r#"{comma}{{"name":"f{n}_{field}","type":["null","string"],"default":null}}"#).ok();
    }
    text + "]}"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_reach_every_schema_and_no_new_one_twice() {
        let schemas = Schemas { count: 50 };
        let all = |kind| (0..50).map(|n| schemas.request(kind, n, 50).path).collect::<std::collections::BTreeSet<_>>();
        assert_eq!(all(Kind::GetById).len(), 50);
        assert!(all(Kind::GetById).contains("/schemas/ids/1") && all(Kind::GetById).contains("/schemas/ids/50"));
        assert_eq!(all(Kind::GetLatest).len(), 5);
        assert_eq!(schemas.request(Kind::PostNew, 0, 50).path, "/subjects/bench-5-value/versions");
        assert_ne!(text(1), text(2));
        assert!((1_800..2_400).contains(&text(99_999).len()), "{}", text(99_999).len());
    }
}
