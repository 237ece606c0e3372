//! Fuzzes `wire`: the oracle stands in `oracles/wire.rs`.

#![no_main]

#[path = "../oracles/mod.rs"]
mod oracles;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    oracles::wire::judge(input);
});
