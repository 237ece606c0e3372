//! JSONata's functions: which may be called, and what each does with its arguments.

use super::guard::Use::{self, Carry, Inspect, Text, Truth};

/// One function.
#[derive(Debug, Clone, Copy)]
pub(super) struct Builtin {
    pub(super) name: &'static str,
    /// How each argument is used; the last holds for all that follow.
    pub(super) uses: &'static [Use],
    /// With fewer arguments than this, the context is the first.
    pub(super) context: usize,
    /// The argument that is a function, and how its result is used.
    pub(super) callback: Option<(usize, Use)>,
    /// The result may be many times as large as the arguments, or it shows only while it runs whether the context is the
    /// first of them.
    pub(super) is_charged: bool,
    /// The argument that is a picture, which must be written down.
    pub(super) picture: Option<usize>,
}

/// Why a function may not be called.
const REFUSED: [(&str, &str); 8] = [
    ("eval", "what it would run cannot be checked beforehand"),
    ("now", "a record that is read again must become the same"),
    ("millis", "a record that is read again must become the same"),
    ("random", "a record that is read again must become the same"),
    ("shuffle", "a record that is read again must become the same"),
    ("formatInteger", "its results cannot be bounded"),
    ("parseInteger", "its costs cannot be bounded"),
    ("clone", "it is not part of the language"),
];

/// Says why a function may not be called, if that is so.
pub(super) fn refused(name: &str) -> Option<&'static str> {
    REFUSED.iter().find(|(refused, _)| *refused == name).map(|(_, why)| *why)
}

/// Finds a function.
pub(super) fn find(name: &str) -> Option<Builtin> {
    BUILTINS.iter().find(|one| one.name == name).copied()
}

const fn builtin(name: &'static str, uses: &'static [Use], context: usize) -> Builtin {
    Builtin { name, uses, context, callback: None, is_charged: false, picture: None }
}

const fn charged(name: &'static str, context: usize) -> Builtin {
    Builtin { is_charged: true, ..builtin(name, &[Inspect], context) }
}

const fn pictured(name: &'static str, context: usize) -> Builtin {
    Builtin { picture: Some(1), ..builtin(name, &[Inspect], context) }
}

const fn higher(name: &'static str, context: usize, callback: usize, result: Use) -> Builtin {
    Builtin { callback: Some((callback, result)), ..builtin(name, &[Carry], context) }
}

/// All functions. Contexts are those of the signatures of jsonata-js 2.2: `<s-nn?:s>` takes the context for `s`.
const BUILTINS: [Builtin; 57] = [
    builtin("string", &[Text], 1),
    builtin("length", &[Inspect], 1),
    charged("substring", 2),
    builtin("substringBefore", &[Inspect], 2),
    builtin("substringAfter", &[Inspect], 2),
    builtin("uppercase", &[Inspect], 1),
    builtin("lowercase", &[Inspect], 1),
    builtin("trim", &[Inspect], 1),
    charged("pad", 2),
    charged("contains", 2),
    charged("split", 2),
    charged("join", 0),
    charged("match", 2),
    charged("replace", 3),
    builtin("base64encode", &[Inspect], 1),
    builtin("base64decode", &[Inspect], 1),
    builtin("encodeUrlComponent", &[Inspect], 1),
    builtin("encodeUrl", &[Inspect], 1),
    builtin("decodeUrlComponent", &[Inspect], 1),
    builtin("decodeUrl", &[Inspect], 1),
    charged("number", 1),
    builtin("abs", &[Inspect], 1),
    builtin("floor", &[Inspect], 1),
    builtin("ceil", &[Inspect], 1),
    builtin("round", &[Inspect], 1),
    charged("power", 2),
    builtin("sqrt", &[Inspect], 1),
    Builtin { is_charged: true, ..pictured("formatNumber", 2) },
    builtin("formatBase", &[Inspect], 1),
    charged("sum", 0),
    builtin("max", &[Inspect], 0),
    builtin("min", &[Inspect], 0),
    charged("average", 0),
    builtin("boolean", &[Truth], 1),
    builtin("not", &[Truth], 1),
    builtin("exists", &[Carry], 0),
    builtin("count", &[Carry], 0),
    builtin("append", &[Carry], 0),
    Builtin { callback: Some((1, Truth)), ..builtin("sort", &[Inspect], 0) },
    builtin("reverse", &[Carry], 0),
    builtin("distinct", &[Inspect], 0),
    builtin("zip", &[Carry], 0),
    builtin("keys", &[Carry], 1),
    builtin("lookup", &[Carry, Inspect], 2),
    builtin("spread", &[Carry], 1),
    builtin("merge", &[Carry], 0),
    higher("sift", 2, 1, Truth),
    higher("each", 2, 1, Carry),
    builtin("error", &[Inspect], 0),
    builtin("assert", &[Truth, Inspect], 0),
    builtin("type", &[Inspect], 0),
    higher("map", 0, 1, Carry),
    higher("filter", 0, 1, Truth),
    higher("single", 0, 1, Truth),
    higher("reduce", 0, 1, Carry),
    Builtin { is_charged: true, ..pictured("fromMillis", 1) },
    pictured("toMillis", 1),
];
