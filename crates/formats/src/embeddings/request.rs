//! Requests for embeddings.

use std::borrow::Cow;

use crate::ReadError;
use crate::embeddings::{EmbeddingFormat, Encoding};
use crate::error::Path;
use crate::json::{Document, Object, Text, Value, write_count, write_name, write_string};
use crate::request::{members, read_body};
use crate::rules::ModelRules;

/// The most texts of one request (spec foundation-models, embeddings; OpenAI has the same limit).
const MOST_INPUTS: usize = 2048;

/// A request for embeddings in the route's format.
#[derive(Clone, Debug)]
pub struct EmbeddingRequest {
    /// The bodies to send: one, or one for each text where the route takes only one at a time.
    pub bodies: Vec<Vec<u8>>,
    /// How the agent wants the vectors written.
    pub encoding: Encoding,
    /// What was left out, by name.
    pub dropped: Vec<Cow<'static, str>>,
    /// The modules of orchestration that touch it, by name.
    pub orchestration: Vec<&'static str>,
}

/// Reads an agent's request for embeddings and writes it for a route. `model` is SAP's name; what `rules` say that it
/// refuses is left out where the vectors stay the same without it.
///
/// # Errors
/// When the body can't be read, or the route can't take what is asked for; the error names the member.
pub fn write_embedding_request(
    body: &[u8],
    format: EmbeddingFormat,
    model: &str,
    rules: &ModelRules,
) -> Result<EmbeddingRequest, ReadError> {
    read_body(body, |document| write(document, format, model, rules))
}

fn write(
    document: &Document<'_>,
    format: EmbeddingFormat,
    model: &str,
    rules: &ModelRules,
) -> Result<EmbeddingRequest, ReadError> {
    let members = members(document)?;
    let request = Request::read(members)?;
    if request.is_tokens && format != EmbeddingFormat::AzureOpenAi {
        let sentence = match format {
            EmbeddingFormat::Orchestration => {
                "is a list of tokens, and SAP's orchestration takes text only: send text, or use foundation mode"
            }
            _ => "is a list of tokens, and this model takes text only: send text",
        };
        return Err(ReadError::new("input", sentence));
    }
    let purpose = match format {
        EmbeddingFormat::Orchestration if !rules.refuses("input_type") => request.purpose()?,
        _ => None,
    };
    let bodies = match format {
        EmbeddingFormat::Orchestration => vec![request.write_orchestration(model, purpose, rules)],
        EmbeddingFormat::AzureOpenAi => vec![request.write_azure(rules)],
        EmbeddingFormat::Nvidia => vec![request.write_nvidia(model, rules)?],
        EmbeddingFormat::Vertex => {
            let task = request.vertex_task()?;
            let texts = request.texts();
            texts
                .map(|text| request.write_vertex(text, task.as_ref()))
                .collect()
        }
        EmbeddingFormat::Titan => {
            request.check_titan()?;
            request.texts().map(|text| request.write_titan(text)).collect()
        }
    };
    Ok(EmbeddingRequest {
        bodies,
        encoding: request.encoding.unwrap_or_default(),
        dropped: dropped(members, format, purpose, rules),
        orchestration: match format {
            EmbeddingFormat::Orchestration => rules.modules.touched_embeddings(),
            _ => Vec::new(),
        },
    })
}

/// What an agent asks for.
struct Request<'a> {
    input: Value<'a>,
    is_tokens: bool,
    dimensions: Option<u64>,
    /// `None` where the agent leaves it to the service, which gives floats.
    encoding: Option<Encoding>,
    user: Option<Value<'a>>,
    members: Object<'a>,
}

/// What the texts are for, where a model makes different vectors of them.
enum InputType {
    /// They are looked for.
    Query,
    /// They are found.
    Passage,
}

