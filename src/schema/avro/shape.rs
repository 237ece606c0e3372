//! What a datum must look like, and where the reader cannot follow: the plan that is compiled.
//!
//! A graph like [`Types`](super::types::Types), reduced to what decides about bytes.
//! `resolve` draws one for a writer schema alone, and one for each pair of writer and
//! reader, in which [`Shape::Unreadable`] marks what the reader cannot take. Two
//! questions are answered here by one walk each, without recursion: how few bytes a
//! shape takes, and whether any datum of it is readable.
//!
//! Where data are converted, `transcode` draws one for each pair in which the target's differences stand as well.

/// A shape's place in [`Shapes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ShapeId(pub(super) u32);

/// A graph of shapes; the root is the first.
#[derive(Debug)]
pub(super) struct Shapes {
    pub(super) all: Vec<Shape>,
}

/// What the bytes of one type are.
#[derive(Debug)]
pub(super) enum Shape {
    /// No bytes.
    Null,
    Boolean,
    Int,
    Long,
    /// That many bytes of any content: `float`, `double`, `fixed`.
    Opaque(usize),
    Bytes,
    String,
    /// An index; where the reader lacks some symbols, the marks of those.
    Enum {
        symbols: usize,
        missing: Option<Box<[bool]>>,
    },
    Record(Vec<(Box<str>, ShapeId)>),
    Array(ShapeId),
    Map(ShapeId),
    Union(Vec<ShapeId>),
    /// The reader cannot take what stands here; the reason.
    Unreadable(Box<str>),
    /// From here on only where data are converted. A number that becomes one of a wider type.
    Promoted(Promotion),
    /// Bytes that become a string.
    Text,
    /// An enum index, and the target's for each; `None` where it has none.
    Symbols(Box<[Option<u32>]>),
    /// A value that becomes a branch of the target's union.
    Branch {
        index: u32,
        of: ShapeId,
    },
    /// A union whose indexes do not stay: each branch is a [`Branch`](Self::Branch), or has no index any more.
    Rebranched(Vec<ShapeId>),
    /// A record whose fields the target has otherwise.
    Recast(Recast),
}

/// A number that becomes one of a wider type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Promotion {
    IntToFloat,
    IntToDouble,
    LongToFloat,
    LongToDouble,
    FloatToDouble,
}

/// What becomes of a record's fields.
#[derive(Debug)]
pub(super) struct Recast {
    /// The writer's fields.
    pub(super) fields: Vec<(Box<str>, ShapeId)>,
    /// Where each stands in the target's record; `None` where it is dropped.
    pub(super) places: Vec<Option<u32>>,
    /// What the writer lacks, by its place.
    pub(super) defaults: Vec<(u32, Constant)>,
}

/// Bytes that are written as they are: the datum of a default, or the index of a branch.
#[derive(Debug, Clone, Default)]
pub(super) struct Constant {
    pub(super) bytes: Vec<u8>,
    /// Records, arrays and maps open in it at once.
    pub(super) depth: u32,
    /// Items in it that take no bytes.
    pub(super) empty_items: u64,
}

/// How a path goes on from a shape to one of its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step<'a> {
    Field(&'a str),
    Items,
    Values,
    /// The same field, as one of its branches.
    Stay,
}

impl Shape {
    /// Returns the parts with the steps to them.
    pub(super) fn parts(&self) -> impl Iterator<Item = (Step<'_>, ShapeId)> {
        let fields = match self {
            Self::Record(fields) | Self::Recast(Recast { fields, .. }) => &fields[..],
            _ => &[],
        };
        let branches = match self {
            Self::Union(branches) | Self::Rebranched(branches) => &branches[..],
            _ => &[],
        };
        let inner = match self {
            Self::Array(item) => Some((Step::Items, *item)),
            Self::Map(value) => Some((Step::Values, *value)),
            Self::Branch { of, .. } => Some((Step::Stay, *of)),
            _ => None,
        };
        let fields = fields.iter().map(|(name, of)| (Step::Field(name), *of));
        fields.chain(branches.iter().map(|of| (Step::Stay, *of))).chain(inner)
    }

    fn is_change(&self) -> bool {
        matches!(
            self,
            Self::Promoted(_) | Self::Symbols(_) | Self::Branch { .. } | Self::Rebranched(_) | Self::Recast(_)
        )
    }
}

impl Shapes {
    /// The place of the root.
    pub(super) const ROOT: ShapeId = ShapeId(0);

    pub(super) fn get(&self, id: ShapeId) -> &Shape {
        &self.all[id.0 as usize]
    }

    /// Tells whether the reader can take whatever the writer may write.
    pub(super) fn all_readable(&self) -> bool {
        !self
            .all
            .iter()
            .any(|shape| matches!(shape, Shape::Unreadable(_) | Shape::Text | Shape::Enum { missing: Some(_), .. }))
    }

