//! Files, environment and flags, through the real program.
mod check;
mod docs;
mod endpoints;
mod production;
mod refused;
mod reload;
mod starts;
