//! Changes by table: words, pointer and the directions that they break, and the verdict on the whole.

use super::*;

fn tree(text: &str) -> Tree {
    Tree::read(text, []).unwrap()
}

/// A record of these fields.
fn record(fields: &str) -> String {
    format!(r#"{{"type":"record","name":"Order","fields":[{fields}]}}"#)
}

/// Writes a change in one line: its directions are `<` for backward and `>` for forward.
fn line(change: &Change) -> String {
    let breaks = match (change.breaks_backward, change.breaks_forward) {
        (false, false) => "",
        (true, false) => " <",
        (false, true) => " >",
        (true, true) => " <>",
    };
    format!("{} {}: {}{breaks}", change.code, change.pointer, change.words)
}

#[test]
fn changes_are_told_with_what_they_break() {
    let field = |text: &str| record(&format!(r#"{{"name":"a",{text}}}"#));
    let enumeration = |text: &str| format!(r#"{{"type":"enum","name":"E","symbols":{text}}}"#);
    for (old, new, expected, first) in [
        (r#""int""#.to_owned(), r#""int""#.to_owned(), vec![], MoveFirst::Any),
        (
            r#""int""#.to_owned(),
            r#""long""#.to_owned(),
            vec!["type_changed : the type was int and is long >"],
            MoveFirst::Consumers,
        ),
        (
            r#""long""#.to_owned(),
            r#""int""#.to_owned(),
            vec!["type_changed : the type was long and is int <"],
            MoveFirst::Producers,
        ),
        (
            r#""int""#.to_owned(),
            r#"{"type":"array","items":"int"}"#.to_owned(),
            vec!["type_changed : the type was int and is array of int <>"],
            MoveFirst::Nobody,
        ),
        (
            record(""),
            field(r#""type":"string","default":"""#),
            vec![r#"field_added /fields/0: field 'a' was added: string, default """#],
            MoveFirst::Any,
        ),
        (
            record(""),
            field(r#""type":"string""#),
            vec!["field_added /fields/0: field 'a' was added: string, without a default <"],
            MoveFirst::Producers,
        ),
        (
            field(r#""type":"string""#),
            record(""),
            vec!["field_removed /fields/0: field 'a' was removed, and it had no default >"],
            MoveFirst::Consumers,
        ),
        (
            field(r#""type":"string""#),
            record(r#"{"name":"b","type":"string","aliases":["a"]}"#),
            vec![
                "alias_added /fields/0/aliases: field 'b' has the alias 'a' more",
                "field_renamed /fields/0/name: field 'a' is now 'b', which has the old name as an alias >",
            ],
            MoveFirst::Consumers,
        ),
        (
            field(r#""type":"string""#),
            field(r#""type":["null","string"],"default":null,"doc":"It.""#),
            vec![
                "default_changed /fields/0/default: the default of field 'a' was none and is null",
                "doc_changed /fields/0/doc: the doc of field 'a' is another",
                "type_changed /fields/0/type: the type was string and is union of null, string >",
            ],
            MoveFirst::Consumers,
        ),
        (
            field(r#""type":["null","int"]"#),
            field(r#""type":["null","string"]"#),
            vec![
                "branch_added /fields/0/type/1: the union takes string more >",
                "branch_removed /fields/0/type/1: the union takes no int any more <",
            ],
            MoveFirst::Nobody,
        ),
        (
            enumeration(r#"["A","B"]"#),
            enumeration(r#"["B","C"],"default":"B""#),
            vec![
                "enum_default_changed /default: the default of the enum was none and is 'B'",
                "symbols_added /symbols: symbols were added: C >",
                "symbols_removed /symbols: symbols were removed: A",
            ],
            MoveFirst::Consumers,
        ),
        (
            r#"{"type":"fixed","name":"a.F","size":1}"#.to_owned(),
            r#"{"type":"fixed","name":"b.G","size":2,"aliases":["a.F"]}"#.to_owned(),
            vec![
                "alias_added /aliases: fixed 'G' has the alias 'a.F' more",
                "type_renamed /name: fixed 'a.F' is now 'b.G' >",
                "size_changed /size: the size was 1 bytes and is 2 <>",
            ],
            MoveFirst::Nobody,
        ),
        (
            r#"{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}"#.to_owned(),
            r#"{"type":"bytes","logicalType":"decimal","precision":9,"scale":3}"#.to_owned(),
            vec![
                "logical_type_changed /scale: 'scale' was 2 and is 3: the bytes are read, and may mean something else",
            ],
            MoveFirst::Any,
        ),
    ] {
        let (before, now) = (tree(&old), tree(&new));
        let found: Vec<_> = changes(&before, &now).unwrap().iter().map(line).collect();
        assert_eq!(found, expected, "{old} -> {new}");
        assert_eq!(Verdict::between(&before, &now).unwrap().move_first(), first, "{old} -> {new}");
    }
}

#[test]
fn a_recursive_schema_is_walked_once() {
    let list = |of: &str| {
        format!(
            r#"{{"type":"record","name":"L","fields":[{{"name":"v","type":"{of}"}},{{"name":"n","type":["null","L"]}}]}}"#
        )
    };
    let found: Vec<_> = changes(&tree(&list("int")), &tree(&list("string"))).unwrap().iter().map(line).collect();
    assert_eq!(found, ["type_changed /fields/0/type: the type was int and is string <>"]);
}

#[test]
fn fields_in_another_order_are_one_change() {
    let (a, b) = (r#"{"name":"a","type":"int"}"#, r#"{"name":"b","type":"int"}"#);
    let found = changes(&tree(&record(&[a, b].join(","))), &tree(&record(&[b, a].join(",")))).unwrap();
    assert_eq!(found.iter().map(|change| change.code).collect::<Vec<_>>(), ["fields_reordered"]);
}

#[test]
fn what_breaks_no_direction_stands_in_no_ones_way() {
    let schemas = [
        r#""int""#,
        r#""long""#,
        r#"["null","int"]"#,
        r#"["null","long","string"]"#,
        r#"{"type":"map","values":"int"}"#,
        r#"{"type":"enum","name":"Order","symbols":["A"]}"#,
        r#"{"type":"enum","name":"Order","symbols":["A","B"],"default":"A"}"#,
        r#"{"type":"record","name":"Order","fields":[]}"#,
        r#"{"type":"record","name":"Order","fields":[{"name":"a","type":["null","int"],"default":null}]}"#,
        r#"{"type":"record","name":"Order","fields":[{"name":"a","type":"int"},{"name":"b","type":"bytes"}]}"#,
    ];
    for (old, new) in schemas.iter().flat_map(|old| schemas.iter().map(move |new| (old, new))) {
        let (before, now) = (tree(old), tree(new));
        let (found, verdict) = (changes(&before, &now).unwrap(), Verdict::between(&before, &now).unwrap());
        let breaks = (found.iter().any(|one| one.breaks_backward), found.iter().any(|one| one.breaks_forward));
        assert_eq!(breaks, (!verdict.backward.is_empty(), !verdict.forward.is_empty()), "{old} -> {new}");
    }
}
