//! Names made from the groups of a source pattern: `$1.validated`.
//!
//! A dollar sign and digits, or `${1}` where a digit follows, stand for a group of the gate's source pattern. Every other
//! text stands for itself. (Regex crates read `$1_x` as the group named `1_x`; in topic names that surprise is common.)

use std::fmt;

use regex::Captures;

/// A name with places for the groups of a pattern.
#[derive(Clone, PartialEq, Eq)]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Group(usize),
}

impl Template {
    /// Reads a template. Every text is one: a dollar sign without a number stands for itself.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            literal.push_str(&rest[..at]);
            match group(&rest[at + 1..]) {
                Some((number, length)) => {
                    if !literal.is_empty() {
                        parts.push(Part::Literal(std::mem::take(&mut literal)));
                    }
                    parts.push(Part::Group(number));
                    rest = &rest[at + 1 + length..];
                }
                None => {
                    literal.push('$');
                    rest = &rest[at + 1..];
                }
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Self { text: text.to_owned(), parts }
    }

    /// Returns the template as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the template with more text at its end.
    #[must_use]
    pub fn with_suffix(&self, suffix: &str) -> Self {
        Self::new(&format!("{}{suffix}", self.text))
    }

    /// Returns the highest group that the template names; `None` if it names none.
    #[must_use]
    pub fn highest_group(&self) -> Option<usize> {
        self.parts.iter().filter_map(Part::group).max()
    }

    /// Returns the template with a letter for each group, to judge the characters around them.
    pub(super) fn example(&self) -> String {
        self.fill(|_| "x")
    }

    /// Returns the name for these groups; a group that took no part in the match is the empty text.
    #[must_use]
    pub fn expand(&self, groups: Option<&Captures<'_>>) -> String {
        self.fill(|number| groups.and_then(|groups| groups.get(number)).map_or("", |group| group.as_str()))
    }

    fn fill<'t>(&'t self, group: impl Fn(usize) -> &'t str) -> String {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Literal(text) => text,
                Part::Group(number) => group(*number),
            })
            .collect()
    }
}

impl Part {
    fn group(&self) -> Option<usize> {
        match self {
            Self::Group(number) => Some(*number),
            Self::Literal(_) => None,
        }
    }
}

/// Reads `1` or `{1}` and returns the number with the length of its text.
fn group(text: &str) -> Option<(usize, usize)> {
    let braced = text.strip_prefix('{');
    let digits = braced.unwrap_or(text);
    let length = digits.bytes().take_while(u8::is_ascii_digit).count();
    let number = digits[..length].parse().ok()?;
    match braced {
        None => Some((number, length)),
        Some(text) => text[length..].starts_with('}').then_some((number, length + 2)),
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;

    #[test]
    fn groups_are_replaced_and_all_else_stands_for_itself() {
        let pattern = Regex::new(r"^(\w+)\.(\w+)?\.?raw$").unwrap();
        let groups = pattern.captures("shop.orders.raw");
        let cases = [
            ("orders", "orders"),
            ("$1", "shop"),
            ("$2.$1.ok", "orders.shop.ok"),
            ("$1_v2", "shop_v2"),
            ("${1}2", "shop2"),
            ("$0", "shop.orders.raw"),
            ("a$", "a$"),
            ("$x", "$x"),
            ("${1", "${1"),
            ("", ""),
        ];
        for (template, name) in cases {
            assert_eq!(Template::new(template).expand(groups.as_ref()), name, "{template}");
        }
        assert_eq!(Template::new("$1.$2").expand(pattern.captures("shop.raw").as_ref()), "shop.");
    }

    #[test]
    fn the_highest_group_is_found() {
        let cases = [("orders", None), ("$1", Some(1)), ("$3.$2", Some(3)), ("${12}", Some(12)), ("$", None)];
        for (template, group) in cases {
            assert_eq!(Template::new(template).highest_group(), group, "{template}");
        }
    }
}
