//! Answers, and the troubles that come before their first byte.

use coretap_proxy::Limits;

use crate::under_test::{ANSWERS, UnderTest, quick, read_to_end};
use crate::upstream::{MODEL, Reply, Upstream, failure, hello, opening, refusal, throttled_bodies, whole};
use crate::{ends, error, header};

#[tokio::test]
async fn answers_come_whole_and_as_streams_with_their_headers() {
    for path in ANSWERS {
        let replies = [
            Reply::Status(200, &[("x-request-id", "upstream-4711")], whole("hello")),
            hello(),
        ];
        let upstream = Upstream::start(replies).await;
        let mut test = UnderTest::start(upstream.aicore(), quick()).await;

        let response = test.ask(path, false).await;
        assert_eq!(response.status(), 200);
        assert_eq!(header(&response, "content-type"), "application/json");
        assert_eq!(header(&response, "x-coretap-model"), MODEL);
        assert_eq!(header(&response, "x-upstream-request-id"), "upstream-4711");
        let id = header(
            &response,
            if path == "/v1/messages" {
                "request-id"
            } else {
                "x-request-id"
            },
        );
        assert!(response.text().await.unwrap().contains("hello"));
        let exchange = test.exchange().await;
        assert_eq!((exchange.id, exchange.status, exchange.code), (id, 200, None));
        assert_eq!(
            (exchange.usage.total_input(), exchange.usage.output),
            (7, Some(3))
        );

        let response = test.ask(path, true).await;
        assert_eq!(
            header(&response, "content-type"),
            "text/event-stream; charset=utf-8"
        );
        assert_eq!(header(&response, "cache-control"), "no-cache");
        let streamed = read_to_end(response).await.unwrap();
        assert!(streamed.contains("hello") && ends(path, &streamed), "{streamed}");
        let exchange = test.exchange().await;
        assert_eq!(
            (exchange.path.as_ref(), exchange.code, exchange.stream),
            (path, None, true)
        );
        assert_eq!(exchange.asked_model.as_deref(), Some("claude-sonnet-4-5"));
        assert_eq!(
            (exchange.model.as_deref(), exchange.usage.output),
            (Some(MODEL), Some(3))
        );
        assert!(exchange.first_byte.unwrap() <= exchange.duration);
    }
}

#[tokio::test]
async fn short_troubles_are_lived_through() {
    for path in ANSWERS {
        for stream in [false, true] {
            let good = || {
                if stream {
                    hello()
                } else {
                    Reply::Status(200, &[], whole("hello"))
                }
            };
            let mut troubles = vec![
                vec![refusal(
                    429,
                    &[("retry-after", "0")],
                    "429 - LLM Module: slow down",
                )],
                vec![refusal(502, &[], "x"), refusal(503, &[("retry-after", "0")], "y")],
                vec![
                    Reply::Status(504, &[], "upstream request timeout".into()),
                    Reply::Close,
                ],
            ];
            if stream {
                troubles.push(vec![
                    Reply::Stream(vec![
                        opening(),
                        failure(429, "429 - LLM Module: Too many requests"),
                    ]),
                    Reply::Stream(vec![failure(503, "503 - LLM Module: Overloaded")]),
                ]);
            }
            for trouble in troubles {
                let count = u32::try_from(trouble.len()).unwrap();
                let upstream = Upstream::start(trouble.into_iter().chain([good()])).await;
                let mut test = UnderTest::start(upstream.aicore(), quick()).await;
                let response = test.ask(path, stream).await;
                assert_eq!(response.status(), 200, "{path} {stream}");
                assert!(read_to_end(response).await.unwrap().contains("hello"));
                assert_eq!(test.exchange().await.retries, count);
                let seen = upstream.seen();
                assert!(
                    seen.iter().all(|body| *body == seen[0]),
                    "the same bytes each time"
                );
            }
        }
    }
}

