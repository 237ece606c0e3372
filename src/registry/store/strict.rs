//! The strict look at new Avro schemas, with Apache's own library.
//!
//! What is stored already must stay usable, so the gate reads it as leniently as Java does (`schema::avro`). What
//! is to be stored anew follows the specification: names, symbols, defaults, references. The library judges that.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Content, Error, Store, Wanted};
use crate::schema::{Reference, Subject, Version};

/// How many texts a new schema may pull in by reference: far more than any real one, and quick to parse.
pub(crate) const MAX_REFERENCES: usize = 200;

/// Refuses an Avro schema that the specification does.
pub(super) fn check(store: &Store, content: &Content) -> Result<(), Error> {
    let mut texts = Vec::new();
    collect(store, &content.references, &mut HashSet::new(), &mut texts)?;
    match apache_avro::Schema::parse_str_with_list(&content.text, texts) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::InvalidSchema(format!("Invalid schema {}, details: {error}", content.text))),
    }
}

/// Collects the texts of references, each once.
fn collect(
    store: &Store,
    references: &[Reference],
    seen: &mut HashSet<(Subject, Version)>,
    texts: &mut Vec<Arc<str>>,
) -> Result<(), Error> {
    for Reference { subject, version, .. } in references {
        if !seen.insert((subject.clone(), *version)) {
            continue;
        }
        if seen.len() > MAX_REFERENCES {
            return Err(Error::InvalidSchema(format!(
                "Invalid schema, it refers to more than {MAX_REFERENCES} others"
            )));
        }
        let found = store.version(subject, Wanted::Version(*version), true)?;
        // The same type may be registered under several subjects; the library takes each name once.
        if !texts.contains(&found.content.text) {
            texts.push(Arc::clone(&found.content.text));
        }
        collect(store, &found.content.references, seen, texts)?;
    }
    Ok(())
}
