//! Seeded schemas, readers of them, data and damage.
//!
//! A schema is made as a tree of [`Ty`], so that data can be encoded by it and a reader
//! be made from it by the changes that people make: fields come, go and are renamed,
//! numbers widen, branches and symbols appear and vanish, names move.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// A type as its author writes it; names are full names.
#[derive(Debug, Clone)]
pub(crate) enum Ty {
    Plain(&'static str),
    Fixed { name: String, aliases: Vec<String>, size: usize },
    Enum { name: String, aliases: Vec<String>, symbols: Vec<String>, default: Option<String> },
    Record { name: String, aliases: Vec<String>, fields: Vec<Field> },
    Array(Box<Ty>),
    Map(Box<Ty>),
    Union(Vec<Ty>),
    Named(String),
}

/// A field; the default is JSON.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) aliases: Vec<String>,
    pub(crate) default: Option<&'static str>,
    pub(crate) ty: Ty,
}

const PLAIN: [&str; 8] = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];
const LEVELS: usize = 5;

/// Makes schemas and data from one seed.
pub(crate) struct Generator {
    rng: StdRng,
    defined: Vec<(String, Ty)>,
    open: Vec<String>,
    names: usize,
}

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Self { rng: StdRng::seed_from_u64(seed), defined: Vec::new(), open: Vec::new(), names: 0 }
    }

    /// Makes a writer schema; most are records, as in topics.
    pub(crate) fn schema(&mut self) -> Ty {
        self.defined.clear();
        self.names = 0;
        if self.rng.random_ratio(4, 5) { self.record(0) } else { self.ty(0, false) }
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.rng.random_range(0..from.len())].clone()
    }

    fn name(&mut self) -> String {
        self.names += 1;
        let namespace = self.pick(&["a.", "b.c.", "d."]);
        format!("{namespace}N{}", self.names)
    }

    /// `guarded`: inside an array, map or union, where a record may contain itself.
    fn ty(&mut self, level: usize, guarded: bool) -> Ty {
        let sorts = if level >= LEVELS { 5 } else { 10 };
        match self.rng.random_range(0..sorts) {
            0..=3 => Ty::Plain(self.pick(&PLAIN)),
            4 => self.named(guarded),
            5 => self.record(level),
            6 => Ty::Array(Box::new(self.ty(level + 1, true))),
            7 => Ty::Map(Box::new(self.ty(level + 1, true))),
            8 => Ty::Union(vec![Ty::Plain("null"), Ty::Plain(self.pick(&PLAIN[1..]))]),
            _ => self.union(level),
        }
    }

    fn named(&mut self, guarded: bool) -> Ty {
        let known: Vec<String> = self.defined.iter().map(|(name, _)| name.clone()).collect();
        let open = self.open.clone();
        if let (true, Some(name)) = (guarded && self.rng.random(), open.choose(&mut self.rng)) {
            return Ty::Named(name.clone());
        }
        if let (true, Some(name)) = (self.rng.random(), known.choose(&mut self.rng)) {
            return Ty::Named(name.clone());
        }
        let name = self.name();
        let ty = if self.rng.random() {
            Ty::Fixed { name: name.clone(), aliases: Vec::new(), size: self.rng.random_range(0..9) }
        } else {
            let symbols = (0..self.rng.random_range(1..5)).map(|i| format!("S{i}")).collect();
            Ty::Enum { name: name.clone(), aliases: Vec::new(), symbols, default: None }
        };
        self.defined.push((name, ty.clone()));
        ty
    }

    fn record(&mut self, level: usize) -> Ty {
        let name = self.name();
        self.open.push(name.clone());
        let fields = (0..self.rng.random_range(0..7)).map(|i| self.field(&format!("f{i}"), level)).collect();
        self.open.pop();
        let ty = Ty::Record { name: name.clone(), aliases: Vec::new(), fields };
        self.defined.push((name, ty.clone()));
        ty
    }

    fn field(&mut self, name: &str, level: usize) -> Field {
        Field { name: name.into(), aliases: Vec::new(), default: None, ty: self.ty(level + 1, false) }
    }

    fn union(&mut self, level: usize) -> Ty {
        let mut branches: Vec<Ty> = Vec::new();
        for _ in 0..self.rng.random_range(1..5) {
            let defined = self.defined.len();
            let branch = self.ty(level + 1, true);
            if !matches!(branch, Ty::Union(_)) && !branches.iter().any(|other| label(other) == label(&branch)) {
                branches.push(branch);
            } else {
                self.defined.truncate(defined);
            }
        }
        // A way out of any recursion.
        if !branches.iter().any(is_leaf) {
            branches.insert(0, Ty::Plain("null"));
        }
        Ty::Union(branches)
    }

    /// Makes a reader schema from a writer's.
    pub(crate) fn reader(&mut self, writer: &Ty) -> Ty {
        if self.rng.random_ratio(1, 30) {
            return Generator::new(self.rng.random()).schema();
        }
        let mut reader = self.change(writer, 0);
        let mut names = Vec::new();
        collect(writer, &mut names);
        for (name, _) in names {
            if self.rng.random_ratio(1, 25) {
                let bare = name.rsplit('.').next().unwrap_or(name);
                let (new, alias) = match self.rng.random_range(0..3) {
                    0 => (format!("e.{bare}"), false),
                    1 => (format!("e.{bare}x"), true),
                    _ => (format!("{name}y"), false),
                };
                reader.rename(name, &new, alias);
            }
        }
        reader
    }

    fn change(&mut self, ty: &Ty, level: usize) -> Ty {
        if level > 0 && self.rng.random_ratio(1, 25) {
            return match (self.rng.random_range(0..3), ty) {
                (0, Ty::Union(branches)) if !defines(ty) => branches.first().cloned().unwrap_or(Ty::Plain("null")),
                (0, _) if !defines(ty) => Ty::Plain(self.pick(&PLAIN)),
                (_, Ty::Union(_) | Ty::Plain("null")) => ty.clone(),
                (1, _) => Ty::Union(vec![Ty::Plain("null"), ty.clone()]),
                _ => Ty::Union(vec![ty.clone()]),
            };
        }
        match ty {
            Ty::Plain(name) => Ty::Plain(self.widen(name)),
            Ty::Fixed { name, size, .. } => {
                let size = if self.rng.random_ratio(1, 15) { size + 1 } else { *size };
                Ty::Fixed { name: name.clone(), aliases: Vec::new(), size }
            }
            Ty::Enum { name, symbols, .. } => {
                let mut symbols = symbols.clone();
                if self.rng.random_ratio(1, 4) {
                    symbols[0] = "OTHER".into();
                }
                let default = self.rng.random_ratio(1, 4).then(|| symbols[0].clone());
                Ty::Enum { name: name.clone(), aliases: Vec::new(), symbols, default }
            }
            Ty::Record { name, fields, .. } => self.change_record(name, fields, level),
            Ty::Array(item) => Ty::Array(Box::new(self.change(item, level + 1))),
            Ty::Map(value) => Ty::Map(Box::new(self.change(value, level + 1))),
            Ty::Union(branches) => self.change_union(branches, level),
            Ty::Named(name) => Ty::Named(name.clone()),
        }
    }

    fn widen(&mut self, name: &'static str) -> &'static str {
        let wider: &[&str] = match name {
            "int" => &["long", "float", "double", "string"],
            "long" => &["float", "double", "int"],
            "float" => &["double", "int"],
            "string" => &["bytes"],
            "bytes" => &["string"],
            _ => &[],
        };
        if self.rng.random_ratio(1, 6) { wider.choose(&mut self.rng).unwrap_or(&name) } else { name }
    }

    fn change_record(&mut self, name: &str, fields: &[Field], level: usize) -> Ty {
        let mut changed = Vec::new();
        for field in fields {
            let mut new = Field { ty: self.change(&field.ty, level + 1), ..field.clone() };
            match self.rng.random_range(0..12) {
                0 if !defines(&field.ty) => continue,
                1 => {
                    new.aliases = vec![field.name.clone()];
                    new.name = format!("{}x", field.name);
                }
                _ => {}
            }
            let at = if self.rng.random_ratio(1, 8) { 0 } else { changed.len() };
            // Order of definition matters to names: only fields without named types move.
            changed.insert(if holds_names(&new.ty) { changed.len() } else { at }, new);
        }
        for i in 0..self.rng.random_range(0..2) {
            let (ty, default) = self.pick(&[
                (Ty::Plain("int"), Some("7")),
                (Ty::Union(vec![Ty::Plain("null"), Ty::Plain("string")]), Some("null")),
                (Ty::Plain("string"), Some("\"d\"")),
                (Ty::Array(Box::new(Ty::Plain("long"))), Some("[]")),
            ]);
            let default = if self.rng.random_ratio(1, 12) { None } else { default };
            changed.push(Field { name: format!("new{i}"), aliases: Vec::new(), default, ty });
        }
        Ty::Record { name: name.to_owned(), aliases: Vec::new(), fields: changed }
    }

    fn change_union(&mut self, branches: &[Ty], level: usize) -> Ty {
        let mut changed: Vec<Ty> = Vec::new();
        for branch in branches {
            if self.rng.random_ratio(1, 8) && !defines(branch) {
                continue;
            }
            let new = self.change(branch, level + 1);
            let new = if matches!(new, Ty::Union(_)) { branch.clone() } else { new };
            if !changed.iter().any(|other| label(other) == label(&new)) {
                changed.push(new);
            }
        }
        if self.rng.random_ratio(1, 6) && !changed.iter().any(|other| label(other) == "double") {
            changed.insert(0, Ty::Plain("double"));
        }
        Ty::Union(changed)
    }

    /// Encodes a value of `root`.
    pub(crate) fn datum(&mut self, root: &Ty) -> Vec<u8> {
        let mut names = Vec::new();
        collect(root, &mut names);
        let mut out = Vec::new();
        self.encode(root, &names, 0, &mut out);
        out
    }

    fn encode(&mut self, ty: &Ty, names: &[(&str, &Ty)], level: usize, out: &mut Vec<u8>) {
        match ty {
            Ty::Plain(name) => self.encode_plain(name, out),
            Ty::Fixed { size, .. } => out.extend((0..*size).map(|_| self.rng.random::<u8>())),
            Ty::Enum { symbols, .. } => long(self.rng.random_range(0..symbols.len()) as i64, out),
            Ty::Record { fields, .. } => fields.iter().for_each(|field| self.encode(&field.ty, names, level + 1, out)),
            Ty::Array(item) => self.blocks(item, false, names, level, out),
            Ty::Map(value) => self.blocks(value, true, names, level, out),
            Ty::Union(branches) => {
                let calm: Vec<usize> = (0..branches.len()).filter(|&i| level < 8 || is_leaf(&branches[i])).collect();
                let branch = calm.choose(&mut self.rng).copied().unwrap_or(0);
                long(branch as i64, out);
                self.encode(&branches[branch], names, level + 1, out);
            }
            Ty::Named(name) => {
                let ty = names.iter().find(|(known, _)| known == name).expect("names are defined").1;
                self.encode(ty, names, level + 1, out);
            }
        }
    }

    fn encode_plain(&mut self, name: &str, out: &mut Vec<u8>) {
        match name {
            "null" => {}
            "boolean" => out.push(self.rng.random_range(0..2)),
            "int" => {
                let bits = self.rng.random_range(1..33);
                long(i64::from(self.rng.random::<i32>() >> (32 - bits)), out);
            }
            "long" => {
                let bits = self.rng.random_range(1..65);
                long(self.rng.random::<i64>() >> (64 - bits), out);
            }
            "float" => out.extend(self.rng.random::<[u8; 4]>()),
            "double" => out.extend(self.rng.random::<[u8; 8]>()),
            "bytes" => {
                let bytes: Vec<u8> = (0..self.rng.random_range(0..12)).map(|_| self.rng.random()).collect();
                long(bytes.len() as i64, out);
                out.extend(bytes);
            }
            _ => self.string(out),
        }
    }

    fn string(&mut self, out: &mut Vec<u8>) {
        let letters = ["a", "b", "é", "漢", "😀", " "];
        let length = if self.rng.random_ratio(1, 10) { 80 } else { 8 };
        let text: String = (0..self.rng.random_range(0..length)).map(|_| self.pick(&letters)).collect();
        long(text.len() as i64, out);
        out.extend(text.as_bytes());
    }

    fn blocks(&mut self, item: &Ty, map: bool, names: &[(&str, &Ty)], level: usize, out: &mut Vec<u8>) {
        let blocks = if level >= 6 { 0 } else { self.rng.random_range(0..3) };
        for _ in 0..blocks {
            let count = self.rng.random_range(1..4);
            let mut items = Vec::new();
            for _ in 0..count {
                if map {
                    self.string(&mut items);
                }
                self.encode(item, names, level + 1, &mut items);
            }
            if self.rng.random_ratio(1, 3) {
                long(-count, out);
                long(items.len() as i64, out);
            } else {
                long(count, out);
            }
            out.extend(items);
        }
        out.push(0);
    }

    /// Damages a datum in one of the ways in which data is damaged.
    pub(crate) fn damage(&mut self, datum: &[u8]) -> Vec<u8> {
        let mut bytes = datum.to_vec();
        let at = self.rng.random_range(0..=bytes.len());
        match self.rng.random_range(0..6) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, self.rng.random()),
            2 if at < bytes.len() => drop(bytes.remove(at)),
            3 if at < bytes.len() => bytes[at] ^= 1 << self.rng.random_range(0..8),
            4 if at < bytes.len() => bytes[at] = self.pick(&[0, 1, 2, 0x7f, 0x80, 0xff]),
            5 => {
                let noise: Vec<u8> = (0..self.rng.random_range(1..12)).map(|_| self.rng.random()).collect();
                bytes.splice(at..at, noise);
            }
            _ => bytes.push(self.rng.random()),
        }
        bytes
    }
}

