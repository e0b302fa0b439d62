//! Compressed bodies, inflated piece by piece.
use super::error::ApiError;
use axum::http::{HeaderMap, header};
use std::io::{self, Write};

/// How a body may be compressed.
pub const ENCODINGS: &str = "gzip, deflate, zstd, identity";
/// The largest window a zstd body may ask for, as a power of two: 8 MiB.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 1950.
    Deflate,
    /// RFC 8878.
    Zstd,
}

impl Encoding {
    /// The encoding that `Content-Encoding` names.
    pub fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
        let unknown = || ApiError::unsupported_media(format!("Content-Encoding must be one of {ENCODINGS}"));
        let Some(value) = values.next() else { return Ok(Self::Identity) };
        if values.next().is_some() {
            return Err(unknown());
        }
        match value.to_str().map(|text| text.trim().to_ascii_lowercase()).as_deref() {
            Ok("" | "identity") => Ok(Self::Identity),
            Ok("gzip" | "x-gzip") => Ok(Self::Gzip),
            Ok("deflate") => Ok(Self::Deflate),
            Ok("zstd") => Ok(Self::Zstd),
            _ => Err(unknown()),
        }
    }
}

/// Inflates pieces as they come. What is inflated and not yet taken is bounded.
pub struct Inflater {
    decoder: Decoder,
    bytes_max: usize,
}

enum Decoder {
    Gzip(flate2::write::MultiGzDecoder<Bounded>),
    Deflate(flate2::write::ZlibDecoder<Bounded>),
    Zstd(zstd::stream::zio::Writer<Bounded, zstd::stream::raw::Decoder<'static>>),
}

/// Collects bytes up to a bound.
struct Bounded {
    bytes: Vec<u8>,
    bytes_max: usize,
    exceeded: bool,
}

impl Write for Bounded {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        if self.bytes.len().saturating_add(part.len()) > self.bytes_max {
            self.exceeded = true;
            return Err(io::Error::other("too large"));
        }
        self.bytes.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Inflater {
    /// `None` for a body that is not compressed. At most `bytes_max` wait to be taken.
    pub fn new(encoding: Encoding, bytes_max: usize) -> Result<Option<Self>, ApiError> {
        let bounded = Bounded { bytes: Vec::new(), bytes_max, exceeded: false };
        let decoder = match encoding {
            Encoding::Identity => return Ok(None),
            Encoding::Gzip => Decoder::Gzip(flate2::write::MultiGzDecoder::new(bounded)),
            Encoding::Deflate => Decoder::Deflate(flate2::write::ZlibDecoder::new(bounded)),
            Encoding::Zstd => {
                let mut decoder = zstd::stream::raw::Decoder::new().map_err(ApiError::internal)?;
                let window = zstd::stream::raw::DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX);
                decoder.set_parameter(window).map_err(ApiError::internal)?;
                Decoder::Zstd(zstd::stream::zio::Writer::new(bounded, decoder))
            }
        };
        Ok(Some(Self { decoder, bytes_max }))
    }