    /// Returns, for each shape, whether the target has anything in it otherwise than the writer.
    pub(super) fn changed(&self) -> Vec<bool> {
        let users = self.users();
        let mut changed: Vec<bool> = self.all.iter().map(Shape::is_change).collect();
        let mut open: Vec<ShapeId> = self.ids().filter(|id| changed[id.0 as usize]).collect();
        while let Some(id) = open.pop() {
            for &user in &users[id.0 as usize] {
                if !std::mem::replace(&mut changed[user.0 as usize], true) {
                    open.push(user);
                }
            }
        }
        changed
    }

    /// Returns, for each shape, whether the reader can take any datum of it.
    pub(super) fn readable(&self) -> Vec<bool> {
        let mut readable = vec![false; self.all.len()];
        for id in self.settle(|shape| match shape {
            Shape::Record(fields) | Shape::Recast(Recast { fields, .. }) => fields.len(),
            Shape::Union(_) | Shape::Rebranched(_) | Shape::Branch { .. } | Shape::Unreadable(_) => 1,
            Shape::Enum { missing: Some(missing), .. } => usize::from(missing.iter().all(|&missing| missing)),
            Shape::Symbols(indexes) => usize::from(indexes.iter().all(Option::is_none)),
            _ => 0,
        }) {
            readable[id.0 as usize] = true;
        }
        readable
    }

    /// Returns, for each shape, a lower bound of its bytes: 0 only where a datum takes none, and `None`
    /// where the walk can not come to an end: at a mark, and in a record that contains itself.
    pub(super) fn least_bytes(&self) -> Vec<Option<usize>> {
        let mut bytes: Vec<Option<usize>> = vec![None; self.all.len()];
        for id in self.settle(|shape| match shape {
            Shape::Record(fields) | Shape::Recast(Recast { fields, .. }) => fields.len(),
            Shape::Branch { .. } | Shape::Unreadable(_) => 1,
            _ => 0,
        }) {
            bytes[id.0 as usize] = Some(match self.get(id) {
                Shape::Null => 0,
                Shape::Opaque(size) => *size,
                Shape::Promoted(Promotion::FloatToDouble) => 4,
                Shape::Branch { of, .. } => bytes[of.0 as usize].unwrap_or(0),
                Shape::Record(fields) | Shape::Recast(Recast { fields, .. }) => {
                    fields.iter().fold(0, |sum: usize, (_, of)| sum.saturating_add(bytes[of.0 as usize].unwrap_or(0)))
                }
                _ => 1,
            });
        }
        bytes
    }

    /// Orders the shapes so that each stands behind those it waits for; `waits` says how many of its
    /// parts a shape waits for. Shapes that wait for themselves are left out.
    fn settle(&self, waits: impl Fn(&Shape) -> usize) -> Vec<ShapeId> {
        let users = self.users();
        let mut waiting: Vec<usize> = self.all.iter().map(waits).collect();
        let mut order: Vec<ShapeId> = self.ids().filter(|id| waiting[id.0 as usize] == 0).collect();
        let mut next = 0;
        while let Some(&id) = order.get(next) {
            next += 1;
            for &user in &users[id.0 as usize] {
                let left = &mut waiting[user.0 as usize];
                if *left == 0 {
                    continue;
                }
                *left -= 1;
                if *left == 0 {
                    order.push(user);
                }
            }
        }
        order
    }

    /// Tells, for each shape, whether it stands in one place of one record, as a field or as a branch of one. What a union
    /// holds is repeated wherever the union stands, so that the union must stand in one place as well.
    pub(super) fn in_one_place(&self) -> Vec<bool> {
        let users = self.users();
        let stands = |id: ShapeId| {
            let [user] = users[id.0 as usize][..] else { return None };
            Some((user, self.get(user)))
        };
        let is_record = |shape: &Shape| matches!(shape, Shape::Record(_) | Shape::Recast(_));
        let in_one_place = |id| match stands(id) {
            Some((union, Shape::Union(_))) => stands(union).is_some_and(|(_, user)| is_record(user)),
            user => user.is_some_and(|(_, user)| is_record(user)),
        };
        self.ids().map(in_one_place).collect()
    }

    /// Returns, for each shape, those that it is a part of; an array waits for nothing and still changes with its items.
    fn users(&self) -> Vec<Vec<ShapeId>> {
        let mut users: Vec<Vec<ShapeId>> = vec![Vec::new(); self.all.len()];
        for (id, shape) in self.ids().zip(&self.all) {
            shape.parts().for_each(|(_, of)| users[of.0 as usize].push(id));
        }
        users
    }

    fn ids(&self) -> impl Iterator<Item = ShapeId> + use<> {
        (0..u32::try_from(self.all.len()).unwrap_or(u32::MAX)).map(ShapeId)
    }
}