impl<'a> Request<'a> {
    fn read(members: Object<'a>) -> Result<Self, ReadError> {
        let body = Path::Body;
        let input = members
            .get("input")
            .ok_or_else(|| ReadError::missing(&body.member("input")))?;
        let dimensions = members.count("dimensions", &body)?;
        if dimensions == Some(0) {
            return Err(ReadError::expected(
                &body.member("dimensions"),
                "a whole number, 1 or more",
            ));
        }
        let encoding = members
            .text("encoding_format", &body)?
            .map(|name| {
                if name.is("float") {
                    Ok(Encoding::Float)
                } else if name.is("base64") {
                    Ok(Encoding::Base64)
                } else {
                    Err(ReadError::expected(
                        &body.member("encoding_format"),
                        "\"float\" or \"base64\"",
                    ))
                }
            })
            .transpose()?;
        members.text("user", &body)?;
        Ok(Request {
            is_tokens: is_tokens(input)?,
            input,
            dimensions,
            encoding,
            user: members.get("user"),
            members,
        })
    }

    /// The texts, one by one.
    fn texts(&self) -> impl Iterator<Item = Value<'a>> {
        let one = self.input.text().is_some().then_some(self.input);
        one.into_iter().chain(self.input.list().into_iter().flatten())
    }

    /// What the agent says that the texts are for, in NVIDIA's words or in those of others.
    fn input_type(&self) -> Result<Option<InputType>, ReadError> {
        let body = Path::Body;
        let Some(word) = self.members.text("input_type", &body)? else {
            return Ok(None);
        };
        match &*word.decode() {
            "query" | "search_query" => Ok(Some(InputType::Query)),
            "passage" | "document" | "search_document" => Ok(Some(InputType::Passage)),
            _ => Err(ReadError::expected(
                &body.member("input_type"),
                "\"query\", \"passage\" or \"document\"",
            )),
        }
    }

    /// What the texts are for, in the words of orchestration (spec `EmbeddingsInput`), which passes it on to models that make
    /// different vectors of them; nothing where the agent does not say it, or in a word that has no other.
    fn purpose(&self) -> Result<Option<&'static str>, ReadError> {
        for name in ["input_type", "task_type", "taskType"] {
            let Some(word) = self.members.text(name, &Path::Body)? else {
                continue;
            };
            return Ok(match &*word.decode() {
                "query"
                | "search_query"
                | "RETRIEVAL_QUERY"
                | "CODE_RETRIEVAL_QUERY"
                | "QUESTION_ANSWERING"
                | "FACT_VERIFICATION" => Some("query"),
                "passage" | "document" | "search_document" | "RETRIEVAL_DOCUMENT" => Some("document"),
                "text" | "SEMANTIC_SIMILARITY" => Some("text"),
                "classification" | "CLASSIFICATION" => Some("classification"),
                "clustering" | "CLUSTERING" => Some("clustering"),
                _ => None,
            });
        }
        Ok(None)
    }

    /// Orchestration gets the text in `input` and everything else as a parameter of the model (spec
    /// `EmbeddingsPostRequest`, which takes no other member).
    fn write_orchestration(&self, model: &str, purpose: Option<&str>, rules: &ModelRules) -> Vec<u8> {
        let mut out = self.room();
        out.extend_from_slice(b"{\"config\":{\"modules\":{\"embeddings\":{\"model\":{\"name\":");
        write_string(&mut out, model);
        out.extend_from_slice(b",\"version\":\"latest\"");
        let mut parameters = Vec::new();
        self.write_parameters(rules, &mut parameters);
        if let Some(parameters) = parameters.get(1..) {
            out.extend_from_slice(b",\"params\":{");
            out.extend_from_slice(parameters);
            out.push(b'}');
        }
        // As for answers: Coretap sends again by itself what is worth it.
        for (name, written) in [
            ("timeout", rules.modules.timeout.as_bytes()),
            ("max_retries", b",\"max_retries\":0"),
        ] {
            out.extend_from_slice(if rules.refuses(name) { b"" } else { written });
        }
        out.extend_from_slice(b"}}");
        // What no model may see, none may turn into vectors.
        out.extend_from_slice(rules.modules.masking.as_bytes());
        out.extend_from_slice(b"}},\"input\":{\"text\":");
        out.extend_from_slice(self.input.get().as_bytes());
        if let Some(purpose) = purpose {
            write_name("type", &mut out);
            write_string(&mut out, purpose);
        }
        out.extend_from_slice(b"}}");
        out
    }

    /// Azure's deployment knows its model, and refuses members that it does not know.
    fn write_azure(&self, rules: &ModelRules) -> Vec<u8> {
        let mut out = self.room();
        out.extend_from_slice(b"{\"input\":");
        out.extend_from_slice(self.input.get().as_bytes());
        self.write_parameters(rules, &mut out);
        if let Some(user) = self.user.filter(|_| !rules.refuses("user")) {
            write_name("user", &mut out);
            out.extend_from_slice(user.get().as_bytes());
        }
        out.push(b'}');
        out
    }

    /// NVIDIA's models make other vectors of a question than of what answers it, and must be told which it is (sap-wire.md
    /// §3.6). An agent that does not say it stores what it sends.
    fn write_nvidia(&self, model: &str, rules: &ModelRules) -> Result<Vec<u8>, ReadError> {
        let mut out = self.room();
        out.extend_from_slice(b"{\"model\":");
        write_string(&mut out, model);
        out.extend_from_slice(match self.input_type()? {
            Some(InputType::Query) => b",\"input_type\":\"query\"".as_slice(),
            Some(InputType::Passage) | None => b",\"input_type\":\"passage\"",
        });
        out.extend_from_slice(b",\"input\":");
        // It takes a list only.
        if self.input.text().is_some() {
            out.push(b'[');
            out.extend_from_slice(self.input.get().as_bytes());
            out.push(b']');
        } else {
            out.extend_from_slice(self.input.get().as_bytes());
        }
        self.write_parameters(rules, &mut out);
        out.push(b'}');
        Ok(out)
    }

    /// Google's word for what the texts are for, a JSON string: the agent's own, or the one for its `input_type`.
    fn vertex_task(&self) -> Result<Option<Text<'a>>, ReadError> {
        for name in ["task_type", "taskType"] {
            if let Some(task) = self.members.text(name, &Path::Body)? {
                return Ok(Some(task));
            }
        }
        Ok(self.input_type()?.map(|input_type| match input_type {
            InputType::Query => Text::of("RETRIEVAL_QUERY"),
            InputType::Passage => Text::of("RETRIEVAL_DOCUMENT"),
        }))
    }

    /// One text as Vertex AI takes it (sap-wire.md §3.5): gemini-embedding takes no more at a time.
    fn write_vertex(&self, text: Value<'a>, task: Option<&Text<'a>>) -> Vec<u8> {
        let mut out = b"{\"instances\":[{\"content\":".to_vec();
        out.extend_from_slice(text.get().as_bytes());
        if let Some(task) = task {
            write_name("task_type", &mut out);
            out.extend_from_slice(task.literal().as_bytes());
        }
        out.extend_from_slice(b"}]");
        if let Some(dimensions) = self.dimensions {
            write_name("parameters", &mut out);
            out.extend_from_slice(b"{\"outputDimensionality\":");
            write_count(&mut out, dimensions);
            out.push(b'}');
        }
        out.push(b'}');
        out
    }

    /// Titan makes vectors of three lengths (Amazon's `TitanTextEmbeddings V2`).
    fn check_titan(&self) -> Result<(), ReadError> {
        match self.dimensions {
            None | Some(256 | 512 | 1024) => Ok(()),
            Some(_) => Err(ReadError::expected(
                &Path::Body.member("dimensions"),
                "256, 512 or 1024, which are all that this model has",
            )),
        }
    }

    /// One text as Titan takes it (sap-wire.md §3.4).
    fn write_titan(&self, text: Value<'a>) -> Vec<u8> {
        let mut out = b"{\"inputText\":".to_vec();
        out.extend_from_slice(text.get().as_bytes());
        if let Some(dimensions) = self.dimensions {
            write_name("dimensions", &mut out);
            write_count(&mut out, dimensions);
        }
        out.push(b'}');
        out
    }

    /// Room for a body that holds all that the agent has sent.
    fn room(&self) -> Vec<u8> {
        Vec::with_capacity(self.members.literal().len() + 256)
    }

    /// Each with the comma before it. Dimensions are never left out: vectors of another length would be of no use. The
    /// encoding is: the answer is written as the agent wants it, however it comes.
    fn write_parameters(&self, rules: &ModelRules, out: &mut Vec<u8>) {
        if let Some(dimensions) = self.dimensions {
            write_name("dimensions", out);
            write_count(out, dimensions);
        }
        if let Some(encoding) = self.encoding.filter(|_| !rules.refuses("encoding_format")) {
            write_name("encoding_format", out);
            out.extend_from_slice(match encoding {
                Encoding::Float => b"\"float\"".as_slice(),
                Encoding::Base64 => b"\"base64\"",
            });
        }
    }
}

