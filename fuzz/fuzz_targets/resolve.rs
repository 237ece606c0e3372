//! Fuzzes `resolve`: the oracle stands in `oracles/resolve.rs`.

#![no_main]

#[path = "../oracles/mod.rs"]
mod oracles;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    oracles::resolve::judge(input);
});
