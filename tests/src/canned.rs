//! An upstream that reads nothing and answers every request alike, as one family of models does: for measuring what Coretap
//! costs. What it says is neither checked nor clever; the simulator is the one that judges.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// Between two pieces, so that each arrives alone.
const PACE: Duration = Duration::from_millis(5);

/// What a family of models says.
#[derive(Clone, Copy)]
pub struct Family {
    /// Its name in reports.
    pub name: &'static str,
    /// A model of it.
    pub model: &'static str,
    /// What the catalogue says that it runs on.
    pub executable: &'static str,
    /// A whole answer.
    pub whole: &'static str,
    /// The stream's events before the text.
    pub opening: &'static str,
    /// One piece of text; `TEXT` stands for it.
    pub delta: &'static str,
    /// The stream's events behind the text.
    pub closing: &'static str,
}

/// A running upstream.
pub struct Canned {
    /// Where it listens.
    pub address: SocketAddr,
    pieces: Arc<AtomicUsize>,
}

impl Canned {
    /// Listens on a free port until the test ends.
    pub async fn start(family: Family) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let pieces = Arc::new(AtomicUsize::new(1));
        let told = Arc::clone(&pieces);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let told = Arc::clone(&told);
                socket.set_nodelay(true).unwrap();
                let answer = service_fn(move |request| answer(family, told.load(Ordering::Relaxed), request));
                tokio::spawn(async move {
                    // Whoever leaves in the middle has what it wanted.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(socket), answer)
                        .await;
                });
            }
        });
        Self { address, pieces }
    }

    /// Says in how many pieces of text each stream comes from now on.
    pub fn set_pieces(&self, pieces: usize) {
        self.pieces.store(pieces, Ordering::Relaxed);
    }

    /// The service key for it.
    pub fn service_key(&self) -> String {
        let address = format!("http://{}", self.address);
        format!(
            r#"{{"clientid":"id","clientsecret":"s","url":"{address}","serviceurls":{{"AI_API_URL":"{address}"}}}}"#
        )
    }
}

type Body = BoxBody<Bytes, Infallible>;

async fn answer(
    family: Family,
    pieces: usize,
    request: Request<Incoming>,
) -> Result<Response<Body>, hyper::Error> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await?.to_bytes();
    let json = |text: String| Full::new(Bytes::from(text)).boxed();
    let (kind, body) = match path.as_str() {
        "/oauth/token" => ("application/json", json(TOKEN.to_owned())),
        "/v2/lm/deployments" => ("application/json", json(deployments(family))),
        path if path.starts_with("/v2/lm/") => ("application/json", json(catalogue(family))),
        path => {
            let asked = body.windows(13).any(|part| part == b"\"stream\":true");
            if asked || path.contains("stream") {
                ("text/event-stream", stream(family, pieces))
            } else {
                ("application/json", json(family.whole.to_owned()))
            }
        }
    };
    Ok(Response::builder()
        .header("content-type", kind)
        .body(body)
        .unwrap())
}

fn stream(family: Family, pieces: usize) -> Body {
    let texts = (0..pieces).map(move |number| family.delta.replace("TEXT", &format!("piece {number:03} ")));
    let all = std::iter::once(family.opening.to_owned())
        .chain(texts)
        .chain(std::iter::once(family.closing.to_owned()));
    let paced = futures_util::stream::unfold(all, |mut rest| async move {
        let next = rest.next()?;
        tokio::time::sleep(PACE).await;
        Some((Ok::<_, Infallible>(Frame::data(Bytes::from(next))), rest))
    });
    StreamBody::new(Box::pin(paced)).boxed()
}

const TOKEN: &str = r#"{"access_token":"token","token_type":"bearer","expires_in":43199}"#;

fn deployments(family: Family) -> String {
    let (model, executable) = (family.model, family.executable);
    format!(
        r#"{{"count":1,"resources":[{{"id":"d1111","createdAt":"2026-01-01T00:00:00Z","modifiedAt":"2026-01-01T00:00:00Z","status":"RUNNING","scenarioId":"foundation-models","configurationId":"c1","executableId":"{executable}","details":{{"resources":{{"backendDetails":{{"model":{{"name":"{model}","version":"latest"}}}}}}}}}}]}}"#
    )
}

fn catalogue(family: Family) -> String {
    let (model, executable) = (family.model, family.executable);
    format!(
        r#"{{"count":1,"resources":[{{"model":"{model}","executableId":"{executable}","provider":"P","versions":[{{"name":"1","isLatest":true,"deprecated":false,"contextLength":128000,"streamingSupported":true,"capabilities":["text-generation"]}}]}}]}}"#
    )
}

