//! What is worked out once or learned for each model at each deployment, so that no request does it again.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::time::SystemTime;

use coretap_aicore::{Family, Route};
use coretap_formats::limitation::Limitation;
use coretap_formats::rules::{ModelRules, Rules};
use coretap_formats::{ModelFormat, OrchestrationModules};
use http::HeaderValue;
use tokio::sync::mpsc;

/// More models than any tenant has; when agents invent names, everything is worked out anew.
const MOST_MODELS: usize = 256;
/// More deployments of one model than are in use; those that were replaced are not asked any more.
const MOST_DEPLOYMENTS: usize = 16;

/// What a deployment has taught: one thing that it does not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lesson {
    /// The deployment's id.
    pub deployment: String,
    /// SAP's name of the model.
    pub model: String,
    /// What the deployment speaks.
    pub format: ModelFormat,
    /// What it does not take.
    pub limitation: Limitation,
    /// When it said so.
    pub since: SystemTime,
    /// What it refused, in Coretap's words: the upstream's may repeat what a prompt says.
    pub words: String,
}

impl Lesson {
    /// A name that a person can type: the deployment, the model and what is left out.
    pub fn id(&self) -> String {
        format!("{}/{}/{}", self.deployment, self.model, self.limitation.name())
    }

    /// Whether both are about the same thing, so that the newer one takes the place of the other.
    pub fn is_about_the_same(&self, other: &Lesson) -> bool {
        self.format == other.format && self.id() == other.id()
    }

    fn concerns(&self, route: &Route, format: ModelFormat) -> bool {
        self.deployment == route.deployment_id && self.model == route.model && self.format == format
    }
}

/// What is known of one model at one deployment.
#[derive(Clone)]
pub(crate) struct ModelKnowledge {
    /// What the deployment speaks.
    pub(crate) format: ModelFormat,
    /// The deployment's id.
    pub(crate) deployment: Arc<str>,
    /// The same as the header `x-coretap-deployment`.
    pub(crate) deployment_header: Option<HeaderValue>,
    /// SAP's name of the model.
    pub(crate) name: Arc<str>,
    /// The same as the header `x-coretap-model`.
    pub(crate) header: Option<HeaderValue>,
    /// The rules that hold, with what was learned.
    pub(crate) rules: ModelRules,
    /// The modules of orchestration that the rules were worked out for.
    pub(crate) modules: Arc<OrchestrationModules>,
}

impl ModelKnowledge {
    /// The same under the name of the model that has answered, after so many of the request's list had failed.
    pub(crate) fn answered_after(self: Arc<Self>, failed_models: usize) -> Arc<Self> {
        let Some(fallback) = self.rules.fallback(failed_models) else {
            return self;
        };
        Arc::new(ModelKnowledge {
            name: Arc::from(fallback),
            header: HeaderValue::from_str(fallback).ok(),
            ..(*self).clone()
        })
    }
}

/// What is known of all models. Clones of its `Arc` are one; whoever changes it changes it for every request that begins
/// afterwards.
pub struct Knowledge {
    known: RwLock<Known>,
    learned: Option<mpsc::UnboundedSender<Lesson>>,
}

struct Known {
    rules: Rules,
    lessons: Vec<Lesson>,
    /// What followed from both so far, by SAP's name of the model.
    models: HashMap<String, Vec<Arc<ModelKnowledge>>>,
}

impl Default for Knowledge {
    /// The built-in rules and nothing learned; what is learned lasts as long as this.
    fn default() -> Self {
        Knowledge::new(Rules::embedded(), Vec::new(), None)
    }
}

impl Knowledge {
    /// Knows these rules and lessons. Every new lesson is sent to `learned`; there are as many as deployments refuse
    /// different things, so nobody need hurry to take them.
    pub fn new(rules: Rules, lessons: Vec<Lesson>, learned: Option<mpsc::UnboundedSender<Lesson>>) -> Self {
        Knowledge {
            known: RwLock::new(Known {
                rules,
                lessons,
                models: HashMap::new(),
            }),
            learned,
        }
    }

