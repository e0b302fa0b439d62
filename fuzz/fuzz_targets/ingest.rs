//! Bodies of ingest: events of our own form, lists of them, and CloudEvents.
#![no_main]
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| reckoner_server::ingest::fuzzing::read_and_compare(bytes));
