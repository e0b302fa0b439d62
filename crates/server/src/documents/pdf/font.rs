//! The font: how wide its characters are, and the part of it that a file needs.
//!
//! Every character that is used gets a code of its own, also where the font lacks it: a box is drawn
//! then, and whoever copies the text gets the character nevertheless.
use super::PdfError;
use super::file::deflated;
use pdf_writer::types::{CidFontType, FontFlags, SystemInfo, UnicodeCmap};
use pdf_writer::{Filter, Finish as _, Name, Pdf, Rect, Ref, Str};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use subsetter::GlyphRemapper;
use ttf_parser::{Face, GlyphId};

/// Units of PDF's glyph space to a font size.
const GLYPH_SPACE: f32 = 1_000.0;
/// The weight of vertical stems that viewers without the font's program would go by.
const STEM: f32 = 80.0;

const INFO: SystemInfo<'static> =
    SystemInfo { registry: Str(b"Adobe"), ordering: Str(b"Identity"), supplement: 0 };

/// A font, and what of it was used.
pub struct Font {
    data: &'static [u8],
    face: Face<'static>,
    name: &'static str,
    codes: BTreeMap<char, u16>,
    /// By code, from 1.
    used: Vec<(char, GlyphId)>,
}

impl Font {
    /// For texts.
    pub fn regular() -> Result<Self, PdfError> {
        Self::open(dejavu::sans_condensed::regular(), "DejaVuSansCondensed")
    }

    /// For names and sums.
    pub fn bold() -> Result<Self, PdfError> {
        Self::open(dejavu::sans_condensed::bold(), "DejaVuSansCondensed-Bold")
    }

    fn open(data: &'static [u8], name: &'static str) -> Result<Self, PdfError> {
        let face = Face::parse(data, 0).map_err(|error| PdfError::Font(error.to_string()))?;
        Ok(Self { data, face, name, codes: BTreeMap::new(), used: Vec::new() })
    }

    fn glyph(&self, c: char) -> GlyphId {
        self.face.glyph_index(c).unwrap_or(GlyphId(0))
    }

    /// The width of a glyph at a font size of 1.
    fn advance(&self, glyph: GlyphId) -> f32 {
        let units = self.face.glyph_hor_advance(glyph).unwrap_or_default();
        f32::from(units) / f32::from(self.face.units_per_em())
    }

    /// The width of a character at a size.
    pub fn char_width(&self, c: char, size: f32) -> f32 {
        self.advance(self.glyph(c)) * size
    }

    /// The width of a text at a size.
    pub fn width(&self, text: &str, size: f32) -> f32 {
        text.chars().map(|c| self.char_width(c, size)).sum()
    }

    /// The codes of a text, two bytes each.
    pub fn encode(&mut self, text: &str) -> Vec<u8> {
        text.chars().flat_map(|c| self.code(c).to_be_bytes()).collect()
    }

    fn code(&mut self, c: char) -> u16 {
        if let Some(code) = self.codes.get(&c) {
            return *code;
        }
        // Beyond so many different characters each is the box.
        let Ok(code) = u16::try_from(self.used.len() + 1) else { return 0 };
        self.used.push((c, self.glyph(c)));
        self.codes.insert(c, code);
        code
    }

    /// Writes the font under its first reference, and what belongs to it under five more.
    pub fn write(&self, pdf: &mut Pdf, ids: [Ref; 6]) -> Result<(), PdfError> {
        let [id, cid_id, descriptor_id, program_id, unicode_id, map_id] = ids;
        let mut glyphs = GlyphRemapper::new();
        let map: Vec<u8> = self.glyphs().flat_map(|(_, glyph)| glyphs.remap(glyph.0).to_be_bytes()).collect();
        let program =
            subsetter::subset(self.data, 0, &glyphs).map_err(|error| PdfError::Font(error.to_string()))?;
        let name = self.tagged_name();
        let name = Name(name.as_bytes());
        pdf.type0_font(id)
            .base_font(name)
            .encoding_predefined(Name(b"Identity-H"))
            .descendant_font(cid_id)
            .to_unicode(unicode_id);
        let mut cid = pdf.cid_font(cid_id);
        cid.subtype(CidFontType::Type2);
        cid.base_font(name).system_info(INFO).font_descriptor(descriptor_id).default_width(0.0);
        cid.cid_to_gid_map_stream(map_id);
        cid.widths().consecutive(0, self.glyphs().map(|(_, glyph)| self.advance(glyph) * GLYPH_SPACE));
        cid.finish();
        self.write_descriptor(pdf, descriptor_id, program_id, name);
        let (program_bytes, length) = (deflated(&program), program.len());
        pdf.stream(program_id, &program_bytes)
            .filter(Filter::FlateDecode)
            .pair(Name(b"Length1"), i32::try_from(length).unwrap_or_default());
        pdf.stream(map_id, &deflated(&map)).filter(Filter::FlateDecode);
        pdf.stream(unicode_id, &deflated(&self.unicode())).filter(Filter::FlateDecode);
        Ok(())
    }

    /// Characters and glyphs by code; code 0 is the box, for no character.
    fn glyphs(&self) -> impl Iterator<Item = (Option<char>, GlyphId)> {
        let used = self.used.iter().map(|(c, glyph)| (Some(*c), *glyph));
        std::iter::once((None, GlyphId(0))).chain(used)
    }

    /// Which character each code stands for.
    fn unicode(&self) -> Vec<u8> {
        let mut map = UnicodeCmap::new(Name(b"Characters"), INFO);
        for ((c, _), code) in self.used.iter().zip(1_u16..) {
            map.pair(code, *c);
        }
        map.finish().into_vec()
    }

    /// Parts of fonts have a tag of six letters before their name: here it follows from the characters.
    fn tagged_name(&self) -> String {
        let used: String = self.used.iter().map(|(c, _)| *c).collect();
        let tag: String =
            Sha256::digest(used).iter().take(6).map(|byte| char::from(b'A' + byte % 26)).collect();
        format!("{tag}+{}", self.name)
    }

    fn write_descriptor(&self, pdf: &mut Pdf, id: Ref, program: Ref, name: Name<'_>) {
        let per_em = f32::from(self.face.units_per_em());
        let scaled = |units: i16| f32::from(units) / per_em * GLYPH_SPACE;
        let edges = self.face.global_bounding_box();
        let ascent = self.face.ascender();
        pdf.font_descriptor(id)
            .name(name)
            .flags(FontFlags::SYMBOLIC)
            .bbox(Rect::new(
                scaled(edges.x_min),
                scaled(edges.y_min),
                scaled(edges.x_max),
                scaled(edges.y_max),
            ))
            .italic_angle(0.0)
            .ascent(scaled(ascent))
            .descent(scaled(self.face.descender()))
            .cap_height(scaled(self.face.capital_height().unwrap_or(ascent)))
            .stem_v(STEM)
            .font_file2(program);
    }
}
