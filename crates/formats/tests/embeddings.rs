//! Embeddings, from OpenAI's format into each route's and back.
#![expect(clippy::unwrap_used, reason = "tests")]

use coretap_formats::event::Failure;
use coretap_formats::limitation::Limitation;
use coretap_formats::rules::ModelRules;
use coretap_formats::{Answer, EmbeddingFormat, Encoding, embedding_answer, write_embedding_request};
use proptest::prelude::*;
use serde_json::{Value, json};

use EmbeddingFormat::{AzureOpenAi, Nvidia, Orchestration, Titan, Vertex};

const FORMATS: [EmbeddingFormat; 5] = [Orchestration, AzureOpenAi, Vertex, Titan, Nvidia];

const MODEL: &str = "text-embedding-3-small";

fn written(body: &Value, format: EmbeddingFormat) -> (String, Encoding, Vec<String>) {
    let request =
        write_embedding_request(body.to_string().as_bytes(), format, MODEL, &ModelRules::default()).unwrap();
    let dropped = request.dropped.into_iter().map(std::borrow::Cow::into_owned);
    (
        String::from_utf8(request.bodies.join(&b'\n')).unwrap(),
        request.encoding,
        dropped.collect(),
    )
}

fn refused(body: &Value, format: EmbeddingFormat) -> String {
    let error = write_embedding_request(body.to_string().as_bytes(), format, MODEL, &ModelRules::default())
        .unwrap_err();
    error.to_string()
}

fn answer(body: &str, format: EmbeddingFormat, encoding: Encoding) -> Result<Answer, Failure> {
    embedding_answer(&[body], format, "asked", encoding)
}

#[test]
fn a_request_for_orchestration_holds_what_its_spec_takes() {
    let body = json!({"model": "text-embedding-3-small", "input": ["a", "{{?b}} früh \"c\""], "dimensions": 256,
        "encoding_format": "base64", "user": "u", "input_type": "query", "nothing": null});
    let (body, encoding, dropped) = written(&body, Orchestration);
    assert_eq!(
        body,
        r#"{"config":{"modules":{"embeddings":{"model":{"name":"text-embedding-3-small","version":"latest","params":{"dimensions":256,"encoding_format":"base64"},"timeout":1200,"max_retries":0}}}},"input":{"text":["a","{{?b}} früh \"c\""],"type":"query"}}"#
    );
    assert_eq!(encoding, Encoding::Base64);
    assert_eq!(dropped, ["user"]);
    let (body, encoding, dropped) = written(&json!({"input": "a"}), Orchestration);
    assert_eq!(
        body,
        r#"{"config":{"modules":{"embeddings":{"model":{"name":"text-embedding-3-small","version":"latest","timeout":1200,"max_retries":0}}}},"input":{"text":"a"}}"#
    );
    assert_eq!((encoding, dropped.len()), (Encoding::Float, 0));
}

#[test]
fn what_texts_are_for_is_said_in_the_words_of_orchestration() {
    for (member, word, purpose) in [
        ("input_type", "search_query", Some("query")),
        ("input_type", "passage", Some("document")),
        ("input_type", "image", None),
        ("task_type", "RETRIEVAL_DOCUMENT", Some("document")),
        ("taskType", "CODE_RETRIEVAL_QUERY", Some("query")),
        ("taskType", "SEMANTIC_SIMILARITY", Some("text")),
        ("taskType", "CLUSTERING", Some("clustering")),
        ("taskType", "TASK_TYPE_UNSPECIFIED", None),
    ] {
        let (body, _, dropped) = written(&json!({"input": "a", member: word}), Orchestration);
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            body["input"].get("type").and_then(Value::as_str),
            purpose,
            "{word}"
        );
        let lost: &[&str] = if purpose.is_none() { &[member] } else { &[] };
        assert_eq!(dropped, lost, "{word}");
    }
}

