//! Aligned tables for terminals.
use super::error::CliError;
use super::output::{Out, printable};
use std::iter;

/// The gap between two columns.
const GAP: &str = "  ";

/// On which side a column is flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// A table of texts under a header.
pub struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these columns.
    pub fn new(columns: &[(&'static str, Align)]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; cells beyond the columns are not shown.
    pub fn row<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(|cell| printable(cell.as_ref())).collect());
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Prints the table, each line after `indent`.
    pub fn print(&self, out: Out<'_>, indent: &str) -> Result<(), CliError> {
        let header = self.columns.iter().map(|(name, _)| (*name).to_owned()).collect();
        for row in iter::once(&header).chain(&self.rows) {
            writeln!(out, "{indent}{}", self.line(row))?;
        }
        Ok(())
    }

    fn line(&self, row: &[String]) -> String {
        let cells = self.columns.iter().enumerate().map(|(index, (_, align))| {
            let cell = row.get(index).map_or("", String::as_str);
            let width = self.width(index);
            match align {
                Align::Left => format!("{cell:<width$}"),
                Align::Right => format!("{cell:>width$}"),
            }
        });
        cells.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
    }

    fn width(&self, column: usize) -> usize {
        let header = self.columns.get(column).map_or(0, |(name, _)| name.chars().count());
        let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.fold(header, usize::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&[("NAME", Align::Left), ("VALUE", Align::Right)]);
        table.row(["a", "1"]);
        table.row(["a longer one", "1234567"]);
        table.row(["x\ny"]);
        let mut text = Vec::new();
        table.print(&mut text, " ").expect("memory takes it");
        let text = String::from_utf8(text).expect("text");
        assert_eq!(
            text,
            " NAME            VALUE\n a                   1\n a longer one  1234567\n x\\u{a}y\n"
        );
    }
}
