//! Form encoding, as it stands in queries and token requests.

/// The decoded pairs of a query or form.
pub(crate) fn pairs(encoded: &str) -> impl Iterator<Item = (String, String)> + '_ {
    encoded.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key), decode(value))
    })
}

/// The decoded value of one key.
pub(crate) fn value(encoded: &str, key: &str) -> Option<String> {
    pairs(encoded)
        .find(|(name, _)| name == key)
        .map(|(_, value)| value)
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let hex = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
        match (byte, after.split_at_checked(2)) {
            (b'+', _) => bytes.push(b' '),
            (b'%', Some((digits, behind))) if hex(digits).is_some() => {
                bytes.extend(hex(digits));
                rest = behind;
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded() {
        assert_eq!(
            value("a=1&client_id=sb%21b1%7Caicore+x&%24top=", "client_id").unwrap(),
            "sb!b1|aicore x"
        );
        assert_eq!(value("%24top=5", "$top").unwrap(), "5");
        assert_eq!(value("a=100%", "a").unwrap(), "100%");
    }
}
