//! Fuzzes `convert`: the oracle stands in `oracles/convert.rs`.

#![no_main]

#[path = "../oracles/mod.rs"]
mod oracles;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    oracles::convert::judge(input);
});
