//! The fingerprint of a part of a configuration: whether it says the same, however it is written down.
//!
//! YAML or TOML, the order of keys, comments and quotes that change nothing make no difference; a substituted text counts by what was
//! put in. It tells nothing of the text itself, which may be a secret.

use sha2::{Digest as _, Sha256};

use super::raw::Node;

/// Bytes of the hash that are kept: nobody forges a mapping to be taken for another one.
const BYTES: usize = 8;

/// Returns the fingerprint in hexadecimal digits.
pub(super) fn of(node: &Node) -> String {
    let mut hash = Sha256::new();
    add(node, &mut hash);
    hash.finalize().iter().take(BYTES).map(|byte| format!("{byte:02x}")).collect()
}

/// Adds a node: its kind and its size first, so that none runs into the next.
fn add(node: &Node, hash: &mut Sha256) {
    let mut begin = |kind: u8, size: usize| {
        hash.update([kind]);
        hash.update((size as u64).to_le_bytes());
    };
    match node {
        Node::Null | Node::Mistaken => begin(b'n', 0),
        Node::Scalar(scalar) => {
            begin(if scalar.is_text { b't' } else { b'v' }, scalar.text.len());
            hash.update(&scalar.text);
        }
        Node::List(items) => {
            begin(b'l', items.len());
            items.iter().for_each(|item| add(item, hash));
        }
        Node::Table(entries) => {
            begin(b'm', entries.len());
            for (key, value) in entries {
                hash.update((key.len() as u64).to_le_bytes());
                hash.update(key);
                add(value, hash);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::error::Mistakes;
    use crate::config::raw::{self, Environment, Syntax};

    fn fingerprint(text: &str, syntax: Syntax) -> String {
        let variable = |name: &str| (name == "COUNTRY").then(|| "DE".to_owned());
        let file = |_: &std::path::Path| Err(std::io::Error::other("none"));
        let environment = Environment { variable: &variable, file: &file };
        of(&raw::parse(text, syntax, &environment, &Mistakes::default()).unwrap())
    }

    #[test]
    fn it_is_the_same_however_the_same_is_written() {
        let yaml = "m:\n  - { from: name, to: title }\n  - { to: country, constant: DE }\n";
        let same = [
            (yaml, Syntax::Yaml),
            ("m: [{to: title, from: 'name'}, {constant: \"DE\", to: country}]  # why", Syntax::Yaml),
            ("m: [{to: title, from: name}, {constant: '${env:COUNTRY}', to: country}]", Syntax::Yaml),
            ("m = [{ from = \"name\", to = \"title\" }, { to = \"country\", constant = \"DE\" }]", Syntax::Toml),
        ];
        let expected = fingerprint(yaml, Syntax::Yaml);
        assert_eq!(expected.len(), 2 * BYTES);
        for (text, syntax) in same {
            assert_eq!(fingerprint(text, syntax), expected, "{text}");
        }
    }

    #[test]
    fn it_differs_where_anything_differs() {
        let texts = [
            "m: [{to: a, constant: 1}]",
            "m: [{to: a, constant: '1'}]",
            "m: [{to: a, constant: 2}]",
            "m: [{to: b, constant: 1}]",
            "m: [{to: a, default: 1}]",
            "m: [{to: a, constant: 1}, {drop: b}]",
            "m: [{drop: b}, {to: a, constant: 1}]",
            "m: {1: [{to: a, constant: 1}]}",
            "m: {2: [{to: a, constant: 1}]}",
            "m: [{to: a, default: null}]",
            "m: [ab, c]",
            "m: [a, bc]",
            "m: [[a], b]",
            "m: [[a, b]]",
        ];
        let found: std::collections::BTreeSet<String> =
            texts.iter().map(|text| fingerprint(text, Syntax::Yaml)).collect();
        assert_eq!(found.len(), texts.len());
    }
}
