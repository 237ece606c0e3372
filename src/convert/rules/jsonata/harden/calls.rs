//! Calls: which functions may be called, with their arguments and callbacks guarded.

use jsonata_core::ast::{AstNode, BinaryOp};

use super::super::super::limits::PICTURE_BYTES;
use super::super::builtins::{self, Builtin};
use super::super::guard::{CHARGE, Use};
use super::{Hard, Hardener, regex};

impl Hardener {
    /// `x ~> $f(y)` is `$f(x, y)`, and `x ~> $f` is `$f(x)`.
    pub(super) fn chain(&mut self, lhs: AstNode, rhs: AstNode) -> Hard {
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

    pub(super) fn function(&mut self, name: String, args: Vec<AstNode>, is_builtin: bool) -> Hard {
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
            hard.push(match (arg, builtin.callback) {
                (AstNode::Regex { pattern, flags }, None) => regex(pattern, flags)?,
                (arg, Some((at, result))) if at == index => self.callback(arg, result)?,
                (arg, _) if is_ordered => self.used(arg, Use::Carry)?,
                (arg, _) => self.used(arg, of)?,
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
        let (mut block, args) = self.guarded_block(&name, args);
        block.push(AstNode::Function { name, args, is_builtin });
        AstNode::Block(block)
    }

    /// Evaluates both sides once, and looks whether doubles can hold the result.
    pub(super) fn arithmetic(&mut self, op: BinaryOp, word: &str, lhs: AstNode, rhs: AstNode) -> Hard {
        let args = vec![self.used(lhs, Use::Inspect)?, self.used(rhs, Use::Inspect)?];
        let (mut block, args) = self.guarded_block(word, args);
        let mut args = args.into_iter().map(Box::new);
        if let (Some(lhs), Some(rhs)) = (args.next(), args.next()) {
            block.push(AstNode::Binary { op, lhs, rhs });
        }
        Ok(AstNode::Block(block))
    }

    /// Binds arguments to variables and hands them to the guard; returns that, and the variables.
    fn guarded_block(&mut self, name: &str, args: Vec<AstNode>) -> (Vec<AstNode>, Vec<AstNode>) {
        let mut block = Vec::with_capacity(args.len() + 2);
        let mut charge = vec![AstNode::String(name.to_owned()), AstNode::Variable(String::new())];
        let mut names = Vec::with_capacity(args.len());
        for arg in args {
            self.temporaries += 1;
            let variable = AstNode::Variable(format!("sluice {}", self.temporaries));
            charge.push(variable.clone());
            names.push(variable.clone());
            block.push(AstNode::Binary { op: BinaryOp::ColonEqual, lhs: Box::new(variable), rhs: Box::new(arg) });
        }
        block.push(AstNode::Function { name: CHARGE.into(), args: charge, is_builtin: true });
        (block, names)
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
