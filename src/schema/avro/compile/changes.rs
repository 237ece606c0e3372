//! Instructions for what the target has otherwise.
//!
//! A record is written as it is read, field by field. Where the target has another order, what is written falls into
//! pieces, runs of fields that are neighbours on both sides, and the pieces are put in their order when the record is
//! read. Defaults stand behind the field that the target has before them.

use super::super::program::{Edit, NO_LABEL, Op};
use super::super::shape::{Constant, Recast, Shape, ShapeId};
use super::{Compiler, branch_index, narrow};

/// How a record's fields become the target's.
struct Layout<'a> {
    /// The defaults before all fields.
    leading: Vec<&'a Constant>,
    /// For each field of the writer that is written: its rank among those in the target, and the defaults behind it.
    ranks: Vec<Option<(usize, Vec<&'a Constant>)>>,
}

impl Compiler<'_> {
    /// Emits a union whose indexes do not stay.
    pub(super) fn rebranched(&mut self, branches: &[ShapeId], label: u32) {
        self.push(Op::Edit(Edit::Keep), label);
        self.branches(branches, label, |compiler, branch| match compiler.shapes.get(branch) {
            Shape::Branch { index, of } => {
                compiler.code.constants.push(branch_index(*index));
                let constant = narrow(compiler.code.constants.len() - 1);
                compiler.push(Op::Edit(Edit::Replace(constant)), label);
                compiler.value(*of, label);
            }
            _ => {
                compiler.push(Op::Edit(Edit::Drop), label);
                compiler.value(branch, label);
            }
        });
    }

    /// Emits a constant, joined with one just before it.
    pub(super) fn insert(&mut self, constant: &Constant) {
        let last = narrow(self.code.constants.len()).wrapping_sub(1);
        let joins = self.code.ops.last() == Some(&Op::Edit(Edit::Insert(last))) && self.target != self.here();
        match self.code.constants.last_mut() {
            Some(before) if joins => {
                before.bytes.extend_from_slice(&constant.bytes);
                before.depth = before.depth.max(constant.depth);
                before.empty_items = before.empty_items.saturating_add(constant.empty_items);
            }
            _ => {
                self.code.constants.push(constant.clone());
                self.push(Op::Edit(Edit::Insert(last.wrapping_add(1))), NO_LABEL);
            }
        }
    }

    /// Emits the fields of a record that the target has otherwise.
    pub(super) fn recast(&mut self, recast: &Recast) {
        let start = self.code.ops.len();
        let layout = self.layout(recast);
        let ranks: Vec<usize> = layout.ranks.iter().flatten().map(|(rank, _)| *rank).collect();
        let begins = |at: usize| at == 0 || ranks[at] != ranks[at - 1] + 1;
        let pieces: Vec<usize> = (0..ranks.len()).filter(|&at| begins(at)).map(|at| ranks[at]).collect();
        let arranged = pieces.len() > 1;
        if ranks.is_empty() {
            layout.leading.iter().for_each(|constant| self.insert(constant));
        }
        let mut written = 0;
        for ((name, of), rank) in recast.fields.iter().zip(&layout.ranks) {
            let Some((rank, behind)) = rank else {
                self.dropped(name, *of, start);
                continue;
            };
            if arranged && begins(written) {
                self.push(Op::Edit(Edit::Mark), NO_LABEL);
            }
            written += 1;
            if *rank == 0 {
                layout.leading.iter().for_each(|constant| self.insert(constant));
            }
            self.field(name, *of, start);
            behind.iter().for_each(|constant| self.insert(constant));
        }
        if arranged {
            let mut order: Vec<u32> = (0..narrow(pieces.len())).collect();
            order.sort_unstable_by_key(|&piece| pieces[piece as usize]);
            self.code.orders.push(order.into());
            self.push(Op::Edit(Edit::Arrange(narrow(self.code.orders.len() - 1))), NO_LABEL);
        }
    }

    /// Ranks what is written of a record by its place in the target's; what takes no bytes on either side has no rank.
    fn layout<'a>(&self, recast: &'a Recast) -> Layout<'a> {
        let mut layout = Layout { leading: Vec::new(), ranks: vec![None; recast.fields.len()] };
        let kept = recast.fields.iter().zip(&recast.places).enumerate();
        let kept = kept.filter(|(_, ((_, of), _))| !self.takes_nothing(*of));
        let mut places: Vec<(u32, Result<usize, &Constant>)> =
            kept.filter_map(|(index, (_, place))| Some(((*place)?, Ok(index)))).collect();
        places.extend(recast.defaults.iter().map(|(place, constant)| (*place, Err(constant))));
        places.sort_unstable_by_key(|(place, _)| *place);
        let (mut rank, mut before) = (0, None);
        for (_, what) in places {
            match (what, before) {
                (Ok(index), _) => {
                    layout.ranks[index] = Some((rank, Vec::new()));
                    (rank, before) = (rank + 1, Some(index));
                }
                (Err(constant), Some(index)) => {
                    layout.ranks[index].iter_mut().for_each(|(_, behind): &mut (usize, Vec<_>)| behind.push(constant));
                }
                (Err(constant), None) => layout.leading.push(constant),
            }
        }
        layout
    }

    /// Emits a field that is read and not written, joined with one just before it.
    fn dropped(&mut self, name: &str, of: ShapeId, start: usize) {
        if self.takes_nothing(of) {
            return;
        }
        if self.code.ops.len() > start && self.code.ops.last() == Some(&Op::Edit(Edit::Drop)) {
            self.code.ops.pop();
            self.code.labels.pop();
        } else {
            self.push(Op::Edit(Edit::Keep), NO_LABEL);
        }
        self.field(name, of, start);
        self.push(Op::Edit(Edit::Drop), NO_LABEL);
    }
}
