//! Where an asked name leads: through aliases and names to a model, and to the deployment that answers for it.

use url::Url;

use crate::aliases::Aliases;
use crate::catalogue::{Catalogue, CatalogueModel};
use crate::deployments::Deployments;
use crate::error::Error;
use crate::excerpt::excerpt;
use crate::names::{self, Known, Resolution};
use crate::route::{Family, Route, Routes, direct_family};

/// What a model is asked to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// The next message of a conversation.
    Chat,
    /// Vectors of texts.
    Embeddings,
}

impl Purpose {
    /// What a model is for, by the capabilities that the catalogue lists, else by its name. `None` if neither says so.
    pub(crate) fn of(name: &str, entry: Option<&CatalogueModel>) -> Option<Self> {
        let capabilities = entry
            .and_then(CatalogueModel::latest)
            .map(|latest| latest.capabilities.as_slice())
            .unwrap_or_default();
        if capabilities.is_empty() {
            return name
                .to_ascii_lowercase()
                .contains("embed")
                .then_some(Self::Embeddings);
        }
        let can = |word: &str| capabilities.iter().any(|capability| capability.contains(word));
        if can("text-generation") {
            Some(Self::Chat)
        } else {
            can("embedding").then_some(Self::Embeddings)
        }
    }
}

/// What the person has chosen for a connection.
pub(crate) struct Choice {
    /// True: all models through orchestration. False: each at a deployment of its own.
    pub(crate) orchestration: bool,
    /// The model for names that mean nothing here.
    pub(crate) model: Option<String>,
    /// The deployment to use while it runs.
    pub(crate) deployment: Option<String>,
    /// Names of the person's own.
    pub(crate) aliases: Aliases,
}

/// Everything that decides where a name leads.
pub(crate) struct Routing<'a> {
    pub(crate) base_url: &'a Url,
    pub(crate) resource_group: &'a str,
    pub(crate) choice: &'a Choice,
    pub(crate) deployments: &'a Deployments,
    pub(crate) catalogue: Option<&'a Catalogue>,
}

/// A name that leads nowhere, and the alias that it comes from.
struct Unresolved<'a> {
    name: &'a str,
    alias: Option<String>,
}

