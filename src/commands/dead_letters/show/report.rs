//! What is told of one dead letter, for people and as JSON.

use serde_json::{Value, json};

use super::super::super::remote::Paint;
use super::super::{Plain, Time};
use super::{Fate, Kept, Today};
use crate::cli::DeadLettersShow;
use crate::dead_letters::{Letter, Line, Origin, advice, dump};
use crate::gate::dead_letter::HEADERS;
use crate::record::{Offset, Part, Partition, Position};

/// Bytes of the part that are shown around the fault, unless values are asked for.
const AROUND: usize = 96;
/// Bytes that are shown of each part with values.
const MOST: usize = 64 << 10;

/// All that is known.
pub(super) struct Report<'a> {
    pub(super) asked: &'a DeadLettersShow,
    pub(super) kept: &'a Kept,
    pub(super) letter: &'a Letter<'a>,
    pub(super) part: Part,
    pub(super) today: &'a Today,
    /// None where nothing tells what becomes of dead letters.
    pub(super) fate: Option<&'a Fate>,
}

impl Report<'_> {
    fn position(&self) -> Position<'_> {
        let DeadLettersShow { topic, partition, offset, .. } = self.asked;
        Position { topic, partition: Partition(*partition), offset: Offset(*offset) }
    }

    /// Returns the report for people.
    pub(super) fn text(&self) -> String {
        let mut text = format!("{}, written {}\n\n{}\n", self.position(), Time(self.kept.timestamp), self.title());
        for (word, told) in self.facts() {
            text += &format!("  {word:<9}{}\n", Plain(&told));
        }
        text += &self.dumps();
        text += &self.headers();
        text
    }

    fn title(&self) -> String {
        let reason = match (self.letter.reason, self.letter.origin) {
            ("", Origin::Unknown) => "no dead-letter headers".to_owned(),
            (reason, _) => Plain(reason).to_string(),
        };
        let path = self.letter.path.map_or(String::new(), |path| format!(" at '{}'", Plain(path)));
        format!("{}{path}", Paint::new().red(&reason))
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let letter = self.letter;
        let mut facts = Vec::new();
        let mut tell = |word, told: Option<String>| facts.extend(told.map(|told| (word, told)));
        tell("why", letter.code.map(|code| code.meaning().to_owned()));
        tell("detail", Some(letter.detail.to_owned()).filter(|detail| !detail.is_empty()));
        tell("message", Some(letter.words.to_owned()).filter(|words| !words.is_empty() && self.asked.values));
        tell("do", letter.code.map(|code| advice::advice(code).to_owned()));
        tell("field", self.today.field.as_ref().map(field));
        tell("schema", self.schema());
        tell("source", self.source());
        tell("gate", letter.gate.map(|gate| self.gate(gate)));
        tell("today", Some(self.verdict()));
        tell("state", self.fate.map(Fate::told));
        facts
    }

    fn schema(&self) -> Option<String> {
        let subject = self.letter.subject.map(|subject| format!(", '{subject}'")).unwrap_or_default();
        let version = self.letter.version.map(|version| format!(" version {version}")).unwrap_or_default();
        let target = self.letter.target.map(|target| format!("; target version {target}")).unwrap_or_default();
        self.letter.schema.map(|schema| format!("{schema}{subject}{version}{target}"))
    }

    fn source(&self) -> Option<String> {
        let source = &self.letter.source;
        let (topic, partition, offset) = (source.topic?, source.partition?, source.offset?);
        let time = source.timestamp.map(|time| format!(", {}", Time(Some(time)))).unwrap_or_default();
        Some(format!("{topic}-{partition}@{offset}{time}"))
    }

    fn gate(&self, gate: &str) -> String {
        let version = self.letter.gate_version.map(|version| format!(", sluice {version}")).unwrap_or_default();
        let attempt = self.letter.attempt.map(|attempt| format!(", attempt {attempt}")).unwrap_or_default();
        format!("{gate}{version}{attempt}")
    }

    /// Says what a check by today's schemas finds.
    fn verdict(&self) -> String {
        let Today { examined, unknown, .. } = self.today;
        match (&examined.violation, unknown) {
            (Some(violation), _) => format!("fails: {violation}"),
            (None, Some(unknown)) => format!("not checked: {unknown}"),
            (None, None) if self.kept.part(self.part).is_none() => format!("not checked: the {} is null", self.part),
            (None, None) => format!(
                "the {} keeps to its schema as the registry has it now; subject and rules are not asked",
                self.part
            ),
        }
    }

    fn dumps(&self) -> String {
        let mut text = String::new();
        for part in [Part::Key, Part::Value] {
            let is_at_fault = part == self.part;
            let Some(bytes) = self.kept.part(part) else {
                if is_at_fault {
                    text += &format!("\n{part}: null\n");
                }
                continue;
            };
            if !is_at_fault && !self.asked.values {
                continue;
            }
            let mark = self.today.examined.mark.as_ref().filter(|_| is_at_fault);
            let at = mark.map(|mark| format!(", fault at byte {}", mark.start)).unwrap_or_default();
            let most = if self.asked.values { MOST } else { AROUND };
            let lines = dump(bytes, mark, most, self.asked.values);
            text += &format!("\n{part}: {} bytes{at}\n{lines}", bytes.len());
        }
        text
    }

    fn headers(&self) -> String {
        let mut text = "\nheaders\n".to_owned();
        for (name, value) in &self.kept.headers {
            text += &format!("  {}: {}\n", Plain(name), self.header(name, value.as_deref()));
        }
        text
    }

    /// Returns the value of a header that is ours, or its size: others' are data.
    fn header(&self, name: &str, value: Option<&[u8]>) -> String {
        match value {
            None => "null".to_owned(),
            Some(value) if self.asked.values || HEADERS.contains(&name) => {
                Plain(&String::from_utf8_lossy(value)).to_string()
            }
            Some(value) => format!("({} bytes)", value.len()),
        }
    }

    /// Returns the report as JSON: the line of `list`, and more.
    pub(super) fn document(&self) -> Value {
        let letter = self.letter;
        let mut document = json!(Line::new(letter, self.position(), self.kept.timestamp));
        let Today { examined, field, unknown } = self.today;
        let hex = |part: Part| {
            let bytes = self.kept.part(part).filter(|_| self.asked.values)?;
            Some(bytes.iter().fold(String::new(), |mut hex, byte| {
                hex += &format!("{byte:02x}");
                hex
            }))
        };
        let headers = self.kept.headers.iter().map(|(name, value)| {
            let shown = value.is_none() || self.asked.values || HEADERS.contains(&name.as_str());
            let text = value.as_deref().filter(|_| shown).map(String::from_utf8_lossy);
            json!({ "name": name, "value": text, "bytes": value.as_ref().map(Vec::len) })
        });
        let more = json!({
            "meaning": letter.code.map(|code| code.meaning()),
            "advice": letter.code.map(advice::advice),
            "message": Some(letter.words).filter(|words| !words.is_empty() && self.asked.values),
            "field": field.as_ref().map(|field| json!({
                "record": field.record, "name": field.field, "type": field.kind, "doc": field.doc,
            })),
            "today": {
                "reason": examined.violation.as_ref().map(|violation| violation.code.name()),
                "path": examined.violation.as_ref().and_then(|violation| violation.path.clone()),
                "detail": examined.violation.as_ref().map(|violation| violation.detail.clone()),
                "not_checked": unknown,
                "fault_at_byte": examined.mark.as_ref().map(|mark| mark.start),
            },
            "key_bytes": self.kept.key.as_ref().map(Vec::len),
            "value_bytes": self.kept.value.as_ref().map(Vec::len),
            "key_hex": hex(Part::Key),
            "value_hex": hex(Part::Value),
            "record_headers": headers.collect::<Vec<_>>(),
        });
        for more in [Some(more), self.fate.map(Fate::document)] {
            if let (Some(document), Some(Value::Object(more))) = (document.as_object_mut(), more) {
                document.extend(more.into_iter().filter(|(_, value)| !value.is_null()));
            }
        }
        document
    }
}

fn field(field: &crate::schema::avro::tree::Declared) -> String {
    let doc = field.doc.as_ref().map(|doc| format!(" ({doc})")).unwrap_or_default();
    format!("'{}' of {}: {}{doc}", field.field, field.record, field.kind)
}
