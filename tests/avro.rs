//! Properties of the Avro check over generated schemas, data and damage.
//!
//! `check` and `explain` agree; nothing panics, whatever the bytes; a good datum is taken
//! and costs no allocation; a schema resolves to itself and to nothing less.

#![expect(unsafe_code, reason = "a counting allocator is a GlobalAlloc")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use proptest::prelude::*;

use sluice::schema::avro::{ReaderSchema, Resolution, Schema, WriterSchema};
use sluice::schema::{Format, SchemaText};

use generate::Generator;

#[path = "avro_oracle/generate.rs"]
mod generate;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, counting the calls of each thread.
struct Counting;

// SAFETY: every call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `alloc` above, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn compile(text: &str) -> Schema {
    let text = SchemaText { format: Format::Avro, text: text.into(), references: Vec::new() };
    Schema::compile(&text).expect("generated schemas are good")
}

/// Checks and explains; both must agree, and neither the yes nor the no may allocate.
fn verdict(check: impl Fn() -> bool, explains: impl Fn() -> bool) -> bool {
    let before = ALLOCATIONS.get();
    let good = check();
    assert_eq!(ALLOCATIONS.get(), before, "the check allocates");
    assert_eq!(good, !explains(), "check and explain disagree");
    good
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn check_and_explain_agree(seed: u64, noise: Vec<u8>) {
        let mut generator = Generator::new(seed);
        let writer = generator.schema();
        let schema = compile(&writer.json());
        let whole = generator.datum(&writer);
        prop_assert!(verdict(|| schema.check(&whole), || schema.explain(&whole).is_some()));
        let reader = compile(&generator.reader(&writer).json());
        let resolution = Resolution::between(WriterSchema(&schema), ReaderSchema(&reader)).expect("within limits");
        let mut data = vec![whole.clone(), noise];
        data.extend((0..8).map(|_| generator.damage(&whole)));
        for datum in &data {
            let good = verdict(|| schema.check(datum), || schema.explain(datum).is_some());
            if let Resolution::Depends(program) = &resolution {
                let readable = verdict(|| program.check(datum), || program.explain(datum).is_some());
                prop_assert!(good || !readable, "a reader takes what the writer schema refuses");
                prop_assert!(good || program.explain(datum) == schema.explain(datum), "damage is named by the writer");
            }
        }
    }

    #[test]
    fn a_schema_reads_itself(seed: u64) {
        let text = Generator::new(seed).schema().json();
        let (writer, reader) = (compile(&text), compile(&text));
        let resolution = Resolution::between(WriterSchema(&writer), ReaderSchema(&reader)).expect("within limits");
        prop_assert!(matches!(resolution, Resolution::Always));
    }

    #[test]
    fn every_prefix_is_refused(seed: u64) {
        let mut generator = Generator::new(seed);
        let writer = generator.schema();
        let (schema, whole) = (compile(&writer.json()), generator.datum(&writer));
        for end in 0..whole.len() {
            prop_assert!(!verdict(|| schema.check(&whole[..end]), || schema.explain(&whole[..end]).is_some()));
        }
    }
}
