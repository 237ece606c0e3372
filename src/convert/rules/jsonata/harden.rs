//! Rewrites an expression so that it can be bounded.
//!
//! A guard stands wherever a value comes to stand more than once (what is bound to a variable, put into an object or
//! array, handed to a function, or made anew for each item of a path), so that no value grows unseen; and wherever a
//! value is looked into. What the language says is not changed by a guard: it hands on what it gets.

use std::collections::HashSet;

use jsonata_core::ast::{AstNode, BinaryOp, PathStep, Stage, UnaryOp};
use jsonata_core::functions;

use super::super::limits::{EXPRESSION_NESTING, PICTURE_BYTES, REGEX_BYTES};
use super::builtins::{self, Builtin};
use super::guard::{CHARGE, Use};

/// Rewrites an expression.
///
/// # Errors
/// What in it cannot be bounded, or is not there.
pub(super) fn harden(ast: AstNode) -> Result<AstNode, String> {
    Hardener { bound: HashSet::new(), level: 0, temporaries: 0 }.node(ast)
}

type Hard = Result<AstNode, String>;

struct Hardener {
    /// The variables that the expression binds, so far.
    bound: HashSet<String>,
    level: usize,
    temporaries: usize,
}

impl Hardener {
    fn node(&mut self, node: AstNode) -> Hard {
        self.level += 1;
        if self.level > 2 * EXPRESSION_NESTING {
            return Err(format!("the expression nests deeper than {EXPRESSION_NESTING} levels"));
        }
        let node = self.any(node);
        self.level -= 1;
        node
    }

    fn any(&mut self, node: AstNode) -> Hard {
        match node {
            AstNode::Regex { pattern, flags } => regex(pattern, flags),
            AstNode::Variable(name) => self.variable(name),
            AstNode::Path { steps } => self.path(steps),
            AstNode::Binary { op, lhs, rhs } => self.binary(op, *lhs, *rhs),
            AstNode::Unary { op, operand } => self.unary(op, *operand),
            AstNode::Function { name, args, is_builtin } => self.function(name, args, is_builtin),
            AstNode::Call { procedure, args } => {
                let procedure = Box::new(self.node(*procedure)?);
                Ok(AstNode::Call { procedure, args: self.all(args, Use::Carry)? })
            }
            AstNode::Lambda { params, body, signature, thunk } => {
                self.bound.extend(params.iter().cloned());
                Ok(AstNode::Lambda { params, body: Box::new(self.node(*body)?), signature, thunk })
            }
            AstNode::Array(items) => Ok(AstNode::Array(self.all(items, Use::Carry)?)),
            AstNode::ArrayGroup(items) => Ok(AstNode::ArrayGroup(self.all(items, Use::Carry)?)),
            AstNode::Object(pairs) => Ok(AstNode::Object(self.pairs(pairs)?)),
            AstNode::ObjectTransform { input, pattern } => {
                let input = Box::new(self.node(*input)?);
                Ok(AstNode::ObjectTransform { input, pattern: self.pairs(pattern)? })
            }
            AstNode::Block(nodes) => {
                Ok(AstNode::Block(nodes.into_iter().map(|node| self.node(node)).collect::<Result<_, _>>()?))
            }
            AstNode::Conditional { condition, then_branch, else_branch } => Ok(AstNode::Conditional {
                condition: Box::new(self.used(*condition, Use::Truth)?),
                then_branch: Box::new(self.node(*then_branch)?),
                else_branch: else_branch.map(|branch| self.node(*branch)).transpose()?.map(Box::new),
            }),
            AstNode::FunctionApplication(inner) => {
                Ok(AstNode::FunctionApplication(Box::new(self.used(*inner, Use::Carry)?)))
            }
            AstNode::Sort { input, terms } => self.sort(*input, terms),
            AstNode::Transform { location, update, delete } => Ok(AstNode::Transform {
                location: Box::new(self.node(*location)?),
                update: Box::new(self.node(*update)?),
                delete: delete.map(|delete| self.used(*delete, Use::Inspect)).transpose()?.map(Box::new),
            }),
            AstNode::Descendant => Err("the operator ** cannot be bounded: name the way".into()),
            AstNode::Parent(_) => Err("the operator % is not supported: bind the parent to a variable".into()),
            AstNode::Placeholder => Err("partial application is supported for arguments of functions only".into()),
            node @ (AstNode::String(_)
            | AstNode::Name(_)
            | AstNode::Number(_)
            | AstNode::Boolean(_)
            | AstNode::Null
            | AstNode::Undefined
            | AstNode::ParentVariable(_)
            | AstNode::Wildcard) => Ok(node),
        }
    }

