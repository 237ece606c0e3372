use super::*;

fn schema(text: &str) -> Schema {
    Schema::compile(&SchemaText { format: Format::Avro, text: text.into(), references: Vec::new() }).expect(text)
}

#[test]
fn a_datum_is_checked() {
    let s = schema(
        r#"{"type":"record","name":"R","fields":[{"name":"a","type":"string"},{"name":"b","type":["null","long"]}]}"#,
    );
    assert!(s.check(b"\x02x\x00"));
    assert_eq!(
        s.explain(b"\x02x\x04").unwrap().to_string(),
        "invalid_union_branch at 'b': union index 2 is not one of 2 branches"
    );
}
