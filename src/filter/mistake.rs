//! Why an expression is refused: where, what, and what there is to use.

use std::fmt;

use cel::ParseErrors;

use super::Scope;

/// What is wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    place: Option<Place>,
    /// What is wrong there.
    pub detail: String,
    scope: Scope,
}

/// A character of the expression.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    /// From 1 on; one where the text has no other line.
    line: Option<usize>,
    /// From 1 on.
    column: usize,
    /// That line.
    text: String,
}

impl Mistake {
    /// About the expression as a whole.
    pub(super) fn whole(detail: impl Into<String>, scope: Scope) -> Self {
        Self { place: None, detail: detail.into(), scope }
    }

    /// About the character with this number, from 0 on.
    pub(super) fn at(text: &str, character: usize, detail: impl Into<String>, scope: Scope) -> Self {
        let before: String = text.chars().take(character).collect();
        let (line, column) =
            (before.matches('\n').count() + 1, before.chars().rev().take_while(|&c| c != '\n').count());
        Self { place: Some(Place::new(text, line, column + 1)), detail: detail.into(), scope }
    }

    /// The first thing that the parser says.
    pub(super) fn parsing(text: &str, errors: &ParseErrors, scope: Scope) -> Self {
        let Some(first) = errors.errors.first() else { return Self::whole("it is no expression of CEL", scope) };
        let place = usize::try_from(first.pos.0).ok().zip(usize::try_from(first.pos.1).ok());
        let place = place.filter(|(line, column)| *line > 0 && *column > 0);
        let place = place.map(|(line, column)| Place::new(text, line, column));
        Self { place, detail: plain(&first.msg), scope }
    }
}

impl Place {
    fn new(text: &str, line: usize, column: usize) -> Self {
        let lines: Vec<&str> = text.lines().collect();
        let shown = lines.get(line - 1).copied().unwrap_or_default().to_owned();
        Self { line: (lines.len() > 1).then_some(line), column, text: shown }
    }
}

/// Says what the parser says without its own terms.
fn plain(told: &str) -> String {
    if told.contains("Recursion limit") {
        return "it nests too deep".to_owned();
    }
    let told = told.strip_prefix("Syntax error: ").unwrap_or(told);
    let told = told.split(" expecting ").next().unwrap_or(told).replace("'<EOF>'", "the end");
    match told.strip_prefix("token recognition error at: '").and_then(|rest| rest.chars().next()) {
        Some('=') => "'=' is no operator: '==' is".to_owned(),
        Some('&') => "'&' is no operator: '&&' is".to_owned(),
        Some('|') => "'|' is no operator: '||' is".to_owned(),
        Some('\'' | '"') => "a text that does not end, or with an escape that there is not".to_owned(),
        Some(other) => format!("'{other}' cannot stand here"),
        None if told.starts_with("mismatched input the end") => "it ends too early".to_owned(),
        None => told,
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, detail, scope } = self;
        match place {
            Some(Place { line: Some(line), column, .. }) => write!(f, "line {line}, column {column}: {detail}")?,
            Some(Place { line: None, column, .. }) => write!(f, "column {column}: {detail}")?,
            None => write!(f, "{detail}")?,
        }
        if let Some(Place { column, text, .. }) = place {
            write!(f, "\n  {text}\n  {:>column$}", '^')?;
        }
        write!(f, "\nvariables: {}", scope.variables().collect::<Vec<_>>().join(", "))
    }
}

impl std::error::Error for Mistake {}
