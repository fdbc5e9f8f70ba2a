//! Where a JSON string stops being plain letters.

const QUOTES: u64 = u64::from_ne_bytes([b'"'; 8]);
const BACKSLASHES: u64 = u64::from_ne_bytes([b'\\'; 8]);
const BLANKS: u64 = u64::from_ne_bytes([b' '; 8]);
const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGH_BITS: u64 = u64::from_ne_bytes([0x80; 8]);

/// In source code an escape stands every twenty bytes or so, and names are short: they are found eight bytes at a time. A run
/// longer than this is worth the start of a search over many more.
const SHORT: usize = 40;

/// The position of the first quote, backslash or control character from `start` on.
#[expect(
    clippy::inline_always,
    reason = "a string with an escape in every line calls it for every line"
)]
#[inline(always)]
pub(super) fn find_special(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    while let Some(eight) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let found = specials(u64::from_le_bytes(*eight));
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
        if at == start + SHORT {
            break;
        }
    }
    find_far(bytes, at)
}

/// The same for the end of the bytes and for long runs; apart, so that the short ones need no room on the stack.
#[inline(never)]
fn find_far(bytes: &[u8], start: usize) -> Option<usize> {
    let rest = bytes.get(start..)?;
    if rest.len() < 8 {
        // The end of a short text: nothing that would be worth the start of a search.
        let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
        return rest.iter().position(is_special).map(|run| start + run);
    }
    let run = memchr::memchr2(b'"', b'\\', rest);
    let letters = rest.get(..run.unwrap_or(rest.len()))?;
    // No early end, so that the compiler makes it a loop over many bytes at once.
    let run = if letters.iter().copied().fold(u8::MAX, u8::min) < b' ' {
        letters.iter().position(|&byte| byte < b' ')
    } else {
        run
    };
    run.map(|run| start + run)
}

/// Eight bytes, of which the lowest high bit that is set marks the first special one. (Above it the borrow of a
/// subtraction may set more.)
fn specials(eight: u64) -> u64 {
    let quotes = (eight ^ QUOTES).wrapping_sub(ONES);
    let backslashes = (eight ^ BACKSLASHES).wrapping_sub(ONES);
    let controls = eight.wrapping_sub(BLANKS);
    (quotes | backslashes | controls) & !eight & HIGH_BITS
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
            prop_assert_eq!(find_special(&plain, 0), None);
            let whole = [plain.as_slice(), &[special], &rest].concat();
            for start in 0..=plain.len() {
                prop_assert_eq!(find_special(&whole, start), Some(plain.len()));
            }
        }
    }
}
