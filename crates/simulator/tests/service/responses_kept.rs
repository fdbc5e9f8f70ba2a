//! The answers that the Responses API keeps, and what can be done with them.

use serde_json::{Value, json};

use crate::client::{GPT_5, GPT_5_5, Running};
use crate::responses::{kinds, weather};

#[tokio::test]
async fn an_answer_is_kept_unless_that_is_switched_off() {
    let running = Running::start().await;
    let first = running
        .respond(GPT_5, &json!({"input": "plum", "tools": [weather()]}))
        .await
        .json();
    let id = first["id"].as_str().unwrap();
    let again = running.kept("GET", GPT_5, id).await;
    let mut expected = first.clone();
    expected["content_filters"] = json!([]);
    assert_eq!((again.status, again.json()), (200, expected));
    assert_eq!(
        running.kept("GET", GPT_5_5, id).await.status,
        404,
        "another deployment does not know it"
    );

    let ask =
        json!({"input": "What's the weather in Paris?", "tools": [weather()], "previous_response_id": id});
    let called = running.respond(GPT_5, &ask).await.json();
    assert_eq!(called["previous_response_id"], id);
    let call = called["output"].as_array().unwrap().last().unwrap();
    let ask = json!({"input": [{"type": "function_call_output", "call_id": call["call_id"], "output": "18 °C"}],
        "tools": [weather()], "previous_response_id": called["id"]});
    let told = running.respond(GPT_5, &ask).await.json();
    assert_eq!(told["output"][1]["content"][0]["text"], "The result is:\n18 °C");
    let tokens = |response: &Value| response["usage"]["input_tokens"].as_u64().unwrap();
    assert!(tokens(&told) > tokens(&called) && tokens(&called) > tokens(&first));

    let list = running
        .kept("GET", GPT_5, &format!("{id}/input_items"))
        .await
        .json();
    assert_eq!(
        (&list["object"], &list["has_more"]),
        (&json!("list"), &json!(false))
    );
    assert_eq!(
        list["data"][0]["content"],
        json!([{"type": "input_text", "text": "plum"}])
    );
    assert_eq!(list["first_id"], list["data"][0]["id"]);

    let deleted = running.kept("DELETE", GPT_5, id).await;
    assert_eq!(
        (deleted.status, deleted.json()),
        (
            200,
            json!({"deleted": true, "id": id, "object": "response.deleted"})
        )
    );
    for (method, path) in [
        ("GET", id.to_owned()),
        ("DELETE", id.to_owned()),
        ("POST", format!("{id}/cancel")),
    ] {
        let gone = running.kept(method, GPT_5, &path).await;
        assert_eq!(gone.status, 404);
        assert_eq!(
            gone.json()["error"]["message"],
            format!("Response with id '{id}' not found.")
        );
    }

    let unkept = running
        .respond(GPT_5, &json!({"input": "x", "store": false}))
        .await
        .json();
    assert_eq!(unkept["store"], false);
    assert_eq!(
        running
            .kept("GET", GPT_5, unkept["id"].as_str().unwrap())
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn input_items_come_in_pages() {
    let running = Running::start().await;
    let said: Vec<Value> = (0..3)
        .map(|number| json!({"role": "user", "content": format!("n{number}")}))
        .collect();
    let response = running.respond(GPT_5, &json!({ "input": said })).await.json();
    let id = response["id"].as_str().unwrap();
    let page = async |query: &str| {
        let list = running
            .kept("GET", GPT_5, &format!("{id}/input_items?{query}"))
            .await
            .json();
        let texts: Vec<String> = list["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["content"][0]["text"].as_str().unwrap().to_owned())
            .collect();
        (texts, list)
    };
    assert_eq!(page("").await.0, ["n2", "n1", "n0"]);
    let (texts, list) = page("order=asc&limit=2").await;
    assert_eq!(
        (texts, &list["has_more"]),
        (vec!["n0".to_owned(), "n1".to_owned()], &json!(true))
    );
    let after = format!("order=asc&after={}", list["last_id"].as_str().unwrap());
    assert_eq!(page(&after).await.0, ["n2"]);
}

#[tokio::test]
async fn an_answer_in_the_background_can_be_called_off_until_it_is_there() {
    let running = Running::start().await;
    let ask = json!({"input": "hello", "background": true});
    let queued = running.respond(GPT_5, &ask).await.json();
    assert_eq!(
        (&queued["status"], &queued["output"], &queued["usage"]),
        (&json!("queued"), &json!([]), &json!(null))
    );
    let id = queued["id"].as_str().unwrap();
    let early = running
        .respond(GPT_5, &json!({"input": "x", "previous_response_id": id}))
        .await;
    assert_eq!(early.status, 400);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let seen = running.kept("GET", GPT_5, id).await.json();
        statuses.push(seen["status"].as_str().unwrap().to_owned());
    }
    assert_eq!(statuses, ["in_progress", "completed", "completed"]);
    let late = running.kept("POST", GPT_5, &format!("{id}/cancel")).await;
    assert_eq!(
        (late.status, &late.json()["error"]["message"]),
        (400, &json!("Cannot cancel a completed response."))
    );

    let second = running.respond(GPT_5, &ask).await.json();
    let id = second["id"].as_str().unwrap();
    for _ in 0..2 {
        let cancelled = running.kept("POST", GPT_5, &format!("{id}/cancel")).await;
        assert_eq!(
            (cancelled.status, &cancelled.json()["status"]),
            (200, &json!("cancelled"))
        );
    }
    assert_eq!(running.kept("GET", GPT_5, id).await.json()["status"], "cancelled");

    let at_once = running.respond(GPT_5, &json!({"input": "x"})).await.json();
    let refused = running
        .kept(
            "POST",
            GPT_5,
            &format!("{}/cancel", at_once["id"].as_str().unwrap()),
        )
        .await;
    assert_eq!(
        (refused.status, &refused.json()["error"]["message"]),
        (400, &json!("Cannot cancel a synchronous response."))
    );
}

#[tokio::test]
async fn a_conversation_is_compacted_and_goes_on_from_there() {
    let running = Running::start().await;
    let input = json!([
        {"role": "user", "content": "remember plum"},
        {"role": "assistant", "content": "I do."},
        {"role": "user", "content": "and pear"},
    ]);
    let compacted = running
        .call(GPT_5, "/responses/compact", &json!({ "input": input }))
        .await;
    assert_eq!(compacted.status, 200, "{}", compacted.text());
    let compacted = compacted.json();
    assert_eq!(compacted["object"], "response.compaction");
    assert_eq!(kinds(&compacted["output"]), ["message", "message", "compaction"]);
    let mut input = compacted["output"].as_array().unwrap().clone();
    input.push(json!({"role": "user", "content": "go on"}));
    let reply = running.respond(GPT_5, &json!({ "input": input })).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let elsewhere = running.respond(GPT_5_5, &json!({ "input": input })).await;
    assert_eq!(elsewhere.json()["error"]["code"], "invalid_encrypted_content");
}

#[tokio::test]
async fn what_is_kept_can_be_referred_to() {
    let running = Running::start().await;
    let first = running.respond(GPT_5, &json!({"input": "plum"})).await.json();
    let [reasoning, message] = [0, 1].map(|at| first["output"][at]["id"].clone());
    let reference = |id: &Value| json!({"type": "item_reference", "id": id});
    let user = json!({"role": "user", "content": "x"});
    let good = json!({"store": false, "input": [user, reference(&reasoning), reference(&message), user]});
    assert_eq!(running.respond(GPT_5, &good).await.status, 200);
    let kept_reasoning = json!({"type": "reasoning", "id": reasoning, "summary": []});
    let good = json!({"input": [user, kept_reasoning, reference(&message), user]});
    assert_eq!(running.respond(GPT_5, &good).await.status, 200);
    let lone = json!({"input": [user, reference(&message), user]});
    let refused = running.respond(GPT_5, &lone).await.json();
    assert_eq!(
        refused["error"]["message"].as_str().unwrap(),
        format!(
            "Item '{}' of type 'message' was provided without its required 'reasoning' item: '{}'.",
            message.as_str().unwrap(),
            reasoning.as_str().unwrap()
        )
    );
}
