//! The file that pages, fonts and a picture make: the same bytes for the same invoice.
use super::PdfError;
use super::canvas::{FONT_NAMES, LOGO_NAME, PAGE};
use super::font::Font;
use crate::config::{Logo, Samples};
use crate::documents::view::View;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use pdf_writer::{Content, Date, Filter, Finish as _, Pdf, Rect, Ref, TextStr};
use reckoner_domain::time::Timestamp;
use sha2::{Digest, Sha256};
use std::io::Write as _;

/// Compressed as `FlateDecode` reads it.
pub fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    // Writing to memory does not fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// Gives references, one after the other.
struct Refs(i32);

impl Refs {
    fn next(&mut self) -> Ref {
        self.0 += 1;
        Ref::new(self.0)
    }

    fn some<const N: usize>(&mut self) -> [Ref; N] {
        std::array::from_fn(|_| self.next())
    }
}

/// What all pages use.
struct Shared {
    tree: Ref,
    fonts: [Ref; 2],
    logo: Option<Ref>,
}

/// Puts the file together.
pub fn write(view: &View, pages: Vec<Content>, fonts: &[Font; 2]) -> Result<Vec<u8>, PdfError> {
    let (mut pdf, mut refs) = (Pdf::new(), Refs(0));
    let [catalog, tree, about] = refs.some();
    pdf.catalog(catalog).pages(tree).lang(TextStr("en")).viewer_preferences().display_doc_title(true);
    write_about(&mut pdf, about, view);
    let mut font_ids = [catalog; 2];
    for (font, slot) in fonts.iter().zip(&mut font_ids) {
        let ids: [Ref; 6] = refs.some();
        let [id, ..] = ids;
        font.write(&mut pdf, ids)?;
        *slot = id;
    }
    let logo = view.logo.as_ref().map(|logo| {
        let ids = refs.some();
        write_logo(&mut pdf, ids, logo);
        ids
    });
    let shared = Shared { tree, fonts: font_ids, logo: logo.map(|[id, _]| id) };
    let mut kids = Vec::with_capacity(pages.len());
    for page in pages {
        let ids: [Ref; 2] = refs.some();
        let [id, _] = ids;
        write_page(&mut pdf, ids, &shared, page);
        kids.push(id);
    }
    let count = i32::try_from(kids.len()).unwrap_or(i32::MAX);
    pdf.pages(tree).kids(kids).count(count);
    let id = Sha256::digest(format!("{} {}", view.title, view.hash.as_deref().unwrap_or_default()));
    let id: Vec<u8> = id.iter().take(16).copied().collect();
    pdf.set_file_id((id.clone(), id));
    Ok(pdf.finish())
}

fn write_about(pdf: &mut Pdf, id: Ref, view: &View) {
    let mut about = pdf.document_info(id);
    about.title(TextStr(&view.title)).creator(TextStr("Reckoner")).producer(TextStr("Reckoner"));
    if let Some(name) = &view.seller.name {
        about.author(TextStr(name));
    }
    if let Some(date) = view.issued_at.and_then(date) {
        about.creation_date(date).modified_date(date);
    }
}

/// An instant as PDF writes it: `2026-02-10T13:00:59Z` is 13:00:59 on that day.
fn date(at: Timestamp) -> Option<Date> {
    let text = at.to_string();
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u16>().ok();
    let small = |from| number(from, from + 2).and_then(|number| u8::try_from(number).ok());
    let date = Date::new(number(0, 4)?).month(small(5)?).day(small(8)?);
    let date = date.hour(small(11)?).minute(small(14)?).second(small(17)?);
    Some(date.utc_offset_hour(0).utc_offset_minute(0))
}

fn write_page(pdf: &mut Pdf, [id, content_id]: [Ref; 2], shared: &Shared, content: Content) {
    let mut page = pdf.page(id);
    page.parent(shared.tree).media_box(Rect::new(0.0, 0.0, PAGE.0, PAGE.1)).contents(content_id);
    let mut resources = page.resources();
    let mut fonts = resources.fonts();
    for (name, font) in FONT_NAMES.iter().zip(&shared.fonts) {
        fonts.pair(*name, *font);
    }
    fonts.finish();
    if let Some(logo) = shared.logo {
        resources.x_objects().pair(LOGO_NAME, logo);
    }
    resources.finish();
    page.finish();
    pdf.stream(content_id, &deflated(&content.finish())).filter(Filter::FlateDecode);
}

fn write_logo(pdf: &mut Pdf, [id, cover_id]: [Ref; 2], logo: &Logo) {
    let size = |pixels: u32| i32::try_from(pixels).unwrap_or(i32::MAX);
    let (width, height) = (size(logo.width), size(logo.height));
    let (bytes, filter, is_gray, cover) = match &logo.samples {
        Samples::Jpeg { is_gray } => (&logo.file, Filter::DctDecode, *is_gray, None),
        Samples::Png { colours, cover } => (colours, Filter::FlateDecode, false, cover.as_ref()),
    };
    let mut image = pdf.image_xobject(id, bytes);
    image.width(width).height(height).bits_per_component(8).filter(filter);
    if is_gray {
        image.color_space().device_gray();
    } else {
        image.color_space().device_rgb();
    }
    if cover.is_some() {
        image.s_mask(cover_id);
    }
    image.finish();
    if let Some(cover) = cover {
        let mut mask = pdf.image_xobject(cover_id, cover);
        mask.width(width).height(height).bits_per_component(8).filter(Filter::FlateDecode);
        mask.color_space().device_gray();
    }
}
