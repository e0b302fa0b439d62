//! Who is calling, and what they may do.
pub mod access;
pub mod bootstrap;
pub mod keys;
