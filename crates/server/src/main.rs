//! The `reckoner` binary.
use std::process::ExitCode;

fn main() -> ExitCode {
    reckoner_server::cli::main()
}
