//! What paths lead to in properties, beside what the tree of the same text has.
#![no_main]
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| reckoner_eventlog::fuzzing::properties(bytes));
