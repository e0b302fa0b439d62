//! Questions before something is done that is not undone.
use super::error::CliError;
use std::io::{BufRead, IsTerminal, Write};

/// Longest answer to the question, in bytes.
const REPLY_BYTES_MAX: u64 = 1_024;

/// Goes on if somebody at the terminal says yes; otherwise fails with what that means.
pub fn confirm(question: &str, otherwise: &str) -> Result<(), CliError> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(CliError::usage("there is no terminal to ask on: say --yes to go on without asking"));
    }
    let mut stderr = std::io::stderr();
    write!(stderr, "{question} [y/N] ")?;
    stderr.flush()?;
    let mut reply = String::new();
    std::io::Read::take(stdin.lock(), REPLY_BYTES_MAX)
        .read_line(&mut reply)
        .map_err(|error| CliError::failed(format!("cannot read the reply: {error}")))?;
    if is_yes(&reply) { Ok(()) } else { Err(CliError::failed(otherwise)) }
}

fn is_yes(reply: &str) -> bool {
    matches!(reply.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_one() {
        assert!(is_yes("y\n") && is_yes(" YES\r\n"));
        assert!(!is_yes("") && !is_yes("\n") && !is_yes("yep\n") && !is_yes("n\n"));
    }
}
