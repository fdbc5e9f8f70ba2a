//! The AI API (sap-wire.md §2): deployments, the catalogue, resource groups.

use http::Method;
use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::catalogue::{self, Family, Model};
use crate::deployments::{self, Deployment, RESOURCE_GROUPS, Restriction};
use crate::options::{BackendDetails, Options};
use crate::query;

/// Answers a path under `/v2/lm` or `/v2/admin`. `group` is the resource group of the request.
pub(crate) fn answer(
    method: &Method,
    segments: &[&str],
    query: &str,
    group: Option<&str>,
    base: &str,
    options: &Options,
) -> Answer {
    // The only list that needs no resource group.
    if let ["admin", "resourceGroups"] = segments {
        return resource_groups();
    }
    if let ["lm", "models"] = segments {
        return Answer::refusal(403, "RBAC: access denied");
    }
    let Some(group) = group else {
        return error(
            400,
            "01010001",
            "Header AI-Resource-Group is missing",
            "/api/v2/lm",
        );
    };
    if !RESOURCE_GROUPS.contains(&group) {
        return Answer::refusal(403, "RBAC: access denied");
    }
    if method != Method::GET {
        return error(405, "01010004", "Method not allowed", "/api/v2/lm");
    }
    match segments {
        ["lm", "deployments"] => list(group, query, base, options),
        ["lm", "deployments", "$count"] => Answer::text(200, &matching(group, query).count().to_string()),
        ["lm", "deployments", id] => match deployments::deployment(id, group) {
            Some(deployment) => Answer::json(
                200,
                deployment_row(deployment, base, BackendDetails::Both).to_string(),
            ),
            None => error(
                404,
                "01010076",
                "Deployment not found",
                &format!("/api/v2/deployments/{id}"),
            ),
        },
        ["lm", "configurations", id] => {
            match deployments::of_group(group).find(|row| configuration_id(row) == *id) {
                Some(deployment) => Answer::json(200, configuration(deployment).to_string()),
                None => error(
                    404,
                    "01010066",
                    "Configuration not found",
                    &format!("/api/v2/configurations/{id}"),
                ),
            }
        }
        ["lm", "scenarios", "foundation-models", "models"] => models(group),
        ["lm", "scenarios", _, "models"] => {
            Answer::json(200, json!({"count": 0, "resources": []}).to_string())
        }
        ["lm", "meta"] => Answer::json(
            200,
            json!({"runtimeIdentifier": "aicore", "runtimeApiVersion": "2.42.0"}).to_string(),
        ),
        _ => error(404, "01010002", "Resource not found", "/api/v2"),
    }
}

/// `{"error":{…}}` with SAP's eight-digit code (sap-wire.md §2.4).
fn error(status: u16, code: &str, message: &str, target: &str) -> Answer {
    let body = json!({"error": {
        "code": code,
        "message": message,
        "requestId": "b8c7d6e5-0000-4000-8000-000000000000",
        "target": target,
        "details": {},
    }});
    Answer::json(status, body.to_string()).because(message)
}

fn matching(group: &str, query: &str) -> impl Iterator<Item = &'static Deployment> {
    let scenario = query::value(query, "scenarioId");
    let status = query::value(query, "status");
    let configuration = query::value(query, "configurationId");
    let executables = query::value(query, "executableIds");
    deployments::of_group(group).filter(move |row| {
        scenario.as_ref().is_none_or(|wanted| wanted == row.scenario)
            && status.as_ref().is_none_or(|wanted| wanted == row.status)
            && configuration
                .as_ref()
                .is_none_or(|wanted| *wanted == configuration_id(row))
            && executables
                .as_ref()
                .is_none_or(|wanted| wanted.split(',').any(|id| id == executable(row)))
    })
}

fn list(group: &str, query: &str, base: &str, options: &Options) -> Answer {
    let number = |key: &str| query::value(query, key).map(|text| text.parse::<usize>());
    let (top, skip) = match (number("$top"), number("$skip")) {
        (Some(Err(_)), _) | (_, Some(Err(_))) => {
            return error(
                400,
                "01010003",
                "Invalid query parameter",
                "/api/v2/lm/deployments",
            );
        }
        (top, skip) => (top.and_then(Result::ok), skip.and_then(Result::ok)),
    };
    let allowed = [
        "PENDING",
        "RUNNING",
        "COMPLETED",
        "DEAD",
        "STOPPING",
        "STOPPED",
        "UNKNOWN",
    ];
    if query::value(query, "status").is_some_and(|status| !allowed.contains(&status.as_str())) {
        return error(
            400,
            "01010003",
            "Invalid query parameter: status",
            "/api/v2/lm/deployments",
        );
    }
    let all: Vec<&Deployment> = matching(group, query).collect();
    let rows: Vec<Value> = all
        .iter()
        .enumerate()
        .skip(skip.unwrap_or(0))
        .take(top.unwrap_or(10_000).min(options.page))
        .map(|(index, row)| {
            let spelling = match (options.backend_details, index % 3) {
                (BackendDetails::Mixed, 0) => BackendDetails::Both,
                (BackendDetails::Mixed, 1) => BackendDetails::Camel,
                (BackendDetails::Mixed, _) => BackendDetails::Snake,
                (spelling, _) => spelling,
            };
            deployment_row(row, base, spelling)
        })
        .collect();
    Answer::json(200, json!({"count": all.len(), "resources": rows}).to_string())
}

fn executable(row: &Deployment) -> &'static str {
    if row.orchestration() {
        "orchestration"
    } else {
        catalogue::model(row.model).map_or("", |model| model.executable)
    }
}

fn configuration_id(row: &Deployment) -> String {
    let (_, tail) = row.id.split_at_checked(4).unwrap_or(("", row.id));
    format!("7652a231-ba9b-4fcc-b473-{tail}")
}

