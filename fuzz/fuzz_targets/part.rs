//! The index and the places of a part, and the ledger.
#![no_main]
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    reckoner_eventlog::fuzzing::part(bytes);
    reckoner_eventlog::fuzzing::ledger(bytes);
});