#[test]
fn a_request_for_azure_keeps_what_azure_takes() {
    let all = json!({"model": "m", "input": "a", "dimensions": 256, "encoding_format": "float", "user": "u",
        "metadata": {}});
    let (body, encoding, dropped) = written(&all, AzureOpenAi);
    assert_eq!(
        body,
        r#"{"input":"a","dimensions":256,"encoding_format":"float","user":"u"}"#
    );
    assert_eq!(
        (encoding, dropped),
        (Encoding::Float, vec!["metadata".to_owned()])
    );
    // Tokens go as they are; what is not given is not made up.
    for input in [json!([1, 2, 100_257]), json!([[1, 2], [3]]), json!(["a", "b"])] {
        let (body, ..) = written(
            &json!({"model": "m", "input": input, "dimensions": null, "encoding_format": null, "user": null}),
            AzureOpenAi,
        );
        assert_eq!(body, json!({ "input": input }).to_string());
    }
}

#[test]
fn what_a_model_refuses_is_left_out_where_the_vectors_stay_the_same() {
    let mut rules = ModelRules::default();
    for name in ["timeout", "max_retries", "user", "encoding_format", "dimensions"] {
        rules.limit(&Limitation::Field(name.to_owned()));
    }
    let asked =
        json!({"model": "m", "input": "a", "dimensions": 256, "encoding_format": "base64", "user": "u"});
    for (format, expected) in [
        (
            Orchestration,
            r#"{"config":{"modules":{"embeddings":{"model":{"name":"text-embedding-3-small","version":"latest","params":{"dimensions":256}}}}},"input":{"text":"a"}}"#,
        ),
        (AzureOpenAi, r#"{"input":"a","dimensions":256}"#),
    ] {
        let request = write_embedding_request(asked.to_string().as_bytes(), format, MODEL, &rules).unwrap();
        assert_eq!(String::from_utf8(request.bodies.concat()).unwrap(), expected);
        assert_eq!(
            request.encoding,
            Encoding::Base64,
            "the agent gets what it asked for"
        );
        assert_eq!(request.dropped, ["user"]);
    }
}

#[test]
fn what_cannot_be_asked_is_told_by_its_member() {
    let many = vec!["x"; 2049];
    for format in FORMATS {
        for (body, words) in [
            (json!({"model": "m"}), "input: is required"),
            (json!({"input": null}), "input: is required"),
            (json!({"input": ""}), "input: expected a text that is not empty"),
            (json!({"input": []}), "input: expected at least one text"),
            (json!({"input": 5}), "input: expected a string, a list of strings"),
            (
                json!({"input": {"text": "a"}}),
                "input: expected a string, a list",
            ),
            (json!({"input": many}), "input: expected at most 2048 entries"),
            (
                json!({"input": ["a", ""]}),
                "input.1: expected a string that is not empty",
            ),
            (json!({"input": ["a", 5]}), "input.1: expected a string"),
            (json!({"input": [5, "a"]}), "input.1: expected a token"),
            (
                json!({"input": [1.5]}),
                "input.0: expected a string or a list of tokens",
            ),
            (
                json!({"input": [-1]}),
                "input.0: expected a string or a list of tokens",
            ),
            (json!({"input": [[]]}), "input.0: expected at least one token"),
            (
                json!({"input": [[1], "a"]}),
                "input.1: expected a string or a list of tokens",
            ),
            (json!({"input": [[1, "a"]]}), "input.0.1: expected a token"),
            (
                json!({"input": "a", "dimensions": 0}),
                "dimensions: expected a whole number, 1 or more",
            ),
            (
                json!({"input": "a", "dimensions": "x"}),
                "dimensions: expected a whole number",
            ),
            (
                json!({"input": "a", "encoding_format": "int8"}),
                "encoding_format: expected \"float\" or \"base64\"",
            ),
            (json!({"input": "a", "user": 5}), "user: expected a string"),
            (json!(["a"]), "body: expected a JSON object"),
        ] {
            let error = refused(&body, format);
            assert!(error.starts_with(words), "{error} instead of {words}");
        }
    }
    for input in [json!([1, 2]), json!([[1, 2]])] {
        assert_eq!(
            refused(&json!({ "input": input }), Orchestration),
            "input: is a list of tokens, and SAP's orchestration takes text only: send text, or use foundation mode"
        );
        for format in [Vertex, Titan, Nvidia] {
            assert_eq!(
                refused(&json!({ "input": input }), format),
                "input: is a list of tokens, and this model takes text only: send text"
            );
        }
    }
    for format in [Vertex, Nvidia] {
        assert_eq!(
            refused(&json!({"input": "a", "input_type": "clustering"}), format),
            "input_type: expected \"query\", \"passage\" or \"document\""
        );
    }
}

#[test]
fn titan_has_three_lengths() {
    let asking = |dimensions: u64| json!({"input": "a", "dimensions": dimensions});
    for dimensions in [256, 512, 1024] {
        assert!(
            written(&asking(dimensions), Titan)
                .0
                .ends_with(&format!("{dimensions}}}"))
        );
    }
    for dimensions in [7, 2048] {
        let error = refused(&asking(dimensions), Titan);
        assert!(
            error.starts_with("dimensions: expected 256, 512 or 1024"),
            "{error}"
        );
    }
}

#[test]
fn models_that_take_one_text_a_call_get_a_body_for_each() {
    let asked = json!({"model": "m", "input": ["a", "b \"c\""], "dimensions": 256, "encoding_format": "base64", "user": "u",
        "input_type": "query"});
    let (bodies, encoding, dropped) = written(&asked, Titan);
    assert_eq!(
        bodies,
        "{\"inputText\":\"a\",\"dimensions\":256}\n{\"inputText\":\"b \\\"c\\\"\",\"dimensions\":256}"
    );
    assert_eq!(
        (encoding, dropped),
        (Encoding::Base64, vec!["input_type".to_owned(), "user".to_owned()])
    );
    let (bodies, encoding, dropped) = written(&asked, Vertex);
    assert_eq!(
        bodies,
        "{\"instances\":[{\"content\":\"a\",\"task_type\":\"RETRIEVAL_QUERY\"}],\"parameters\":{\"outputDimensionality\":256}}\n\
         {\"instances\":[{\"content\":\"b \\\"c\\\"\",\"task_type\":\"RETRIEVAL_QUERY\"}],\"parameters\":{\"outputDimensionality\":256}}"
    );
    assert_eq!((encoding, dropped), (Encoding::Base64, vec!["user".to_owned()]));
    for (format, expected) in [
        (Titan, r#"{"inputText":"a"}"#),
        (Vertex, r#"{"instances":[{"content":"a"}]}"#),
    ] {
        assert_eq!(written(&json!({"input": "a"}), format).0, expected);
    }
    let task = json!({"input": "a", "taskType": "CLUSTERING", "input_type": "document"});
    assert_eq!(
        written(&task, Vertex).0,
        r#"{"instances":[{"content":"a","task_type":"CLUSTERING"}]}"#
    );
}

#[test]
fn nvidias_models_are_told_what_the_texts_are_for() {
    for (asked, word) in [
        (json!(null), "passage"),
        (json!("document"), "passage"),
        (json!("passage"), "passage"),
        (json!("query"), "query"),
    ] {
        let body = json!({"input": "a", "input_type": asked, "dimensions": 9, "encoding_format": "float", "truncate": "END"});
        let (body, _, dropped) = written(&body, Nvidia);
        assert_eq!(
            body,
            format!(
                r#"{{"model":"{MODEL}","input_type":"{word}","input":["a"],"dimensions":9,"encoding_format":"float"}}"#
            )
        );
        assert_eq!(dropped, ["truncate"]);
    }
    let (body, ..) = written(&json!({"input": ["a", "b"]}), Nvidia);
    assert!(body.contains(r#""input":["a","b"]"#), "{body}");
}

#[test]
fn several_answers_are_one_list_in_their_order() {
    let titan = [
        r#"{"embedding":[0.5, -1],"inputTextTokenCount":3}"#,
        r#"{"inputTextTokenCount":4,"embedding":[1,2E-1],"embeddingsByType":{}}"#,
    ];
    let vertex = [
        r#"{"predictions":[{"embeddings":{"values":[0.5, -1],"statistics":{"token_count":3,"truncated":false}}}],"metadata":{}}"#,
        r#"{"predictions":[{"embeddings":{"statistics":{"token_count":4.0},"values":[1,2E-1]}}]}"#,
    ];
    for (bodies, format) in [(titan, Titan), (vertex, Vertex)] {
        let answer = embedding_answer(&bodies, format, "asked", Encoding::Float).unwrap();
        assert_eq!(
            String::from_utf8(answer.body).unwrap(),
            r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5, -1]},{"object":"embedding","index":1,"embedding":[1,2E-1]}],"model":"asked","usage":{"prompt_tokens":7,"total_tokens":7}}"#
        );
        assert_eq!(answer.outcome.usage.input, Some(7));
        let answer = embedding_answer(&bodies[..1], format, "asked", Encoding::Base64).unwrap();
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(body["data"][0]["embedding"], "AAAAPwAAgL8=");
        // One that fails is the failure of all.
        let failing = [
            bodies[0],
            r#"{"message":"Too many tokens, please wait before trying again."}"#,
        ];
        let failure = embedding_answer(&failing, format, "asked", Encoding::Float).unwrap_err();
        assert_eq!(failure.status, 429);
    }
}

/// Numbers as services write them; none may be written anew.
const NUMBERS: &str = "[0.015282119, -1.0e-5,1E+2, 0.1000,-0]";

fn orchestration(embedding: &str) -> String {
    format!(
        r#"{{"request_id": "r", "final_result": {{"object": "list", "data": [{{"object": "embedding",
            "embedding": {embedding}, "index": 0}}], "model": "{MODEL}", "usage": {{"prompt_tokens": 5, "total_tokens": 6}}}}}}"#
    )
}

