//! `cargo +nightly fuzz run lease`: see `checks/lease.rs`.
#![no_main]

#[path = "../checks/lease.rs"]
mod lease;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lease::check(bytes));