fn long(value: i64, out: &mut Vec<u8>) {
    let mut raw = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while raw >= 0x80 {
        out.push(raw.to_le_bytes()[0] | 0x80);
        raw >>= 7;
    }
    out.push(raw.to_le_bytes()[0]);
}

/// What may stand only once in a union.
fn label(ty: &Ty) -> &str {
    match ty {
        Ty::Plain(name) => name,
        Ty::Fixed { name, .. } | Ty::Enum { name, .. } | Ty::Record { name, .. } | Ty::Named(name) => name,
        Ty::Array(_) => "array",
        Ty::Map(_) => "map",
        Ty::Union(_) => "union",
    }
}

fn is_leaf(ty: &Ty) -> bool {
    matches!(ty, Ty::Plain(_) | Ty::Fixed { .. } | Ty::Enum { .. })
}

fn defines(ty: &Ty) -> bool {
    let mut names = Vec::new();
    collect(ty, &mut names);
    !names.is_empty()
}

fn holds_names(ty: &Ty) -> bool {
    match ty {
        Ty::Plain(_) => false,
        Ty::Array(inner) | Ty::Map(inner) => holds_names(inner),
        Ty::Union(branches) => branches.iter().any(holds_names),
        Ty::Fixed { .. } | Ty::Enum { .. } | Ty::Record { .. } | Ty::Named(_) => true,
    }
}

