//! Request bodies that an agent has compressed.
//!
//! What counts is how long a body is when it is unpacked: a megabyte of gzip can hold a gigabyte. So it is unpacked in
//! small pieces, and given up with the first piece that is too many.

use std::io::{self, Read};

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use ruzstd::decoding::StreamingDecoder;

use crate::problem::Problem;

/// The largest window that a zstd frame may ask for. RFC 9659 allows no larger one in HTTP, so that a receiver knows
/// what it must hold.
const LARGEST_WINDOW: u64 = 8 * 1024 * 1024;
const PIECE: usize = 64 * 1024;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    Gzip,
    Zstd,
}

impl Compression {
    /// What the headers say of the body; nothing when it is there as it is. One compression is taken, not several on
    /// top of each other.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let mut named = headers.get_all(CONTENT_ENCODING).iter();
        let Some(encoding) = named.next() else {
            return Ok(None);
        };
        let name = encoding.to_str().unwrap_or("?").trim();
        if named.next().is_some() {
            return Err(Problem::encoding_refused(&format!("{name} and more")));
        }
        if name.eq_ignore_ascii_case("gzip") {
            Ok(Some(Compression::Gzip))
        } else if name.eq_ignore_ascii_case("zstd") {
            Ok(Some(Compression::Zstd))
        } else if name.is_empty() || name.eq_ignore_ascii_case("identity") {
            Ok(None)
        } else {
            Err(Problem::encoding_refused(name))
        }
    }

    fn name(self) -> &'static str {
        match self {
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        }
    }

    /// Unpacks a whole body, to at most `limit` bytes, away from the threads that serve connections.
    pub(crate) async fn unpack(self, body: Bytes, limit: usize) -> Result<Bytes, Problem> {
        tokio::task::spawn_blocking(move || self.unpack_here(&body, limit))
            .await
            .unwrap_or_else(|_| Err(Problem::internal()))
            .map(Bytes::from)
    }

    fn unpack_here(self, mut body: &[u8], limit: usize) -> Result<Vec<u8>, Problem> {
        let mut whole = Vec::new();
        match self {
            Compression::Gzip => self.append(MultiGzDecoder::new(body), limit, &mut whole)?,
            // A body may hold several frames, and every reader gives one.
            Compression::Zstd => loop {
                let frame = StreamingDecoder::new_with_max_window_size(&mut body, LARGEST_WINDOW)
                    .map_err(|error| Problem::compression_broken(self.name(), &error.to_string()))?;
                self.append(frame, limit, &mut whole)?;
                if body.is_empty() {
                    break;
                }
            },
        }
        Ok(whole)
    }

    /// Appends all that `source` gives, unless it is more than fits.
    fn append(self, mut source: impl Read, limit: usize, whole: &mut Vec<u8>) -> Result<(), Problem> {
        let mut piece = vec![0; PIECE];
        loop {
            let unpacked = match source.read(&mut piece) {
                Ok(length) => piece.get(..length).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Problem::compression_broken(self.name(), &error.to_string())),
            };
            if unpacked.is_empty() {
                return Ok(());
            }
            if whole.len() + unpacked.len() > limit {
                return Err(Problem::too_large(limit));
            }
            whole.extend_from_slice(unpacked);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::write::GzEncoder;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        compress_to_vec(text, CompressionLevel::Fastest)
    }

    /// A frame without a length, whose blocks each say "the next 128 KiB are this one byte" (RFC 8878 §3.1.1).
    fn zstd_bomb(blocks: usize) -> Vec<u8> {
        let mut bomb = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38];
        for block in 1..=blocks {
            let header = (128 * 1024) << 3 | 1 << 1 | u32::from(block == blocks);
            bomb.extend_from_slice(&header.to_le_bytes()[..3]);
            bomb.push(b' ');
        }
        bomb
    }

    #[test]
    fn what_was_packed_comes_out_and_counts_unpacked() {
        let text = "a conversation ".repeat(20_000).into_bytes();
        let half = text.len() / 2;
        for (compression, packed) in [
            (Compression::Gzip, gzip(&text)),
            (Compression::Zstd, zstd(&text)),
            // In two parts, as somebody who compresses while writing may send it.
            (
                Compression::Gzip,
                [gzip(&text[..half]), gzip(&text[half..])].concat(),
            ),
            (
                Compression::Zstd,
                [zstd(&text[..half]), zstd(&text[half..])].concat(),
            ),
        ] {
            assert!(packed.len() < text.len() / 10, "{compression:?}");
            assert_eq!(
                compression.unpack_here(&packed, text.len()).unwrap(),
                text,
                "{compression:?}"
            );
            let refused = compression.unpack_here(&packed, text.len() - 1).unwrap_err();
            assert_eq!((refused.status, refused.code), (413, "REQUEST-TOO-LARGE"));
        }
    }

    #[test]
    fn a_bomb_is_given_up_at_the_limit() {
        const LIMIT: usize = 4 * 1024 * 1024;
        let mut gigabyte = GzEncoder::new(Vec::new(), flate2::Compression::best());
        let zeros = vec![0; 1024 * 1024];
        for _ in 0..64 {
            gigabyte.write_all(&zeros).unwrap();
        }
        for (compression, bomb) in [
            (Compression::Gzip, gigabyte.finish().unwrap()),
            (Compression::Zstd, zstd_bomb(8192)),
        ] {
            assert!(bomb.len() < 100_000, "{}", bomb.len());
            assert_eq!(compression.unpack_here(&bomb, LIMIT).unwrap_err().status, 413);
        }
        let small = zstd_bomb(2);
        assert_eq!(
            Compression::Zstd.unpack_here(&small, LIMIT).unwrap(),
            vec![b' '; 256 * 1024],
            "the bomb is a frame like any other"
        );
    }

    #[test]
    fn broken_bodies_are_the_requests_fault() {
        for compression in [Compression::Gzip, Compression::Zstd] {
            let whole = match compression {
                Compression::Gzip => gzip(b"{\"model\":\"m\"}"),
                Compression::Zstd => zstd(b"{\"model\":\"m\"}"),
            };
            let mut garbage_behind = whole.clone();
            garbage_behind.extend_from_slice(b"garbage");
            let truncated = whole[..whole.len() - 3].to_vec();
            for broken in [Vec::new(), b"{}".to_vec(), truncated, garbage_behind] {
                let problem = compression.unpack_here(&broken, 1000).unwrap_err();
                assert_eq!(
                    (problem.status, problem.code),
                    (400, "REQUEST-BODY"),
                    "{compression:?} {broken:?}"
                );
                assert!(problem.sentence.contains(compression.name()), "{problem:?}");
            }
        }
        // A frame that wants a window of 16 MiB to be held for it.
        let greedy = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 14 << 3, 0x01, 0x00, 0x00];
        assert_eq!(
            Compression::Zstd.unpack_here(&greedy, 1000).unwrap_err().status,
            400
        );
    }
}
