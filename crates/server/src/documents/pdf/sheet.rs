//! How an invoice is laid out on pages.
use super::PdfError;
use super::canvas::{Canvas, LEFT, RIGHT, Style};
use crate::config::Logo;
use crate::documents::view::{Party, Row, View};

const GRAY: f32 = 0.35;
const PLAIN: Style = Style { size: 9.0, is_bold: false, gray: 0.0 };
const STRONG: Style = Style { size: 9.0, is_bold: true, gray: 0.0 };
const SMALL: Style = Style { size: 7.5, is_bold: false, gray: GRAY };
const LABEL: Style = Style { size: 7.5, is_bold: true, gray: GRAY };
const TITLE: Style = Style { size: 18.0, is_bold: true, gray: 0.0 };

/// The largest that the logo is drawn.
const LOGO_MAX: (f32, f32) = (170.0, 56.0);
/// Where the second column of the head begins.
const MIDDLE: f32 = 330.0;
/// The right edges of quantities and amounts.
const QUANTITY: (f32, f32) = (345.0, 440.0);
/// Amounts.
const AMOUNT: (f32, f32) = (450.0, RIGHT);
/// The width of descriptions.
const DESCRIPTION: f32 = QUANTITY.0 - LEFT - 10.0;
/// The left edge of sums.
const SUMS: f32 = 300.0;
/// How high sums are at most that stay on one page.
const SUMS_TOGETHER: f32 = 280.0;
/// Between blocks.
const GAP: f32 = 18.0;
/// Above and below a row.
const PADDING: f32 = 4.0;
/// Lines of a row that stay together.
const TOGETHER: usize = 4;
/// Where page numbers stand.
const FOOT: f32 = 46.0;

/// Draws it.
pub fn draw(view: &View) -> Result<Canvas, PdfError> {
    let mut canvas = Canvas::new()?;
    head(&mut canvas, view);
    table_head(&mut canvas, view);
    for row in &view.rows {
        draw_row(&mut canvas, view, row);
    }
    sums(&mut canvas, view);
    notes(&mut canvas, view);
    feet(&mut canvas, view);
    Ok(canvas)
}

/// Who, whom, which: on the first page.
fn head(canvas: &mut Canvas, view: &View) {
    let top = canvas.y;
    let mut left = top;
    if let Some(logo) = &view.logo {
        let size = fitted(logo);
        canvas.picture(LEFT, top, size);
        left -= size.1 + 8.0;
    }
    left = party(canvas, &view.seller, (LEFT, MIDDLE - LEFT - GAP), left);
    let mut right = canvas.paragraph(&view.title, TITLE, (MIDDLE, RIGHT - MIDDLE), top);
    canvas.text(view.status, STRONG, MIDDLE, right - 2.0);
    right -= 2.0 + STRONG.leading();
    canvas.y = left.min(right) - GAP;
    let top = canvas.y;
    canvas.text("Billed to", LABEL, LEFT, top);
    let left = party(canvas, &view.customer, (LEFT, MIDDLE - LEFT - GAP), top - LABEL.leading());
    let mut right = top;
    for fact in &view.facts {
        // Both stand on one line.
        canvas.text(fact.name, LABEL, MIDDLE, right - (PLAIN.size - LABEL.size));
        let indent = MIDDLE + 50.0;
        right = canvas.paragraph(&fact.value, PLAIN, (indent, RIGHT - indent), right);
    }
    canvas.y = left.min(right) - GAP;
}

/// The size that a picture is drawn in: never larger than a pixel to a point.
fn fitted(logo: &Logo) -> (f32, f32) {
    let (width, height) = (logo.width as f32, logo.height as f32);
    let scale = (LOGO_MAX.0 / width).min(LOGO_MAX.1 / height).min(1.0);
    (width * scale, height * scale)
}

fn party(canvas: &mut Canvas, party: &Party, column: (f32, f32), mut y: f32) -> f32 {
    if let Some(name) = &party.name {
        y = canvas.paragraph(name, STRONG, column, y);
    }
    for line in &party.lines {
        y = canvas.paragraph(line, PLAIN, column, y);
    }
    y
}

/// The names of the columns: on every page with rows.
fn table_head(canvas: &mut Canvas, view: &View) {
    let y = canvas.y;
    canvas.text("Description", LABEL, LEFT, y);
    canvas.text_to("Quantity", LABEL, QUANTITY.1, y);
    canvas.text_to(&format!("Amount ({})", view.currency), LABEL, AMOUNT.1, y);
    canvas.y = y - LABEL.leading() - 2.0;
    canvas.rule((LEFT, RIGHT), canvas.y, 1.0, 0.0);
    canvas.y -= PADDING;
}

