//! What differs by model or changes with time, as data.

/// All rules.
#[derive(Debug, Default)]
pub struct Rules {}

impl Rules {
    /// The rules that are built in.
    pub fn embedded() -> Self {
        Rules {}
    }

    /// What holds for one model (SAP's name) on one route.
    pub fn for_model(&self, format: crate::ModelFormat, model: &str) -> ModelRules {
        let _ = (format, model);
        ModelRules {}
    }
}

/// What holds for one model on one route. Kept with the route: it is worked out once, not once per request.
#[derive(Clone, Debug, Default)]
pub struct ModelRules {}
