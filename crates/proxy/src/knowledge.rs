//! What is worked out or learned once per model and route, so that no request does it again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use coretap_aicore::{Family, Route};
use coretap_formats::ModelFormat;
use coretap_formats::rules::{ModelRules, Rules};
use http::HeaderValue;

/// More models than any tenant has; when agents invent names, everything is worked out anew.
const MOST_MODELS: usize = 256;

/// What is known of one model on one route.
pub(crate) struct ModelKnowledge {
    /// What the route speaks.
    pub(crate) format: ModelFormat,
    /// SAP's name of the model.
    pub(crate) name: Arc<str>,
    /// The same as the header `x-coretap-model`.
    pub(crate) header: Option<HeaderValue>,
    /// The rules that hold.
    pub(crate) rules: ModelRules,
    /// Set once the model has said that it does not stream.
    cannot_stream: AtomicBool,
}

impl ModelKnowledge {
    pub(crate) fn cannot_stream(&self) -> bool {
        self.cannot_stream.load(Ordering::Relaxed)
    }

    pub(crate) fn learn_that_it_cannot_stream(&self) {
        self.cannot_stream.store(true, Ordering::Relaxed);
    }
}

/// What is known of all models.
pub(crate) struct Knowledge {
    rules: Rules,
    models: RwLock<HashMap<String, Vec<Arc<ModelKnowledge>>>>,
}

impl Knowledge {
    pub(crate) fn new(rules: Rules) -> Self {
        Knowledge {
            rules,
            models: RwLock::default(),
        }
    }

    pub(crate) fn of(&self, route: &Route) -> Arc<ModelKnowledge> {
        let format = format_of(route.family);
        {
            let models = self.models.read().unwrap_or_else(PoisonError::into_inner);
            let known = models
                .get(&route.model)
                .and_then(|known| known.iter().find(|one| one.format == format));
            if let Some(known) = known {
                return Arc::clone(known);
            }
        }
        let new = Arc::new(ModelKnowledge {
            format,
            name: Arc::from(route.model.as_str()),
            header: HeaderValue::from_str(&route.model).ok(),
            rules: self.rules.for_model(format, &route.model),
            cannot_stream: AtomicBool::new(false),
        });
        let mut models = self.models.write().unwrap_or_else(PoisonError::into_inner);
        if models.len() >= MOST_MODELS {
            models.clear();
        }
        models
            .entry(route.model.clone())
            .or_default()
            .push(Arc::clone(&new));
        new
    }
}

fn format_of(family: Family) -> ModelFormat {
    match family {
        Family::Orchestration => ModelFormat::Orchestration,
        Family::Claude => ModelFormat::Claude,
        Family::AzureOpenAi => ModelFormat::AzureChat,
    }
}