    /// Inflates a part of what is given, some tens of KiB of output at most; answers the rest.
    pub fn step<'p>(&mut self, part: &'p [u8]) -> Result<&'p [u8], ApiError> {
        match self.writer().write(part) {
            Ok(taken) if taken > 0 => Ok(part.get(taken..).unwrap_or_default()),
            // Something follows the end of what was compressed.
            Ok(_) | Err(_) => Err(self.fault()),
        }
    }

    /// Inflates one more piece whole.
    pub fn push(&mut self, mut part: &[u8]) -> Result<(), ApiError> {
        while !part.is_empty() {
            part = self.step(part)?;
        }
        Ok(())
    }

    /// Gives out what came in so far, without waiting for more of it.
    pub fn flush(&mut self) -> Result<(), ApiError> {
        self.writer().flush().map_err(|_| self.fault())
    }

    /// Inflates what is still held back; a body that ends too early is refused.
    pub fn finish(&mut self) -> Result<(), ApiError> {
        let finished = match &mut self.decoder {
            Decoder::Gzip(decoder) => decoder.try_finish(),
            Decoder::Deflate(decoder) => decoder.try_finish(),
            Decoder::Zstd(decoder) => decoder.finish(),
        };
        finished.map_err(|_| self.fault())
    }

    /// What was inflated since the last call.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bounded().bytes)
    }

    /// How many bytes wait to be taken.
    pub fn ready_bytes(&mut self) -> usize {
        self.bounded().bytes.len()
    }

    fn writer(&mut self) -> &mut dyn Write {
        match &mut self.decoder {
            Decoder::Gzip(decoder) => decoder,
            Decoder::Deflate(decoder) => decoder,
            Decoder::Zstd(decoder) => decoder,
        }
    }

    fn bounded(&mut self) -> &mut Bounded {
        match &mut self.decoder {
            Decoder::Gzip(decoder) => decoder.get_mut(),
            Decoder::Deflate(decoder) => decoder.get_mut(),
            Decoder::Zstd(decoder) => decoder.writer_mut(),
        }
    }

    fn fault(&mut self) -> ApiError {
        if self.bounded().exceeded {
            ApiError::too_large(format!("the body must have at most {} bytes once inflated", self.bytes_max))
        } else {
            ApiError::malformed("the body does not inflate as its Content-Encoding says")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::StatusCode;

    const ALL: [Encoding; 3] = [Encoding::Gzip, Encoding::Deflate, Encoding::Zstd];

    fn inflater(encoding: Encoding, max: usize) -> Inflater {
        Inflater::new(encoding, max).expect("made").expect("compressed")
    }

    fn inflate(encoding: Encoding, body: &[u8], max: usize) -> Result<Vec<u8>, StatusCode> {
        let mut inflater = inflater(encoding, max);
        for part in body.chunks(7) {
            inflater.push(part).map_err(|e| e.status())?;
        }
        inflater.finish().map_err(|e| e.status())?;
        Ok(inflater.take())
    }

    fn packed(encoding: Encoding, text: &[u8]) -> Vec<u8> {
        let level = flate2::Compression::fast();
        match encoding {
            Encoding::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
                encoder.write_all(text).and_then(|()| encoder.finish()).expect("packs")
            }
            Encoding::Deflate => {
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
                encoder.write_all(text).and_then(|()| encoder.finish()).expect("packs")
            }
            Encoding::Zstd => zstd::encode_all(text, 1).expect("packs"),
            Encoding::Identity => text.to_vec(),
        }
    }

    #[test]
    fn every_encoding_inflates_and_is_bounded() {
        let text = b"{\"customer\":\"a\"}".repeat(100);
        for encoding in ALL {
            let body = packed(encoding, &text);
            assert_eq!(inflate(encoding, &body, text.len()), Ok(text.clone()), "{encoding:?}");
            let too_large = inflate(encoding, &body, text.len() - 1);
            assert_eq!(too_large, Err(StatusCode::PAYLOAD_TOO_LARGE), "{encoding:?}");
            let bad = inflate(encoding, b"no such thing", 100);
            assert_eq!(bad, Err(StatusCode::BAD_REQUEST), "{encoding:?}");
        }
    }

    #[test]
    fn what_ends_early_or_goes_on_is_refused() {
        let text = b"{\"customer\":\"a\"}\n".repeat(100);
        for encoding in ALL {
            let body = packed(encoding, &text);
            for length in 0..body.len() {
                let cut = inflate(encoding, &body[..length], text.len());
                assert_eq!(cut, Err(StatusCode::BAD_REQUEST), "{encoding:?} cut to {length}");
            }
            let more = [body.as_slice(), b"more of it"].concat();
            assert_eq!(inflate(encoding, &more, text.len()), Err(StatusCode::BAD_REQUEST), "{encoding:?}");
        }
    }

    #[test]
    fn members_one_after_another_are_one_body() {
        for encoding in [Encoding::Gzip, Encoding::Zstd] {
            let body = [packed(encoding, b"one"), packed(encoding, b"two")].concat();
            assert_eq!(inflate(encoding, &body, 100), Ok(b"onetwo".to_vec()), "{encoding:?}");
        }
    }

    #[test]
    fn a_bomb_is_stopped_at_the_bound_and_steps_are_small() {
        let zeros = vec![0; 64 << 20];
        for encoding in ALL {
            let body = packed(encoding, &zeros);
            assert_eq!(inflate(encoding, &body, 1 << 20), Err(StatusCode::PAYLOAD_TOO_LARGE), "{encoding:?}");
            let (mut inflater, mut rest, mut largest) = (inflater(encoding, 1 << 20), body.as_slice(), 0);
            while !rest.is_empty() {
                rest = inflater.step(rest).expect("inflates");
                largest = largest.max(inflater.take().len());
            }
            assert!(largest <= 256 << 10, "{encoding:?}: {largest}");
        }
    }

    #[test]
    fn a_flush_gives_out_what_came_in() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"one line\n").and_then(|()| gzip.flush()).expect("packs");
        let mut zstd = zstd::stream::write::Encoder::new(Vec::new(), 1).expect("made");
        zstd.write_all(b"one line\n").and_then(|()| zstd.flush()).expect("packs");
        for (encoding, body) in [(Encoding::Gzip, gzip.get_ref()), (Encoding::Zstd, zstd.get_ref())] {
            let mut inflater = inflater(encoding, 100);
            inflater.push(body).and_then(|()| inflater.flush()).expect("inflates");
            assert_eq!(inflater.take(), b"one line\n", "{encoding:?}");
        }
    }
}
