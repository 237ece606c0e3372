//! Fuzzes `requests`: the oracle stands in `oracles/requests.rs`.

#![no_main]

#[path = "../oracles/mod.rs"]
mod oracles;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    oracles::requests::judge(input);
});
