//! Paths to fields, as a mapping names them: `order.items[].price`, `attributes{}.unit`, and `.` for the whole.
//!
//! `[]` stands for every item of an array, `{}` for every value of a map. A union is no step of a path: a nullable field is
//! passed through, and what leads through a null is absent.

use std::fmt;

/// Steps of a path: data nest 64 levels at most.
pub const PATH_DEPTH: usize = 64;

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Segment {
    Field(Box<str>),
    Items,
    Values,
}

/// A path, from the root of a record's key or value.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(pub(super) Vec<Segment>);

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// What is wrong with it, without the text itself.
    pub fn parse(text: &str) -> Result<Self, String> {
        const FORM: &str = "is no path; give names with dots between, `[]` for the items of an array, `{}` for the values of \
                            a map, as items[].price, or `.` for the whole";
        if text == "." {
            return Ok(Self::default());
        }
        let mut segments = Vec::new();
        for (index, part) in text.split('.').enumerate() {
            let end = part.find(['[', '{']).unwrap_or(part.len());
            let (name, mut brackets) = part.split_at(end);
            // A root that is an array has no name before its brackets.
            if name.contains([']', '}', ' ']) || (name.is_empty() && (index > 0 || brackets.is_empty())) {
                return Err(FORM.to_owned());
            }
            segments.extend((!name.is_empty()).then(|| Segment::Field(name.into())));
            while !brackets.is_empty() {
                let (segment, rest) = match (brackets.strip_prefix("[]"), brackets.strip_prefix("{}")) {
                    (Some(rest), _) => (Segment::Items, rest),
                    (_, Some(rest)) => (Segment::Values, rest),
                    (None, None) => return Err(FORM.to_owned()),
                };
                segments.push(segment);
                brackets = rest;
            }
            if segments.len() > PATH_DEPTH {
                return Err(format!("has more than {PATH_DEPTH} steps"));
            }
        }
        Ok(Self(segments))
    }

    /// Tells whether this path is `other` or leads to what is above it.
    pub(super) fn leads_to(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }

    /// Returns the path with one step more.
    pub(super) fn with(&self, segment: Segment) -> Self {
        let mut longer = self.clone();
        longer.0.push(segment);
        longer
    }

    /// Returns the places behind each `[]` and `{}`.
    pub(super) fn levels(&self) -> impl Iterator<Item = usize> {
        let places = self.0.iter().enumerate();
        places.filter(|(_, segment)| !matches!(segment, Segment::Field(_))).map(|(index, _)| index + 1)
    }

    /// Returns the begin of the path.
    pub(super) fn first(&self, length: usize) -> Self {
        Self(self.0[..length].to_vec())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(".");
        }
        for (index, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Field(name) if index > 0 => write!(f, ".{name}")?,
                Segment::Field(name) => f.write_str(name)?,
                Segment::Items => f.write_str("[]")?,
                Segment::Values => f.write_str("{}")?,
            }
        }
        Ok(())
    }
}