    /// Hardens an expression and guards its result.
    fn used(&mut self, node: AstNode, of: Use) -> Hard {
        Ok(guarded(self.node(node)?, of))
    }

    fn all(&mut self, nodes: Vec<AstNode>, of: Use) -> Result<Vec<AstNode>, String> {
        nodes.into_iter().map(|node| self.used(node, of)).collect()
    }

    fn pairs(&mut self, pairs: Vec<(AstNode, AstNode)>) -> Result<Vec<(AstNode, AstNode)>, String> {
        let mut pair = |(key, value)| Ok((self.used(key, Use::Inspect)?, self.used(value, Use::Carry)?));
        pairs.into_iter().map(&mut pair).collect()
    }

    /// A function that is passed as a value would get its arguments unseen.
    fn variable(&self, name: String) -> Hard {
        let is_function = builtins::find(&name).is_some() || builtins::refused(&name).is_some();
        if is_function && !self.bound.contains(&name) {
            return Err(format!("${name} is passed as a value: write function($v) {{ ${name}($v) }}"));
        }
        Ok(AstNode::Variable(name))
    }

    fn path(&mut self, steps: Vec<PathStep>) -> Hard {
        let step = |(index, step): (usize, PathStep)| {
            let PathStep { node, stages, focus, index_var, ancestor_label, is_tuple, inner_tuple, .. } = step;
            if focus.is_some() || index_var.is_some() || ancestor_label.is_some() || is_tuple || inner_tuple {
                return Err("the operators @, # and % are not supported: bind a variable".to_owned());
            }
            let node = self.node(node)?;
            let node = match node {
                node @ (AstNode::Variable(_) | AstNode::ParentVariable(_)) if index > 0 => {
                    AstNode::FunctionApplication(Box::new(call(Use::Carry, node)))
                }
                node @ (AstNode::Function { .. } | AstNode::Block(_) | AstNode::Conditional { .. }) => {
                    guarded(node, Use::Carry)
                }
                node => node,
            };
            let stages = stages.into_iter().map(|stage| self.stage(stage)).collect::<Result<_, _>>()?;
            Ok(PathStep::with_stages(node, stages))
        };
        Ok(AstNode::Path { steps: steps.into_iter().enumerate().map(step).collect::<Result<_, _>>()? })
    }

    fn stage(&mut self, stage: Stage) -> Result<Stage, String> {
        match stage {
            Stage::Filter(node) => Ok(Stage::Filter(Box::new(self.used(*node, Use::Inspect)?))),
            Stage::KeepArray => Ok(Stage::KeepArray),
            Stage::Index(_) => Err("the operator # is not supported: bind a variable".into()),
        }
    }

    fn sort(&mut self, input: AstNode, terms: Vec<(AstNode, bool)>) -> Hard {
        let input = Box::new(self.used(input, Use::Carry)?);
        let mut term = |(node, ascending)| Ok::<_, String>((self.used(node, Use::Inspect)?, ascending));
        Ok(AstNode::Sort { input, terms: terms.into_iter().map(&mut term).collect::<Result<_, _>>()? })
    }

    fn unary(&mut self, op: UnaryOp, operand: AstNode) -> Hard {
        let of = match op {
            UnaryOp::Negate => Use::Inspect,
            UnaryOp::Not => Use::Truth,
        };
        Ok(AstNode::Unary { op, operand: Box::new(self.used(operand, of)?) })
    }

    fn binary(&mut self, op: BinaryOp, lhs: AstNode, rhs: AstNode) -> Hard {
        let (left, right) = match op {
            BinaryOp::ChainPipe => return self.chain(lhs, rhs),
            BinaryOp::ColonEqual => return self.bind(lhs, rhs),
            BinaryOp::FocusBind | BinaryOp::IndexBind => {
                return Err("the operators @ and # are not supported: bind a variable".into());
            }
            BinaryOp::Coalesce => (Use::Carry, Use::Carry),
            BinaryOp::Default => (Use::Truth, Use::Carry),
            BinaryOp::And | BinaryOp::Or => (Use::Truth, Use::Truth),
            BinaryOp::Add
            | BinaryOp::Subtract
            | BinaryOp::Multiply
            | BinaryOp::Divide
            | BinaryOp::Modulo
            | BinaryOp::Equal
            | BinaryOp::NotEqual
            | BinaryOp::LessThan
            | BinaryOp::LessThanOrEqual
            | BinaryOp::GreaterThan
            | BinaryOp::GreaterThanOrEqual
            | BinaryOp::Concatenate
            | BinaryOp::Range
            | BinaryOp::In => (Use::Inspect, Use::Inspect),
        };
        Ok(AstNode::Binary { op, lhs: Box::new(self.used(lhs, left)?), rhs: Box::new(self.used(rhs, right)?) })
    }

