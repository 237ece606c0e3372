//! Compiling: from the shapes of a schema, or of a writer's and its target's, to the flat program.
//!
//! Bodies are emitted one after the other and name each other by their shape until all have their places. Neighbours are fused as they
//! are emitted, but never across a place that is jumped to.

use std::mem;

use super::program::{Blocks, Code, Edit, ItemWalk, Items, Label, NO_LABEL, NO_MARKS, Op, RUN};
use super::shape::{Constant, Shape, ShapeId, Shapes};
use super::varint;

mod changes;

/// Records within records that stand in one body: the compiler recurses, and deeper data are refused anyway.
const INLINE: u32 = 32;

/// Compiles shapes; the body of the root comes first.
pub(super) fn compile(shapes: &Shapes) -> Code {
    compile_changes(shapes, vec![false; shapes.all.len()], vec![true; shapes.all.len()])
}

/// Compiles shapes with the target's differences; says for each shape whether there are any in it, and whether the target
/// writes nothing for it.
pub(super) fn compile_changes(shapes: &Shapes, changed: Vec<bool>, silent: Vec<bool>) -> Code {
    let least = shapes.least_bytes();
    let unplaced = vec![None; shapes.all.len()];
    let queue = vec![Shapes::ROOT];
    let (in_one_place, code) = (shapes.in_one_place(), Code::default());
    let mut compiler =
        Compiler { shapes, least, changed, silent, in_one_place, code, places: unplaced, queue, target: 0, open: 0 };
    while let Some(id) = compiler.queue.pop() {
        if compiler.places[id.0 as usize].is_none() {
            compiler.body(id);
        }
    }
    compiler.link()
}

struct Compiler<'a> {
    shapes: &'a Shapes,
    least: Vec<Option<usize>>,
    changed: Vec<bool>,
    silent: Vec<bool>,
    /// Whether a shape stands in one place.
    in_one_place: Vec<bool>,
    code: Code,
    /// Where the body of a shape stands, once it does. Until `link`, bodies are named by their shape.
    places: Vec<Option<u32>>,
    queue: Vec<ShapeId>,
    /// The last place that is jumped to: what stands there is not fused with what stands before.
    target: u32,
    /// Records open in the body.
    open: u32,
}

