//! Fuzzes `registry`: the oracle stands in `oracles/registry.rs`.

#![no_main]

#[path = "../oracles/mod.rs"]
mod oracles;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    oracles::registry::judge(input);
});
