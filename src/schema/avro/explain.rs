//! The explaining pass: why a datum is refused, and where.
//!
//! It runs only after a no. The walk is that of `check`, followed by a [`Path`] that
//! keeps the calls that are open; when the walk stops, these are the path. A detail gives
//! limits and numbers of the encoding (lengths, counts, indexes out of range), never a
//! value: map keys are data too, so a map's entry is named by its position, `{2}`.

use std::fmt::Write as _;

use super::check::{self, Fault, Target, Trail};
use super::limits;
use super::program::{Code, NO_LABEL, Op};
use super::transcode::Scratch;
use super::varint;
use crate::violation::{ReasonCode, Violation};

/// Walks the datum and says what stopped the walk; `None` where nothing did.
#[cold]
pub(super) fn explain(code: &Code, datum: &[u8]) -> Option<Violation> {
    let mut path = Path::default();
    check::walk(code, datum, &mut path).err()?;
    let fault = path.fault?;
    let at = if matches!(fault, Fault::Trailing { .. }) { String::new() } else { path.text(code, fault) };
    Some(Violation::new(reason(fault), detail(code, fault)).at(at))
}

/// Returns the offset of the byte for which the walk is stopped, which is the datum's length where bytes are missing;
/// `None` where nothing stops it.
#[cold]
pub(super) fn place(code: &Code, datum: &[u8]) -> Option<usize> {
    let mut path = Path::default();
    let stop = check::stop(code, datum, &mut path)?;
    // A number that says what cannot be has been read already.
    let taken = match path.fault? {
        Fault::Length { found, .. } | Fault::Branch { found, .. } | Fault::Symbol { found, .. } => {
            let mut bytes = Vec::new();
            varint::write(found, &mut bytes);
            bytes.len()
        }
        Fault::Truncated { left, .. } => return Some(stop + usize::try_from(left).unwrap_or_default()),
        Fault::MissingSymbol { .. } => 1,
        _ => 0,
    };
    Some(stop.saturating_sub(taken))
}

/// Transcodes the datum and says where and why the walk was stopped; `None` where nothing did.
#[cold]
pub(super) fn explain_transcoding(code: &Code, datum: &[u8]) -> Option<(String, String)> {
    let (mut path, mut scratch, mut out) = (Path::default(), Scratch::default(), Vec::new());
    check::transcode(code, datum, &mut path, Target::new(datum, &mut scratch, &mut out)).err()?;
    let fault = path.fault?;
    let at = if matches!(fault, Fault::Trailing { .. }) { String::new() } else { path.text(code, fault) };
    Some((at, detail(code, fault)))
}

/// One place of the walk.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    op: usize,
    element: u64,
    /// The number of the block's first item, where elements are items.
    first: Option<u64>,
}

/// The open calls and the present place.
#[derive(Debug, Default)]
struct Path {
    open: Vec<Place>,
    here: Place,
    fault: Option<Fault>,
}

impl Trail for Path {
    fn op(&mut self, at: usize) {
        self.here = Place { op: at, element: 0, first: None };
    }

    fn element(&mut self, index: u64) {
        self.here.element = index;
    }

    fn items(&mut self, first: Option<u64>) {
        self.here = Place { op: self.here.op, element: 0, first };
    }

    fn enter(&mut self) {
        self.open.push(self.here);
    }

    fn leave(&mut self) {
        self.here = self.open.pop().unwrap_or_default();
    }

    fn fault(&mut self, fault: Fault) {
        self.fault = Some(fault);
    }
}

impl Path {
    fn text(&self, code: &Code, fault: Fault) -> String {
        let mut text = String::new();
        // A body that is too deep was entered, but its place is still the caller's.
        let here = (!matches!(fault, Fault::Depth)).then(|| self.here.of(code, fault));
        for place in self.open.iter().copied().chain(here) {
            place.append(code, &mut text);
        }
        text
    }
}

