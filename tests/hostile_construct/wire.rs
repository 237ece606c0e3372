//! Frames: the bytes and headers that name a schema.

use super::{Made, made};

/// All formats are allowed, no header, the value.
const VALUE: u8 = 7;
/// The same with a header.
const HEADER: u8 = 7 | 16;

pub(super) fn cases() -> Vec<Made> {
    let mut cases = vec![
        made("empty_value.truncated_frame", [VALUE]),
        made("empty_input.truncated_frame", []),
        made("five_bytes_id_1.confluent-id", [VALUE, 0, 0, 0, 0, 1]),
        made("five_bytes_id_0.confluent-id", [VALUE, 0, 0, 0, 0, 0]),
        made("largest_id.confluent-id", [VALUE, 0, 0x7f, 0xff, 0xff, 0xff, 2]),
        made("id_minus_one.not_framed", [VALUE, 0, 0xff, 0xff, 0xff, 0xff, 2]),
        made("smallest_id.not_framed", [VALUE, 0, 0x80, 0, 0, 0, 2]),
        made("five_zeroes.confluent-id", [VALUE, 0, 0, 0, 0, 0]),
        made("guid_alone.confluent-guid", [&[VALUE, 1][..], &[7; 16]].concat()),
        made("guid_of_zeroes.confluent-guid", [&[VALUE, 1][..], &[0; 16]].concat()),
        made("guid_and_datum.confluent-guid", [&[VALUE, 1][..], &[0xff; 40]].concat()),
        made("json_object.not_framed", [&[VALUE][..], br#"{"id":1}"#].concat()),
        made("json_number.not_framed", [&[VALUE][..], b"17"].concat()),
        made("text.not_framed", [&[VALUE][..], b"plain text"].concat()),
        made("bad_utf8.not_framed", [VALUE, 0xc3, 0x28, 0xa0, 0xa1]),
        made("avro_single_object.not_framed", [&[VALUE, 0xc3, 0x01][..], &[9; 8], b"\x02a"].concat()),
        made("avro_container_file.not_framed", [&[VALUE][..], b"Obj\x01\x04\x16avro.schema"].concat()),
        made("gzip_magic.not_framed", [VALUE, 0x1f, 0x8b, 8, 0, 0, 0, 0]),
        made("magic_ff.not_framed", [VALUE, 0xff, 0, 0, 0, 1]),
        made("id_not_allowed.wire_format_not_allowed", [6, 0, 0, 0, 0, 1]),
        made("guid_not_allowed.wire_format_not_allowed", [&[5, 1][..], &[7; 16]].concat()),
        made("header_not_allowed.wire_format_not_allowed", [3 | 16, 5, 0, 0, 0, 0, 1, 2]),
        made("nothing_allowed.wire_format_not_allowed", [0, 0, 0, 0, 0, 1]),
        made(
            "header_not_allowed_before_a_good_prefix.wire_format_not_allowed",
            [3 | 16, 5, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1],
        ),
        made("header_id.confluent-header", [HEADER, 5, 0, 0, 0, 0, 1, 2]),
        made("header_id_with_more.confluent-header", [HEADER, 9, 0, 0, 0, 0, 1, 9, 9, 9, 9, 2]),
        made("header_guid.confluent-header", [&[HEADER, 17, 1][..], &[7; 16], &[2]].concat()),
        made("header_guid_no_datum.confluent-header", [&[HEADER, 17, 1][..], &[7; 16]].concat()),
        made("header_empty.truncated_frame", [HEADER, 0, 0, 0, 0, 0, 1]),
        made("header_negative_id.not_framed", [HEADER, 5, 0, 0x80, 0, 0, 1, 2]),
        made("header_text_id.not_framed", [&[HEADER, 2][..], b"17", b"\x02a"].concat()),
        made("header_of_the_key.confluent-header", [HEADER | 8, 5, 0, 0, 0, 0, 1, 2]),
        made("header_255_bytes.confluent-header", [&[HEADER, 255, 0][..], &[1; 254]].concat()),
        made("megabyte_of_zeroes.confluent-id", [&[VALUE][..], &vec![0; 1 << 16]].concat()),
        made("megabyte_of_ones.confluent-guid", [&[VALUE][..], &vec![1; 1 << 16]].concat()),
    ];
    for length in 1..5_u8 {
        cases.push(made(
            format!("id_cut_to_{length}.truncated_frame"),
            [&[VALUE][..], &vec![0; length.into()]].concat(),
        ));
    }
    for length in [1, 5, 8, 16_u8] {
        cases.push(made(
            format!("guid_cut_to_{length}.truncated_frame"),
            [&[VALUE][..], &vec![1; length.into()]].concat(),
        ));
        let header = [&[HEADER, length][..], &vec![1; length.into()], b"\x02a"].concat();
        cases.push(made(format!("header_guid_cut_to_{length}.truncated_frame"), header));
    }
    for magic in [2, 3, 4, 8, 16, 32, 64, 127, 128_u8] {
        cases.push(made(format!("magic_{magic}.not_framed"), [VALUE, magic, 0, 0, 0, 1, 2]));
    }
    cases
}
