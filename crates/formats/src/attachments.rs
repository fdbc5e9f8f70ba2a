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

/// Pictures that OpenAI's models, Claude and all who follow them see (Anthropic's Messages API, `Base64ImageSource`).
const PICTURES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/// Pictures that Gemini sees at its own deployment.
const GEMINI_PICTURES: [&str; 5] = [
    "image/png",
    "image/jpeg",
    "image/webp",
    "image/heic",
    "image/heif",
];

/// What base64 of a picture begins with. Services look at the picture itself and refuse another label.
const BEGINNINGS: [(&str, &str); 4] = [
    ("iVBORw0KGgo", "image/png"),
    ("/9j/", "image/jpeg"),
    ("R0lGOD", "image/gif"),
    ("UklGR", "image/webp"),
];

/// What agents call a file of which they know nothing.
const UNKNOWN_TYPE: &str = "application/octet-stream";

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Makes documents of text plain texts, where the route does not take them as files, and leaves out empty attachments. What
/// the model cannot read is told it by name, because it would refuse the whole conversation, now and with every later turn.
pub(crate) fn tidy(conversation: &mut Conversation<'_>, format: ModelFormat) {
    let tidying = Tidying {
        decodes: (conversation.origin, format) != (AgentFormat::Responses, ModelFormat::AzureResponses),
        origin: conversation.origin,
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
    /// Whether texts that say what they are are decoded.
    decodes: bool,
    origin: AgentFormat,
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
                // Messages' writer looks into what it copies of a result; the others copy what it was.
                if changed && self.origin != AgentFormat::Messages {
                    part.raw = None;
                }
                return changed;
            }
            _ => return false,
        };
        let mut changed = lower_detail(attachment);
        changed |= tidy_type(kind, attachment);
        changed |= join_lines(attachment);
        changed |= self.decode(kind, attachment);
        let told = match &attachment.source {
            Source::Base64 { data: text, .. } | Source::Text(text) if text.is_blank() => {
                dropped.push(format!("empty {kind}"));
                // An empty text is left out like any other.
                Text::of("")
            }
            // A drawing, whose lines have been decoded.
            Source::Text(text) if kind == "picture" => text.clone(),
            Source::Base64 { media_type, .. } if !self.is_read(kind, &media_type.decode()) => {
                let media_type = media_type.decode();
                dropped.push(format!("{kind} of type {media_type}"));
                let name = attachment.name.as_ref().map(Text::decode).unwrap_or_default();
                let told = format!("A {kind} of type {media_type}, which this model cannot read. {name}");
                Text::of(told.trim_end())
            }
            _ => {
                let is_copied = match self.origin {
                    AgentFormat::Gemini => true,
                    // Of a document the source is written anew.
                    AgentFormat::Messages => kind == "picture",
                    AgentFormat::ChatCompletions | AgentFormat::Responses => false,
                };
                if changed && is_copied {
                    part.raw = None;
                }
                return changed;
            }
        };
        part.content = Content::Text(told);
        // Responses: the whole message, which says what belongs together.
        if self.origin != AgentFormat::Responses {
            part.raw = None;
        }
        true
    }

    /// Whether the route takes a file of this type.
    fn is_read(&self, kind: &str, media_type: &str) -> bool {
        match self.format {
            // Its writer knows the types.
            ModelFormat::Converse => true,
            ModelFormat::Vertex => {
                GEMINI_PICTURES.contains(&media_type)
                    || media_type == "application/pdf"
                    || media_type.starts_with("audio/")
                    || media_type.starts_with("video/")
                    || media_type == "text/plain"
            }
            _ if kind == "picture" => PICTURES.contains(&media_type),
            _ => media_type == "application/pdf" || !self.decodes && is_text(media_type),
        }
    }

    /// Decodes a text, unless the route takes it as a file; says whether it did. A drawing is one too, and what bears no name of
    /// a type, but is UTF-8.
    fn decode(&self, kind: &str, attachment: &mut Attachment<'_>) -> bool {
        let Source::Base64 { media_type, data } = &attachment.source else {
            return false;
        };
        let media_type = media_type.decode();
        let is_unknown = media_type == UNKNOWN_TYPE;
        let is_decoded = is_unknown
            || is_text(&media_type)
                && (self.decodes || kind == "picture")
                && !self.takes_as_file(&media_type);
        if !is_decoded {
            return false;
        }
        let Ok(bytes) = BASE64.decode(&*data.decode()) else {
            return false;
        };
        if is_unknown && (bytes.contains(&0) || std::str::from_utf8(&bytes).is_err()) {
            return false;
        }
        let text = String::from_utf8_lossy(&bytes);
        attachment.source = Source::Text(Text::of(text.trim_start_matches('\u{feff}')));
        true
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

/// Agents ask for the `original` resolution, which only the newest models know; the others' highest is `high`. Says whether it
/// was asked for.
fn lower_detail(attachment: &mut Attachment<'_>) -> bool {
    let asks = attachment
        .detail
        .as_ref()
        .is_some_and(|detail| detail.is("original"));
    if asks {
        attachment.detail = Some(Text::of("high"));
    }
    asks
}

/// Spells a media type as vendors do, who compare it letter by letter, and calls a picture what it is; says whether it was
/// spelled otherwise.
fn tidy_type(kind: &str, attachment: &mut Attachment<'_>) -> bool {
    let Source::Base64 { media_type, data } = &mut attachment.source else {
        return false;
    };
    let given = media_type.decode();
    // Some agents write a slash as `\/`.
    let data = data.escaped();
    let data = data.strip_prefix('\\').unwrap_or(data);
    let seen = BEGINNINGS
        .iter()
        .find(|(beginning, _)| kind == "picture" && data.starts_with(beginning))
        .map(|(_, media_type)| (*media_type).to_owned());
    let plain = seen.unwrap_or_else(|| {
        let bare = given.split(';').next().unwrap_or_default().trim();
        match bare.to_ascii_lowercase() {
            jpeg if jpeg == "image/jpg" => "image/jpeg".to_owned(),
            bare => bare,
        }
    });
    if plain == given {
        return false;
    }
    *media_type = Text::of(&plain);
    true
}

/// Takes line breaks and blanks out of base64, which vendors refuse there; says whether there were any.
fn join_lines(attachment: &mut Attachment<'_>) -> bool {
    let Source::Base64 { data, .. } = &mut attachment.source else {
        return false;
    };
    // Line breaks stand in JSON as escapes.
    if memchr::memchr2(b'\\', b' ', data.escaped().as_bytes()).is_none() {
        return false;
    }
    let joined: String = data.decode().split_ascii_whitespace().collect();
    *data = Text::of(&joined);
    true
}

fn is_text(media_type: &str) -> bool {
    let bare = media_type.split(';').next().unwrap_or_default().trim_end();
    bare.starts_with("text/")
        || TEXT_TYPES.contains(&bare)
        || bare.ends_with("+json")
        || bare.ends_with("+xml")
}
