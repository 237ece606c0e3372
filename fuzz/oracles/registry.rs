//! Answers of a registry: bytes are parsed, or refused in words that say what was asked and where; never a panic, and
//! only the registry's own 404 is "there is none". What was parsed is written and parsed again as the same.
//!
//! Input: a byte for the question, two for the status (200 where it is 0), then the body.

use std::fmt::Debug;

use serde_json::to_vec;

use sluice::registry::client::{Kind, Request, read_answer};
use sluice::registry::entities::{ContextIdEntity, SchemaEntity, SubjectVersionEntity, VersionEntity};
use sluice::schema::{SchemaGuid, SchemaId, SchemaRef, Subject};

use super::measured;

const URL: &str = "http://registry:8081/somewhere";

/// Checks the oracle, and returns `parsed` or the kind of the error.
pub(crate) fn judge(input: &[u8]) -> String {
    let (question, status, body) = match input {
        [question, high, low, body @ ..] => (*question, u16::from_be_bytes([*high, *low]), body),
        [..] => (0, 0, input),
    };
    let status = if (100..1000).contains(&status) { status } else { 200 };
    let id = SchemaId(7);
    let guid = SchemaGuid([7; 16]);
    match question % 4 {
        0 => answer::<SchemaEntity>(&Request::Schema(SchemaRef::Id(id)), status, body),
        1 => answer::<VersionEntity>(&Request::Latest(Subject("s".into())), status, body),
        2 => answer::<Vec<SubjectVersionEntity>>(&Request::Versions { id, context: None }, status, body),
        _ => answer::<Vec<ContextIdEntity>>(&Request::Ids(guid), status, body),
    }
}

fn answer<T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + Debug>(
    asked: &Request,
    status: u16,
    body: &[u8],
) -> String {
    match measured(|| read_answer::<T>(asked, URL, (status, None), body)) {
        Ok(entity) => {
            assert_eq!(status, 200, "an answer that is none");
            let written = to_vec(&entity).expect("an entity can be written");
            let again: T = serde_json::from_slice(&written).expect("what is written can be read");
            assert_eq!(again, entity);
            "parsed".to_owned()
        }
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains(URL) && !text.contains('\n') && text.len() < 1024, "{text}");
            let missing = error.kind() == Kind::NotFound;
            assert!(!missing || status == 404, "status {status} is not the registry's own 404");
            if missing {
                "not_found"
            } else if status == 200 {
                "unreadable"
            } else {
                "status"
            }
            .to_owned()
        }
    }
}
