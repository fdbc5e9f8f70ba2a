//! Documents and pictures in a form that the route takes. Agents attach files of text as base64 like any other, but most
//! vendors take only PDF so: a text is a text for them.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::conversation::{Attachment, Content, Conversation, Part, Source};
use crate::json::Text;
use crate::{AgentFormat, ModelFormat};

/// Types of text that do not say so by their family.
const TEXT_TYPES: [&str; 10] = [
    "application/ecmascript",
    "application/graphql",
    "application/javascript",
    "application/json",
    "application/sql",
    "application/toml",
    "application/typescript",
    "application/x-sh",
    "application/xml",
    "application/yaml",
];

/// Pictures that Claude sees (Anthropic's Messages API, `Base64ImageSource`).
const CLAUDE_PICTURES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Makes documents of text plain texts, where the route does not take them as files, and leaves out empty attachments. What
/// Claude cannot read is told it by name, because it would refuse the whole conversation, now and with every later turn.
pub(crate) fn tidy(conversation: &mut Conversation<'_>, format: ModelFormat) {
    let tidying = Tidying {
        decodes: !matches!(
            (conversation.origin, format),
            (AgentFormat::Gemini, ModelFormat::Vertex)
                | (AgentFormat::Responses, ModelFormat::AzureResponses)
        ),
        format,
    };
    let mut dropped = Vec::new();
    for turn in &mut conversation.turns {
        for part in &mut turn.parts {
            if tidying.part(part, &mut dropped) {
                // Chat Completions: the agent's own message holds the attachment as it was.
                turn.raw = None;
            }
        }
    }
    for name in dropped {
        conversation.drop_reported(name);
    }
}

struct Tidying {
    /// Whether texts are decoded.
    decodes: bool,
    format: ModelFormat,
}

impl Tidying {
    /// Says whether the part is another one now.
    fn part(&self, part: &mut Part<'_>, dropped: &mut Vec<String>) -> bool {
        let (kind, attachment) = match &mut part.content {
            Content::Image(image) => ("picture", image),
            Content::File(file) => ("document", file),
            Content::ToolResult(result) => {
                let mut changed = false;
                for part in &mut result.parts {
                    changed |= self.part(part, dropped);
                }
                return changed;
            }
            _ => return false,
        };
        if kind == "document" && self.decodes {
            self.decode(attachment);
        }
        let renamed = tidy_type(attachment);
        if renamed {
            part.raw = None;
        }
        let told = match &attachment.source {
            Source::Base64 { data, .. } if data.is_blank() => String::new(),
            Source::Text(text) if text.is_blank() => String::new(),
            Source::Base64 { media_type, .. } => {
                let media_type = media_type.decode();
                if self.is_read(kind, &media_type) {
                    return renamed;
                }
                dropped.push(format!("{kind} of type {media_type}"));
                let name = attachment.name.as_ref().map(Text::decode).unwrap_or_default();
                format!("A {kind} of type {media_type}, which this model cannot read. {name}")
            }
            Source::Text(_) => return true,
            Source::Url(_) => return false,
        };
        if told.is_empty() {
            dropped.push(format!("empty {kind}"));
        }
        // An empty text is left out like any other.
        part.content = Content::Text(Text::of(told.trim_end()));
        part.raw = None;
        true
    }

    /// Whether the route takes a file of this type; only what Claude takes is known for certain.
    fn is_read(&self, kind: &str, media_type: &str) -> bool {
        self.format != ModelFormat::Claude
            || media_type == "application/pdf" && kind == "document"
            || CLAUDE_PICTURES.contains(&media_type) && kind == "picture"
    }

    fn decode(&self, document: &mut Attachment<'_>) {
        let Source::Base64 { media_type, data } = &document.source else {
            return;
        };
        let media_type = media_type.decode();
        if !is_text(&media_type) || self.takes_as_file(&media_type) {
            return;
        }
        if let Ok(bytes) = BASE64.decode(&*data.decode()) {
            let text = String::from_utf8_lossy(&bytes);
            document.source = Source::Text(Text::of(text.trim_start_matches('\u{feff}')));
        }
    }

    /// Whether the route takes files of this type of text.
    fn takes_as_file(&self, media_type: &str) -> bool {
        match self.format {
            ModelFormat::Converse => {
                matches!(
                    media_type,
                    "text/csv" | "text/html" | "text/plain" | "text/markdown"
                )
            }
            ModelFormat::Vertex => media_type == "text/plain",
            _ => false,
        }
    }
}

/// Spells a media type as vendors do, who compare it letter by letter; says whether it was spelled otherwise.
fn tidy_type(attachment: &mut Attachment<'_>) -> bool {
    let Source::Base64 { media_type, .. } = &mut attachment.source else {
        return false;
    };
    let plain = match media_type.escaped() {
        "image/jpg" => Text::of("image/jpeg"),
        odd if odd.contains(';') => Text::of(odd.split(';').next().unwrap_or_default().trim_end()),
        _ => return false,
    };
    *media_type = plain;
    true
}

fn is_text(media_type: &str) -> bool {
    let bare = media_type.split(';').next().unwrap_or_default().trim_end();
    bare.starts_with("text/")
        || TEXT_TYPES.contains(&bare)
        || bare.ends_with("+json")
        || bare.ends_with("+xml")
}