/// Checks an input: a text, texts, a list of tokens, or lists of tokens. True if it is tokens.
fn is_tokens(input: Value<'_>) -> Result<bool, ReadError> {
    let path = Path::Body.member("input");
    if let Some(text) = input.text() {
        return if text.is_empty() {
            Err(ReadError::expected(&path, "a text that is not empty"))
        } else {
            Ok(false)
        };
    }
    let mut list = input
        .list()
        .ok_or_else(|| {
            ReadError::expected(
                &path,
                "a string, a list of strings, a list of tokens or a list of such lists",
            )
        })?
        .peekable();
    let Some(&first) = list.peek() else {
        return Err(ReadError::expected(&path, "at least one text"));
    };
    if is_token(first) {
        check_tokens(list, &path)?;
        return Ok(true);
    }
    let is_texts = first.text().is_some();
    for (position, entry) in list.enumerate() {
        if position == MOST_INPUTS {
            return Err(ReadError::expected(
                &path,
                &format!("at most {MOST_INPUTS} entries"),
            ));
        }
        let path = path.entry(position);
        if is_texts {
            entry
                .text()
                .filter(|text| !text.is_empty())
                .ok_or_else(|| ReadError::expected(&path, "a string that is not empty"))?;
        } else {
            let tokens = entry
                .list()
                .ok_or_else(|| ReadError::expected(&path, "a string or a list of tokens"))?;
            check_tokens(tokens, &path)?;
        }
    }
    Ok(!is_texts)
}