impl Routing<'_> {
    /// The routes of a name.
    ///
    /// # Errors
    /// [`Error::ModelUnknown`], [`Error::ModelRestricted`], [`Error::ModelPurpose`], [`Error::NoDeployment`],
    /// [`Error::NoOrchestrationDeployment`], [`Error::FamilyUnsupported`].
    pub(crate) fn find(&self, asked: &str, purpose: Purpose) -> Result<Routes, Error> {
        if self.choice.orchestration {
            self.through_orchestration(asked, purpose)
        } else {
            self.direct(asked, purpose)
        }
    }

    fn through_orchestration(&self, asked: &str, purpose: Purpose) -> Result<Routes, Error> {
        let running = self.deployments.orchestration(self.choice.deployment.as_deref());
        if running.is_empty() {
            return Err(Error::NoOrchestrationDeployment {
                resource_group: self.resource_group.to_owned(),
            });
        }
        let names: Vec<&str> = self
            .catalogue
            .into_iter()
            .flat_map(Catalogue::of_orchestration)
            .map(|model| model.name.as_str())
            .collect();
        let known = if names.is_empty() {
            Known::Unavailable
        } else {
            Known::All(&names)
        };
        let allowed = |name: &str| running.iter().any(|deployment| deployment.lets_through(name));
        let on_offer = || {
            let for_it = names
                .iter()
                .copied()
                .filter(|name| self.is_for(name, purpose) && allowed(name));
            sorted(for_it)
        };
        let resolution = self
            .resolve(asked, known, purpose)
            .map_err(|unresolved| Error::ModelUnknown {
                asked: excerpt(unresolved.name, 100),
                alias: unresolved.alias,
                available: on_offer(),
            })?;
        let Resolution { model, long_context } = resolution;
        self.check_purpose(&model, purpose, on_offer)?;
        let family = Family::Orchestration;
        let mut routes = Vec::with_capacity(running.len());
        for deployment in &running {
            if deployment.lets_through(&model) {
                let model = model.clone();
                let route = Route::new(self.base_url, deployment, family, purpose, model, long_context)?;
                routes.push(route);
            }
        }
        Routes::new(routes).ok_or_else(|| Error::ModelRestricted {
            resource_group: self.resource_group.to_owned(),
            model,
            allowed: on_offer(),
        })
    }

    fn direct(&self, asked: &str, purpose: Purpose) -> Result<Routes, Error> {
        let names: Vec<&str> = self
            .deployments
            .foundation()
            .filter_map(|row| row.model.as_deref())
            .collect();
        let not_deployed = |model: &str, alias| Error::NoDeployment {
            resource_group: self.resource_group.to_owned(),
            model: excerpt(model, 100),
            alias,
            running: self.deployments.running_models(),
        };
        let Resolution { model, long_context } = self
            .resolve(asked, Known::All(&names), purpose)
            .map_err(|unresolved| not_deployed(&names::likely(unresolved.name), unresolved.alias))?;
        self.check_purpose(&model, purpose, || {
            let for_it = names.iter().copied().filter(|name| self.is_for(name, purpose));
            sorted(for_it)
        })?;
        let deployments = self
            .deployments
            .of_model(&model, self.choice.deployment.as_deref());
        let listed = || self.catalogue?.model(&model)?.executable_id.as_deref();
        let mut routes = Vec::with_capacity(deployments.len());
        let mut unsupported = None;
        for deployment in deployments {
            let executable = deployment.executable_id.as_deref().or_else(listed);
            match direct_family(&model, executable, purpose) {
                Ok(family) => {
                    let model = model.clone();
                    let route = Route::new(self.base_url, deployment, family, purpose, model, long_context)?;
                    routes.push(route);
                }
                // Another deployment of the model may speak another API.
                Err(reason) => unsupported = unsupported.or(Some(reason)),
            }
        }
        Routes::new(routes).ok_or_else(|| match unsupported {
            Some(reason) => Error::FamilyUnsupported { model, reason },
            None => not_deployed(&model, None),
        })
    }

    /// What a name means. An alias is the person's own wish and goes before every other meaning of its name; where it
    /// leads is no alias again. The selected model answers for unknown names in conversations: vectors of another model
    /// would be of no use.
    fn resolve<'n>(
        &'n self,
        asked: &'n str,
        known: Known<'_>,
        purpose: Purpose,
    ) -> Result<Resolution, Unresolved<'n>> {
        let aliases = &self.choice.aliases;
        let (name, long_context) = names::strip(asked);
        if let Some(alias) = aliases.find(&[asked.trim(), name]) {
            let found = names::resolve(&alias.model, known, None);
            return found
                .map(|target| Resolution {
                    long_context: target.long_context || long_context,
                    ..target
                })
                .ok_or_else(|| Unresolved {
                    name: &alias.model,
                    alias: Some(alias.name.clone()),
                });
        }
        let selected = self.choice.model.as_deref().filter(|_| purpose == Purpose::Chat);
        names::resolve(asked, known, selected).ok_or(Unresolved {
            name: asked,
            alias: None,
        })
    }

    fn purpose(&self, model: &str) -> Option<Purpose> {
        let entry = self.catalogue.and_then(|catalogue| catalogue.model(model));
        Purpose::of(model, entry)
    }

    /// Whether a list of models for this purpose should name it.
    fn is_for(&self, model: &str, purpose: Purpose) -> bool {
        (self.purpose(model) == Some(Purpose::Embeddings)) == (purpose == Purpose::Embeddings)
    }

    fn check_purpose(
        &self,
        model: &str,
        purpose: Purpose,
        on_offer: impl FnOnce() -> Vec<String>,
    ) -> Result<(), Error> {
        match self.purpose(model) {
            Some(of) if of != purpose => Err(Error::ModelPurpose {
                model: model.to_owned(),
                purpose,
                available: on_offer(),
            }),
            _ => Ok(()),
        }
    }
}

fn sorted<'n>(names: impl Iterator<Item = &'n str>) -> Vec<String> {
    let mut names: Vec<_> = names.map(str::to_owned).collect();
    names.sort_unstable();
    names.dedup();
    names
}
