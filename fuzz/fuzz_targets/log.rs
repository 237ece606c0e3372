//! Fuzzes `log`: the oracle stands in `oracles/log.rs`.

#![no_main]

#[path = "../oracles/mod.rs"]
mod oracles;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    oracles::log::judge(input);
});