fn check_tokens<'a>(tokens: impl Iterator<Item = Value<'a>>, path: &Path<'_>) -> Result<(), ReadError> {
    let mut count = 0;
    for (position, token) in tokens.enumerate() {
        if !is_token(token) {
            return Err(ReadError::expected(
                &path.entry(position),
                "a token, which is a whole number",
            ));
        }
        count += 1;
    }
    if count == 0 {
        return Err(ReadError::expected(path, "at least one token"));
    }
    Ok(())
}

fn is_token(value: Value<'_>) -> bool {
    value.get().bytes().all(|byte| byte.is_ascii_digit())
}

/// The members that have no place in the route's format, or that the model refuses.
fn dropped(
    members: Object<'_>,
    format: EmbeddingFormat,
    purpose: Option<&str>,
    rules: &ModelRules,
) -> Vec<Cow<'static, str>> {
    let taken = |name: &str| match name {
        "model" | "input" | "dimensions" | "encoding_format" => true,
        "user" => format == EmbeddingFormat::AzureOpenAi && !rules.refuses("user"),
        "input_type" | "task_type" | "taskType" if format == EmbeddingFormat::Orchestration => {
            purpose.is_some()
        }
        "input_type" => matches!(format, EmbeddingFormat::Nvidia | EmbeddingFormat::Vertex),
        "task_type" | "taskType" => format == EmbeddingFormat::Vertex,
        _ => false,
    };
    let mut dropped = Vec::new();
    for (name, value) in members.members() {
        let name = name.decode();
        if !taken(&name) && !value.is_null() && !dropped.contains(&name) {
            dropped.push(Cow::Owned(name.into_owned()));
        }
    }
    dropped
}
