//! Bytes as hexadecimal lines, those that are meant underlined.

use std::ops::Range;

/// Bytes of one line.
const WIDTH: usize = 16;

/// Writes bytes in lines of sixteen, marks the given ones, and shows at most `most` of them around the mark, so that it
/// stands in a third of what is shown. The bytes as text stand beside them where `with_text` says so.
#[must_use]
pub fn dump(bytes: &[u8], mark: Option<&Range<usize>>, most: usize, with_text: bool) -> String {
    let shown = window(bytes.len(), mark.map_or(0, |mark| mark.start), most);
    let mut out = String::new();
    if shown.start > 0 {
        out += &format!("  … {} bytes before\n", shown.start);
    }
    // A mark behind the last byte has a line of its own where the line is full.
    let end = if mark.is_some_and(|mark| mark.start == shown.end) { shown.end + 1 } else { shown.end };
    for start in shown.clone().chain(shown.end..end).filter(|at| at % WIDTH == 0) {
        let line = &bytes[start.min(bytes.len())..(start + WIDTH).min(shown.end)];
        row(&mut out, start, line, with_text);
        if let Some(mark) = mark {
            underline(&mut out, start, mark);
        }
    }
    if shown.end < bytes.len() {
        out += &format!("  … {} bytes behind\n", bytes.len() - shown.end);
    }
    out
}

/// Returns which bytes are shown, from the begin of a line.
fn window(length: usize, mark: usize, most: usize) -> Range<usize> {
    let most = most.max(WIDTH);
    if length <= most {
        return 0..length;
    }
    let start = mark.min(length).saturating_sub(most / 3) / WIDTH * WIDTH;
    start..(start + most).min(length)
}

fn row(out: &mut String, start: usize, line: &[u8], with_text: bool) {
    let mut hex = String::new();
    for (column, byte) in line.iter().enumerate() {
        let gap = if column == WIDTH / 2 { "  " } else { " " };
        hex += &format!("{gap}{byte:02x}");
    }
    let text = |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' };
    let text = if with_text { format!("  |{}|", line.iter().map(text).collect::<String>()) } else { String::new() };
    let width = if with_text { 3 * WIDTH + 1 } else { 0 };
    out.push_str(&format!("  {start:08x} {hex:width$}{text}\n"));
}

fn underline(out: &mut String, start: usize, mark: &Range<usize>) {
    let columns = mark.start.max(start)..mark.end.max(mark.start + 1).min(start + WIDTH);
    if columns.is_empty() {
        return;
    }
    let place = |at: usize| 3 * (at - start) + usize::from(at - start >= WIDTH / 2);
    let (first, last) = (place(columns.start), place(columns.end - 1) + 2);
    out.push_str(&format!("  {:9}{}{}\n", "", " ".repeat(first + 1), "^".repeat(last - first)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_at_fault_are_underlined() {
        let bytes: Vec<u8> = (b'a'..=b't').collect();
        assert_eq!(
            dump(&bytes, Some(&(8..9)), 64, true),
            "  00000000  61 62 63 64 65 66 67 68  69 6a 6b 6c 6d 6e 6f 70  |abcdefghijklmnop|\n\
             \x20                                    ^^\n\
             \x20 00000010  71 72 73 74                                       |qrst|\n"
        );
        assert_eq!(dump(&bytes[..3], Some(&(1..3)), 64, false), "  00000000  61 62 63\n               ^^^^^\n");
    }

    #[test]
    fn what_is_missing_is_marked_behind_the_last_byte() {
        assert_eq!(dump(&[1, 2], Some(&(2..3)), 64, false), "  00000000  01 02\n                  ^^\n");
        assert_eq!(dump(&[], Some(&(0..1)), 64, false), "  00000000 \n            ^^\n");
        let full = dump(&[0; 16], Some(&(16..17)), 64, false);
        assert_eq!(full.lines().skip(1).collect::<Vec<_>>(), ["  00000010 ", "            ^^"]);
    }

    #[test]
    fn long_values_are_shown_around_the_mark() {
        let dumped = dump(&[7; 1000], Some(&(500..501)), 96, false);
        let lines: Vec<_> = dumped.lines().collect();
        assert_eq!((lines[0], lines[1].len()), ("  … 464 bytes before", 60));
        assert!(lines[1].starts_with("  000001d0 "), "{dumped}");
        assert_eq!(*lines.last().unwrap(), "  … 440 bytes behind");
        assert_eq!(dumped.matches("^^").count(), 1);
    }
}