fn configuration(row: &Deployment) -> Value {
    json!({
        "id": configuration_id(row),
        "name": row.configuration,
        "scenarioId": row.scenario,
        "executableId": executable(row),
        "createdAt": row.created,
        "parameterBindings": parameter_bindings(row),
        "inputArtifactBindings": [],
    })
}

fn parameter_bindings(row: &Deployment) -> Value {
    if !row.orchestration() {
        return json!([
            {"key": "modelName", "value": row.model},
            {"key": "modelVersion", "value": "latest"}
        ]);
    }
    let list = |models: &[&str]| {
        let models: Vec<Value> = models.iter().map(|name| json!({"modelName": name})).collect();
        Value::Array(models).to_string()
    };
    let (list, kind) = match row.restriction {
        // As SAP's tutorials write it.
        Restriction::Nothing => ("null".to_owned(), "allow"),
        Restriction::Allow(models) => (list(models), "allow"),
        Restriction::Deny(models) => (list(models), "deny"),
    };
    json!([
        {"key": "modelFilterList", "value": list},
        {"key": "modelFilterListType", "value": kind}
    ])
}

fn deployment_row(row: &Deployment, base: &str, spelling: BackendDetails) -> Value {
    let mut object = json!({
        "id": row.id,
        "createdAt": row.created,
        "modifiedAt": row.created,
        "status": row.status,
        "scenarioId": row.scenario,
        "configurationId": configuration_id(row),
        "configurationName": row.configuration,
        "lastOperation": "CREATE",
    });
    let Some(members) = object.as_object_mut() else {
        return object;
    };
    let mut set = |key: &str, value: Value| drop(members.insert(key.to_owned(), value));
    // A row whose details never came to be: it must not spoil the others.
    if row.status == "UNKNOWN" {
        set("statusMessage", json!("Unable to determine the status"));
        return object;
    }
    let target = if row.status == "STOPPED" {
        "STOPPED"
    } else {
        "RUNNING"
    };
    set("targetStatus", json!(target));
    set("submissionTime", json!(row.created));
    if row.running() {
        set("startTime", json!(row.created));
    }
    set("latestRunningConfigurationId", json!(configuration_id(row)));
    match row.status {
        "PENDING" => set("deploymentUrl", json!("")),
        _ => set(
            "deploymentUrl",
            json!(format!("{base}/v2/inference/deployments/{}", row.id)),
        ),
    }
    let model = if row.model.is_empty() {
        json!({})
    } else {
        json!({"model": {"name": row.model, "version": "latest"}})
    };
    set(
        "details",
        json!({"resources": spelt(&model, spelling), "scaling": spelt(&json!({}), spelling)}),
    );
    object
}

fn spelt(details: &Value, spelling: BackendDetails) -> Value {
    let mut object = Map::new();
    if spelling != BackendDetails::Snake {
        object.insert("backendDetails".to_owned(), details.clone());
    }
    if spelling != BackendDetails::Camel {
        object.insert("backend_details".to_owned(), details.clone());
    }
    Value::Object(object)
}

fn models(group: &str) -> Answer {
    let rows: Vec<Value> = catalogue::of_group(group).map(model_row).collect();
    Answer::json(200, json!({"count": rows.len(), "resources": rows}).to_string())
}

fn model_row(model: &Model) -> Value {
    let mut scenarios = Vec::new();
    if !model.executable.is_empty() {
        scenarios.push(json!({"executableId": model.executable, "scenarioId": "foundation-models"}));
    }
    scenarios.push(json!({"executableId": "orchestration", "scenarioId": "orchestration"}));
    let embedding = model.family == Family::Embedding;
    let mut capabilities = vec![if embedding {
        "embeddings"
    } else {
        "text-generation"
    }];
    let mut inputs = vec!["text"];
    if model.images {
        capabilities.push("image-recognition");
        inputs.push("image");
    }
    let versions: Vec<Value> = model
        .versions
        .iter()
        .enumerate()
        .map(|(index, version)| {
            json!({
                "name": version.name,
                "isLatest": index == 0,
                "deprecated": version.deprecated,
                "retirementDate": version.retirement,
                "contextLength": model.context,
                "inputTypes": inputs,
                "streamingSupported": model.streaming,
                "capabilities": capabilities,
                "orchestrationCapabilities": if model.streaming { vec!["streaming"] } else { vec![] },
                "suggestedReplacements": [],
                "metadata": [{"meanWinRate": "0.938"}, {"chatBotArenaScore": "1285"}],
                "cost": [{"inputCost": "0.00312"}, {"outputCost": "0.0092"}],
            })
        })
        .collect();
    json!({
        "model": model.name,
        "displayName": model.display,
        "executableId": if model.executable.is_empty() { "orchestration" } else { model.executable },
        "provider": model.provider,
        "accessType": "Remote",
        "description": format!("{} by {}", model.display, model.provider),
        "allowedScenarios": scenarios,
        "versions": versions,
    })
}

fn resource_groups() -> Answer {
    let rows: Vec<Value> = RESOURCE_GROUPS
        .iter()
        .map(|name| {
            json!({
                "resourceGroupId": name,
                "tenantId": "00000000-0000-4000-8000-000000000001",
                "zoneId": "",
                "createdAt": "2025-01-01T00:00:00Z",
                "labels": [{"key": "ext.ai.sap.com/team", "value": "coretap"}],
                "status": "PROVISIONED",
                "statusMessage": "All onboarding steps are completed.",
                "servicePlan": "extended",
            })
        })
        .collect();
    Answer::json(200, json!({"count": rows.len(), "resources": rows}).to_string())
}
