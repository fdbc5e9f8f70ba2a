//! Where a request goes.

use crate::ModelFormat;
use crate::rules::ModelRules;

/// Where a request goes.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// What the route speaks.
    pub format: ModelFormat,
    /// SAP's name of the model.
    pub model: &'a str,
    /// Whether the agent asked for the long context (`[1m]` behind the model's name).
    pub long_context: bool,
    /// The rules for this model on this route.
    pub rules: &'a ModelRules,
    /// Whether the upstream shall stream; absent is as the agent asks. `Some(false)` for models that cannot.
    pub stream: Option<bool>,
}
