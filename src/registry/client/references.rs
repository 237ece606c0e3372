//! Fetches what a schema refers to, in the order in which it must be compiled.
//!
//! A walk in depth with a stack of its own: each schema comes after those that it needs, none comes twice,
//! one that is met while it is still open is a cycle. Depth, number and bytes are bounded.

use std::collections::HashSet;
use std::sync::Arc;

use super::error::{Error, Kind};
use super::http::Http;
use super::request::Request;
use crate::registry::entities::{DEFAULT_SCHEMA_TYPE, ReferenceEntity, SchemaEntity, VersionEntity};
use crate::schema::{Format, Reference, SchemaText, Subject, Version};

/// How deep references may nest; deep ones seen in the field have five.
pub const MAX_DEPTH: usize = 32;
/// How many schemas one may refer to, over all levels.
pub const MAX_COUNT: usize = 1_000;
/// Bytes of text of a schema and everything that it refers to: as much as one answer may have.
pub const MAX_BYTES: usize = super::http::MAX_RESPONSE_BYTES;

type Place = (Subject, Version);

/// A schema whose references are being fetched.
struct Open {
    place: Place,
    text: Arc<str>,
    references: std::vec::IntoIter<ReferenceEntity>,
}

/// Completes a schema with the texts of its references.
pub(super) async fn follow(http: &Http, asked: &Request, entity: SchemaEntity) -> Result<SchemaText, Error> {
    let schema_type = entity.schema_type.as_deref().unwrap_or(DEFAULT_SCHEMA_TYPE);
    let Some(format) = Format::from_schema_type(schema_type) else {
        return Err(Error::SchemaType { asked: asked.clone(), schema_type: schema_type.to_owned() });
    };
    let text: Arc<str> = entity.schema.into();
    // No other language is compiled so far, so its references would be fetched for nothing.
    let references = if format == Format::Avro { entity.references.unwrap_or_default() } else { Vec::new() };
    let mut walk =
        Walk { http, asked, texts: Vec::new(), distinct: HashSet::new(), seen: HashSet::new(), bytes: text.len() };
    walk.run(references).await?;
    Ok(SchemaText { format, text, references: walk.texts })
}

struct Walk<'a> {
    http: &'a Http,
    asked: &'a Request,
    /// Texts in the order in which they must be compiled.
    texts: Vec<Arc<str>>,
    distinct: HashSet<Arc<str>>,
    seen: HashSet<Place>,
    bytes: usize,
}

impl Walk<'_> {
    async fn run(&mut self, references: Vec<ReferenceEntity>) -> Result<(), Error> {
        let mut root = references.into_iter();
        let mut open: Vec<Open> = Vec::new();
        loop {
            let next = match open.last_mut() {
                Some(last) => last.references.next(),
                None => root.next(),
            };
            match next {
                Some(reference) => open.extend(self.enter(reference.into(), &open).await?),
                None => match open.pop() {
                    Some(done) => self.close(done.text),
                    None => return Ok(()),
                },
            }
        }
    }

    /// Fetches a schema unless it is there already.
    async fn enter(&mut self, reference: Reference, open: &[Open]) -> Result<Option<Open>, Error> {
        let place = (reference.subject, reference.version);
        if open.iter().any(|open| open.place == place) {
            return Err(self.refuse(format!("form a cycle at version {} of subject '{}'", place.1, place.0)));
        }
        if !self.seen.insert(place.clone()) {
            return Ok(None);
        }
        if open.len() == MAX_DEPTH {
            return Err(self.refuse(format!("nest deeper than {MAX_DEPTH}")));
        }
        if self.seen.len() > MAX_COUNT {
            return Err(self.refuse(format!("are more than {MAX_COUNT}")));
        }
        let entity = self.fetch(&place).await?;
        self.bytes += entity.schema.len();
        if self.bytes > MAX_BYTES {
            return Err(self.refuse(format!("have more than {MAX_BYTES} bytes of text")));
        }
        let references = entity.references.unwrap_or_default().into_iter();
        Ok(Some(Open { place, text: entity.schema.into(), references }))
    }

    async fn fetch(&self, (subject, version): &Place) -> Result<SchemaEntity, Error> {
        let asked = Request::Version(subject.clone(), *version);
        match self.http.get::<VersionEntity>(&asked).await {
            Ok(entity) => Ok(entity.schema),
            Err(error) if error.kind() == Kind::NotFound => {
                Err(Error::MissingReference { asked: self.asked.clone(), subject: subject.clone(), version: *version })
            }
            Err(error) => Err(error),
        }
    }

    /// Takes a schema whose references are all there; two subjects may hold the same text.
    fn close(&mut self, text: Arc<str>) {
        if self.distinct.insert(Arc::clone(&text)) {
            self.texts.push(text);
        }
    }

    fn refuse(&self, reason: String) -> Error {
        Error::References { asked: self.asked.clone(), reason }
    }
}