#[test]
fn an_answer_is_openais_list_under_the_asked_name() {
    let azure = format!(
        r#"{{"object":"list","data":[{{"object":"embedding","index":0,"embedding":{NUMBERS}}}],"model":"x","usage":{{"prompt_tokens":5,"total_tokens":6}}}}"#
    );
    let expected = format!(
        r#"{{"object":"list","data":[{{"object":"embedding","index":0,"embedding":{NUMBERS}}}],"model":"asked","usage":{{"prompt_tokens":5,"total_tokens":6}}}}"#
    );
    for (body, format) in [(orchestration(NUMBERS), Orchestration), (azure, AzureOpenAi)] {
        let answer = answer(&body, format, Encoding::Float).unwrap();
        assert_eq!(String::from_utf8(answer.body).unwrap(), expected);
        assert_eq!(
            (answer.outcome.usage.input, answer.outcome.usage.output),
            (Some(5), Some(0))
        );
    }
}

#[test]
fn a_vector_that_comes_in_another_encoding_is_converted() {
    // 1.0 and -2.5, as Python's struct.pack("<2f", 1.0, -2.5) has them.
    let base64 = r#""AACAPwAAIMA=""#;
    let both = format!(r#"{{"float": [1, -2.5], "base64": {base64}}}"#);
    let escaped = r#""AACAPwAAIMA\u003d""#;
    for (embedding, encoding, expected) in [
        ("[1, -2.5]", Encoding::Base64, json!("AACAPwAAIMA=")),
        (base64, Encoding::Base64, json!("AACAPwAAIMA=")),
        (base64, Encoding::Float, json!([1.0, -2.5])),
        (escaped, Encoding::Float, json!([1.0, -2.5])),
        (&both, Encoding::Float, json!([1, -2.5])),
        (&both, Encoding::Base64, json!("AACAPwAAIMA=")),
        (r#"{"float": [1, -2.5]}"#, Encoding::Base64, json!("AACAPwAAIMA=")),
    ] {
        let answer = answer(&orchestration(embedding), Orchestration, encoding).unwrap();
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(body["data"][0]["embedding"], expected, "{embedding} {encoding:?}");
    }
}

#[test]
fn what_is_no_answer_is_a_failure() {
    let refusal = r#"{"error":{"request_id":"r","code":429,"message":"429 - Embedding Module: slow down","location":"x"}}"#;
    for format in FORMATS {
        let failure = answer(refusal, format, Encoding::Float).unwrap_err();
        assert_eq!(
            (failure.status, failure.message.as_str()),
            (429, "429 - Embedding Module: slow down")
        );
        for broken in [
            "",
            "<html>",
            "{}",
            "[]",
            r#"{"final_result": {"data": [{}]}}"#,
            r#"{"predictions": []}"#,
            r#"{"predictions": [{"embeddings": {}}]}"#,
            r#"{"embedding": 5}"#,
        ] {
            assert_eq!(
                answer(broken, format, Encoding::Float).unwrap_err().status,
                502,
                "{broken}"
            );
        }
    }
    // Not a whole number of floats, no base64, not a number, no vector.
    for (embedding, encoding) in [
        (r#""AACAPwA=""#, Encoding::Float),
        (r#""*""#, Encoding::Float),
        (r#""AADAfw==""#, Encoding::Float),
        ("[true]", Encoding::Base64),
        ("5", Encoding::Float),
        ("5", Encoding::Base64),
        ("null", Encoding::Float),
        (r#"{"int8": [1]}"#, Encoding::Float),
        (r#"{"float": {"float": [1]}}"#, Encoding::Float),
    ] {
        let failure = answer(&orchestration(embedding), Orchestration, encoding).unwrap_err();
        assert_eq!(failure.status, 502, "{embedding}");
    }
}

proptest! {
    #[test]
    fn a_vector_is_the_same_in_both_encodings(vector in proptest::collection::vec(
        any::<f32>().prop_filter("JSON has no such number", |number| number.is_finite()), 0..64,
    )) {
        let floats = serde_json::to_string(&vector).unwrap();
        let there = answer(&orchestration(&floats), Orchestration, Encoding::Base64).unwrap();
        let there: Value = serde_json::from_slice(&there.body).unwrap();
        let base64 = there["data"][0]["embedding"].to_string();
        let back = answer(&orchestration(&base64), Orchestration, Encoding::Float).unwrap();
        let back = String::from_utf8(back.body).unwrap();
        prop_assert!(back.contains(&format!("\"embedding\":{floats}}}")), "{} {}", back, floats);
    }

    /// Real requests and answers, some of whose bytes were changed, taken away or put in.
    #[test]
    fn damaged_bytes_are_told_or_become_json(
        which in 0..6_usize,
        damage in proptest::collection::vec((any::<prop::sample::Index>(), 0..3_u8, any::<u8>()), 1..6),
    ) {
        let base64 = r#"{"float": [1, -2.5], "base64": "AACAPwAAIMA="}"#;
        let request = json!({"model": MODEL, "input": ["a", "b\u{fc}"], "dimensions": 256, "encoding_format": "base64", "user": "u"});
        let tokens = json!({"input": [[1, 2], [3]], "metadata": {}});
        let titan = format!(r#"{{"embedding":{NUMBERS},"inputTextTokenCount":3}}"#);
        let vertex = format!(r#"{{"predictions":[{{"embeddings":{{"values":{NUMBERS},"statistics":{{"token_count":3}}}}}}]}}"#);
        let sound = [request.to_string(), tokens.to_string(), orchestration(base64), orchestration(NUMBERS), titan, vertex];
        let mut body = sound[which].clone().into_bytes();
        for (place, kind, byte) in damage {
            let at = place.index(body.len());
            match kind {
                0 => body[at] = byte,
                1 if body.len() > 1 => drop(body.remove(at)),
                _ => body.insert(at, byte),
            }
        }
        // A damaged number may be too large for any type; it is JSON all the same.
        let is_json = |text: &[u8]| serde_json::from_slice::<&serde_json::value::RawValue>(text).is_ok();
        for format in FORMATS {
            match write_embedding_request(&body, format, MODEL, &ModelRules::default()) {
                Ok(request) => prop_assert!(request.bodies.iter().all(|body| is_json(body)), "{:?}", request.bodies),
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
            for encoding in [Encoding::Float, Encoding::Base64] {
                match embedding_answer(&[&body], format, "asked", encoding) {
                    Ok(answer) => prop_assert!(is_json(&answer.body), "{:?}", answer.body),
                    Err(failure) => prop_assert!(failure.status >= 400),
                }
            }
        }
    }

    #[test]
    fn no_input_makes_it_panic(body in proptest::collection::vec(any::<u8>(), 0..200), text in r#"[\[\]{}",:0-9a\-.]{0,60}"#) {
        let body = [body, text.into_bytes()];
        for body in &body {
            for format in FORMATS {
                drop(write_embedding_request(body, format, MODEL, &ModelRules::default()));
                drop(embedding_answer(&[body], format, MODEL, Encoding::Base64));
            }
        }
    }
}
