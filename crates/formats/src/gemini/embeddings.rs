//! Google's `embedContent` and `batchEmbedContents`: what they ask for as OpenAI's embeddings, which every route for
//! embeddings can be asked for, and OpenAI's answer as theirs.

use crate::ReadError;
use crate::error::Path;
use crate::event::Failure;
use crate::gemini::request::camel;
use crate::json::{Document, Object, Text, Value, write_count, write_name, write_string};
use crate::request::{members, read_body};
use crate::upstream_error::broken;

/// Writes the body of an `embedContent` as OpenAI's for `model`, or that of a `batchEmbedContents` if `batch`.
///
/// # Errors
/// When a member is missing or of the wrong kind, or the requests of a batch ask for vectors of different lengths; the
/// error names it.
pub fn gemini_embedding_request(body: &[u8], model: &str, batch: bool) -> Result<Vec<u8>, ReadError> {
    read_body(body, |document| {
        let body = members(document)?;
        let path = &Path::Body;
        let mut wish = Wish::default();
        if batch {
            let path = &path.member("requests");
            let requests = body.list("requests", &Path::Body)?;
            for (position, request) in requests.ok_or_else(|| ReadError::missing(path))?.enumerate() {
                let path = &path.entry(position);
                let request = request.object();
                wish.read(
                    request.ok_or_else(|| ReadError::expected(path, "an object"))?,
                    path,
                )?;
            }
        } else {
            wish.read(body, path)?;
        }
        Ok(wish.write(model))
    })
}

/// Writes OpenAI's list of vectors, as numbers, as the answer to an `embedContent`, or to a `batchEmbedContents` if
/// `batch`.
///
/// # Errors
/// When it is no such list.
pub fn gemini_embedding_answer(list: &[u8], batch: bool) -> Result<Vec<u8>, Failure> {
    let unreadable = || broken("The upstream's answer holds no embeddings.");
    let text = std::str::from_utf8(list).map_err(|_| unreadable())?;
    let document = Document::read(text).map_err(|_| unreadable())?;
    let data = document
        .root()
        .object()
        .and_then(|list| list.get("data")?.list())
        .ok_or_else(unreadable)?;
    let vectors: Vec<Value<'_>> = data
        .filter_map(|entry| entry.object()?.get("embedding"))
        .collect();
    let mut out = Vec::with_capacity(list.len());
    if !batch {
        let vector = vectors.first().ok_or_else(unreadable)?;
        out.extend_from_slice(b"{\"embedding\":");
        write_vector(*vector, &mut out);
        out.push(b'}');
        return Ok(out);
    }
    out.extend_from_slice(b"{\"embeddings\":[");
    for (position, vector) in vectors.into_iter().enumerate() {
        out.extend_from_slice(if position > 0 { b"," } else { b"" });
        write_vector(vector, &mut out);
    }
    out.extend_from_slice(b"]}");
    Ok(out)
}

fn write_vector(vector: Value<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"values\":");
    out.extend_from_slice(vector.get().as_bytes());
    out.push(b'}');
}

/// What one request, or all requests of a batch together, ask for.
#[derive(Default)]
struct Wish<'a> {
    texts: Vec<Text<'a>>,
    dimensions: Option<u64>,
    /// Members that OpenAI's embeddings have no place for. They go along, so that the route's writer takes or reports them.
    others: Vec<(String, Value<'a>)>,
}

