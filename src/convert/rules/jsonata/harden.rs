//! Rewrites an expression so that it can be bounded.
//!
//! A guard stands wherever a value comes to stand more than once (what is bound to a variable, put into an object or
//! array, handed to a function, or made anew for each item of a path), so that no value grows unseen; and wherever a
//! value is looked into. What the language says is not changed by a guard: it hands on what it gets.

mod calls;

use std::collections::HashSet;

use jsonata_core::ast::{AstNode, BinaryOp, PathStep, Stage, UnaryOp};
use jsonata_core::functions;

use super::super::limits::{EXPRESSION_NESTING, REGEX_BYTES};
use super::builtins;
use super::guard::Use;

/// Rewrites an expression.
///
/// # Errors
/// What in it cannot be bounded, or is not there.
pub(super) fn harden(ast: AstNode) -> Result<AstNode, String> {
    Hardener { bound: HashSet::new(), level: 0, temporaries: 0 }.node(ast)
}

/// The stack that one level may take, in a build without optimisation, and what is taken where less is left.
const RED_ZONE: usize = 128 << 10;
const SEGMENT: usize = 1 << 20;

/// Integers of which a double stands for several; what is larger yet is no long.
const UNSURE: std::ops::Range<f64> = 9_007_199_254_740_992.0..1e21;

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
        let node = stacker::maybe_grow(RED_ZONE, SEGMENT, || self.any(node));
        self.level -= 1;
        node
    }

    fn any(&mut self, node: AstNode) -> Hard {
        match node {
            AstNode::Number(number) if number.fract() == 0.0 && UNSURE.contains(&number.abs()) => {
                Err("an integer beyond 2^53 is written down, which would be rounded".into())
            }
            AstNode::Regex { .. } => Err("a regular expression must stand where it is used, as an argument".into()),
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
        let word = match op {
            BinaryOp::Add => "+",
            BinaryOp::Subtract => "-",
            BinaryOp::Multiply => "*",
            BinaryOp::Divide => "/",
            BinaryOp::Modulo => "%",
            _ => "",
        };
        if !word.is_empty() {
            return self.arithmetic(op, word, lhs, rhs);
        }
        let (left, right) = match op {
            BinaryOp::ChainPipe => return self.chain(lhs, rhs),
            BinaryOp::ColonEqual => return self.bind(lhs, rhs),
            BinaryOp::FocusBind | BinaryOp::IndexBind => {
                return Err("the operators @ and # are not supported: bind a variable".into());
            }
            BinaryOp::Coalesce => (Use::Carry, Use::Carry),
            BinaryOp::Default => (Use::Truth, Use::Carry),
            BinaryOp::And | BinaryOp::Or => (Use::Truth, Use::Truth),
            BinaryOp::Concatenate => (Use::Text, Use::Text),
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
        AstNode::Number(_) | AstNode::Unary { .. } if of == Use::Text => call(of, node),
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
