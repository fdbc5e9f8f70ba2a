//! Whose signature stands under a model's thinking. An agent sends thinking back with its signature, perhaps to another
//! vendor's model, which would refuse it: so what is not Anthropic's own carries its vendor's name in front.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::json::Text;

/// Whose models can read a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signer {
    /// Anthropic. Its signatures carry no name, because agents that speak Messages hand them to Claude as they are.
    Anthropic,
    /// Google: the thought signature of a part.
    Google,
    /// OpenAI: the encrypted content of a reasoning item.
    OpenAi,
}

/// A colon never stands in base64, so no vendor's signature begins like this.
const GOOGLE: &str = "google:";
const OPENAI: &str = "openai:";
/// Needed only in reasoning items of Responses, where OpenAI's own encrypted content is the one without a name.
const ANTHROPIC: &str = "anthropic:";

impl Signer {
    fn name(self) -> &'static str {
        match self {
            Signer::Anthropic => "",
            Signer::Google => GOOGLE,
            Signer::OpenAi => OPENAI,
        }
    }

    /// The signature as an agent is given it.
    pub(crate) fn sign<'a>(self, signature: &Text<'a>) -> Text<'a> {
        match self {
            Signer::Anthropic => signature.clone(),
            Signer::Google | Signer::OpenAi => Text::of(&format!("{}{}", self.name(), signature.decode())),
        }
    }

    /// The vendor's own text of a signature that an agent sent; nothing where it is another vendor's.
    pub(crate) fn own<'a>(self, signature: &Text<'a>) -> Option<Text<'a>> {
        let escaped = signature.escaped();
        match self {
            Signer::Anthropic => {
                let foreign = escaped.starts_with(GOOGLE) || escaped.starts_with(OPENAI);
                (!foreign).then(|| signature.clone())
            }
            Signer::Google | Signer::OpenAi => escaped
                .strip_prefix(self.name())
                .map(|own| Text::from_escaped(own).into_owned()),
        }
    }
}

/// The `encrypted_content` of a reasoning item that an agent is given for a signature: OpenAI's own text is bare, every other
/// one carries its vendor's name.
pub(crate) fn encrypted_content<'a>(signature: &Text<'a>) -> Text<'a> {
    if let Some(own) = Signer::OpenAi.own(signature) {
        return own;
    }
    match Signer::Anthropic.own(signature) {
        Some(own) => Text::from_escaped(&format!("{ANTHROPIC}{}", own.escaped())),
        None => signature.clone(),
    }
}

/// The signature that an `encrypted_content` stands for.
pub(crate) fn signature_of<'a>(encrypted: &Text<'a>) -> Text<'a> {
    let escaped = encrypted.escaped();
    if let Some(own) = escaped.strip_prefix(ANTHROPIC) {
        return Text::from_escaped(own);
    }
    if escaped.starts_with(GOOGLE) {
        return encrypted.clone();
    }
    Signer::OpenAi.sign(encrypted)
}

/// Base64 as Google's fields have it. Agents decode a field and encode it again, some without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// What stands before another vendor's signature in a field of Google's, and how the base64 of it begins.
const FOREIGN: &str = "coretap:";
const FOREIGN_BASE64: &str = "Y29yZXRh";

/// A signature (as [`Signer::sign`] gives it) for the `thoughtSignature` of Google's clients, which decode it as base64:
/// Google's own as it is, any other as the base64 of its text with a mark before it.
pub(crate) fn to_google_field<'a>(signature: &Text<'a>) -> Text<'a> {
    Signer::Google
        .own(signature)
        .unwrap_or_else(|| Text::of(&BASE64.encode(format!("{FOREIGN}{}", signature.decode()))))
}

/// The signature that a `thoughtSignature` of an agent holds, as [`Signer::sign`] gives it.
pub(crate) fn from_google_field(field: &Text<'_>) -> Text<'static> {
    foreign(field).unwrap_or_else(|| Signer::Google.sign(field).into_owned())
}

fn foreign(field: &Text<'_>) -> Option<Text<'static>> {
    let field = field.escaped();
    if !field.starts_with(FOREIGN_BASE64) {
        return None;
    }
    // Google's Python SDK encodes with the alphabet for addresses.
    let standard = field.replace('-', "+").replace('_', "/");
    let bytes = BASE64.decode(standard).ok()?;
    let signature = std::str::from_utf8(&bytes).ok()?.strip_prefix(FOREIGN)?;
    Some(Text::of(signature))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_read_by_its_own_vendor_only() {
        let plain = Text::of("EtAE+/=");
        for signer in [Signer::Anthropic, Signer::Google, Signer::OpenAi] {
            let signed = signer.sign(&plain);
            for reader in [Signer::Anthropic, Signer::Google, Signer::OpenAi] {
                let own = reader.own(&signed);
                assert_eq!(
                    own,
                    (reader == signer).then(|| plain.clone()),
                    "{signer:?} {reader:?}"
                );
            }
        }
    }
    #[test]
    fn an_encrypted_content_comes_back_to_its_vendor() {
        let plain = Text::of("EtAE+/=");
        assert_eq!(encrypted_content(&Signer::OpenAi.sign(&plain)), plain);
        for signer in [Signer::Anthropic, Signer::Google, Signer::OpenAi] {
            let signed = signer.sign(&plain);
            assert_eq!(signature_of(&encrypted_content(&signed)), signed, "{signer:?}");
        }
    }

    #[test]
    fn every_signature_comes_back_out_of_a_field_of_googles() {
        for signature in [
            "EtAE+/=",
            "google:AbC+/=",
            "openai:gAAA-_?>~ü",
            "skip_thought_signature_validator",
        ] {
            let signature = Text::of(signature);
            let field = to_google_field(&signature);
            let is_googles = Signer::Google.own(&signature);
            if let Some(own) = &is_googles {
                assert_eq!(&field, own);
            } else {
                assert!(BASE64.decode(&*field.decode()).is_ok(), "{field:?}");
            }
            assert_eq!(from_google_field(&field), signature);
            let other_alphabet = field.decode().replace('+', "-").replace('/', "_");
            if is_googles.is_none() {
                let unpadded = other_alphabet.trim_end_matches('=');
                assert_eq!(from_google_field(&Text::of(unpadded)), signature);
            }
        }
        let plain = Text::of("cmVjb3JkZXI=");
        assert_eq!(from_google_field(&plain), Signer::Google.sign(&plain));
    }
}