    fn bind(&mut self, variable: AstNode, value: AstNode) -> Hard {
        if let (AstNode::Variable(name), AstNode::Lambda { .. }) = (&variable, &value) {
            self.bound.insert(name.clone());
        }
        let value = self.used(value, Use::Carry)?;
        if let AstNode::Variable(name) = &variable {
            self.bound.insert(name.clone());
        }
        Ok(AstNode::Binary { op: BinaryOp::ColonEqual, lhs: Box::new(variable), rhs: Box::new(value) })
    }

    /// `x ~> $f(y)` is `$f(x, y)`, and `x ~> $f` is `$f(x)`.
    fn chain(&mut self, lhs: AstNode, rhs: AstNode) -> Hard {
        match rhs {
            AstNode::Function { name, mut args, is_builtin } if !args.contains(&AstNode::Placeholder) => {
                args.insert(0, lhs);
                self.node(AstNode::Function { name, args, is_builtin })
            }
            AstNode::Variable(name) if builtins::find(&name).is_some() && !self.bound.contains(&name) => {
                self.node(AstNode::Function { name, args: vec![lhs], is_builtin: true })
            }
            rhs => {
                let lhs = Box::new(self.used(lhs, Use::Carry)?);
                Ok(AstNode::Binary { op: BinaryOp::ChainPipe, lhs, rhs: Box::new(self.callback(rhs, Use::Carry)?) })
            }
        }
    }

    fn function(&mut self, name: String, args: Vec<AstNode>, is_builtin: bool) -> Hard {
        if args.contains(&AstNode::Placeholder) {
            return self.partial(name, args, is_builtin);
        }
        if let Some(builtin) = builtins::find(&name) {
            return self.builtin(builtin, args, is_builtin);
        }
        if let Some(why) = builtins::refused(&name) {
            return Err(format!("${name} is not supported: {why}"));
        }
        if !self.bound.contains(&name) {
            return Err(format!("there is no function ${name}"));
        }
        Ok(AstNode::Function { name, args: self.all(args, Use::Carry)?, is_builtin })
    }

    fn builtin(&mut self, builtin: Builtin, mut args: Vec<AstNode>, is_builtin: bool) -> Hard {
        if args.len() < builtin.context {
            args.insert(0, AstNode::Variable(String::new()));
        }
        check_picture(builtin, &args)?;
        let is_ordered = builtin.name == "sort" && args.len() > 1;
        let mut hard = Vec::with_capacity(args.len());
        for (index, arg) in args.into_iter().enumerate() {
            let of = builtin.uses.get(index).or(builtin.uses.last()).copied().unwrap_or(Use::Inspect);
            hard.push(match builtin.callback {
                Some((at, result)) if at == index => self.callback(arg, result)?,
                _ if is_ordered => self.used(arg, Use::Carry)?,
                _ => self.used(arg, of)?,
            });
        }
        let name = builtin.name.to_owned();
        if builtin.is_charged {
            Ok(self.charged(name, hard, is_builtin))
        } else {
            Ok(AstNode::Function { name, args: hard, is_builtin })
        }
    }

    /// Evaluates the arguments once, charges for the result, and calls the function.
    fn charged(&mut self, name: String, args: Vec<AstNode>, is_builtin: bool) -> AstNode {
        let mut block = Vec::with_capacity(args.len() + 2);
        let mut charge = vec![AstNode::String(name.clone()), AstNode::Variable(String::new())];
        let mut names = Vec::with_capacity(args.len());
        for arg in args {
            self.temporaries += 1;
            let variable = AstNode::Variable(format!("sluice {}", self.temporaries));
            charge.push(variable.clone());
            names.push(variable.clone());
            block.push(AstNode::Binary { op: BinaryOp::ColonEqual, lhs: Box::new(variable), rhs: Box::new(arg) });
        }
        block.push(AstNode::Function { name: CHARGE.into(), args: charge, is_builtin: true });
        block.push(AstNode::Function { name, args: names, is_builtin });
        AstNode::Block(block)
    }