/// Goes on on a new page where so much does not fit.
fn room(canvas: &mut Canvas, view: &View, height: f32) {
    if !canvas.has_room(height) {
        canvas.break_page();
        table_head(canvas, view);
    }
}

fn draw_row(canvas: &mut Canvas, view: &View, row: &Row) {
    let (wide, narrow) = (DESCRIPTION, QUANTITY.1 - QUANTITY.0);
    let mut left: Vec<(String, Style)> = Vec::new();
    for line in canvas.wrap(&row.description, PLAIN, wide) {
        left.push((line, PLAIN));
    }
    for note in &row.notes {
        left.extend(canvas.wrap(note, SMALL, wide).into_iter().map(|line| (line, SMALL)));
    }
    let quantities = canvas.wrap(&row.quantity, PLAIN, narrow);
    let amounts = canvas.wrap(&row.amount, PLAIN, AMOUNT.1 - AMOUNT.0);
    let count = left.len().max(quantities.len()).max(amounts.len());
    room(canvas, view, count.min(TOGETHER) as f32 * PLAIN.leading() + 2.0 * PADDING);
    for index in 0..count {
        let (text, style) = left.get(index).map_or(("", PLAIN), |(text, style)| (text.as_str(), *style));
        let both = [(&quantities, QUANTITY.1), (&amounts, AMOUNT.1)];
        let numbers = both.map(|(lines, right)| (lines.get(index).filter(|line| !line.is_empty()), right));
        let has_number = numbers.iter().any(|(number, _)| number.is_some());
        let leading = if has_number { PLAIN.leading() } else { style.leading() };
        room(canvas, view, leading);
        let y = canvas.y;
        canvas.text(text, style, LEFT, y);
        for (number, right) in numbers {
            canvas.text_to(number.map_or("", String::as_str), PLAIN, right, y);
        }
        canvas.y = y - leading;
    }
    canvas.y -= PADDING;
    canvas.rule((LEFT, RIGHT), canvas.y, 0.5, 0.85);
    canvas.y -= PADDING;
}

/// What it adds up to, on one page where it fits.
fn sums(canvas: &mut Canvas, view: &View) {
    let height = view.totals.len() as f32 * (PLAIN.leading() + PADDING);
    if !canvas.has_room(height.min(SUMS_TOGETHER)) {
        canvas.break_page();
    }
    canvas.y -= PADDING;
    for (index, total) in view.totals.iter().enumerate() {
        let is_last = index + 1 == view.totals.len();
        let style = if is_last { STRONG } else { PLAIN };
        if !canvas.has_room(style.leading()) {
            canvas.break_page();
        }
        let y = canvas.y;
        // The amount comes right after the first line of its name: so it is when it is copied.
        for (number, line) in canvas.wrap(&total.name, style, AMOUNT.0 - SUMS - 20.0).iter().enumerate() {
            canvas.text(line, style, SUMS, canvas.y);
            if number == 0 {
                canvas.text_to(&total.amount, style, RIGHT, y);
            }
            canvas.y -= style.leading();
        }
        canvas.y -= PADDING;
        if is_last {
            canvas.rule((SUMS, RIGHT), canvas.y + 1.0, 1.0, 0.0);
        }
    }
    canvas.y -= GAP;
}

fn notes(canvas: &mut Canvas, view: &View) {
    let hash = view.hash.as_ref().map(|hash| format!("SHA-256 of the content: {hash}"));
    for note in view.notes.iter().chain(&hash) {
        for line in canvas.wrap(note, SMALL, RIGHT - LEFT) {
            if !canvas.has_room(SMALL.leading()) {
                canvas.break_page();
            }
            let y = canvas.y;
            canvas.text(&line, SMALL, LEFT, y);
            canvas.y = y - SMALL.leading();
        }
    }
}

/// What every page says, once it is known how many there are.
fn feet(canvas: &mut Canvas, view: &View) {
    let count = canvas.page_count();
    for page in 0..count {
        canvas.text_on(page, &view.title, SMALL, LEFT, FOOT);
        canvas.text_on_to(page, &format!("{} of {count}", page + 1), SMALL, RIGHT, FOOT);
    }
}