impl Compiler<'_> {
    /// Emits a body: a record's fields, or whatever else the shape is.
    fn body(&mut self, id: ShapeId) {
        self.places[id.0 as usize] = Some(self.here());
        match self.shapes.get(id) {
            Shape::Record(fields) => self.fields(fields),
            Shape::Recast(recast) => self.recast(recast),
            _ => self.value(id, NO_LABEL),
        }
        self.push(Op::End, NO_LABEL);
    }

    fn fields(&mut self, fields: &[(Box<str>, ShapeId)]) {
        let start = self.code.ops.len();
        for (name, of) in fields {
            self.field(name, *of, start);
        }
    }

    fn here(&self) -> u32 {
        narrow(self.code.ops.len())
    }

    fn push(&mut self, op: Op, label: u32) {
        self.code.ops.push(op);
        self.code.labels.push(label);
    }

    /// Emits a field, fused with the one before where both are of one sort. `start` is the body's.
    fn field(&mut self, name: &str, of: ShapeId, start: usize) {
        if self.takes_nothing(of) {
            return;
        }
        let label = narrow(self.code.names.len());
        let width = if let Shape::Opaque(size) = self.shapes.get(of) { narrow(*size) } else { 0 };
        self.code.names.push(Label { name: name.into(), width });
        let before = self.code.ops.len();
        self.value(of, label);
        if self.code.ops.len() == before + 1 && before > start && self.target as usize != before {
            let (left, right) = (self.code.ops[before - 1], self.code.ops[before]);
            if let Some(both) = fuse(left, right) {
                self.code.ops[before - 1] = both;
                self.code.ops.truncate(before);
                self.code.labels.truncate(before);
            }
        }
    }

    /// Tells whether nothing is read, and nothing written.
    fn takes_nothing(&self, id: ShapeId) -> bool {
        self.least[id.0 as usize] == Some(0) && self.silent[id.0 as usize]
    }

    /// Emits one value of a shape.
    fn value(&mut self, id: ShapeId, label: u32) {
        if self.takes_nothing(id) {
            return;
        }
        let op = match self.shapes.get(id) {
            Shape::Null => return,
            Shape::Boolean => Op::Booleans(1),
            Shape::Int => Op::Varints { count: 1, longs: 0 },
            Shape::Long => Op::Varints { count: 1, longs: 1 },
            Shape::Opaque(size) => Op::Opaque(narrow(*size)),
            Shape::Bytes => Op::Bytes(1),
            Shape::String => Op::Strings(1),
            Shape::Enum { symbols, missing } => self.symbol(*symbols, missing.as_deref()),
            Shape::Record(fields) if self.stands_here(id) => {
                self.push(Op::Open, label);
                self.open += 1;
                self.fields(fields);
                self.open -= 1;
                Op::Close
            }
            Shape::Record(_) | Shape::Recast(_) => {
                self.queue.push(id);
                Op::Record(id.0)
            }
            Shape::Array(item) => Op::Array(self.items(*item, 0)),
            Shape::Map(value) => Op::Map(self.items(*value, 1)),
            Shape::Union(branches) => return self.union(branches, label),
            Shape::Rebranched(branches) => return self.rebranched(branches, label),
            Shape::Branch { index, of } => {
                self.insert(&branch_index(*index));
                return self.value(*of, label);
            }
            Shape::Promoted(promotion) => Op::Edit(Edit::Promote { promotion: *promotion, count: 1 }),
            Shape::Text => Op::Edit(Edit::Text),
            Shape::Symbols(indexes) => {
                self.code.indexes.push(indexes.clone());
                Op::Edit(Edit::Symbol(narrow(self.code.indexes.len() - 1)))
            }
            Shape::Unreadable(reason) => {
                self.code.reasons.push(reason.clone());
                Op::Unreadable(narrow(self.code.reasons.len() - 1))
            }
        };
        self.push(op, label);
    }

    /// Tells whether a record's fields stand where it is used, which saves a call.
    fn stands_here(&self, id: ShapeId) -> bool {
        id != Shapes::ROOT && self.in_one_place[id.0 as usize] && self.open < INLINE
    }

    fn symbol(&mut self, symbols: usize, missing: Option<&[bool]>) -> Op {
        let missing = missing.map_or(NO_MARKS, |marks| {
            self.code.missing.push(marks.into());
            narrow(self.code.missing.len() - 1)
        });
        Op::Symbol { symbols: narrow(symbols), missing }
    }

    fn items(&mut self, item: ShapeId, key: usize) -> u32 {
        self.queue.push(item);
        let least = self.least[item.0 as usize].unwrap_or(0).saturating_add(key);
        let walk = match self.shapes.get(item) {
            _ if key == 0 && self.takes_nothing(item) => ItemWalk::None,
            Shape::Boolean | Shape::Int | Shape::Long | Shape::Opaque(_) | Shape::Bytes | Shape::String if key == 0 => {
                ItemWalk::Run
            }
            Shape::Record(_) | Shape::Recast(_) => ItemWalk::Call { levels: 2 },
            Shape::Promoted(_) | Shape::Text if key == 0 => ItemWalk::Call { levels: 0 },
            Shape::Boolean
            | Shape::Int
            | Shape::Long
            | Shape::Opaque(1..)
            | Shape::Bytes
            | Shape::String
            | Shape::Enum { .. } => ItemWalk::Each { levels: 1 },
            _ => ItemWalk::Call { levels: 1 },
        };
        let blocks = match (self.changed[item.0 as usize], key == 0 && self.silent[item.0 as usize]) {
            (false, _) => Blocks::Same,
            (true, false) => Blocks::Changed,
            (true, true) => Blocks::Emptied,
        };
        self.code.items.push(Items { body: item.0, least: narrow(least), walk, blocks });
        narrow(self.code.items.len() - 1)
    }

    fn union(&mut self, branches: &[ShapeId], label: u32) {
        let null = branches.iter().position(|&branch| matches!(self.shapes.get(branch), Shape::Null));
        if let (2, Some(null)) = (branches.len(), null) {
            let at = self.code.ops.len();
            self.push(Op::End, label);
            self.value(branches[1 - null], label);
            self.target = self.here();
            let null = u8::from(null == 1);
            let both = if let [of] = self.code.ops[at + 1..] { optional(null, of) } else { None };
            if both.is_some() {
                self.code.ops.truncate(at + 1);
                self.code.labels.truncate(at + 1);
            }
            self.target = self.here();
            self.code.ops[at] = both.unwrap_or(Op::Optional { null, end: self.target });
            return;
        }
        self.branches(branches, label, |compiler, branch| compiler.value(branch, label));
    }

    /// Emits a union's index and its branches.
    fn branches(&mut self, branches: &[ShapeId], label: u32, branch_of: impl Fn(&mut Self, ShapeId)) {
        let (first, count) = (self.code.branches.len(), branches.len());
        self.push(Op::Union { first: narrow(first), count: narrow(count) }, label);
        self.code.branches.resize(first + count, 0);
        let mut jumps = Vec::with_capacity(count);
        for (index, &branch) in branches.iter().enumerate() {
            self.code.branches[first + index] = self.here();
            branch_of(self, branch);
            jumps.push(self.code.ops.len());
            self.push(Op::Jump(0), label);
        }
        self.target = self.here();
        for jump in jumps {
            self.code.ops[jump] = Op::Jump(self.target);
        }
    }

    /// Puts places where bodies are named by their shape.
    fn link(mut self) -> Code {
        let places = mem::take(&mut self.places);
        let place = |shape: u32| places[shape as usize].unwrap_or_default();
        for op in &mut self.code.ops {
            if let Op::Record(body) = op {
                *body = place(*body);
            }
        }
        self.code.items.iter_mut().for_each(|items| items.body = place(items.body));
        self.code
    }
}

