//! Files as they lie on disk: those of earlier versions, and those that other programs read.
mod columns;
mod kept;
mod killed;
