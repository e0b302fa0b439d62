//! Files, environment and flags, through the real program.
mod check;
mod docs;
mod refused;
mod reload;
mod starts;
