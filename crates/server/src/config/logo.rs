//! The seller's logo: a file that is read and checked once, at the start.
use flate2::Compression;
use flate2::write::ZlibEncoder;
use std::fmt;
use std::io::{Cursor, Write as _};
use std::path::Path;

/// Most bytes of the file.
pub const LOGO_BYTES_MAX: usize = 512 << 10;
/// Most pixels to a side.
pub const LOGO_PIXELS_MAX: u32 = 1_500;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
const JPEG: &[u8] = b"\xff\xd8\xff";

/// A picture, as a file and as documents embed it.
#[derive(Clone, PartialEq, Eq)]
pub struct Logo {
    /// The file as it lies.
    pub file: Vec<u8>,
    /// Pixels to a line.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// What it consists of.
    pub samples: Samples,
}

/// What a picture consists of.
#[derive(Clone, PartialEq, Eq)]
pub enum Samples {
    /// A JPEG, which is embedded as it lies; without colours where it is gray.
    Jpeg {
        /// Whether it has no colours.
        is_gray: bool,
    },
    /// A PNG's pixels, three bytes each, and how much of each covers what is behind it, where that is not
    /// all of it. Both deflated.
    Png {
        /// Red, green and blue.
        colours: Vec<u8>,
        /// A byte a pixel.
        cover: Option<Vec<u8>>,
    },
}

impl fmt::Debug for Logo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Logo({}, {} x {})", self.media_type(), self.width, self.height)
    }
}

impl Logo {
    /// Reads a file, or says why it is no logo.
    pub fn read(path: &Path) -> Result<Self, String> {
        let unreadable = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
        let about = std::fs::metadata(path).map_err(unreadable)?;
        // The size is looked at first: whatever is named is not read whole.
        if !about.is_file() || about.len() > LOGO_BYTES_MAX as u64 {
            return Err(format!("must name a file of at most {LOGO_BYTES_MAX} bytes"));
        }
        Self::parse(std::fs::read(path).map_err(unreadable)?)
    }

    /// Takes a file's bytes, or says why they are no logo.
    pub fn parse(file: Vec<u8>) -> Result<Self, String> {
        if file.len() > LOGO_BYTES_MAX {
            return Err(format!("must name a file of at most {LOGO_BYTES_MAX} bytes"));
        }
        if file.starts_with(PNG) {
            png(file)
        } else if file.starts_with(JPEG) {
            jpeg(file)
        } else {
            Err("must name a PNG or JPEG file".to_owned())
        }
    }

    /// The media type of the file.
    pub fn media_type(&self) -> &'static str {
        match self.samples {
            Samples::Jpeg { .. } => "image/jpeg",
            Samples::Png { .. } => "image/png",
        }
    }
}

fn check_size(width: u32, height: u32) -> Result<(), String> {
    let allowed = 1..=LOGO_PIXELS_MAX;
    if allowed.contains(&width) && allowed.contains(&height) {
        return Ok(());
    }
    Err(format!("must name a picture of at most {LOGO_PIXELS_MAX} x {LOGO_PIXELS_MAX} pixels"))
}

fn png(file: Vec<u8>) -> Result<Logo, String> {
    let broken = |error: png::DecodingError| format!("names a PNG file that cannot be read: {error}");
    let mut decoder = png::Decoder::new(Cursor::new(file.as_slice()));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(broken)?;
    let (width, height) = (reader.info().width, reader.info().height);
    check_size(width, height)?;
    let mut pixels = vec![0; reader.output_buffer_size().unwrap_or_default()];
    let frame = reader.next_frame(&mut pixels).map_err(broken)?;
    let size = frame.color_type.samples();
    let (mut colours, mut cover) = (Vec::new(), Vec::new());
    for pixel in pixels.chunks_exact(size) {
        match *pixel {
            [gray] => colours.extend([gray; 3]),
            [gray, alpha] => {
                colours.extend([gray; 3]);
                cover.push(alpha);
            }
            [red, green, blue] => colours.extend([red, green, blue]),
            [red, green, blue, alpha] => {
                colours.extend([red, green, blue]);
                cover.push(alpha);
            }
            _ => return Err("names a PNG file of an unknown kind".to_owned()),
        }
    }
    let is_open = cover.iter().any(|alpha| *alpha < u8::MAX);
    let samples = Samples::Png { colours: deflated(&colours), cover: is_open.then(|| deflated(&cover)) };
    Ok(Logo { file, width, height, samples })
}

/// Compressed as PDF's `FlateDecode` reads it.
fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    // Writing to memory does not fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