fn collect<'a>(ty: &'a Ty, names: &mut Vec<(&'a str, &'a Ty)>) {
    match ty {
        Ty::Fixed { name, .. } | Ty::Enum { name, .. } => names.push((name, ty)),
        Ty::Record { name, fields, .. } => {
            names.push((name, ty));
            fields.iter().for_each(|field| collect(&field.ty, names));
        }
        Ty::Array(inner) | Ty::Map(inner) => collect(inner, names),
        Ty::Union(branches) => branches.iter().for_each(|branch| collect(branch, names)),
        Ty::Plain(_) | Ty::Named(_) => {}
    }
}

impl Ty {
    /// Renames a type wherever it stands, with or without its old name as an alias.
    fn rename(&mut self, old: &str, new: &str, alias: bool) {
        if let Self::Fixed { name, aliases, .. } | Self::Enum { name, aliases, .. } | Self::Record { name, aliases, .. } =
            self
            && name == old
        {
            *name = new.to_owned();
            aliases.extend(alias.then(|| old.to_owned()));
        }
        match self {
            Self::Record { fields, .. } => fields.iter_mut().for_each(|field| field.ty.rename(old, new, alias)),
            Self::Array(inner) | Self::Map(inner) => inner.rename(old, new, alias),
            Self::Union(branches) => branches.iter_mut().for_each(|branch| branch.rename(old, new, alias)),
            Self::Named(name) if name == old => *name = new.to_owned(),
            Self::Plain(_) | Self::Fixed { .. } | Self::Enum { .. } | Self::Named(_) => {}
        }
    }