    /// Everything learned so far, the oldest first.
    pub fn lessons(&self) -> Vec<Lesson> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.lessons.clone()
    }

    /// Knows these lessons instead of those so far.
    pub fn set_lessons(&self, lessons: Vec<Lesson>) {
        let mut known = self.write();
        known.lessons = lessons;
        known.models.clear();
    }

    /// Follows these rules instead of those so far.
    pub fn set_rules(&self, rules: Rules) {
        let mut known = self.write();
        known.rules = rules;
        known.models.clear();
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a lesson in, and tells it, unless it is known already.
    pub(crate) fn learn(&self, lesson: Lesson) {
        let mut known = self.write();
        let same = known
            .lessons
            .iter()
            .position(|former| former.is_about_the_same(&lesson));
        if let Some(same) = same {
            if known
                .lessons
                .get(same)
                .is_some_and(|former| former.limitation == lesson.limitation)
            {
                return;
            }
            known.lessons.remove(same);
        }
        known.models.remove(&lesson.model);
        known.lessons.push(lesson.clone());
        drop(known);
        tracing::info!(id = lesson.id(), "learned from a refusal: {}", lesson.limitation);
        if let Some(learned) = &self.learned {
            // Nobody keeps lessons any more when the one who would take it has ended.
            let _ = learned.send(lesson);
        }
    }

    /// What is known of the route's model, in the format of its family, at a connection with these modules.
    pub(crate) fn of(&self, route: &Route, modules: &Arc<OrchestrationModules>) -> Arc<ModelKnowledge> {
        self.of_format(route, format_of(route.family), modules)
    }

    /// The same for Azure's Responses, where the route has them.
    pub(crate) fn of_responses(
        &self,
        route: &Route,
        modules: &Arc<OrchestrationModules>,
    ) -> Option<Arc<ModelKnowledge>> {
        (route.family == Family::AzureOpenAi)
            .then(|| self.of_format(route, ModelFormat::AzureResponses, modules))
    }

    fn of_format(
        &self,
        route: &Route,
        format: ModelFormat,
        modules: &Arc<OrchestrationModules>,
    ) -> Arc<ModelKnowledge> {
        let is_wanted = |one: &&Arc<ModelKnowledge>| {
            one.format == format
                && *one.deployment == *route.deployment_id
                && Arc::ptr_eq(&one.modules, modules)
        };
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            let models = known.models.get(&route.model);
            if let Some(model) = models.and_then(|models| models.iter().find(is_wanted)) {
                return Arc::clone(model);
            }
        }
        let mut known = self.write();
        let mut rules = known.rules.for_model_with(format, &route.model, modules);
        for lesson in known
            .lessons
            .iter()
            .filter(|lesson| lesson.concerns(route, format))
        {
            rules.limit(&lesson.limitation);
        }
        let new = Arc::new(ModelKnowledge {
            format,
            deployment: Arc::from(route.deployment_id.as_str()),
            deployment_header: HeaderValue::from_str(&route.deployment_id).ok(),
            name: Arc::from(route.model.as_str()),
            header: HeaderValue::from_str(&route.model).ok(),
            rules,
            modules: Arc::clone(modules),
        });
        if known.models.len() >= MOST_MODELS {
            known.models.clear();
        }
        let models = known.models.entry(route.model.clone()).or_default();
        if models.len() >= MOST_DEPLOYMENTS {
            models.clear();
        }
        models.push(Arc::clone(&new));
        new
    }
}

fn format_of(family: Family) -> ModelFormat {
    match family {
        Family::Orchestration => ModelFormat::Orchestration,
        Family::Claude => ModelFormat::Claude,
        Family::AzureOpenAi => ModelFormat::AzureChat,
        Family::Vertex => ModelFormat::Vertex,
        Family::Converse => ModelFormat::Converse,
        Family::Cohere => ModelFormat::Cohere,
        // The last two make embeddings only, whose format is chosen by the family. The rules of these are those of Azure's.
        Family::OpenAiCompatible | Family::Titan | Family::Nvidia => ModelFormat::OpenAiCompatible,
    }
}
