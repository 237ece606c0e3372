//! The specification's "Schema Resolution", case by case.

use super::*;

/// What is expected of a pair.
enum Expect {
    Always,
    /// Path and detail.
    Never(&'static str, &'static str),
    /// Data with the finding, empty where there is none.
    Depends(&'static [(&'static [u8], &'static str)]),
}

use Expect::{Always, Depends, Never};

fn check(writer: &str, reader: &str, expect: &Expect) {
    let (writer_schema, reader_schema) = (schema(writer), schema(reader));
    let at = format!("{writer}\n  read as {reader}");
    let found = Resolution::between(WriterSchema(&writer_schema), ReaderSchema(&reader_schema)).expect("within limits");
    match (found, expect) {
        (Resolution::Always, Always) => {}
        (Resolution::Never(found), Never(path, detail)) => {
            assert_eq!((&*found.path, &*found.detail), (*path, *detail), "{at}");
        }
        (Resolution::Depends(program), Depends(data)) => {
            for (datum, finding) in *data {
                let found = program.explain(datum).map(|found| found.to_string()).unwrap_or_default();
                assert_eq!((&*found, program.check(datum)), (*finding, finding.is_empty()), "{at}\n  {datum:x?}");
            }
        }
        (found, _) => panic!("{found:?}: {at}"),
    }
}

fn of(fields: &str) -> String {
    format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#)
}

#[test]
fn primitives_promote() {
    let promotions = [
        ("int", "long float double"),
        ("long", "float double"),
        ("float", "double"),
        ("string", "bytes"),
        ("bytes", "string"),
    ];
    let all = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];
    for writer in all {
        for reader in all {
            let wider = promotions.iter().find(|(from, _)| *from == writer).map_or("", |(_, to)| to);
            let detail = format!("'{writer}' cannot be read as '{reader}'");
            let expect = if writer == reader || wider.split(' ').any(|to| to == reader) {
                Always
            } else {
                Never("", Box::leak(detail.into_boxed_str()))
            };
            check(&format!("\"{writer}\""), &format!("\"{reader}\""), &expect);
        }
    }
}

