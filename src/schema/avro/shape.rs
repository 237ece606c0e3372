//! What a datum must look like, and where the reader cannot follow: the plan that is compiled.
//!
//! A graph like [`Types`](super::types::Types), reduced to what decides about bytes.
//! `resolve` draws one for a writer schema alone, and one for each pair of writer and
//! reader, in which [`Shape::Unreadable`] marks what the reader cannot take. Two
//! questions are answered here by one walk each, without recursion: how few bytes a
//! shape takes, and whether any datum of it is readable.

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
}

impl Shapes {
    /// The place of the root.
    pub(super) const ROOT: ShapeId = ShapeId(0);

    pub(super) fn get(&self, id: ShapeId) -> &Shape {
        &self.all[id.0 as usize]
    }

    /// Tells whether the reader can take whatever the writer may write.
    pub(super) fn all_readable(&self) -> bool {
        !self.all.iter().any(|shape| matches!(shape, Shape::Unreadable(_) | Shape::Enum { missing: Some(_), .. }))
    }

    /// Returns, for each shape, whether the reader can take any datum of it.
    pub(super) fn readable(&self) -> Vec<bool> {
        let mut readable = vec![false; self.all.len()];
        for id in self.settle(|shape| match shape {
            Shape::Record(fields) => fields.len(),
            Shape::Union(_) | Shape::Unreadable(_) => 1,
            Shape::Enum { missing: Some(missing), .. } => usize::from(missing.iter().all(|&missing| missing)),
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
            Shape::Record(fields) => fields.len(),
            Shape::Unreadable(_) => 1,
            _ => 0,
        }) {
            bytes[id.0 as usize] = Some(match self.get(id) {
                Shape::Null => 0,
                Shape::Opaque(size) => *size,
                Shape::Record(fields) => {
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
        let mut users: Vec<Vec<ShapeId>> = vec![Vec::new(); self.all.len()];
        for (id, shape) in self.ids().zip(&self.all) {
            match shape {
                Shape::Record(fields) => fields.iter().for_each(|(_, of)| users[of.0 as usize].push(id)),
                Shape::Union(branches) => branches.iter().for_each(|of| users[of.0 as usize].push(id)),
                _ => {}
            }
        }
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

    fn ids(&self) -> impl Iterator<Item = ShapeId> + use<> {
        (0..u32::try_from(self.all.len()).unwrap_or(u32::MAX)).map(ShapeId)
    }
}
