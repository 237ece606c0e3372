//! Steps of every kind and what they make, besides those of the page.

use super::*;

struct Row {
    writer: &'static str,
    target: &'static str,
    steps: &'static [&'static str],
    records: &'static [(&'static str, &'static str)],
}

const ROWS: &[Row] = &[
    // Nothing but names: aliases, defaults, promotions, recursion, and records of other names.
    Row {
        writer: "{ old: int, gone: string, next: R{ n: int, next: R?}? }",
        target: "{ new (was old): long, extra: int = 7, next: S{ n: double, next: S?}? }",
        steps: &["to: extra, constant: 8", "drop: gone"],
        records: &[(
            r#"{"old": 5, "gone": "x", "next": {"n": 1, "next": {"n": 2, "next": null}}}"#,
            r#"{"new": 5, "extra": 8, "next": {"n": 1.0, "next": {"n": 2.0, "next": null}}}"#,
        )],
    },
    // A map's values, and a field of the root in each of them.
    Row {
        writer: "{ unit: string, sizes: <{ x: int }> }",
        target: "{ measures: <{ width: long, unit: string }> }",
        steps: &["from: 'sizes{}.x', to: 'measures{}.width'", "from: unit, to: 'measures{}.unit'"],
        records: &[(
            r#"{"unit": "m", "sizes": {"a": {"x": 1}, "b": {"x": 2}}}"#,
            r#"{"measures": {"a": {"width": 1, "unit": "m"}, "b": {"width": 2, "unit": "m"}}}"#,
        )],
    },
    // Items of items, and values of the level between.
    Row {
        writer: "{ orders: [{ id: int, lines: [{ sku: string }] }] }",
        target: "{ orders: [{ id: int, items: [{ name: string, order: int }] }] }",
        steps: &[
            "from: 'orders[].lines[].sku', to: 'orders[].items[].name'",
            "from: 'orders[].id', to: 'orders[].items[].order'",
        ],
        records: &[(
            r#"{"orders": [{"id": 1, "lines": [{"sku": "a"}, {"sku": "b"}]}, {"id": 2, "lines": []}]}"#,
            r#"{"orders": [{"id": 1, "items": [{"name": "a", "order": 1}, {"name": "b", "order": 1}]}, {"id": 2, "items": []}]}"#,
        )],
    },
    // One field of each item becomes the item.
    Row {
        writer: "{ items: [{ price: double, sku: string }] }",
        target: "{ prices: [double] }",
        steps: &["from: 'items[].price', to: 'prices[]'", "drop: 'items[].sku'"],
        records: &[(r#"{"items": [{"price": 1.5, "sku": "a"}]}"#, r#"{"prices": [1.5]}"#)],
    },
    // Arrays whole, by another name, and one that may be missing.
    Row {
        writer: "{ lines: [{ n: int }]?, tags: [string]? }",
        target: "{ items: [{ n: long }], tags: [string] }",
        steps: &["from: lines, to: items, default: []", "to: tags, default: [none]"],
        records: &[
            (r#"{"lines": null, "tags": null}"#, r#"{"items": [], "tags": ["none"]}"#),
            (r#"{"lines": [{"n": 1}], "tags": ["a"]}"#, r#"{"items": [{"n": 1}], "tags": ["a"]}"#),
        ],
    },
    // A nullable record of which a part is made by a step: what is there of it keeps it.
    Row {
        writer: "{ phone: string?, customer: C{ name: string? }? }",
        target: "{ customer: C{ name: string?, phone: string? }? }",
        steps: &["from: phone, to: customer.phone"],
        records: &[
            (r#"{"phone": null, "customer": null}"#, r#"{"customer": null}"#),
            (r#"{"phone": null, "customer": {"name": null}}"#, r#"{"customer": {"name": null, "phone": null}}"#),
            (r#"{"phone": "1", "customer": null}"#, r#"{"customer": {"name": null, "phone": "1"}}"#),
        ],
    },
    // Behind a null: the step's default, the field's, null, or nothing.
    Row {
        writer: "{ a: { x: int, y: int, z: int }? }",
        target: "{ x: int, y: int = 7, z: int? }",
        steps: &["from: a.x, to: x, default: 5", "from: a.y, to: y", "from: a.z, to: z"],
        records: &[
            (r#"{"a": null}"#, r#"{"x": 5, "y": 7, "z": null}"#),
            (r#"{"a": {"x": 1, "y": 2, "z": 3}}"#, r#"{"x": 1, "y": 2, "z": 3}"#),
        ],
    },
    Row {
        writer: "{ a: { x: int }? }",
        target: "{ x: int }",
        steps: &["from: a.x, to: x"],
        records: &[(
            r#"{"a": null}"#,
            "fails at x, mapping[0]: the source is null or absent, and the target takes no null; give a `default`",
        )],
    },
    // A null stays one, or fails: the field's default is for what is absent.
    Row {
        writer: "{ a: string?, b: string?, c: [int]?, d: { x: string? }? }",
        target: "{ a1: string? = null, a2: (string | null) = \"x\", a3: string = \"x\", ab: (string | null) = \"y\", \
                 as: ([string] | null) = [\"z\"], cs: ([long] | null) = [7], w: ([string] | null) = [], \
                 u: (string | null) = \"u\", one: (int | null) = 9, d: (string | null) = \"d\" }",
        steps: &[
            "from: b, to: [a1, a2, a3], split: ','",
            "from: [a, b], to: ab, join: ','",
            "from: a, to: as, split: ','",
            "from: 'c[]', to: 'cs[]'",
            "from: [a, b], to: w, wrap: array",
            "from: [a, b], to: u, wrap: union",
            "from: c, to: [one], unwrap: array",
            "from: d.x, to: d",
        ],
        records: &[
            (
                r#"{"a": null, "b": null, "c": null, "d": {"x": null}}"#,
                "fails at a3, mapping[0]: the value is null, and the target takes no null; give a `default`",
            ),
            (
                r#"{"a": null, "b": "1,2,3", "c": null, "d": {"x": null}}"#,
                "fails at ab, mapping[1]: one part is null or absent, and another is not",
            ),
        ],
    },
    Row {
        writer: "{ a: string?, b: string?, c: [int]?, d: { x: string?, y: string }? }",
        target: "{ a2: (string | null) = \"x\", ab: (string | null) = \"y\", \
                 as: ([string] | null) = [\"z\"], cs: ([long] | null) = [7], w: ([string] | null) = [], \
                 u: (string | null) = \"u\", one: (int | null) = 9, x: (string | null) = \"d\", y: string = \"e\", \
                 ys: ([string] | null) = [\"f\"] }",
        steps: &[
            "from: [a, b], to: ab, join: ','",
            "from: a, to: as, split: ','",
            "from: a, to: a2, symbols: { a: b }",
            "from: 'c[]', to: 'cs[]'",
            "from: [a, b], to: w, wrap: array",
            "from: [a, b], to: u, wrap: union",
            "from: c, to: [one], unwrap: array",
            "from: d.x, to: x",
            "from: d.y, to: y",
            "from: d.y, to: ys, split: ','",
        ],
        records: &[
            (
                r#"{"a": null, "b": null, "c": null, "d": {"x": null, "y": "1"}}"#,
                r#"{"a2": null, "ab": null, "as": null, "cs": null, "w": null, "u": null, "one": null, "x": null,
                    "y": "1", "ys": ["1"]}"#,
            ),
            (
                r#"{"a": null, "b": null, "c": [], "d": null}"#,
                r#"{"a2": null, "ab": null, "as": null, "cs": [], "w": null, "u": null, "one": 9, "x": "d",
                    "y": "e", "ys": ["f"]}"#,
            ),
        ],
    },
    // Arrays behind a null are absent: the default of the field.
    Row {
        writer: "{ d: { c: [int]? }? }",
        target: "{ c: ([long] | null) = [7], e: [long] = [8] }",
        steps: &["from: 'd.c[]', to: 'c[]'", "from: 'd.c[]', to: 'e[]'"],
        records: &[
            (r#"{"d": null}"#, r#"{"c": [7], "e": [8]}"#),
            (
                r#"{"d": {"c": null}}"#,
                "fails at e, mapping: the value is null, and the target takes no null; give a `default`",
            ),
            (r#"{"d": {"c": [1]}}"#, r#"{"c": [1], "e": [1]}"#),
        ],
    },
    // The default of a step that others refine.
    Row {
        writer: "{ client: Client{ id: long, fullname: string }?, lines: [{ n: int }]? }",
        target: "{ customer: Customer{ id: long, name: string }, items: [{ m: int }] }",
        steps: &[
            "from: client, to: customer, default: { id: 0, name: nobody }",
            "from: client.fullname, to: customer.name",
            "from: lines, to: items, default: [{ m: 1 }]",
            "from: 'lines[].n', to: 'items[].m'",
        ],
        records: &[
            (r#"{"client": null, "lines": null}"#, r#"{"customer": {"id": 0, "name": "nobody"}, "items": [{"m": 1}]}"#),
            (
                r#"{"client": {"id": 7, "fullname": "Ann"}, "lines": [{"n": 3}]}"#,
                r#"{"customer": {"id": 7, "name": "Ann"}, "items": [{"m": 3}]}"#,
            ),
        ],
    },
    // A null that the target does not take.
    Row {
        writer: "{ a: int?, b: int? }",
        target: "{ a: int, b: int }",
        steps: &["to: b, default: 1"],
        records: &[
            (
                r#"{"a": null, "b": null}"#,
                "fails at a, mapping: the value is null, and the target takes no null; give a `default`",
            ),
            (r#"{"a": 2, "b": null}"#, r#"{"a": 2, "b": 1}"#),
        ],
    },
    // A union that narrows by name: for the record to say.
    Row {
        writer: "{ a: (string | int | double) , b: int}",
        target: "{ a: (double | string), c: int }",
        steps: &["from: b, to: c"],
        records: &[
            (r#"{"a": "x", "b": 1}"#, r#"{"a": "x", "c": 1}"#),
            (r#"{"a": 1, "b": 1}"#, r#"{"a": 1.0, "c": 1}"#),
        ],
    },
    // Casts in nullable fields and in items.
    Row {
        writer: "{ a: string?, b: [string] }",
        target: "{ a: int?, b: [int] }",
        steps: &["to: a, cast: number", "to: 'b[]', cast: number"],
        records: &[
            (r#"{"a": null, "b": ["1", "-2"]}"#, r#"{"a": null, "b": [1, -2]}"#),
            (r#"{"a": "3", "b": []}"#, r#"{"a": 3, "b": []}"#),
            (r#"{"a": "3", "b": ["1", "x"]}"#, "fails at b[1], mapping[1]: the text is no decimal number"),
        ],
    },
    // A cast into the one branch that takes it.
    Row {
        writer: "{ a: string }",
        target: "{ a: (null | enum E(X) | long) }",
        steps: &["to: a, cast: number"],
        records: &[(r#"{"a": "3"}"#, r#"{"a": 3}"#)],
    },
    // Symbols to and from text, with the same and with others.
    Row {
        writer: "{ a: string, b: enum(X, Y), c: string? }",
        target: "{ a: enum(ONE, TWO), b: string, c: enum(P, Q)? }",
        steps: &["to: a, symbols: { one: ONE }, other: TWO", "to: b, symbols: { X: x }", "to: c, symbols: { p: P }"],
        records: &[
            (r#"{"a": "one", "b": "X", "c": null}"#, r#"{"a": "ONE", "b": "x", "c": null}"#),
            (r#"{"a": "?", "b": "Y", "c": "Q"}"#, r#"{"a": "TWO", "b": "Y", "c": "Q"}"#),
            (
                r#"{"a": "?", "b": "Y", "c": "R"}"#,
                "fails at c, mapping[2]: the text is no symbol of the target; give `other`",
            ),
        ],
    },
    // One value and an array of one; into a nullable array, nothing is null.
    Row {
        writer: "{ a: int, b: string?, c: [int] }",
        target: "{ a: [long], b: [string]?, c: int? }",
        steps: &["to: a, wrap: array", "to: b, wrap: array", "to: c, unwrap: array"],
        records: &[
            (r#"{"a": 1, "b": "x", "c": [7]}"#, r#"{"a": [1], "b": ["x"], "c": 7}"#),
            (r#"{"a": 1, "b": null, "c": []}"#, r#"{"a": [1], "b": null, "c": null}"#),
            (
                r#"{"a": 1, "b": null, "c": [7, 8]}"#,
                "fails at c, mapping[2]: the array has 2 items, and there is a target for 1",
            ),
        ],
    },
    // An array that takes nulls has them where they stand.
    Row {
        writer: "{ a: string?, b: string? }",
        target: "{ c: [string?] }",
        steps: &["from: [a, b], to: c, wrap: array"],
        records: &[
            (r#"{"a": null, "b": "x"}"#, r#"{"c": [null, "x"]}"#),
            (r#"{"a": null, "b": null}"#, r#"{"c": [null, null]}"#),
        ],
    },
    // One branch of a union has a target, the other has none.
    Row {
        writer: "{ a: (string | int) }",
        target: "{ b: long? }",
        steps: &["from: a, to: b, unwrap: union"],
        records: &[
            (r#"{"a": 1}"#, r#"{"b": 1}"#),
            (r#"{"a": "x"}"#, "fails at b, mapping[0]: no target takes the branch of the union that is there"),
        ],
    },
    // Constants of every type.
    Row {
        writer: "{ z: int }",
        target: "{ z: int, a: boolean, b: bytes, c: fixed(2), d: [int], e: <string>, f: { x: int, y: int = 2 }, g: double, \
                 h: decimal(5,2), i: timestamp-micros, j: int?, k: uuid-fixed, l: (null | string | int), m: decimal(5,2,3) }",
        steps: &[
            "to: a, constant: true",
            "to: b, constant: \"\\u00ff\"",
            "to: c, constant: ab",
            "to: d, constant: [1, 2]",
            "to: e, constant: { k: v }",
            "to: f, constant: { x: 1 }",
            "to: g, constant: 0.1",
            "to: h, constant: -1.5",
            "to: i, constant: '1970-01-01T00:00:00.000001Z'",
            "to: j, constant: null",
            "to: k, constant: '61626364-6566-6768-696a-6b6c6d6e6f70'",
            "to: l, constant: 5",
            "to: m, constant: -1.5",
        ],
        records: &[(
            r#"{"z": 1}"#,
            r#"{"z": 1, "a": true, "b": "ÿ", "c": "ab", "d": [1, 2], "e": {"k": "v"}, "f": {"x": 1, "y": 2}, "g": 0.1,
                "h": "-1.50", "i": 1, "j": null, "k": "abcdefghijklmnop", "l": 5, "m": "-1.50"}"#,
        )],
    },
    // The whole of what is no record.
    Row {
        writer: "string",
        target: "long",
        steps: &["to: ., cast: number"],
        records: &[("\"42\"", "42"), ("\"x\"", "fails at , mapping[0]: the text is no decimal number")],
    },
    Row {
        writer: "[{ a: int }]",
        target: "[{ b: int }]",
        steps: &["from: '[].a', to: '[].b'"],
        records: &[(r#"[{"a": 1}, {"a": 2}]"#, r#"[{"b": 1}, {"b": 2}]"#)],
    },
    // What is joined is split as it was, or not joined.
    Row {
        writer: "{ a: string, b: string }",
        target: "{ all: string }",
        steps: &["from: [a, b], to: all, join: '::'"],
        records: &[
            (r#"{"a": "x", "b": ":y"}"#, r#"{"all": "x:::y"}"#),
            (
                r#"{"a": "x:", "b": "y"}"#,
                "fails at all, mapping[0]: a part holds the separator, or a piece of it: it could not be split again",
            ),
        ],
    },
    // Several parts with casts, and a text that is cut into times.
    Row {
        writer: "{ span: string, days: [date] }",
        target: "{ from: date, until: date?, days: string }",
        steps: &["from: span, to: [from, until], split: /, cast: time", "to: days, join: ' ', cast: time"],
        records: &[(
            r#"{"span": "1970-01-02/1969-12-31", "days": [0, 1]}"#,
            r#"{"from": 1, "until": -1, "days": "1970-01-01 1970-01-02"}"#,
        )],
    },
];

#[test]
fn steps_of_every_kind_make_what_they_say() {
    let (mut records, mut wrong) = (0, Vec::new());
    for Row { writer, target, steps, records: pairs } in ROWS {
        let case = case(writer, target, steps);
        for (before, after) in *pairs {
            let read =
                |text: &str| serde_json::from_str::<Json>(text).unwrap_or_else(|error| panic!("{error}: {text}"));
            let expected = if after.starts_with("fails") { Err((*after).to_owned()) } else { Ok(read(after)) };
            let made = case.json(&read(before));
            if made != expected {
                wrong.push(format!("{writer} to {target}: {before} is {made:?}"));
            }
            records += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(records > 30 && ROWS.iter().all(|row| !row.records.is_empty()), "{records} records");
}

/// What the steps of a version say is for that version alone.
#[test]
fn steps_may_be_for_one_version() {
    let environment = Environment { variable: &|_| None, file: &|_| Err(std::io::ErrorKind::NotFound.into()) };
    let text = "mapping: { 1: [{ from: a, to: b }], 3: [{ drop: c }] }";
    let steps = Config::mapping(text, Syntax::Yaml, &environment).unwrap();
    let count = |version: i32| steps.of(Some(crate::schema::Version(version))).map(<[Step]>::len);
    assert_eq!([count(1), count(2), count(3)], [Some(1), None, Some(1)]);
    assert_eq!(steps.of(None), None);
    assert!(matches!(steps.of(Some(crate::schema::Version(3))), Some([Step::Drop(_)])));
}

#[test]
fn losses_are_told_by_path() {
    let cases: [(&str, &str, &[&str], &[&str]); 8] = [
        ("{ a: int, b: int }", "{ a: int }", &[], &["`b`"]),
        ("{ a: int, b: { c: int, d: int } }", "{ a: int, b: { c: int } }", &[], &["`b.d`"]),
        ("{ a: int, b: { c: int, d: int } }", "{ a: int, b: { c: int } }", &["drop: b"], &[]),
        (
            "{ a: [{ x: int, y: int }], m: <{ x: int, y: int }> }",
            "{ a: [{ x: int }], m: <{ x: int }> }",
            &["drop: 'a[].y'"],
            &["`m{}.y`"],
        ),
        // Carried elsewhere, or by a step that reads it.
        (
            "{ a: int, b: string, c: string }",
            "{ d: long, e: string }",
            &["from: a, to: d", "from: [b, c], to: e, join: ' '"],
            &[],
        ),
        // A recursive schema ends.
        ("R{ v: int, w: int, next: R? }", "R{ v: int, next: R? }", &[], &["`w`"]),
        // Roundings and symbols that become one.
        (
            "{ a: double }",
            "{ a: int }",
            &["to: a, cast: number, rounding: floor"],
            &["`a` to the digit: rounded by 'floor'"],
        ),
        (
            "{ a: enum(A, B) }",
            "{ a: enum(A) }",
            &["to: a, symbols: { B: A }"],
            &["`a` where it is 'B', which becomes 'A'"],
        ),
    ];
    for (writer, target, steps, losses) in cases {
        let case = compile(writer, target, &lines_or_none(steps)).unwrap();
        assert_eq!(case.losses(), losses, "{writer} to {target}");
    }
}

fn lines_or_none(steps: &[&str]) -> Vec<Step> {
    if steps.is_empty() { Vec::new() } else { lines(steps) }
}

/// What stands beside a loss is carried: the words are true of the data.
#[test]
fn promotions_are_exact_or_fail() {
    let case =
        case("{ a: long, b: int, c: float }", "{ a: double, b: float, c: double, d: int }", &["to: d, constant: 1"]);
    let record = |a: i64, b: i32, c: f32| Value::Record(vec![Value::Long(a), Value::Int(b), Value::Float(c)]);
    let fails = |record| case.map(&record).map_err(|failure| failure.path);
    assert_eq!(fails(record(9_007_199_254_740_993, 0, 0.0)), Err("a".to_owned()));
    assert_eq!(fails(record(0, 16_777_217, 0.0)), Err("b".to_owned()));
    assert_eq!(fails(record(i64::MAX, 0, 0.0)), Err("a".to_owned()));
    let good = case.map(&record(9_007_199_254_740_992, 16_777_216, 0.1)).unwrap();
    let expected = [
        Value::Double(9_007_199_254_740_992.0),
        Value::Float(16_777_216.0),
        Value::Double(f64::from(0.1_f32)),
        Value::Int(1),
    ];
    assert_eq!(good, Value::Record(expected.to_vec()));
    assert_eq!(case.map(&record(i64::MIN, i32::MIN, f32::INFINITY)).map(|_| ()), Ok(()));
}
