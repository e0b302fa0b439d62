//! Lengths of files and functions.
use super::Violation;
use super::source::Source;

/// Most lines of a file.
const FILE_LINES_MAX: usize = 500;
/// Most lines of a function, from `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;

/// Files and functions that are too long.
pub fn check(files: &[Source]) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in files {
        let lines = file.lines();
        if lines > FILE_LINES_MAX {
            let message = format!("{lines} lines, at most {FILE_LINES_MAX}: split it by thought");
            found.push(Violation::new("file-length", &file.path, 0, "file", message));
        }
        if !file.is_rust() {
            continue;
        }
        for block in file.blocks().iter().filter(|block| block.keyword == "fn") {
            let (start, end) = (file.line(block.start), file.line(block.end));
            let lines = end - start + 1;
            if lines > FUNCTION_LINES_MAX {
                let message = format!("`{}` has {lines} lines, at most {FUNCTION_LINES_MAX}", block.name);
                found.push(Violation::new("function-length", &file.path, start, &block.name, message));
            }
        }
    }
    found
}

/// One line about the lengths of Rust files.
pub fn report(files: &[Source]) -> String {
    let mut lines: Vec<usize> = files.iter().filter(|file| file.is_rust()).map(Source::lines).collect();
    lines.sort_unstable();
    let median = lines.get(lines.len() / 2).copied().unwrap_or_default();
    let longest = lines.last().copied().unwrap_or_default();
    format!(
        "{} Rust files, {} lines; median {median}, longest {longest}",
        lines.len(),
        lines.iter().sum::<usize>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whats(text: &str) -> Vec<String> {
        check(&[Source::new("crates/a/src/b.rs", text)]).into_iter().map(|v| v.what).collect()
    }

    #[test]
    fn a_long_function_is_caught() {
        let function = |lines: usize| format!("fn a() {{{}}}\n", "\n".repeat(lines - 1));
        assert_eq!(whats(&function(FUNCTION_LINES_MAX)), Vec::<String>::new());
        assert_eq!(whats(&function(FUNCTION_LINES_MAX + 1)), ["a"]);
    }

    #[test]
    fn a_long_file_is_caught() {
        assert_eq!(whats(&"//\n".repeat(FILE_LINES_MAX)), Vec::<String>::new());
        assert_eq!(whats(&"//\n".repeat(FILE_LINES_MAX + 1)), ["file"]);
    }

    #[test]
    fn the_report_names_the_median() {
        let files: Vec<Source> = [1, 9, 3].iter().map(|n| Source::new("a.rs", &"//\n".repeat(*n))).collect();
        assert_eq!(report(&files), "3 Rust files, 13 lines; median 3, longest 9");
    }
}
