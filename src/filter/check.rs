//! What is looked at before a record is: whether all names are there, and how deep the expression nests.

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedEntryExpr, IdedExpr, LiteralValue};
use cel::{Context, Env, Program, Value};
use std::sync::Arc;

use super::functions::{NAMES, TYPES};
use super::{Mistake, NESTING, Scope, patterns};

/// The parts that have to be decoded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Needs {
    pub(super) key: bool,
    pub(super) value: bool,
}

/// Looks at all of an expression.
pub(super) fn check(text: &str, program: &Program, env: &Arc<Env>, scope: Scope) -> Result<Needs, Mistake> {
    let mut check = Check { text, program, env, scope, bound: Vec::new(), needs: Needs::default(), depth: 0 };
    check.expression(program.expression())?;
    Ok(check.needs)
}

struct Check<'p> {
    text: &'p str,
    program: &'p Program,
    env: &'p Arc<Env>,
    scope: Scope,
    /// The variables of macros around what is looked at.
    bound: Vec<&'p str>,
    needs: Needs,
    depth: usize,
}

impl<'p> Check<'p> {
    fn expression(&mut self, of: &'p IdedExpr) -> Result<(), Mistake> {
        if self.depth >= NESTING {
            return Err(self.mistake(of, format!("it nests deeper than {NESTING} levels")));
        }
        self.depth += 1;
        match &of.expr {
            Expr::Unspecified | Expr::Literal(_) => {}
            Expr::Ident(name) => self.name(of, name)?,
            Expr::Select(select) => self.expression(&select.operand)?,
            Expr::List(list) => self.all(&list.elements)?,
            Expr::Map(map) => self.entries(&map.entries)?,
            Expr::Struct(made) => {
                return Err(self.mistake(of, format!("there is no type '{}' to make", made.type_name)));
            }
            Expr::Call(call) => self.call(of, call)?,
            Expr::Comprehension(over) => {
                self.all([&over.iter_range, &over.accu_init])?;
                let outside = self.bound.len();
                self.bound.extend([&*over.iter_var, &*over.accu_var]);
                self.bound.extend(over.iter_var2.as_deref());
                self.all([&over.loop_cond, &over.loop_step, &over.result])?;
                self.bound.truncate(outside);
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn all(&mut self, of: impl IntoIterator<Item = &'p IdedExpr>) -> Result<(), Mistake> {
        of.into_iter().try_for_each(|of| self.expression(of))
    }

    fn entries(&mut self, entries: &'p [IdedEntryExpr]) -> Result<(), Mistake> {
        entries.iter().try_for_each(|entry| match &entry.expr {
            EntryExpr::MapEntry(entry) => self.all([&entry.key, &entry.value]),
            EntryExpr::StructField(field) => self.expression(&field.value),
        })
    }

    fn name(&mut self, of: &IdedExpr, name: &str) -> Result<(), Mistake> {
        let is_bound = self.bound.contains(&name);
        let name = name.strip_prefix('.').unwrap_or(name);
        if is_bound || TYPES.contains(&name) {
            return Ok(());
        }
        if self.scope.variables().all(|known| known != name) {
            let nearest = nearest(name, self.scope.variables());
            return Err(self.mistake(of, format!("there is no variable '{name}'{nearest}")));
        }
        self.needs.key |= name == "key";
        self.needs.value |= name == "value";
        Ok(())
    }

    fn call(&mut self, of: &'p IdedExpr, call: &'p CallExpr) -> Result<(), Mistake> {
        let name = &*call.func_name;
        let is_operator = !name.starts_with(|c: char| c.is_ascii_alphabetic());
        if !is_operator && !NAMES.contains(&name) {
            let nearest = nearest(name, NAMES.iter().copied());
            let all = NAMES.join(", ");
            return Err(self.mistake(of, format!("there is no function '{name}'{nearest}; there are {all}")));
        }
        self.all(call.target.as_deref().into_iter().chain(&call.args))?;
        if name == "matches" {
            call.args.last().map_or(Ok(()), |pattern| self.pattern(pattern))?;
        }
        let is_constant = |of: &IdedExpr| matches!(of.expr, Expr::Literal(_));
        if !is_operator && call.target.as_deref().is_none_or(is_constant) && call.args.iter().all(is_constant) {
            let context = Context::with_env(Arc::clone(self.env));
            if Value::resolve_val(of, &context).is_err() {
                return Err(self.mistake(of, format!("'{name}' does not take this")));
            }
        }
        Ok(())
    }

    /// A regular expression that is none would fail for each record.
    fn pattern(&self, of: &IdedExpr) -> Result<(), Mistake> {
        let Expr::Literal(LiteralValue::String(pattern)) = &of.expr else { return Ok(()) };
        match patterns::compile(pattern.inner()) {
            Ok(_) => Ok(()),
            Err(error) => {
                let error = error.to_string();
                let last = error.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                Err(self.mistake(of, format!("no regular expression: {last}")))
            }
        }
    }

    fn mistake(&self, of: &IdedExpr, detail: String) -> Mistake {
        match self.program.source_info().offset_for(of.id) {
            Some((start, _)) => {
                Mistake::at(self.text, usize::try_from(start).unwrap_or(usize::MAX), detail, self.scope)
            }
            None => Mistake::whole(detail, self.scope),
        }
    }
}

/// Asks for the nearest spelling, where one is near.
fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> String {
    let near =
        known.map(|other| (strsim::damerau_levenshtein(name, other), other)).filter(|(distance, _)| *distance <= 2);
    near.min().map(|(_, other)| format!(", did you mean '{other}'?")).unwrap_or_default()
}