#[test]
fn records_match_by_name_and_fields_by_name_or_alias() {
    let int = r#"{"name":"a","type":"int"}"#;
    let cases = [
        (of(int), of(int), Always),
        (of(int), of(""), Always),
        (of(int), of(r#"{"name":"a","type":"long"}"#), Always),
        (of(int), of(r#"{"name":"b","type":"string","default":"x"},{"name":"a","type":"int"}"#), Always),
        (of(int), of(r#"{"name":"b","type":"int","aliases":["a"]}"#), Always),
        (
            of(int),
            of(r#"{"name":"b","type":"string","aliases":["a"]}"#),
            Never("a", "'int' cannot be read as 'string'"),
        ),
        (of(int), of(r#"{"name":"b","type":"int"}"#), Never("", "the writer lacks field 'b', which has no default")),
        (
            of(int),
            of(r#"{"name":"b","type":["null","int"]}"#),
            Never("", "the writer lacks field 'b', which has no default"),
        ),
        (
            of(int),
            of(r#"{"name":"b","type":"int","default":"x"}"#),
            Never("", "the writer lacks field 'b', and its default does not fit"),
        ),
        (of(int), of(r#"{"name":"b","type":["int","null"],"default":null}"#), Always),
        (of(int), of(r#"{"name":"a","type":"string"}"#), Never("a", "'int' cannot be read as 'string'")),
        (of(int), of(int).replace("\"R\"", "\"x.R\""), Always),
        (of(int), of(int).replace("\"R\"", "\"S\""), Never("", "record 'R' cannot be read as record 'S'")),
        (of(int), of(int).replace("\"R\"", "\"S\",\"aliases\":[\"R\"]"), Always),
        (of(int), r#""int""#.into(), Never("", "record 'R' cannot be read as 'int'")),
        (
            of(&format!(r#"{{"name":"o","type":{}}}"#, of(int).replace("\"R\"", "\"O\""))),
            of(&format!(r#"{{"name":"o","type":{}}}"#, of(r#"{"name":"a","type":"null"}"#).replace("\"R\"", "\"O\""))),
            Never("o.a", "'int' cannot be read as 'null'"),
        ),
    ];
    for (writer, reader, expect) in &cases {
        check(writer, reader, expect);
    }
}

#[test]
fn enums_and_fixed() {
    let symbols = |name: &str, symbols: &str| format!(r#"{{"type":"enum","name":"{name}","symbols":[{symbols}]}}"#);
    let with_default = r#"{"type":"enum","name":"E","symbols":["A"],"default":"A"}"#.to_owned();
    let fixed = |name: &str, size: usize| format!(r#"{{"type":"fixed","name":"{name}","size":{size}}}"#);
    let ab = symbols("E", r#""A","B""#);
    const MISSING: &str =
        "target_missing_enum_symbol: the target's enum lacks the symbol, one of the writer's 2, and has no default";
    const BAD: &str = "invalid_enum_symbol: enum index 2 is not one of 2 symbols";
    let cases = [
        (ab.clone(), symbols("E", r#""B","C","A""#), Always),
        (ab.clone(), symbols("x.E", r#""B","A""#), Always),
        (ab.clone(), with_default, Always),
        (ab.clone(), symbols("E", r#""A""#), Depends(&[(&[0], ""), (&[2], MISSING), (&[4], BAD)])),
        (ab.clone(), symbols("E", r#""C""#), Never("", "the reader's enum has none of the symbols and no default")),
        (ab.clone(), symbols("F", r#""A","B""#), Never("", "enum 'E' cannot be read as enum 'F'")),
        (ab, r#""string""#.into(), Never("", "enum 'E' cannot be read as 'string'")),
        (fixed("F", 2), fixed("x.F", 2), Always),
        (fixed("F", 2), fixed("F", 3), Never("", "fixed of 2 bytes cannot be read as fixed of 3")),
        (fixed("F", 2), fixed("G", 2), Never("", "fixed 'F' cannot be read as fixed 'G'")),
    ];
    for (writer, reader, expect) in &cases {
        check(writer, reader, expect);
    }
}

#[test]
fn what_need_not_occur_depends_on_the_datum() {
    let missing = "target_missing_union_branch";
    let array = |items: &str| of(&format!(r#"{{"name":"a","type":{{"type":"array","items":{items}}}}}"#));
    let map = |values: &str| of(&format!(r#"{{"name":"m","type":{{"type":"map","values":{values}}}}}"#));
    let cases = [
        (
            array(r#""int""#),
            array(r#""string""#),
            Depends(&[
                (&[0], ""),
                (&[2, 1, 0], "target_missing_union_branch at 'a[0]': 'int' cannot be read as 'string'"),
                (&[4, 1, 0x80], "truncated at 'a[1]': at least 2 bytes are needed, 1 are left"),
            ]),
        ),
        (
            array(r#""null""#),
            array(r#""string""#),
            Depends(&[
                (&[0], ""),
                (&[2, 0], "target_missing_union_branch at 'a[0]': 'null' cannot be read as 'string'"),
            ]),
        ),
        (
            map(r#"["null","int"]"#),
            map(r#"["null","string"]"#),
            Depends(&[
                (&[0], ""),
                (&[2, 0, 0, 0], ""),
                (&[2, 0, 2, 8, 0], "target_missing_union_branch at 'm{0}': the reader's union has no branch for 'int'"),
            ]),
        ),
    ];
    for (writer, reader, expect) in &cases {
        check(writer, reader, expect);
        assert!(matches!(expect, Depends(data) if data.iter().any(|(_, finding)| finding.starts_with(missing))));
    }
}

#[test]
fn unions() {
    const LACKS_NULL: &str = "target_missing_union_branch: 'null' cannot be read as 'int'";
    const LACKS_STRING: &str = "target_missing_union_branch: the reader's union has no branch for 'string'";
    let record = |name: &str, field: &str| {
        format!(r#"{{"type":"record","name":"{name}","fields":[{{"name":"f","type":"{field}"}}]}}"#)
    };
    let cases = [
        (r#""int""#.into(), r#"["null","int"]"#.into(), Always),
        (r#""int""#.into(), r#"["null","double"]"#.into(), Always),
        (r#""int""#.into(), r#"["null","string"]"#.into(), Never("", "the reader's union has no branch for 'int'")),
        (r#"["null","int"]"#.into(), r#"["int","null"]"#.into(), Always),
        (r#"["null","int"]"#.into(), r#"["long","null","string"]"#.into(), Always),
        (r#"["null","int"]"#.into(), r#""int""#.into(), Depends(&[(&[2, 6], ""), (&[0], LACKS_NULL)])),
        (r#"["int"]"#.into(), r#""long""#.into(), Always),
        (r#"["int","string"]"#.into(), r#"["int","null"]"#.into(), Depends(&[(&[0, 6], ""), (&[2, 0], LACKS_STRING)])),
        (r#"["int","boolean"]"#.into(), r#"["null"]"#.into(), Never("", "the reader's union has no branch for 'int'")),
        ("[]".into(), "[]".to_owned(), Always),
        // The branch of the same full name is taken, though another of that bare name stands first.
        (record("b.R", "int"), format!("[{},{}]", record("a.R", "string"), record("b.R", "int")), Always),
        (record("b.R", "int"), format!(r#"["null",{}]"#, record("a.R", "long")), Always),
        (
            record("R", "int"),
            format!("[{}]", record("S", "int")),
            Never("", "the reader's union has no branch for record 'R'"),
        ),
    ];
    for (writer, reader, expect) in &cases {
        check(writer, reader, expect);
    }
}

#[test]
fn recursive_schemas() {
    let list = |value: &str| {
        format!(
            r#"{{"type":"record","name":"L","fields":[{{"name":"v","type":"{value}"}},{{"name":"next","type":["null","L"]}}]}}"#
        )
    };
    check(&list("int"), &list("long"), &Always);
    check(&list("int"), &list("string"), &Never("v", "'int' cannot be read as 'string'"));
    let ended = r#"{"type":"record","name":"L","fields":[{"name":"v","type":"int"},{"name":"next","type":"null"}]}"#;
    const LONGER: &str = "target_missing_union_branch at 'next': record 'L' cannot be read as 'null'";
    check(&list("int"), ended, &Depends(&[(&[2, 0], ""), (&[2, 2, 4, 0], LONGER)]));
    let endless = r#"{"type":"record","name":"E","fields":[{"name":"e","type":"E"}]}"#;
    check(endless, endless, &Always);
    let other = endless.replace(r#""fields":["#, r#""fields":[{"name":"new","type":"int"},"#);
    check(endless, &other, &Never("", "the writer lacks field 'new', which has no default"));
}

#[test]
fn steps_are_limited() {
    let ring = |length: usize| {
        let record = |i: usize| {
            let next = (i + 1) % length;
            format!(r#"{{"type":"record","name":"n{i}.R","fields":[{{"name":"f","type":["null","n{next}.R"]}}]}}"#)
        };
        let records: Vec<String> = (0..length).map(record).collect();
        let (first, others) = records.split_first().expect("not empty");
        let others: Vec<&str> = others.iter().map(|json| &**json).collect();
        Schema::compile(&text(first, &others)).expect("compiles")
    };
    let (writer, reader) = (ring(401), ring(503));
    let error = Resolution::between(WriterSchema(&writer), ReaderSchema(&reader)).expect_err("too many");
    assert_eq!(error.to_string(), "writer and reader schema take more than 1000000 steps to resolve");
}

/// What the reader lacks is walked by the writer's schema alone, where a record that contains itself has one user: the
/// union around it, which has two. Its program must not hold it again and again.
#[test]
fn recursive_fields_that_the_reader_lacks_take_no_room() {
    let recursive: String =
        (0..8).map(|i| format!(r#",{{"name":"f{i}","type":["null","N"],"default":null}}"#)).collect();
    let node = |of: &str, more: &str| {
        schema(&format!(r#"{{"type":"record","name":"N","fields":[{{"name":"v","type":{of}}}{more}]}}"#))
    };
    let (writer, reader) = (node(r#"["null","long"]"#, &recursive), node(r#""long""#, ""));
    let resolution = Resolution::between(WriterSchema(&writer), ReaderSchema(&reader)).expect("within limits");
    let Resolution::Depends(program) = resolution else { unreachable!("{resolution:?}") };
    assert!(program.both.ops.len() < 100, "{} instructions", program.both.ops.len());
    let leaf = [&[2, 8][..], &[0; 8]].concat();
    assert!(program.check(&leaf));
    assert!(program.check(&[&[2, 8, 2, 0][..], &[0; 8], &[0; 7]].concat()));
    assert!(!program.check(&[0; 9]), "null is not a long");
    assert!(!program.check(&leaf[1..]));
}
