//! Pages that are drawn on from top to bottom. Lengths are points, from the lower left corner.
use super::PdfError;
use super::font::Font;
use super::wrap::{visual, wrap};
use pdf_writer::{Content, Name, Str};

/// A4.
pub const PAGE: (f32, f32) = (595.28, 841.89);
/// Left and right edge of what is drawn.
pub const LEFT: f32 = 50.0;
/// The right edge.
pub const RIGHT: f32 = PAGE.0 - 50.0;
/// Where pages begin.
pub const TOP: f32 = PAGE.1 - 50.0;
/// Where they end; page numbers stand below.
pub const BOTTOM: f32 = 70.0;
/// The height of a line, of its font size.
pub const LEADING: f32 = 1.35;

/// The names of the fonts and the picture in the file.
pub const FONT_NAMES: [Name<'static>; 2] = [Name(b"F1"), Name(b"F2")];
/// The picture.
pub const LOGO_NAME: Name<'static> = Name(b"L1");

/// How a text is set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Style {
    /// The font size.
    pub size: f32,
    /// Whether it is bold.
    pub is_bold: bool,
    /// How light it is, from 0 (black).
    pub gray: f32,
}

impl Style {
    /// The height of a line.
    pub fn leading(self) -> f32 {
        self.size * LEADING
    }
}

/// Pages, and where the last one is to be gone on with.
pub struct Canvas {
    pages: Vec<Content>,
    /// The fonts, regular and bold.
    pub fonts: [Font; 2],
    /// The upper edge of what comes next.
    pub y: f32,
}

impl Canvas {
    /// One empty page.
    pub fn new() -> Result<Self, PdfError> {
        let fonts = [Font::regular()?, Font::bold()?];
        Ok(Self { pages: vec![Content::new()], fonts, y: TOP })
    }

    /// Goes on at the top of a new page.
    pub fn break_page(&mut self) {
        self.pages.push(Content::new());
        self.y = TOP;
    }

    /// Whether so much fits above the bottom.
    pub fn has_room(&self, height: f32) -> bool {
        self.y - height >= BOTTOM
    }

    /// How many pages there are.
    pub fn page_count(&self) -> usize {
        self.pages.len()
    }

    /// The pages and the fonts.
    pub fn finish(self) -> (Vec<Content>, [Font; 2]) {
        (self.pages, self.fonts)
    }

    fn font(&self, style: Style) -> &Font {
        let [regular, bold] = &self.fonts;
        if style.is_bold { bold } else { regular }
    }

    /// Breaks a text into lines of a width.
    pub fn wrap(&self, text: &str, style: Style, width: f32) -> Vec<String> {
        wrap(self.font(style), text, style.size, width)
    }

    /// Draws a line of text with its upper edge at `y` on the last page.
    pub fn text(&mut self, text: &str, style: Style, x: f32, y: f32) {
        let last = self.pages.len().saturating_sub(1);
        self.text_on(last, text, style, x, y);
    }

    /// The same, ending at `right`.
    pub fn text_to(&mut self, text: &str, style: Style, right: f32, y: f32) {
        let x = right - self.font(style).width(text, style.size);
        self.text(text, style, x, y);
    }

    /// The same on a page, by its number from 0.
    pub fn text_on(&mut self, page: usize, text: &str, style: Style, x: f32, y: f32) {
        let [regular, bold] = &mut self.fonts;
        let (font, [of_regular, of_bold]) = (if style.is_bold { bold } else { regular }, FONT_NAMES);
        let name = if style.is_bold { of_bold } else { of_regular };
        let codes = font.encode(&visual(text));
        let Some(content) = self.pages.get_mut(page).filter(|_| !text.is_empty()) else { return };
        content.begin_text();
        content.set_fill_gray(style.gray);
        content.set_font(name, style.size);
        // The line of the letters' feet lies about a font size below the upper edge.
        content.set_text_matrix([1.0, 0.0, 0.0, 1.0, x, y - style.size]);
        content.show(Str(&codes));
        content.end_text();
    }

    /// The same on a page, ending at `right`.
    pub fn text_on_to(&mut self, page: usize, text: &str, style: Style, right: f32, y: f32) {
        let x = right - self.font(style).width(text, style.size);
        self.text_on(page, text, style, x, y);
    }

    /// Draws a text on as many lines as it takes from `y` on; says where they end.
    pub fn paragraph(&mut self, text: &str, style: Style, (x, width): (f32, f32), mut y: f32) -> f32 {
        for line in self.wrap(text, style, width) {
            self.text(&line, style, x, y);
            y -= style.leading();
        }
        y
    }

    /// Draws a line across.
    pub fn rule(&mut self, (from, to): (f32, f32), y: f32, width: f32, gray: f32) {
        let Some(content) = self.pages.last_mut() else { return };
        content.set_stroke_gray(gray);
        content.set_line_width(width);
        content.move_to(from, y);
        content.line_to(to, y);
        content.stroke();
    }

    /// Draws the picture.
    pub fn picture(&mut self, x: f32, y: f32, (width, height): (f32, f32)) {
        let Some(content) = self.pages.last_mut() else { return };
        content.save_state();
        content.transform([width, 0.0, 0.0, height, x, y - height]);
        content.x_object(LOGO_NAME);
        content.restore_state();
    }
}
