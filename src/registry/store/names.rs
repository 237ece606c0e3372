//! Subjects and the contexts they are in.
//!
//! A subject `:.ctx:name` is in the context `.ctx`, any other in the default one, `.`. Each context counts IDs by itself.
//! Settings may be made for a subject, for a context (`:.ctx:`), for all subjects (no name) and for all contexts
//! (`:.__GLOBAL:`). `:*:` means all contexts where subjects are listed.

use crate::schema::Subject;

/// The context of subjects that name none.
pub const DEFAULT_CONTEXT: &str = ".";

/// The context whose settings hold for all.
pub const GLOBAL_CONTEXT: &str = ".__GLOBAL";

/// What stands for all contexts where subjects are listed; no subject can be in it.
const WILDCARD: &str = "*";

/// Names that Confluent keeps for itself.
const RESERVED: [&str; 2] = ["__GLOBAL", "__EMPTY"];

/// The longest name of a subject: it is part of a record's key, and of every answer.
pub const SUBJECT_BYTES: usize = 1_024;

/// Returns the context that a subject's name says it is in.
#[must_use]
pub fn context_of(subject: &Subject) -> &str {
    parts(&subject.0).0
}

/// Splits a name into its context and what it is called there. A context without a second colon is one all the same.
pub(crate) fn parts(name: &str) -> (&str, &str) {
    let Some(rest) = name.strip_prefix(':') else { return (DEFAULT_CONTEXT, name) };
    if let Some(short) = rest.strip_prefix("*:") {
        return (WILDCARD, short);
    }
    if !rest.starts_with('.') {
        return (DEFAULT_CONTEXT, name);
    }
    rest.split_once(':').unwrap_or((rest, ""))
}

/// Returns the subject of this name in a context; one that names its context stays there.
#[must_use]
pub fn qualified(context: &str, name: &str) -> Subject {
    if name.starts_with(":.") || name.starts_with(":*:") { normalised(name) } else { within(context, name) }
}

/// Returns the subject that is called so in a context.
pub(super) fn within(context: &str, short: &str) -> Subject {
    if context == DEFAULT_CONTEXT {
        return Subject(short.into());
    }
    Subject(format!(":{context}:{short}").into())
}

/// Brings a name into its one form: the default context is not named, however often it was, and others end with a colon.
/// Whatever decides by a name must have it in this form, or there would be several names for one subject.
#[must_use]
pub fn normalised(name: &str) -> Subject {
    let mut name = name;
    loop {
        match parts(name) {
            (DEFAULT_CONTEXT, short) if short.len() < name.len() => name = short,
            (DEFAULT_CONTEXT, short) => return Subject(short.into()),
            (context, short) => return within(context, short),
        }
    }
}

/// Tells whether a name can be that of a subject.
pub(super) fn is_subject(subject: &Subject) -> bool {
    let (context, name) = parts(&subject.0);
    is_scope(subject) && !name.is_empty() && context != GLOBAL_CONTEXT
}

/// Tells whether settings can be made for it: a subject, or a whole context.
pub(super) fn is_scope(subject: &Subject) -> bool {
    let (context, name) = parts(&subject.0);
    !subject.0.is_empty()
        && subject.0.len() <= SUBJECT_BYTES
        && !subject.0.chars().any(char::is_control)
        && !RESERVED.contains(&name)
        && is_context(context)
}

/// Tells whether a name can be that of a context.
#[must_use]
pub fn is_context(name: &str) -> bool {
    name.starts_with('.') && !name.contains(':') && !name.chars().any(char::is_control)
}

/// Returns the scopes whose settings hold for a subject or context, the closest first; `None` is that of all subjects.
pub(super) fn scopes(subject: Option<&Subject>) -> impl Iterator<Item = Option<Subject>> {
    let own = subject.cloned();
    let context = subject.map_or(DEFAULT_CONTEXT, context_of);
    let around = if context == DEFAULT_CONTEXT { None } else { Some(Subject(format!(":{context}:").into())) };
    let is_new = own.is_some() && own != around;
    let global = Some(Subject(format!(":{GLOBAL_CONTEXT}:").into()));
    own.filter(|_| is_new).map(Some).into_iter().chain([around, global])
}

/// A part of the subjects: those whose names begin so, in one context or in all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix {
    context: Option<String>,
    name: String,
    is_whole: bool,
}

