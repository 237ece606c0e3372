//! What a mapping is compiled to: how each part of the target's value is made.

use super::cast::Caster;
use super::pairs::ConvertId;
use super::places::Source;
use crate::convert::Value;
use crate::convert::rules::Express;

/// How a value of the target is made.
#[derive(Debug)]
pub(super) enum Make {
    /// What is done with what the record has.
    Act { act: Box<Act>, otherwise: Otherwise, step: Option<usize> },
    /// Always the same.
    Constant(Value),
    /// A record of these fields.
    Record(Vec<(Box<str>, Make)>),
    /// A branch of a union; null where nothing is there of what feeds it.
    Maybe { feeds: Vec<Source>, null: Option<usize>, some: usize, of: Box<Make> },
    /// The default of a step that others refine, where what it moves is null or absent.
    Instead { from: Source, default: Value, of: Box<Make> },
}

/// What is done with values of the record.
#[derive(Debug)]
pub(super) enum Act {
    Take(Source, ConvertId),
    /// Each item, or each value of a map, in a scope of its own.
    Each {
        from: Source,
        branch: Option<usize>,
        of: Box<Make>,
    },
    Split {
        from: Source,
        by: String,
        part: usize,
        of: usize,
        into: TextInto,
    },
    SplitAll {
        from: Source,
        by: String,
        branch: Option<usize>,
        item: TextInto,
    },
    Join {
        from: Vec<(Source, TextOf)>,
        by: String,
        into: TextInto,
    },
    JoinAll {
        from: Source,
        item: TextOf,
        by: String,
        into: TextInto,
    },
    WrapArray {
        from: Vec<(Source, ConvertId)>,
        takes_null: bool,
        branch: Option<usize>,
    },
    WrapUnion {
        from: Vec<(Source, ConvertId)>,
    },
    /// What an expression says of it.
    Express {
        from: Source,
        express: Express,
    },
    UnwrapArray {
        from: Source,
        part: usize,
        of: usize,
        item: ConvertId,
    },
    /// By the writer's branch: what becomes of it here, and whether it belongs to another target.
    UnwrapUnion {
        from: Source,
        ways: Vec<(Option<ConvertId>, bool)>,
    },
}

/// How a text becomes a value of the target.
#[derive(Debug, Clone)]
pub(super) struct TextInto {
    pub(super) branch: Option<usize>,
    pub(super) caster: Option<Caster>,
}

/// How a value of the writer becomes a text.
#[derive(Debug, Clone)]
pub(super) struct TextOf(pub(super) Option<Caster>);

impl TextInto {
    /// Returns the word of the rounding, where digits may go.
    pub(super) fn rounding(&self) -> Option<&'static str> {
        self.caster.as_ref().and_then(Caster::rounding)
    }
}

impl TextOf {
    /// Returns the word of the rounding, where digits may go.
    pub(super) fn rounding(&self) -> Option<&'static str> {
        self.0.as_ref().and_then(Caster::rounding)
    }
}

/// What is there instead.
#[derive(Debug, Default)]
pub(super) struct Otherwise {
    /// Of the step: for what is null or absent.
    pub(super) default: Option<Value>,
    /// The target's null: for what is null.
    pub(super) null: Option<Value>,
    /// Of the target's schema, or null: for what is absent.
    pub(super) absent: Option<Value>,
}

impl Make {
    /// Returns what it reads, as far as it stands in one of the first scopes.
    pub(super) fn feeds(&self, scopes: usize) -> Vec<Source> {
        let mut found = Vec::new();
        self.collect(&mut found);
        found.retain(|source| source.scope < scopes);
        found
    }

    fn collect(&self, found: &mut Vec<Source>) {
        match self {
            Self::Constant(_) => {}
            Self::Record(fields) => fields.iter().for_each(|(_, make)| make.collect(found)),
            Self::Maybe { feeds, .. } => found.extend(feeds.iter().cloned()),
            Self::Instead { from, of, .. } => {
                found.push(from.clone());
                of.collect(found);
            }
            Self::Act { act, .. } => act.collect(found),
        }
    }
}

impl Act {
    fn collect(&self, found: &mut Vec<Source>) {
        match self {
            Self::Take(from, _)
            | Self::Each { from, .. }
            | Self::Split { from, .. }
            | Self::SplitAll { from, .. }
            | Self::JoinAll { from, .. }
            | Self::Express { from, .. }
            | Self::UnwrapArray { from, .. }
            | Self::UnwrapUnion { from, .. } => found.push(from.clone()),
            Self::Join { from, .. } => found.extend(from.iter().map(|(from, _)| from.clone())),
            Self::WrapArray { from, .. } | Self::WrapUnion { from } => {
                found.extend(from.iter().map(|(from, _)| from.clone()));
            }
        }
    }
}
