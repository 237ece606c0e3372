//! A record as a line of JSON. Its parts are JSON already, so the line is put together by hand.

use serde_json::{Value as Json, json};

use super::codecs::{Codecs, Undecoded};
use crate::convert::value::json;
use crate::record::{Header, Part, Record, Value};

/// Bytes of an undecodable part that are shown.
pub const SHOWN: usize = 256;

/// Makes lines.
#[derive(Debug)]
pub struct Line<'c> {
    /// What decodes.
    pub codecs: &'c mut Codecs,
}

impl Line<'_> {
    /// Appends the line of a record.
    pub async fn write(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        let position = record.position;
        let topic = Json::from(position.topic);
        out.extend(
            format!(r#"{{"topic":{topic},"partition":{},"offset":{}"#, position.partition, position.offset).bytes(),
        );
        if let Some(timestamp) = record.timestamp {
            out.extend(format!(r#","timestamp":{timestamp}"#).bytes());
        }
        self.part((Part::Key, record.key), record.headers, out).await;
        let value = match record.value {
            Value::Bytes(bytes) => Some(bytes),
            Value::Tombstone => None,
        };
        self.part((Part::Value, value), record.headers, out).await;
        if !record.headers.is_empty() {
            out.extend(format!(r#","headers":{}"#, Json::Array(record.headers.iter().map(header).collect())).bytes());
        }
        out.extend_from_slice(b"}\n");
    }

    async fn part(&mut self, (part, bytes): (Part, Option<&[u8]>), headers: &[Header<'_>], out: &mut Vec<u8>) {
        let Some(bytes) = bytes else {
            out.extend(format!(r#","{part}":null"#).bytes());
            return;
        };
        let start = out.len();
        match self.codecs.decode((part, bytes), headers).await {
            Ok((schema, value, codec)) => {
                out.extend(format!(r#","{part}":"#).bytes());
                if json::write(&value, codec, out).is_ok() {
                    out.extend(format!(r#","{part}_schema":{}"#, Json::from(schema.to_string())).bytes());
                    return;
                }
                out.truncate(start);
            }
            // Keys are plain text more often than not.
            Err(undecoded) if undecoded.schema.is_none() && part == Part::Key && std::str::from_utf8(bytes).is_ok() => {
                let text = Json::from(String::from_utf8_lossy(bytes));
                out.extend(format!(r#","key":{text}"#).bytes());
            }
            Err(error) => undecoded((part, bytes), &error, out),
        }
    }
}

fn undecoded((part, bytes): (Part, &[u8]), error: &Undecoded, out: &mut Vec<u8>) {
    let shown = &bytes[..bytes.len().min(SHOWN)];
    let told = json!({
        "reason": error.reason, "path": error.path, "detail": error.detail,
        "bytes": bytes.len(), "hex": hex(shown),
    });
    out.extend(format!(r#","{part}_error":{told}"#).bytes());
    if let Some(schema) = error.schema {
        out.extend(format!(r#","{part}_schema":{}"#, Json::from(schema.to_string())).bytes());
    }
}

fn header(header: &Header<'_>) -> Json {
    match header.value.map(|value| (std::str::from_utf8(value), value)) {
        None => json!({ "name": header.name, "value": null }),
        Some((Ok(text), _)) => json!({ "name": header.name, "value": text }),
        Some((Err(_), value)) => json!({ "name": header.name, "hex": hex(&value[..value.len().min(SHOWN)]) }),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
