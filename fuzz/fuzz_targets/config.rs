//! Fuzzes `config`: the oracle stands in `oracles/config.rs`.

#![no_main]

#[path = "../oracles/mod.rs"]
mod oracles;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    oracles::config::judge(input);
});
