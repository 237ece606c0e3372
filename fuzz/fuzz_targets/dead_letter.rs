//! Fuzzes `dead_letter`: the oracle stands in `oracles/dead_letter.rs`.

#![no_main]

#[path = "../oracles/mod.rs"]
mod oracles;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    oracles::dead_letter::judge(input);
});