/// Claude on Bedrock.
pub const CLAUDE: Family = Family {
    name: "Claude",
    model: "anthropic--claude-4.5-sonnet",
    executable: "aws-bedrock",
    whole: r#"{"id":"msg_bdrk_01","type":"message","role":"assistant","model":"claude-sonnet-4-5-20250929","content":[{"type":"text","text":"Two plums weigh as much as one pear."}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":28,"output_tokens":10}}"#,
    opening: concat!(
        r#"data: {"type":"message_start","message":{"id":"msg_bdrk_01","type":"message","role":"assistant","model":"claude-sonnet-4-5-20250929","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":28,"output_tokens":1}}}"#,
        "\n\n",
        r#"data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        "\n\n"
    ),
    delta: concat!(
        r#"data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"TEXT"}}"#,
        "\n\n"
    ),
    closing: concat!(
        r#"data: {"type":"content_block_stop","index":0}"#,
        "\n\n",
        r#"data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":10}}"#,
        "\n\n",
        r#"data: {"type":"message_stop"}"#,
        "\n\n"
    ),
};

/// Azure's Responses (the shape of SAP's recorded stream).
pub const RESPONSES: Family = Family {
    name: "Azure Responses",
    model: "gpt-5.3-codex",
    executable: "azure-openai",
    whole: r#"{"id":"resp_1","object":"response","created_at":1772658855,"status":"completed","background":false,"error":null,"incomplete_details":null,"instructions":null,"max_output_tokens":null,"model":"gpt-5.3-codex-2026-02-01","output":[{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","annotations":[],"logprobs":[],"text":"Two plums weigh as much as one pear."}]}],"parallel_tool_calls":true,"previous_response_id":null,"reasoning":{"effort":"medium","summary":null},"store":false,"temperature":1.0,"text":{"format":{"type":"text"},"verbosity":"medium"},"tool_choice":"auto","tools":[],"top_p":1.0,"truncation":"disabled","usage":{"input_tokens":28,"input_tokens_details":{"cached_tokens":0},"output_tokens":10,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":38},"user":null,"metadata":{}}"#,
    opening: concat!(
        r#"data: {"type":"response.created","response":{"id":"resp_1","object":"response","created_at":1772658855,"status":"in_progress","model":"gpt-5.3-codex-2026-02-01","output":[],"usage":null},"sequence_number":0}"#,
        "\n\n",
        r#"data: {"type":"response.in_progress","response":{"id":"resp_1","object":"response","created_at":1772658855,"status":"in_progress","model":"gpt-5.3-codex-2026-02-01","output":[],"usage":null},"sequence_number":1}"#,
        "\n\n",
        r#"data: {"type":"response.output_item.added","output_index":0,"item":{"id":"msg_1","type":"message","status":"in_progress","content":[],"role":"assistant"},"sequence_number":2}"#,
        "\n\n",
        r#"data: {"type":"response.content_part.added","content_index":0,"item_id":"msg_1","output_index":0,"part":{"type":"output_text","annotations":[],"logprobs":[],"text":""},"sequence_number":3}"#,
        "\n\n"
    ),
    delta: concat!(
        r#"data: {"type":"response.output_text.delta","content_index":0,"delta":"TEXT","item_id":"msg_1","logprobs":[],"obfuscation":"k2Fz1yPq","output_index":0,"sequence_number":4}"#,
        "\n\n"
    ),
    closing: concat!(
        r#"data: {"type":"response.output_text.done","content_index":0,"item_id":"msg_1","logprobs":[],"output_index":0,"text":"Two plums.","sequence_number":5}"#,
        "\n\n",
        r#"data: {"type":"response.content_part.done","content_index":0,"item_id":"msg_1","output_index":0,"part":{"type":"output_text","annotations":[],"logprobs":[],"text":"Two plums."},"sequence_number":6}"#,
        "\n\n",
        r#"data: {"type":"response.output_item.done","output_index":0,"item":{"id":"msg_1","type":"message","status":"completed","content":[{"type":"output_text","annotations":[],"logprobs":[],"text":"Two plums."}],"role":"assistant"},"sequence_number":7}"#,
        "\n\n",
        r#"data: {"type":"response.completed","response":{"id":"resp_1","object":"response","created_at":1772658855,"status":"completed","model":"gpt-5.3-codex-2026-02-01","output":[{"id":"msg_1","type":"message","status":"completed","content":[{"type":"output_text","annotations":[],"logprobs":[],"text":"Two plums."}],"role":"assistant"}],"usage":{"input_tokens":28,"input_tokens_details":{"cached_tokens":0},"output_tokens":10,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":38}},"sequence_number":8}"#,
        "\n\n"
    ),
};

