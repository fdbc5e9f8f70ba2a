//! Routes that were found once, by asked name, as long as the lists that they follow from are the current ones.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::catalogue::Catalogue;
use crate::deployments::Deployments;
use crate::route::Routes;
use crate::routing::Purpose;

/// Agents ask for a handful of names; whoever asks for many begins anew.
const MOST_ROUTES: usize = 256;
const LONGEST_NAME: usize = 200;

#[derive(Default)]
pub(crate) struct KnownRoutes(RwLock<Option<Known>>);

/// What follows from these two lists.
struct Known {
    deployments: Arc<Deployments>,
    catalogue: Option<Arc<Catalogue>>,
    for_chat: HashMap<Box<str>, Arc<Routes>>,
    for_embeddings: HashMap<Box<str>, Arc<Routes>>,
}

impl KnownRoutes {
    /// The routes of a name by these lists, if they were found before.
    pub(crate) fn find(
        &self,
        asked: &str,
        purpose: Purpose,
        deployments: &Arc<Deployments>,
        catalogue: Option<&Arc<Catalogue>>,
    ) -> Option<Arc<Routes>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let known = known
            .as_ref()
            .filter(|known| known.is_of(deployments, catalogue))?;
        let by_name = match purpose {
            Purpose::Chat => &known.for_chat,
            Purpose::Embeddings => &known.for_embeddings,
        };
        by_name.get(asked).cloned()
    }

    /// Keeps what was found by these lists, and forgets what followed from others.
    pub(crate) fn remember(
        &self,
        asked: &str,
        purpose: Purpose,
        found: Routes,
        deployments: Arc<Deployments>,
        catalogue: Option<Arc<Catalogue>>,
    ) -> Arc<Routes> {
        let found = Arc::new(found);
        if asked.len() <= LONGEST_NAME {
            let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
            let current = known.take().filter(|known| {
                known.is_of(&deployments, catalogue.as_ref())
                    && known.for_chat.len() + known.for_embeddings.len() < MOST_ROUTES
            });
            let known = known.insert(current.unwrap_or_else(|| Known {
                deployments,
                catalogue,
                for_chat: HashMap::new(),
                for_embeddings: HashMap::new(),
            }));
            let by_name = match purpose {
                Purpose::Chat => &mut known.for_chat,
                Purpose::Embeddings => &mut known.for_embeddings,
            };
            by_name.insert(asked.into(), Arc::clone(&found));
        }
        found
    }
}

impl Known {
    fn is_of(&self, deployments: &Arc<Deployments>, catalogue: Option<&Arc<Catalogue>>) -> bool {
        Arc::ptr_eq(&self.deployments, deployments)
            && match (&self.catalogue, catalogue) {
                (Some(mine), Some(current)) => Arc::ptr_eq(mine, current),
                (None, None) => true,
                _ => false,
            }
    }
}
