//! Tables as CSV (RFC 4180).

/// The media type that a client asks for.
pub const MEDIA_TYPE: &str = "text/csv";
/// The type of what it gets.
pub const CONTENT_TYPE: &str = "text/csv; charset=utf-8";

/// One line.
pub fn line<'c>(cells: impl Iterator<Item = &'c str>) -> String {
    let mut line = String::new();
    for (index, cell) in cells.enumerate() {
        if index > 0 {
            line.push(',');
        }
        if cell.contains([',', '"', '\n', '\r']) {
            line.push('"');
            line.push_str(&cell.replace('"', "\"\""));
            line.push('"');
        } else {
            line.push_str(cell);
        }
    }
    line + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must() {
        assert_eq!(line(["a", "b,c", "d\"e", "", "f\ng"].into_iter()), "a,\"b,c\",\"d\"\"e\",,\"f\ng\"\r\n");
    }
}
