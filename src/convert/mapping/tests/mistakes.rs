//! What is wrong with a mapping, in words.

use super::*;

/// Writer, target, steps, and all that is wrong.
type Row = (&'static str, &'static str, &'static [&'static str], &'static [&'static str]);

const ROWS: &[Row] = &[
    // Types that do not fit, each field told.
    (
        "{ a: string, b: { c: timestamp-millis, d: int }, e: enum(A) , f: fixed(2), g: [string] }",
        "{ a: int, b: { c: timestamp-micros, d: boolean }, e: enum(B), f: fixed(3), g: [int] }",
        &[],
        &[
            "mapping: `a` of version 2: `string` does not become `int` without a `cast`",
            "mapping: `b.c` of version 2: `timestamp-millis` does not become `timestamp-micros` without a `cast`",
            "mapping: `b.d` of version 2: `int` does not become `boolean` without a `cast`",
            "mapping: `e` of version 2: the target's enum has none of the symbols; give `symbols`",
            "mapping: `f` of version 2: `fixed(2)` does not become `fixed(3)` without a `cast`",
            "mapping: `g[]` of version 2: `string` does not become `int` without a `cast`",
        ],
    ),
    (
        "{ a: decimal(9,2), b: decimal(9,2), c: decimal(9,2) }",
        "{ a: decimal(9,3), b: decimal(8,2), c: decimal(12,2) }",
        &[],
        &[
            "mapping: `a` of version 2: `decimal(9, 2)` does not become `decimal(9, 3)` without a `cast`",
            "mapping: `b` of version 2: `decimal(9, 2)` does not become `decimal(8, 2)` without a `cast`",
        ],
    ),
    (
        "{ a: int }",
        "string",
        &[],
        &["mapping: `.` of version 2: record `T1` does not become `string` without a `cast`"],
    ),
    (
        "{ a: int? }",
        "{ a: string? }",
        &[],
        &["mapping: `a` of version 2: `int` does not become `string` without a `cast`"],
    ),
    // Targets.
    (
        "{ a: int, b: int }",
        "{ c: { d: int }, b: int }",
        &["from: a, to: c.e", "from: a, to: b.x", "from: a, to: 'c[].d'"],
        &[
            "mapping[0].to: `c.e` is not in version 2; nearest is `c.d`",
            "mapping[1].to: `b` is an int, and has no fields",
            "mapping[2].to: `c` is a record, and no array",
            "mapping: `c.d` of version 2 has no source and no default: give a step for it",
        ],
    ),
    // Sources.
    (
        "{ items: [{ price: int }], rows: [{ price: int }], u: (string | int) , r: (A{ x: int } | B{ y: int }) }",
        "{ total: int, items: [{ price: int, more: int }], x: int }",
        &[
            "from: 'items[].price', to: total",
            "from: 'rows[].price', to: 'items[].more'",
            "from: 'items[].price', to: 'items[].price', cast: number",
            "from: r.x, to: x",
        ],
        &[
            "mapping[0].from: goes into `items[]`, and `to` goes into nothing then",
            "mapping[2].from: goes into `items`, and mapping[1] feeds the same from `rows`",
            "mapping[3].from: `r` is a union of several types, which no path leads through",
        ],
    ),
    (
        "{ a: int }",
        "{ a: int, b: [{ c: int }] }",
        &["from: a, to: 'b[].c'"],
        &["mapping[0].to: `b[]` has no source: no collection of version 1 feeds it"],
    ),
    // What goes together in no way, and what is no value.
    (
        "{ a: int, b: string, c: enum(X) }",
        "{ a: int, b: string, c: enum(Y), d: long, e: date }",
        &[
            "to: d, constant: x",
            "to: e, constant: '2023-02-29'",
            "to: a, default: 1",
            "to: c, symbols: { Z: Y }",
            "from: b, to: b, split: x",
            "to: [a, e], unwrap: array",
        ],
        &[
            "mapping[0].constant: is no value for `d`, which is `long`",
            "mapping[1].constant: is no value for `e`, which is `date`",
            "mapping[2].default: is never used: the source is never null or absent",
            "mapping[3].to: `c` of version 2: `Z` is no symbol of the writer; it has `X`",
            "mapping[4].to: `b` is `string`, and an array is needed",
            "mapping[5].to: `a` is made by mapping[2] already",
            "mapping[5].to: `e` is made by mapping[1] already",
        ],
    ),
    (
        "{ c: enum(X, Y), u: string, v: string }",
        "{ c: enum(Z), u: (int | long), v: { w: string } }",
        &["to: c, symbols: { X: Z }", "to: u, cast: number", "from: v, to: v.w", "from: v, to: v, cast: text"],
        &[
            "mapping[0].to: `c` of version 2: `Y` has no symbol in the target: name one, or give `other`",
            "mapping[1].to: `u` of version 2: several branches of the target's union could take the cast",
            "mapping[2].to: `v.w` lies within what mapping[3] makes as a whole",
        ],
    ),
    // Casts that lead nowhere.
    (
        "{ a: long, b: time-millis, c: timestamp-millis, d: double, e: boolean, f: fixed(2) , g: date }",
        "{ a: date, b: timestamp-millis, c: local-timestamp-millis, d: float, e: int, f: fixed(3), g: timestamp-millis }",
        &[
            "to: a, cast: time",
            "to: b, cast: time",
            "to: c, cast: time",
            "to: d, cast: number, rounding: floor",
            "to: e, cast: text",
            "to: f, cast: bytes",
            "to: g, cast: time, unit: days",
        ],
        &[
            "mapping[0].to: `a` of version 2: a number without a logical type counts something: give its `unit`",
            "mapping[1].to: `b` of version 2: a time of day and a date are parts of a time: no cast leads from one to the other",
            "mapping[2].to: `c` of version 2: a local timestamp has no time zone, so that no cast leads to or from a timestamp",
            "mapping[3].to: `d` of version 2: a float is the nearest: give `rounding: half-even`",
            "mapping[4].to: `e` of version 2: `cast: text` goes between string and boolean, enum or UUID",
            "mapping[5].to: `f` of version 2: fixed of one size are never fixed of another",
            "mapping[6].to: `g` of version 2: both types say what they count: leave `unit` out",
        ],
    ),
    // Drops.
    (
        "{ a: int, b: int }",
        "{ a: int }",
        &["drop: [a, c]", "drop: b"],
        &["mapping[0].drop: nothing of `a` is lost", "mapping[0].drop: `c` is not in version 1"],
    ),
    // Unions that are none, and branches that nobody takes.
    (
        "{ a: string, b: (string | int) }",
        "{ c: string?, d: boolean? }",
        &["from: a, to: c, unwrap: union", "from: b, to: d, unwrap: union"],
        &["mapping[0].unwrap: `a` is `string`, and no union", "mapping[1].to: `d` takes no branch of `b` that is left"],
    ),
];

#[test]
fn every_mistake_is_told_at_once() {
    let mut wrong = Vec::new();
    for (writer, target, steps, expected) in ROWS {
        let steps = if steps.is_empty() { Vec::new() } else { lines(steps) };
        let found = compile(writer, target, &steps).err().unwrap_or_default();
        if found != *expected {
            wrong.push(format!(
                "{writer} to {target}\n--- expected\n{}\n--- found\n{}",
                expected.join("\n"),
                found.join("\n")
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