impl<'a> Wish<'a> {
    fn read(&mut self, request: Object<'a>, path: &Path<'_>) -> Result<(), ReadError> {
        let dimensions = match request.count("outputDimensionality", path)? {
            None => request.count("output_dimensionality", path)?,
            dimensions => dimensions,
        };
        if !self.texts.is_empty() && self.dimensions != dimensions {
            let path = path.member("outputDimensionality");
            return Err(ReadError::expected(&path, "the same as in the first request"));
        }
        self.dimensions = dimensions;
        for (name, value) in request.members().filter(|(_, value)| !value.is_null()) {
            let name = camel(&name.decode());
            let known = matches!(name.as_str(), "content" | "model" | "outputDimensionality");
            let former = self.others.iter().find(|(other, _)| *other == name);
            if former.is_some_and(|(_, former)| former.get() != value.get()) {
                // All texts go out in one request, which has one of each.
                let problem = "must be the same in every request; send those with another one by themselves";
                return Err(ReadError::new(format!("{path}.{name}"), problem));
            }
            if !known && former.is_none() {
                self.others.push((name, value));
            }
        }
        let path = &path.member("content");
        let content = request.get("content").ok_or_else(|| ReadError::missing(path))?;
        let content = content
            .object()
            .ok_or_else(|| ReadError::expected(path, "an object"))?;
        let path = &path.member("parts");
        let parts = content.get("parts").ok_or_else(|| ReadError::missing(path))?;
        let list = parts.list().ok_or_else(|| ReadError::expected(path, "a list"))?;
        let mut texts = Vec::new();
        for (position, part) in list.enumerate() {
            let path = &path.entry(position);
            let part = part.object();
            let part = part.ok_or_else(|| ReadError::expected(path, "an object"))?;
            texts.push(part.required_text("text", path)?);
        }
        if texts.is_empty() {
            return Err(ReadError::expected(path, "at least one part"));
        }
        self.texts.push(Text::join(&texts, "\n"));
        Ok(())
    }

    fn write(&self, model: &str) -> Vec<u8> {
        let length: usize = self.texts.iter().map(|text| text.literal().len() + 1).sum();
        let mut out = Vec::with_capacity(length + model.len() + 96);
        out.extend_from_slice(b"{\"model\":");
        write_string(&mut out, model);
        out.extend_from_slice(b",\"input\":[");
        for (position, text) in self.texts.iter().enumerate() {
            out.extend_from_slice(if position > 0 { b"," } else { b"" });
            out.extend_from_slice(text.literal().as_bytes());
        }
        out.push(b']');
        if let Some(dimensions) = self.dimensions {
            write_name("dimensions", &mut out);
            write_count(&mut out, dimensions);
        }
        for (name, value) in &self.others {
            out.push(b',');
            write_string(&mut out, name);
            out.push(b':');
            out.extend_from_slice(value.get().as_bytes());
        }
        out.push(b'}');
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    fn request(body: &Json, batch: bool) -> Result<Json, String> {
        gemini_embedding_request(body.to_string().as_bytes(), "m", batch)
            .map(|body| serde_json::from_slice(&body).unwrap())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn contents_become_texts() {
        let content = |texts: &[&str]| {
            let parts: Vec<_> = texts.iter().map(|text| json!({"text": text})).collect();
            json!({"parts": parts, "role": "user"})
        };
        let one = json!({"model": "models/x", "content": content(&["a\"", "b"]), "output_dimensionality": 7, "taskType": "RETRIEVAL_QUERY"});
        assert_eq!(
            request(&one, false),
            Ok(json!({"model": "m", "input": ["a\"\nb"], "dimensions": 7, "taskType": "RETRIEVAL_QUERY"}))
        );
        let batch = json!({"requests": [{"content": content(&["a"])}, {"content": content(&["b"])}]});
        assert_eq!(
            request(&batch, true),
            Ok(json!({"model": "m", "input": ["a", "b"]}))
        );
        for (body, batch, expected) in [
            (json!({}), false, "content: is required"),
            (json!({}), true, "requests: is required"),
            (
                json!({"requests": [{"content": content(&[])}]}),
                true,
                "requests.0.content.parts: expected",
            ),
            (
                json!({"requests": [{"content": content(&["a"])}, {"content": content(&["b"]), "outputDimensionality": 5}]}),
                true,
                "requests.1.outputDimensionality: expected the same",
            ),
        ] {
            let error = request(&body, batch).unwrap_err();
            assert!(error.starts_with(expected), "{body}: {error}");
        }
    }

    #[test]
    fn vectors_keep_the_text_of_their_numbers() {
        let list = br#"{"object":"list","data":[{"index":0,"embedding":[0.10,-1e-3]},{"index":1,"embedding":[2]}],"model":"m"}"#;
        let answer = |batch| String::from_utf8(gemini_embedding_answer(list, batch).unwrap()).unwrap();
        assert_eq!(answer(false), r#"{"embedding":{"values":[0.10,-1e-3]}}"#);
        assert_eq!(
            answer(true),
            r#"{"embeddings":[{"values":[0.10,-1e-3]},{"values":[2]}]}"#
        );
        assert!(gemini_embedding_answer(b"{}", true).is_err());
        assert!(gemini_embedding_answer(br#"{"data":[]}"#, false).is_err());
    }
}
