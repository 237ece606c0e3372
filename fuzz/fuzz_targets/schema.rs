//! Fuzzes `schema`: the oracle stands in `oracles/schema.rs`.

#![no_main]

#[path = "../oracles/mod.rs"]
mod oracles;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    oracles::schema::judge(input);
});