impl Prefix {
    /// Reads a prefix: `:*:` is that of all contexts, and no context means the default one.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let (context, name) = parts(text);
        let context = (context != WILDCARD).then(|| context.to_owned());
        Self { context, name: name.to_owned(), is_whole: false }
    }

    /// Returns the subjects of a scope: one, or all of a context.
    pub(super) fn of_scope(scope: &Subject) -> Self {
        let prefix = Self::new(&scope.0);
        Self { is_whole: !prefix.name.is_empty(), ..prefix }
    }

    /// Tells whether a context may have subjects of it.
    #[must_use]
    pub fn reaches(&self, context: &str) -> bool {
        self.context.as_deref().is_none_or(|wanted| wanted == context)
    }

    /// Tells whether a subject is one of them.
    #[must_use]
    pub fn matches(&self, subject: &Subject) -> bool {
        let (context, name) = parts(&subject.0);
        self.reaches(context) && if self.is_whole { name == self.name } else { name.starts_with(&self.name) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(name: &str) -> Subject {
        Subject(name.into())
    }

    #[test]
    fn names_say_their_contexts() {
        for (name, expected) in [
            ("orders", (".", "orders")),
            (":.eu:orders", (".eu", "orders")),
            (":.eu:", (".eu", "")),
            (":eu:orders", (".", ":eu:orders")),
            (":.:orders", (".", "orders")),
            ("a:b", (".", "a:b")),
            (":.eu", (".eu", "")),
            (":.", (".", "")),
            (":*:orders", ("*", "orders")),
            (":*", (".", ":*")),
        ] {
            assert_eq!(parts(name), expected, "{name}");
        }
        assert_eq!(qualified(".eu", "orders"), subject(":.eu:orders"));
        assert_eq!(qualified(".eu", ":.us:orders"), subject(":.us:orders"));
        assert_eq!(qualified(".", "orders"), subject("orders"));
        assert_eq!(qualified(".eu", ":.:orders"), subject("orders"));
    }

    #[test]
    fn a_subject_has_one_name() {
        for (name, expected) in [
            ("orders", "orders"),
            (":.:orders", "orders"),
            (":.::.:orders", "orders"),
            (":.::.::.:orders", "orders"),
            (":.::.eu:orders", ":.eu:orders"),
            (":.::.__GLOBAL:", ":.__GLOBAL:"),
            (":.:", ""),
            (":.", ""),
            (":.eu", ":.eu:"),
            (":.eu::.:orders", ":.eu::.:orders"),
        ] {
            assert_eq!(normalised(name), subject(expected), "{name}");
            assert_eq!(normalised(expected), subject(expected), "{name}");
        }
    }

    #[test]
    fn what_cannot_be_a_subject_is_known() {
        for name in ["orders", ":.eu:orders", "a b", "é"] {
            assert!(is_subject(&subject(name)), "{name}");
        }
        for name in ["", "a\nb", "__GLOBAL", "__EMPTY", ":.eu:__EMPTY", ":.eu:", ":.eu", ":*:x", ":.__GLOBAL:x"] {
            assert!(!is_subject(&subject(name)), "{name}");
        }
        assert!(is_scope(&subject(":.eu:")));
        assert!(!is_subject(&subject(&"x".repeat(SUBJECT_BYTES + 1))));
    }

    #[test]
    fn settings_are_looked_for_from_the_inside_out() {
        let named = |name: Option<&str>| -> Vec<_> {
            let own = name.map(subject);
            scopes(own.as_ref()).map(|scope| scope.map(|scope| scope.0.to_string())).collect()
        };
        let some = |name: &str| Some(name.to_owned());
        assert_eq!(named(Some("orders")), [some("orders"), None, some(":.__GLOBAL:")]);
        assert_eq!(named(Some(":.eu:orders")), [some(":.eu:orders"), some(":.eu:"), some(":.__GLOBAL:")]);
        assert_eq!(named(Some(":.eu:")), [some(":.eu:"), some(":.__GLOBAL:")]);
        assert_eq!(named(None), [None, some(":.__GLOBAL:")]);
    }

    #[test]
    fn prefixes_are_of_one_context_or_of_all() {
        let matches = |prefix, name| Prefix::new(prefix).matches(&subject(name));
        assert!(matches("", "orders") && !matches("", ":.eu:orders"));
        assert!(matches(":*:", "orders") && matches(":*:or", ":.eu:orders") && !matches(":*:x", "orders"));
        assert!(matches(":.eu:", ":.eu:orders") && !matches(":.eu:", "orders"));
    }
}