    /// What is handed over as a function: the functions of the language get their arguments by a lambda, guarded.
    fn callback(&mut self, node: AstNode, result: Use) -> Hard {
        match node {
            AstNode::Variable(name) if builtins::find(&name).is_some() && !self.bound.contains(&name) => {
                let body = AstNode::Function { name, args: vec![AstNode::Variable("v".into())], is_builtin: true };
                self.callback(lambda(vec!["v".into()], body), result)
            }
            AstNode::Variable(name) if result == Use::Truth && self.bound.contains(&name) => {
                let params = ["v", "i", "a"].map(str::to_owned);
                let args = params.iter().cloned().map(AstNode::Variable).collect();
                let body = AstNode::Function { name, args, is_builtin: true };
                self.callback(lambda(params.to_vec(), body), result)
            }
            AstNode::Lambda { params, body, signature, .. } if result == Use::Truth => {
                self.bound.extend(params.iter().cloned());
                let body = Box::new(self.used(*body, Use::Truth)?);
                Ok(AstNode::Lambda { params, body, signature, thunk: false })
            }
            node => self.node(node),
        }
    }

    /// `$f(?, y)` is `function($p) { $f($p, y) }`.
    fn partial(&mut self, name: String, args: Vec<AstNode>, is_builtin: bool) -> Hard {
        let mut params = Vec::new();
        let mut fill = |arg| match arg {
            AstNode::Placeholder => {
                params.push(format!("sluice p{}", params.len()));
                AstNode::Variable(params.last().cloned().unwrap_or_default())
            }
            arg => arg,
        };
        let args = args.into_iter().map(&mut fill).collect();
        self.node(lambda(params, AstNode::Function { name, args, is_builtin }))
    }
}

fn lambda(params: Vec<String>, body: AstNode) -> AstNode {
    AstNode::Lambda { params, body: Box::new(body), signature: None, thunk: false }
}

fn call(of: Use, node: AstNode) -> AstNode {
    AstNode::Function { name: of.name().into(), args: vec![node], is_builtin: true }
}

/// Guards what an expression gives, where it may give what was not written down. What is made on the spot is guarded in
/// its parts, and stands as it is: arrays in arrays are told from others by how they are written.
fn guarded(node: AstNode, of: Use) -> AstNode {
    match node {
        AstNode::Path { .. }
        | AstNode::Variable(_)
        | AstNode::ParentVariable(_)
        | AstNode::Name(_)
        | AstNode::Wildcard
        | AstNode::Function { .. }
        | AstNode::Call { .. }
        | AstNode::Block(_)
        | AstNode::Conditional { .. }
        | AstNode::Sort { .. }
        | AstNode::ObjectTransform { .. }
        | AstNode::Binary {
            op:
                BinaryOp::Coalesce | BinaryOp::Default | BinaryOp::ChainPipe | BinaryOp::Concatenate | BinaryOp::ColonEqual,
            ..
        } => call(of, node),
        AstNode::Array(_) | AstNode::Object(_) | AstNode::ArrayGroup(_) if of != Use::Carry => call(of, node),
        node => node,
    }
}

fn regex(pattern: String, flags: String) -> Hard {
    if pattern.len() > REGEX_BYTES {
        return Err(format!("a regular expression is longer than {REGEX_BYTES} bytes"));
    }
    match functions::string::build_regex(&pattern, &flags) {
        Ok(_) => Ok(AstNode::Regex { pattern, flags }),
        Err(_) => {
            Err("a regular expression is none, or has what takes time without bound (lookaround, backreferences)"
                .into())
        }
    }
}

/// A picture may ask for any width, so it is looked at beforehand.
fn check_picture(builtin: Builtin, args: &[AstNode]) -> Result<(), String> {
    let Some(picture) = builtin.picture.and_then(|at| args.get(at)) else { return Ok(()) };
    let is_wide = |text: &str| {
        builtin.name != "formatNumber" && text.as_bytes().windows(3).any(|three| three.iter().all(u8::is_ascii_digit))
    };
    match picture {
        AstNode::Undefined => Ok(()),
        AstNode::String(text) if text.len() <= PICTURE_BYTES && !is_wide(text) => Ok(()),
        _ => Err(format!(
            "the picture of ${} must be written down, in {PICTURE_BYTES} bytes at most and with widths of two digits at most",
            builtin.name
        )),
    }
}