    /// Writes the schema. Names without a namespace are given an empty one, so that none is inherited.
    pub(crate) fn json(&self) -> String {
        match self {
            Self::Plain(name) => format!("\"{name}\""),
            Self::Named(name) => format!("\"{name}\""),
            Self::Fixed { name, aliases, size } => {
                format!(r#"{{"type":"fixed",{},"size":{size}}}"#, named(name, aliases))
            }
            Self::Enum { name, aliases, symbols, default } => {
                let default = default.as_ref().map_or(String::new(), |symbol| format!(r#","default":"{symbol}""#));
                format!(r#"{{"type":"enum",{},"symbols":[{}]{default}}}"#, named(name, aliases), quoted(symbols))
            }
            Self::Record { name, aliases, fields } => {
                let fields: Vec<String> = fields.iter().map(Field::json).collect();
                format!(r#"{{"type":"record",{},"fields":[{}]}}"#, named(name, aliases), fields.join(","))
            }
            Self::Array(item) => format!(r#"{{"type":"array","items":{}}}"#, item.json()),
            Self::Map(value) => format!(r#"{{"type":"map","values":{}}}"#, value.json()),
            Self::Union(branches) => format!("[{}]", branches.iter().map(Self::json).collect::<Vec<_>>().join(",")),
        }
    }
}

impl Field {
    fn json(&self) -> String {
        let default = self.default.map_or(String::new(), |value| format!(r#","default":{value}"#));
        let (name, ty, aliases) = (&self.name, self.ty.json(), quoted(&self.aliases));
        format!(r#"{{"name":"{name}","aliases":[{aliases}],"type":{ty}{default}}}"#)
    }
}

fn named(full: &str, aliases: &[String]) -> String {
    let (namespace, name) = full.rsplit_once('.').unwrap_or(("", full));
    format!(r#""name":"{name}","namespace":"{namespace}","aliases":[{}]"#, quoted(aliases))
}

fn quoted(words: &[String]) -> String {
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(",")
}
