//! What many suites begin with: a request of an agent, written for a model.

use coretap_formats::rules::Rules;
use coretap_formats::{
    AgentFormat, ModelFormat, ReadError, RequestHead, Target, UpstreamRequest, write_request,
};
use serde_json::Value;

/// Writes what an agent sends for a model of this route, with the rules that are built in.
pub(crate) fn write(
    agent: AgentFormat,
    body: &Value,
    format: ModelFormat,
    model: &str,
) -> Result<UpstreamRequest, ReadError> {
    let rules = Rules::embedded().for_model(format, model);
    let target = Target {
        format,
        model,
        long_context: false,
        rules: &rules,
        responses: None,
    };
    let head = RequestHead {
        format: agent,
        betas: "",
        streams: false,
    };
    write_request(&head, body.to_string().as_bytes(), &target)
}