/// Joins two neighbours of one sort.
fn fuse(left: Op, right: Op) -> Option<Op> {
    Some(match (left, right) {
        (Op::Varints { count, longs }, Op::Varints { count: 1, longs: long }) if count < RUN => {
            Op::Varints { count: count + 1, longs: longs | long << count }
        }
        (Op::Edit(Edit::Promote { promotion, count }), Op::Edit(Edit::Promote { promotion: other, count: 1 }))
            if promotion == other && count < RUN =>
        {
            Op::Edit(Edit::Promote { promotion, count: count + 1 })
        }
        (Op::Opaque(a), Op::Opaque(b)) => Op::Opaque(a.checked_add(b)?),
        (Op::Booleans(a), Op::Booleans(b)) => Op::Booleans(a + b),
        (Op::Strings(a), Op::Strings(b)) => Op::Strings(a + b),
        (Op::Bytes(a), Op::Bytes(b)) => Op::Bytes(a + b),
        _ => return None,
    })
}

/// Joins null with what else a value may be.
fn optional(null: u8, of: Op) -> Option<Op> {
    Some(match of {
        Op::Varints { count: 1, longs } => Op::OptionalVarint { null, long: longs == 1 },
        Op::Opaque(size) => Op::OptionalOpaque { null, size },
        Op::Strings(1) => Op::OptionalString { null },
        _ => return None,
    })
}

/// Returns the bytes of a union's index.
fn branch_index(index: u32) -> Constant {
    let mut constant = Constant::default();
    varint::write(i64::from(index), &mut constant.bytes);
    constant
}

/// Narrows a place or count: types are limited to far fewer, and sizes to what an `int` holds.
fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
