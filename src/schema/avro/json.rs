//! Schema text to JSON, in which Java allows comments.

use serde_json::Value;

use super::error::Error;

pub(super) fn read_json(text: &str) -> Result<Value, Error> {
    serde_json::from_str(text).or_else(|error| match without_comments(text) {
        Some(plain) => serde_json::from_str(&plain).map_err(Error::Json),
        None => Err(Error::Json(error)),
    })
}

/// Blanks `/* */` and `//` comments outside strings; `None` where there are none.
fn without_comments(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['"', '/']) {
        let (before, from) = rest.split_at(at);
        plain.push_str(before);
        let length = if from.starts_with('"') {
            let length = string_length(from);
            plain.push_str(&from[..length]);
            length
        } else if from.starts_with("//") {
            from.find('\n').unwrap_or(from.len())
        } else if from.starts_with("/*") {
            plain.push(' ');
            from.find("*/").map_or(from.len(), |end| end + 2)
        } else {
            plain.push('/');
            1
        };
        rest = &from[length..];
    }
    plain.push_str(rest);
    (plain.len() != text.len()).then_some(plain)
}

/// Returns the length of the JSON string at the start of `text`, quotes included.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}
