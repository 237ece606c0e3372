//! What a request needs: a right, and where.

use std::fmt;

use axum::http::Method;
use percent_encoding::percent_decode_str;

use crate::config::{Grant, Right};
use crate::registry::store::names;
use crate::schema::Subject;

/// Where a right is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// For one subject, or a scope, by the one name that it has.
    Subject(Subject),
    /// For anything at all.
    Anything,
    /// Everywhere.
    Everything,
}

/// What a request needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Need {
    pub(super) right: Right,
    place: Place,
}

impl Need {
    /// Reads it off a path in its one form.
    pub(super) fn of(method: &Method, path: &str) -> Self {
        let segments: Vec<_> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let named = |name: &str| match names::normalised(&percent_decode_str(name).decode_utf8_lossy()) {
            // The default context without a subject is that of all.
            Subject(name) if name.is_empty() => Place::Everything,
            subject => Place::Subject(subject),
        };
        let is_read = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        let right = |otherwise| if is_read { Right::Read } else { otherwise };
        let (right, place) = match segments.as_slice() {
            ["subjects"] | ["schemas"] | ["contexts"] => (right(Right::Admin), Place::Everything),
            // To look a schema up is sent with POST for its body.
            ["subjects", subject] if *method == Method::POST => (Right::Read, named(subject)),
            ["subjects", subject, ..] if *method == Method::DELETE => (Right::Delete, named(subject)),
            ["subjects", subject, ..] => (right(Right::Write), named(subject)),
            ["compatibility", "subjects", subject, ..] => (Right::Read, named(subject)),
            ["config" | "mode"] if is_read => (Right::Read, Place::Anything),
            ["config" | "mode", scope] => (right(Right::Admin), named(scope)),
            ["config" | "mode" | "contexts", ..] => (right(Right::Admin), Place::Everything),
            _ => (Right::Read, Place::Anything),
        };
        Self { right, place }
    }

    /// Tells whether a grant is enough.
    pub(super) fn is_met_by(&self, grant: &Grant) -> bool {
        let has = |right| grant.rights.contains(&right);
        let has_right = match self.right {
            Right::Read => !grant.rights.is_empty(),
            right @ (Right::Write | Right::Delete | Right::Admin) => has(right) || has(Right::Admin),
        };
        let is_there = match &self.place {
            Place::Anything => true,
            Place::Everything => grant.prefix.is_empty() && grant.context.is_none(),
            Place::Subject(subject) => {
                let (context, name) = names::parts(&subject.0);
                grant.context.as_deref().is_none_or(|granted| granted == context) && name.starts_with(&grant.prefix)
            }
        };
        has_right && is_there
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "User is denied operation {:?} on ", self.right)?;
        match &self.place {
            Place::Subject(subject) => write!(f, "Subject: {subject}"),
            Place::Anything | Place::Everything => f.write_str("this registry"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_needs_its_right() {
        let orders = Grant { rights: vec![Right::Write], prefix: "orders-".into(), context: Some(".".into()) };
        let reader = Grant { rights: vec![Right::Read], prefix: String::new(), context: None };
        let remover = Grant { rights: vec![Right::Delete], prefix: String::new(), context: Some(".eu".into()) };
        let admin = Grant { rights: vec![Right::Admin], prefix: String::new(), context: None };
        let grants = [&orders, &reader, &remover, &admin];
        let (get, post, put, delete) = (Method::GET, Method::POST, Method::PUT, Method::DELETE);
        for (method, path, who) in [
            (&get, "/subjects/orders-value/versions/1", [true, true, false, true]),
            (&get, "/subjects/bills/versions/1", [false, true, false, true]),
            (&get, "/subjects/:.eu:bills/versions/1", [false, true, true, true]),
            (&post, "/subjects/orders-value/versions", [true, false, false, true]),
            (&post, "/subjects/bills/versions", [false, false, false, true]),
            (&post, "/subjects/:.eu:orders-value/versions", [false, false, false, true]),
            (&post, "/subjects/%6Frders-value/versions", [true, false, false, true]),
            (&post, "/subjects/orders-value", [true, true, false, true]),
            (&post, "/compatibility/subjects/orders-x/versions", [true, true, false, true]),
            (&delete, "/subjects/orders-value", [false, false, false, true]),
            (&delete, "/subjects/:.eu:a/versions/1", [false, false, true, true]),
            (&get, "/subjects", [false, true, false, true]),
            (&get, "/schemas", [false, true, false, true]),
            (&get, "/schemas/ids/1", [true, true, true, true]),
            (&get, "/config", [true, true, true, true]),
            (&put, "/config", [false, false, false, true]),
            (&put, "/config/orders-value", [false, false, false, true]),
            (&delete, "/mode/:.eu:a", [false, false, false, true]),
            (&delete, "/contexts/.eu", [false, false, false, true]),
            // However often the default context is named, it is another one that counts.
            (&post, "/subjects/:.::.:orders-value/versions", [true, false, false, true]),
            (&post, "/subjects/:.::.eu:orders-value/versions", [false, false, false, true]),
            (&delete, "/subjects/:.::.eu:a", [false, false, true, true]),
            (&get, "/subjects/:.::.eu:orders-value/versions/1", [false, true, true, true]),
        ] {
            let need = Need::of(method, path);
            let met = grants.map(|grant| need.is_met_by(grant));
            assert_eq!(met, who, "{method} {path}: {need}");
        }
    }

    /// Settings reach further than their names say, however they are put.
    #[test]
    fn settings_of_all_need_more_than_a_context() {
        let grant = |context: Option<&str>| Grant {
            rights: vec![Right::Admin],
            prefix: String::new(),
            context: context.map(str::to_owned),
        };
        let grants = [grant(Some(".")), grant(Some(".eu")), grant(None)];
        for (path, who) in [
            ("/config/orders", [true, false, true]),
            ("/config/:.eu:", [false, true, true]),
            ("/config/:.eu", [false, true, true]),
            ("/config", [false, false, true]),
            ("/config/:.:", [false, false, true]),
            ("/mode/:.::.:", [false, false, true]),
            ("/mode/:.::.__GLOBAL:", [false, false, true]),
        ] {
            let need = Need::of(&Method::PUT, path);
            let met = [0, 1, 2].map(|number| need.is_met_by(&grants[number]));
            assert_eq!(met, who, "{path}: {need}");
        }
    }
}
