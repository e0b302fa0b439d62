//! Files, environment and flags, through the real program.
mod check;
mod docs;
mod reload;
mod starts;
