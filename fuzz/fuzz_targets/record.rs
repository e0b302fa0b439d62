//! Records, frames and numbers as they lie in a segment.
#![no_main]
use libfuzzer_sys::fuzz_target;
use reckoner_eventlog::fuzzing;

fuzz_target!(|bytes: &[u8]| {
    fuzzing::record(bytes);
    fuzzing::frames(bytes);
    fuzzing::number(bytes);
});
