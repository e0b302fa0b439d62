//! An invoice as PDF: real text in embedded fonts, the same bytes whenever it is asked for.
mod canvas;
mod file;
mod font;
mod sheet;
mod wrap;

use super::view::View;

/// Why there is no PDF.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PdfError {
    /// The font cannot be read, or no part of it be made.
    #[error("the font cannot be used: {0}")]
    Font(String),
}

/// The file.
pub fn render(view: &View) -> Result<Vec<u8>, PdfError> {
    let (pages, fonts) = sheet::draw(view)?.finish();
    file::write(view, pages, &fonts)
}