impl Place {
    /// Finds the field of a run of opaque fields in which the input ends.
    fn of(mut self, code: &Code, fault: Fault) -> Self {
        if let (Op::Opaque(_), Fault::Truncated { left, .. }, label) = (code.ops[self.op], fault, code.labels[self.op])
            && label != NO_LABEL
            && code.names[label as usize].width > 0
        {
            let mut end = 0;
            let ends_inside = |label: &super::program::Label| {
                end += u64::from(label.width);
                end > left
            };
            let field = code.names[label as usize..].iter().position(ends_inside);
            self.element = field.unwrap_or_default() as u64;
        }
        self
    }

    fn append(self, code: &Code, text: &mut String) {
        let field = if self.first.is_some() { 0 } else { usize::try_from(self.element).unwrap_or(usize::MAX) };
        let label = code.labels[self.op];
        if label != NO_LABEL
            && let Some(label) = code.names.get((label as usize).saturating_add(field))
        {
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(&label.name);
        }
        if let Some(first) = self.first {
            let (open, close) = if matches!(code.ops[self.op], Op::Map(_)) { ('{', '}') } else { ('[', ']') };
            write!(text, "{open}{}{close}", first + self.element).expect("writing to a string cannot fail");
        }
    }
}

fn reason(fault: Fault) -> ReasonCode {
    match fault {
        Fault::Truncated { .. } => ReasonCode::Truncated,
        Fault::Trailing { .. } => ReasonCode::TrailingBytes,
        Fault::Varint { .. } => ReasonCode::InvalidVarint,
        Fault::Length { .. } | Fault::Count { .. } | Fault::Block { .. } => ReasonCode::InvalidLength,
        Fault::Utf8 => ReasonCode::InvalidUtf8,
        Fault::Boolean => ReasonCode::InvalidBoolean,
        Fault::Branch { .. } => ReasonCode::InvalidUnionBranch,
        Fault::Symbol { .. } => ReasonCode::InvalidEnumSymbol,
        Fault::Depth => ReasonCode::TooDeep,
        Fault::EmptyItems => ReasonCode::TooManyItems,
        Fault::MissingSymbol { .. } => ReasonCode::TargetMissingEnumSymbol,
        Fault::Unreadable { .. } => ReasonCode::TargetMissingUnionBranch,
        Fault::Inexact { .. } | Fault::Text | Fault::Growth { .. } => ReasonCode::ConversionFailed,
    }
}

fn detail(code: &Code, fault: Fault) -> String {
    match fault {
        Fault::Truncated { wanted, left } => format!("at least {wanted} bytes are needed, {left} are left"),
        Fault::Trailing { left } => format!("{left} bytes are left after the datum"),
        Fault::Varint { bytes: limits::INT_BYTES } => "an int has at most 5 bytes and 32 bits".into(),
        Fault::Varint { bytes } => format!("a long has at most {bytes} bytes and 64 bits"),
        Fault::Length { what, found, left } => format!("{what} {found} is not within the {left} bytes left"),
        Fault::Count { found, least, left } => {
            format!("{found} items of at least {least} bytes are not within the {left} bytes left")
        }
        Fault::Block { stated, taken } => format!("the block states {stated} bytes, its items take {taken}"),
        Fault::Utf8 => "a string is not valid UTF-8".into(),
        Fault::Boolean => "a boolean is one byte, 0 or 1".into(),
        Fault::Branch { found, branches } => format!("union index {found} is not one of {branches} branches"),
        Fault::Symbol { found, symbols } => format!("enum index {found} is not one of {symbols} symbols"),
        Fault::Depth => format!("records, arrays and maps nest deeper than {}", limits::DEPTH),
        Fault::EmptyItems => format!("more than {} items that take no bytes", limits::EMPTY_ITEMS),
        Fault::MissingSymbol { symbols } => {
            format!("the target's enum lacks the symbol, one of the writer's {symbols}, and has no default")
        }
        Fault::Unreadable { reason } => code.reasons[reason as usize].to_string(),
        Fault::Inexact { target } => format!("the number would be rounded as a {target}"),
        Fault::Text => "the bytes are not valid UTF-8, and the target's type is 'string'".into(),
        Fault::Growth { most } => format!("the converted datum would have more than {most} bytes"),
    }
}
