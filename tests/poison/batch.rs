//! Record batches (version 2) made by hand and put into the log of a broker in the place of others.
//!
//! A broker checks what it is given, so what no client can read gets into a log by other ways: a bad disk, a replica
//! restored from a copy, a broker or a producer with a bug. Here a record of chosen size is written first, which makes a
//! batch of its own; then the batch is replaced in the file by another of the same length. Brokers send logs as they are.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Bytes of a batch before its records.
const HEADER: usize = 61;
/// Where the checksum stands, and where begins what it is made of.
const CRC: usize = 17;
const CHECKED: usize = 21;

/// What is done to a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Poison {
    /// A bit of a record is another one.
    Checksum,
    /// All of its records are fives: librdkafka takes them for a batch of a format to come, at an offset beyond all.
    Fives,
    /// Said to be gzip, and is nothing.
    Garbage,
    /// Raw snappy that says it becomes 4 GiB.
    SnappyLength,
    /// Zeros as zstd, that many bytes of them, without the size of the whole.
    Zstd(usize),
    /// Zeros as gzip, that many bytes of them.
    Gzip(usize),
}

/// The log file of a partition.
pub(crate) fn segment(data: &Path, topic: &str, partition: i32) -> PathBuf {
    data.join(format!("{topic}-{partition}/00000000000000000000.log"))
}

/// Replaces the batch that begins at `offset` by a poisoned one.
pub(crate) fn poison(segment: &Path, offset: i64, poison: Poison) {
    let log = std::fs::read(segment).unwrap();
    let (start, length) = find(&log, offset);
    let mut batch = log[start..start + length].to_vec();
    replace(&mut batch, poison);
    let file = File::options().write(true).open(segment).unwrap();
    file.write_all_at(&batch, start.try_into().unwrap()).unwrap();
    file.sync_all().unwrap();
}

/// Finds the batch that begins at an offset: its place and length.
fn find(log: &[u8], offset: i64) -> (usize, usize) {
    let mut start = 0;
    while start + 12 <= log.len() {
        let base = i64::from_be_bytes(log[start..start + 8].try_into().unwrap());
        let length = 12 + u32::from_be_bytes(log[start + 8..start + 12].try_into().unwrap()) as usize;
        if base == offset {
            return (start, length);
        }
        start += length;
    }
    panic!("no batch begins at {offset}");
}

fn replace(batch: &mut [u8], poison: Poison) {
    let room = batch.len() - HEADER;
    let (codec, content) = match poison {
        Poison::Checksum => {
            batch[HEADER + room / 2] ^= 1;
            return;
        }
        Poison::Fives => {
            batch[HEADER..].fill(5);
            return;
        }
        Poison::Garbage => (1, vec![0x55; room]),
        Poison::SnappyLength => (2, [vec![0xff, 0xff, 0xff, 0xff, 0x0f], vec![0; room - 5]].concat()),
        Poison::Gzip(zeros) => (1, gzip(&record(zeros))),
        Poison::Zstd(zeros) => (4, zstd(&record(zeros), room)),
    };
    assert!(content.len() <= room, "{} bytes are no room for {}", room, content.len());
    batch[HEADER..HEADER + content.len()].copy_from_slice(&content);
    batch[CHECKED + 1] = codec;
    let crc = crc32c(&batch[CHECKED..]);
    batch[CRC..CRC + 4].copy_from_slice(&crc.to_be_bytes());
}

/// One record whose value is zeros: what stands before them, how many, what stands behind.
fn record(zeros: usize) -> (Vec<u8>, usize, Vec<u8>) {
    // Attributes, timestamp and offset deltas, a null key.
    let head = [vec![0, 0, 0, 1], varint(zeros)].concat();
    // No headers.
    let tail = vec![0];
    let length = varint(head.len() + zeros + tail.len());
    ([length, head].concat(), zeros, tail)
}

fn varint(value: usize) -> Vec<u8> {
    let mut left = value << 1;
    let mut bytes = Vec::new();
    while left >= 0x80 {
        bytes.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
    bytes
}

/// The `gzip` program knows how; 1000 to 1 is all that the format can do.
fn gzip((head, zeros, tail): &(Vec<u8>, usize, Vec<u8>)) -> Vec<u8> {
    let mut child = Command::new("gzip").arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("gzip");
    let mut input = child.stdin.take().unwrap();
    let parts = [head.clone(), vec![0; *zeros], tail.clone()];
    let writing = std::thread::spawn(move || parts.iter().for_each(|part| input.write_all(part).unwrap()));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    output.stdout
}

/// Blocks of one byte repeated: 128 KiB in four bytes. Filled up to `room` by a frame that readers skip.
fn zstd((head, zeros, tail): &(Vec<u8>, usize, Vec<u8>), room: usize) -> Vec<u8> {
    const BLOCK: usize = 128 << 10;
    let header = |size: usize, kind: usize, last: bool| ((size << 3) | (kind << 1) | usize::from(last)).to_le_bytes();
    // The magic number, no size of the content, a window of 128 KiB.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 7 << 3];
    let mut block = |bytes: &[u8], size: usize, kind: usize, last: bool| {
        frame.extend_from_slice(&header(size, kind, last)[..3]);
        frame.extend_from_slice(bytes);
    };
    block(head, head.len(), 0, false);
    for start in (0..*zeros).step_by(BLOCK) {
        block(&[0], BLOCK.min(zeros - start), 1, false);
    }
    block(tail, tail.len(), 0, true);
    let filling = room - frame.len() - 8;
    frame.extend_from_slice(&[0x50, 0x2a, 0x4d, 0x18]);
    frame.extend_from_slice(&u32::try_from(filling).unwrap().to_le_bytes());
    frame.resize(room, 0);
    frame
}

/// CRC-32C, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 })
    };
    !bytes.iter().fold(!0, step)
}
