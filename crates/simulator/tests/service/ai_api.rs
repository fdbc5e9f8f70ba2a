use bytes::Bytes;
use serde_json::{Value, json};

use crate::client::{GPT_4O, Running};

fn rows(list: &Value) -> &Vec<Value> {
    list["resources"].as_array().unwrap()
}

#[tokio::test]
async fn deployments_hold_every_kind_of_row() {
    let running = Running::start().await;
    let list = running.get("/v2/lm/deployments").await.json();
    let rows = rows(&list);
    assert_eq!(list["count"], rows.len());
    for status in ["RUNNING", "STOPPED", "PENDING", "DEAD", "UNKNOWN"] {
        assert!(rows.iter().any(|row| row["status"] == status), "{status}");
    }
    let pending = rows.iter().find(|row| row["status"] == "PENDING").unwrap();
    assert_eq!(pending["deploymentUrl"], "");
    let unknown = rows.iter().find(|row| row["status"] == "UNKNOWN").unwrap();
    assert!(unknown.get("details").is_none() && unknown.get("deploymentUrl").is_none());
    let orchestration = rows
        .iter()
        .filter(|row| row["scenarioId"] == "orchestration")
        .count();
    assert_eq!(orchestration, 2);
    assert!(rows.iter().any(|row| row["scenarioId"] == "llm-orchestration"));
    let camel = rows
        .iter()
        .filter(|row| row.pointer("/details/resources/backendDetails").is_some())
        .count();
    let snake = rows
        .iter()
        .filter(|row| row.pointer("/details/resources/backend_details").is_some())
        .count();
    assert!(
        camel > 0 && snake > 0 && camel < rows.len() && snake < rows.len(),
        "{camel} {snake}"
    );
}

#[tokio::test]
async fn deployments_are_filtered_paged_and_counted() {
    let mut running = Running::start().await;
    running.renew().await;
    let running = running;
    let get = |query: &'static str| {
        let running = &running;
        async move { running.get(&format!("/v2/lm/deployments{query}")).await }
    };
    let filtered = get("?scenarioId=orchestration&status=RUNNING").await.json();
    assert_eq!(filtered["count"], 2);
    let azure = get("?scenarioId=foundation-models&executableIds=azure-openai,x&status=RUNNING")
        .await
        .json();
    assert_eq!(azure["count"], 6);
    let page = get("?%24top=2&%24skip=1").await.json();
    assert_eq!(rows(&page).len(), 2);
    assert!(page["count"].as_u64().unwrap() > 2);
    let count = get("/$count?status=RUNNING").await;
    assert_eq!(count.text(), "12");
    assert_eq!(get("?status=ASLEEP").await.status, 400);
    assert_eq!(get("?$top=x").await.status, 400);

    running
        .control(
            "POST",
            "settings",
            &json!({"page": 3, "backend_details": "snake"}),
        )
        .await;
    let short = get("").await.json();
    assert_eq!(rows(&short).len(), 3);
    assert!(!short.to_string().contains("backendDetails"));

    let one = get("/d19b998f347341aa").await.json();
    assert_eq!(
        (&one["id"], &one["configurationName"]),
        (&json!(GPT_4O), &json!("gpt-4o"))
    );
    let none = get("/dxyz").await;
    assert_eq!(
        (none.status, &none.json()["error"]["code"]),
        (404, &json!("01010076"))
    );
}

#[tokio::test]
async fn the_catalogue_has_every_kind_of_model() {
    let running = Running::start().await;
    let list = running
        .get("/v2/lm/scenarios/foundation-models/models")
        .await
        .json();
    let rows = rows(&list);
    assert!((15..=25).contains(&rows.len()));
    let versions = |row: &Value| row["versions"].as_array().unwrap().clone();
    for row in rows {
        assert_eq!(
            versions(row)
                .iter()
                .filter(|version| version["isLatest"] == true)
                .count(),
            1,
            "{row}"
        );
    }
    let any = |test: &dyn Fn(&Value) -> bool| rows.iter().any(|row| versions(row).iter().any(test));
    assert!(rows.iter().any(|row| versions(row).len() > 1));
    assert!(any(&|version| version["deprecated"] == true));
    assert!(any(&|version| version["streamingSupported"] == false));
    assert!(any(&|version| version["capabilities"] == json!(["embeddings"])));
    assert!(any(&|version| version["contextLength"].as_u64().unwrap() < 32_000));
    assert!(any(&|version| version["cost"][0]["inputCost"].is_string()));
    let abap = rows.iter().find(|row| row["model"] == "sap-abap-1").unwrap();
    assert_eq!(abap["allowedScenarios"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_gateway_refuses_in_plain_text_and_the_api_in_json() {
    let running = Running::start().await;
    let bearer = format!("Bearer {}", running.token());
    let with = |group: Option<&'static str>, method: &'static str, path: &'static str| {
        let (running, bearer) = (&running, &bearer);
        async move {
            let mut headers = vec![
                ("authorization", bearer.as_str()),
                ("content-type", "application/json"),
            ];
            headers.extend(group.map(|group| ("ai-resource-group", group)));
            running
                .send(method, path, &headers, Bytes::from_static(b"{}"))
                .await
        }
    };
    let models = with(Some("default"), "GET", "/v2/lm/models").await;
    assert_eq!((models.status, models.text()), (403, "RBAC: access denied"));
    let no_group = with(None, "GET", "/v2/lm/deployments").await;
    assert_eq!(no_group.status, 400);
    assert!(
        no_group.json()["error"]["message"]
            .as_str()
            .unwrap()
            .contains("AI-Resource-Group")
    );
    let foreign = with(Some("foreign"), "GET", "/v2/lm/deployments").await;
    assert_eq!((foreign.status, foreign.text()), (403, "RBAC: access denied"));
    let empty = with(Some("empty"), "GET", "/v2/lm/deployments").await;
    assert_eq!(empty.json(), json!({"count": 0, "resources": []}));

    let invoke = "/v2/inference/deployments/d3f1a2b4c5d6e7f8/invoke";
    assert_eq!(with(None, "POST", invoke).await.text(), "RBAC: access denied");
    assert_eq!(with(Some("foreign"), "POST", invoke).await.status, 403);
    assert_eq!(with(Some("empty"), "POST", invoke).await.status, 404);
    let cases = [
        (
            "/v2/inference/deployments/dxyz/invoke",
            404,
            "deployment not found",
        ),
        (
            "/v2/inference/deployments/d6e5d4c3b2a19087/chat/completions",
            404,
            "deployment not found",
        ),
        (
            "/v2/inference/deployments/d8deadbeef000001/chat/completions",
            503,
            "no healthy upstream",
        ),
        (
            "/v2/inference/deployments/d3f1a2b4c5d6e7f8/chat/completions",
            404,
            "Not Found",
        ),
        (
            "/v2/inference/deployments/d0aa11bb22cc33dd/completion",
            404,
            "Not Found",
        ),
    ];
    for (path, status, text) in cases {
        let reply = with(Some("default"), "POST", path).await;
        assert_eq!((reply.status, reply.text()), (status, text), "{path}");
    }
    let groups = with(None, "GET", "/v2/admin/resourceGroups").await.json();
    assert_eq!(rows(&groups)[0]["resourceGroupId"], "default");
}