#[tokio::test]
async fn lasting_troubles_are_told_with_their_status_and_words() {
    let three = |reply: fn() -> Reply| [reply(), reply(), reply()];
    for path in ANSWERS {
        let overloaded = if path == "/v1/messages" { 529 } else { 503 };
        for (replies, status, words) in [
            (
                three(|| refusal(503, &[], "503 - LLM Module: busy")),
                overloaded,
                "503 - LLM Module: busy",
            ),
            (
                three(|| Reply::Status(502, &[], "bad gateway".into())),
                502,
                "bad gateway",
            ),
            (three(|| Reply::Close), 502, "broke"),
        ] {
            let upstream = Upstream::start(replies).await;
            let test = UnderTest::start(upstream.aicore(), quick()).await;
            let response = test.ask(path, true).await;
            assert_eq!(response.status(), status);
            assert_eq!(header(&response, "retry-after").is_empty(), status == 502);
            assert!(error(response).await.contains(words), "{words}");
        }
        for (reply, status, words) in [
            (refusal(429, &[("retry-after", "11")], "slow"), 429, "slow"),
            (refusal(429, &[], "slow"), 429, "slow"),
            (
                refusal(500, &[], "the plum module broke"),
                500,
                "the plum module broke",
            ),
            (
                refusal(400, &[], "400 - LLM Module: Model x in version y not found."),
                400,
                "400 - LLM Module: Model x",
            ),
            (
                Reply::Status(413, &[], "Payload Too Large".into()),
                413,
                "Payload Too Large",
            ),
            (
                Reply::Status(302, &[("location", "http://evil.example/")], String::new()),
                502,
                "302",
            ),
            (
                Reply::Stream(vec![opening(), failure(400, "400 - Filtering Module")]),
                400,
                "400 - Filtering Module",
            ),
        ] {
            let upstream = Upstream::start([reply]).await;
            let mut test = UnderTest::start(upstream.aicore(), quick()).await;
            let response = test.ask(path, true).await;
            assert_eq!(response.status(), status, "{words}");
            if status == 429 {
                let wait: u64 = header(&response, "retry-after").parse().unwrap();
                assert!((1..=60).contains(&wait));
            }
            assert!(error(response).await.contains(words), "{words}");
            assert_eq!(upstream.seen().len(), 1, "{words}: it is not asked again");
            let exchange = test.exchange().await;
            assert_eq!((exchange.status, exchange.code.is_some()), (status, true));
        }

        // A new token does not help, so neither does another try.
        for reply in [
            || refusal(403, &[], "no"),
            || Reply::Status(401, &[], "no".into()),
        ] {
            let upstream = Upstream::start([reply(), reply()]).await;
            let test = UnderTest::start(upstream.aicore(), quick()).await;
            let response = test.ask(path, true).await;
            assert_eq!(
                (
                    response.status().as_u16(),
                    header(&response, "x-should-retry").as_str()
                ),
                (403, "false")
            );
            assert!(error(response).await.contains("no"));
        }
    }
}

#[tokio::test]
async fn a_throttle_in_a_body_begun_with_200_is_told_as_one() {
    let limits = || Limits {
        retries: 0,
        ..quick()
    };
    for path in ANSWERS {
        for body in throttled_bodies() {
            let upstream = Upstream::start([Reply::Status(200, &[], body.clone())]).await;
            let mut test = UnderTest::start(upstream.aicore(), limits()).await;
            let response = test.ask(path, true).await;
            assert_eq!(
                (
                    response.status().as_u16(),
                    header(&response, "retry-after").as_str()
                ),
                (429, "7"),
                "{path} {body}"
            );
            assert!(error(response).await.contains("Rate limit is exceeded."));
            assert_eq!(test.exchange().await.code, Some("UPSTREAM-RATE-LIMIT"));
        }
        for half in ["", "{\"error\":{\"code\":\"429\"", "data: {\"error\":{\"code\""] {
            let upstream = Upstream::start([Reply::Status(200, &[], half.to_owned())]).await;
            let mut test = UnderTest::start(upstream.aicore(), limits()).await;
            let response = test.ask(path, true).await;
            assert_eq!(response.status(), 502, "{path} {half}");
            assert_eq!(header(&response, "retry-after"), "");
            assert_eq!(test.exchange().await.code, Some("UPSTREAM-CUT"), "{half}");
        }
    }
}

#[tokio::test]
async fn a_whole_answer_has_a_limit() {
    let upstream = Upstream::start([Reply::Status(200, &[], "x".repeat(2000))]).await;
    let limits = Limits {
        answer: 1000,
        ..quick()
    };
    let test = UnderTest::start(upstream.aicore(), limits).await;
    let response = test.ask("/v1/messages", false).await;
    assert_eq!(response.status(), 502);
    assert!(error(response).await.contains("longer than"));
    assert_eq!(upstream.seen().len(), 1, "it is not asked again");
}

#[tokio::test]
async fn a_model_that_cannot_stream_is_asked_for_a_whole_answer_from_then_on() {
    for path in ANSWERS {
        let upstream = Upstream::start([
            refusal(400, &[], "Streaming is not supported for this model"),
            Reply::Status(200, &[], whole("hello")),
            Reply::Status(200, &[], whole("again")),
        ])
        .await;
        let test = UnderTest::start(upstream.aicore(), quick()).await;
        for words in ["hello", "again"] {
            let response = test.ask(path, true).await;
            assert_eq!(
                header(&response, "content-type"),
                "text/event-stream; charset=utf-8"
            );
            let streamed = read_to_end(response).await.unwrap();
            assert!(streamed.contains(words) && ends(path, &streamed), "{streamed}");
        }
        let asked: Vec<_> = upstream
            .seen()
            .iter()
            .map(|(_, body)| body["config"]["stream"]["enabled"] == true)
            .collect();
        assert_eq!(asked, [true, false, false]);
    }
}