/// Gemini on Vertex AI.
pub const VERTEX: Family = Family {
    name: "Vertex",
    model: "gemini-2.5-pro",
    executable: "gcp-vertexai",
    whole: r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"Two plums weigh as much as one pear."}]},"finishReason":"STOP","avgLogprobs":-0.1}],"usageMetadata":{"promptTokenCount":28,"candidatesTokenCount":10,"totalTokenCount":38},"modelVersion":"gemini-2.5-pro","createTime":"2026-01-01T00:00:00.000000Z","responseId":"r1"}"#,
    opening: concat!(
        r#"data: {"candidates":[{"content":{"role":"model","parts":[{"text":"I say: "}]}}],"usageMetadata":{"trafficType":"ON_DEMAND"},"modelVersion":"gemini-2.5-pro","createTime":"2026-01-01T00:00:00.000000Z","responseId":"r1"}"#,
        "\n\n"
    ),
    delta: concat!(
        r#"data: {"candidates":[{"content":{"role":"model","parts":[{"text":"TEXT"}]}}],"usageMetadata":{"trafficType":"ON_DEMAND"},"modelVersion":"gemini-2.5-pro","createTime":"2026-01-01T00:00:00.000000Z","responseId":"r1"}"#,
        "\n\n"
    ),
    closing: concat!(
        r#"data: {"candidates":[{"content":{"role":"model","parts":[{"text":"."}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":28,"candidatesTokenCount":10,"totalTokenCount":38},"modelVersion":"gemini-2.5-pro","createTime":"2026-01-01T00:00:00.000000Z","responseId":"r1"}"#,
        "\n\n"
    ),
};

/// Nova by Bedrock's Converse, whose stream is Python's.
pub const CONVERSE: Family = Family {
    name: "Converse",
    model: "amazon--nova-pro",
    executable: "aws-bedrock",
    whole: r#"{"metrics":{"latencyMs":900},"output":{"message":{"role":"assistant","content":[{"text":"Two plums weigh as much as one pear."}]}},"stopReason":"end_turn","usage":{"inputTokens":28,"outputTokens":10,"totalTokens":38,"cacheReadInputTokenCount":0,"cacheWriteInputTokenCount":0}}"#,
    opening: "data: {'messageStart': {'role': 'assistant'}}\n\n",
    delta: "data: {'contentBlockDelta': {'delta': {'text': 'TEXT'}, 'contentBlockIndex': 0}}\n\n",
    closing: "data: {'contentBlockStop': {'contentBlockIndex': 0}}\n\ndata: {'messageStop': {'stopReason': 'end_turn'}}\n\ndata: {'metadata': {'usage': {'inputTokens': 28, 'outputTokens': 10, 'totalTokens': 38}, 'metrics': {'latencyMs': 900}}}\n\n",
};

/// Mistral: Chat Completions with the model in the body.
pub const MISTRAL: Family = Family {
    name: "Mistral",
    model: "mistralai--mistral-medium-instruct",
    executable: "aicore-mistralai",
    whole: r#"{"id":"chat-1","object":"chat.completion","created":1734524005,"model":"mistralai--mistral-medium-instruct","choices":[{"index":0,"message":{"role":"assistant","content":"Two plums weigh as much as one pear.","tool_calls":[]},"logprobs":null,"finish_reason":"stop","stop_reason":null}],"usage":{"prompt_tokens":28,"total_tokens":38,"completion_tokens":10}}"#,
    opening: concat!(
        r#"data: {"id":"chat-1","object":"chat.completion.chunk","created":1734524005,"model":"mistralai--mistral-medium-instruct","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}"#,
        "\n\n"
    ),
    delta: concat!(
        r#"data: {"id":"chat-1","object":"chat.completion.chunk","created":1734524005,"model":"mistralai--mistral-medium-instruct","choices":[{"index":0,"delta":{"content":"TEXT"},"logprobs":null,"finish_reason":null}]}"#,
        "\n\n"
    ),
    closing: concat!(
        r#"data: {"id":"chat-1","object":"chat.completion.chunk","created":1734524005,"model":"mistralai--mistral-medium-instruct","choices":[{"index":0,"delta":{"content":""},"logprobs":null,"finish_reason":"stop","stop_reason":null}],"usage":{"prompt_tokens":28,"total_tokens":38,"completion_tokens":10}}"#,
        "\n\ndata: [DONE]\n\n"
    ),
};

/// Cohere's chat, version 2.
pub const COHERE: Family = Family {
    name: "Cohere",
    model: "cohere--command-a-reasoning",
    executable: "aicore-cohere",
    whole: r#"{"id":"c1","message":{"role":"assistant","content":[{"type":"text","text":"Two plums weigh as much as one pear."}]},"finish_reason":"COMPLETE","usage":{"billed_units":{"input_tokens":20,"output_tokens":10},"tokens":{"input_tokens":28,"output_tokens":10}}}"#,
    opening: concat!(
        r#"data: {"id":"c1","type":"message-start","delta":{"message":{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}}}"#,
        "\n\n",
        r#"data: {"type":"content-start","index":0,"delta":{"message":{"content":{"type":"text","text":""}}}}"#,
        "\n\n"
    ),
    delta: concat!(
        r#"data: {"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"TEXT"}}}}"#,
        "\n\n"
    ),
    closing: concat!(
        r#"data: {"type":"content-end","index":0}"#,
        "\n\n",
        r#"data: {"type":"message-end","delta":{"finish_reason":"COMPLETE","usage":{"billed_units":{"input_tokens":20,"output_tokens":10},"tokens":{"input_tokens":28,"output_tokens":10}}}}"#,
        "\n\n"
    ),
};
