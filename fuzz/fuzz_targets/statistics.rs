//! Fuzzes `statistics`: the oracle stands in `oracles/statistics.rs`.

#![no_main]

#[path = "../oracles/mod.rs"]
mod oracles;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    oracles::statistics::judge(input);
});