fn jpeg(file: Vec<u8>) -> Result<Logo, String> {
    let broken =
        || "names a JPEG file that cannot be read, or one of a kind that PDF does not know".to_owned();
    let (width, height, components) = frame_of(&file).ok_or_else(broken)?;
    let is_gray = match components {
        1 => true,
        3 => false,
        _ => return Err("must name a JPEG file in colours of RGB, or in gray".to_owned()),
    };
    check_size(width, height)?;
    Ok(Logo { file, width, height, samples: Samples::Jpeg { is_gray } })
}

/// Width, height and components of a JPEG with 8 bits a sample, coded as PDF's `DCTDecode` reads it.
fn frame_of(file: &[u8]) -> Option<(u32, u32, u8)> {
    let mut rest = file.get(2..)?;
    loop {
        let [0xff, marker, after @ ..] = rest else { return None };
        // Any number of fill bytes may stand before a marker.
        if *marker == 0xff {
            rest = rest.get(1..)?;
            continue;
        }
        let [high, low, ..] = after else { return None };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        match marker {
            // Baseline, extended and progressive; what else begins a frame is lossless or arithmetic.
            0xc0..=0xc2 => {
                let [_, _, 8, h1, h2, w1, w2, components, ..] = after else { return None };
                let number = |high: u8, low: u8| u32::from(u16::from_be_bytes([high, low]));
                return Some((number(*w1, *w2), number(*h1, *h2), *components));
            }
            0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf | 0xd8..=0xda => return None,
            _ => rest = after.get(length..).filter(|_| length >= 2)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png_of(width: u32, height: u32, kind: png::ColorType, pixels: &[u8]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width, height);
        encoder.set_color(kind);
        let mut writer = encoder.write_header().expect("a header");
        writer.write_image_data(pixels).expect("pixels");
        writer.finish().expect("an end");
        file
    }

    /// The beginning of a JPEG up to its frame.
    fn jpeg_of(marker: u8, height: u16, width: u16, components: u8) -> Vec<u8> {
        let [h1, h2] = height.to_be_bytes();
        let [w1, w2] = width.to_be_bytes();
        let head = [0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2, 0xff, 0xff, marker, 0, 17, 8];
        [&head[..], &[h1, h2, w1, w2, components]].concat()
    }

    #[test]
    fn pictures_of_both_kinds_are_read() {
        let clear =
            Logo::parse(png_of(2, 1, png::ColorType::Rgba, &[1, 2, 3, 255, 4, 5, 6, 0])).expect("a logo");
        assert_eq!((clear.width, clear.height, clear.media_type()), (2, 1, "image/png"));
        assert!(matches!(clear.samples, Samples::Png { cover: Some(_), .. }));
        let full = Logo::parse(png_of(1, 1, png::ColorType::GrayscaleAlpha, &[9, 255])).expect("a logo");
        let Samples::Png { colours, cover } = full.samples else { panic!("a PNG") };
        assert_eq!((colours, cover), (deflated(&[9, 9, 9]), None));
        for marker in [0xc0, 0xc2] {
            let photo = Logo::parse(jpeg_of(marker, 300, 400, 3)).expect("a logo");
            assert_eq!((photo.width, photo.height), (400, 300));
            assert!(photo.samples == Samples::Jpeg { is_gray: false });
        }
    }

    #[test]
    fn what_is_no_logo_is_told() {
        let wide = vec![0; LOGO_PIXELS_MAX as usize + 1];
        let cut = png_of(2, 2, png::ColorType::Grayscale, &[1; 4]);
        let cases: [(Vec<u8>, &str); 8] = [
            (b"<svg/>".to_vec(), "PNG or JPEG"),
            (vec![0; LOGO_BYTES_MAX + 1], "at most 524288 bytes"),
            (png_of(LOGO_PIXELS_MAX + 1, 1, png::ColorType::Grayscale, &wide), "1500 x 1500"),
            (cut[..cut.len() - 20].to_vec(), "cannot be read"),
            (jpeg_of(0xc0, 300, 400, 4), "RGB"),
            (jpeg_of(0xc9, 300, 400, 3), "cannot be read"),
            (jpeg_of(0xc0, 0, 400, 3), "1500 x 1500"),
            (jpeg_of(0xc0, 300, 400, 3)[..12].to_vec(), "cannot be read"),
        ];
        for (file, told) in cases {
            let error = Logo::parse(file).expect_err(told);
            assert!(error.contains(told), "{told} in {error}");
        }
        let gone = Logo::read(Path::new("/no/such/logo.png")).expect_err("not there");
        assert!(gone.contains("/no/such/logo.png cannot be read"), "{gone}");
        assert!(Logo::read(Path::new("/")).is_err());
    }
}
