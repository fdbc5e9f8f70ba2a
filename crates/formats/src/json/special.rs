//! Where a JSON string stops being plain letters.

const QUOTES: u64 = u64::from_ne_bytes([b'"'; 8]);
const BACKSLASHES: u64 = u64::from_ne_bytes([b'\\'; 8]);
const BLANKS: u64 = u64::from_ne_bytes([b' '; 8]);
const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGH_BITS: u64 = u64::from_ne_bytes([0x80; 8]);

/// The position of the first quote, backslash or control character.
#[inline]
pub(super) fn find_special(bytes: &[u8]) -> Option<usize> {
    /// In source code an escape stands every twenty bytes or so, and names are short: eight bytes at a time find those at
    /// once. A longer run is worth the start of a search over many more.
    const SHORT: usize = 40;
    let mut at = 0;
    while at < SHORT
        && let Some(eight) = bytes.get(at..).and_then(<[u8]>::first_chunk)
    {
        let found = specials(u64::from_le_bytes(*eight));
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let rest = bytes.get(at..)?;
    if at < SHORT {
        return rest.iter().position(|&byte| is_special(byte)).map(|run| at + run);
    }
    let run = memchr::memchr2(b'"', b'\\', rest);
    let letters = rest.get(..run.unwrap_or(rest.len()))?;
    // No early end, so that the compiler makes it a loop over many bytes at once.
    let run = if letters.iter().copied().fold(u8::MAX, u8::min) < b' ' {
        letters.iter().position(|&byte| is_special(byte))
    } else {
        run
    };
    run.map(|run| at + run)
}

fn is_special(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

/// Eight bytes, of which the lowest high bit that is set marks the first special one. (Above it the borrow of a
/// subtraction may set more.)
fn specials(eight: u64) -> u64 {
    let zeros = |bytes: u64| bytes.wrapping_sub(ONES) & !bytes;
    let controls = eight.wrapping_sub(BLANKS) & !eight;
    (zeros(eight ^ QUOTES) | zeros(eight ^ BACKSLASHES) | controls) & HIGH_BITS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_special_byte_is_found_wherever_it_stands(
            plain in prop::collection::vec(prop_oneof![Just(b' '), Just(b'!'), Just(0x7f), 0x80..=u8::MAX, b'#'..=b'Z'], 0..120),
            special in prop_oneof![Just(b'"'), Just(b'\\'), 0..b' '],
            rest in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            prop_assert_eq!(find_special(&plain), None);
            let whole = [plain.as_slice(), &[special], &rest].concat();
            prop_assert_eq!(find_special(&whole), Some(plain.len()));
        }
    }
}
