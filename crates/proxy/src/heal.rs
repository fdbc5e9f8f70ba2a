//! Healing: a request that a deployment refuses because of something that could be left out is sent again without it, and
//! what helped is remembered for that deployment.
//!
//! It happens before the agent has seen a byte. The request is written anew from the agent's body with the rules that
//! follow from the refusal, so what is left out is reported like everything else that is.

use std::sync::Arc;
use std::time::SystemTime;

use coretap_formats::limitation::Limitation;
use coretap_formats::{ModelFormat, read_refusal};

use crate::knowledge::{Knowledge, Lesson, ModelKnowledge};
use crate::problem::Problem;

/// How often a request is sent again because of it: agents trip over several things at once, and a refusal mostly names
/// the first one only.
const MOST_TIMES: u32 = 3;

/// What one request has been refused for so far, at one deployment.
#[derive(Default)]
pub(crate) struct Healing {
    times: u32,
    left_out: Vec<LeftOut>,
}

struct LeftOut {
    /// The format that the deployment refused it in.
    format: ModelFormat,
    limitation: Limitation,
    /// It was not refused again.
    helped: bool,
}

impl Healing {
    /// The request without what the refusal names; nothing where the refusal names nothing that could be left out, or
    /// nothing new, or nothing that the request has. `model` is what the refused request was written with; `prepare`
    /// writes it with what is known now, and gives nothing where that comes to the same request.
    ///
    /// # Errors
    /// Those of `prepare`.
    pub(crate) fn heal<Prepared>(
        &mut self,
        refusal: &str,
        model: &ModelKnowledge,
        prepare: impl FnOnce(Arc<ModelKnowledge>) -> Result<Option<Prepared>, Problem>,
    ) -> Result<Option<Prepared>, Problem> {
        let known = self.left_out.len();
        for limitation in read_refusal(refusal, model.format) {
            let is_same =
                |former: &&mut LeftOut| former.limitation == limitation && former.format == model.format;
            match self.left_out.iter_mut().find(is_same) {
                Some(former) => former.helped = false,
                None => self.left_out.push(LeftOut {
                    format: model.format,
                    limitation,
                    helped: true,
                }),
            }
        }
        if self.left_out.len() == known {
            return Ok(None);
        }
        if self.times < MOST_TIMES {
            self.times += 1;
            let mut model = model.clone();
            for new in self.left_out.iter().skip(known) {
                model.rules.limit(&new.limitation);
            }
            let healed = prepare(Arc::new(model))?;
            if healed.is_some() {
                return Ok(healed);
            }
        }
        // Nobody knows whether it would have helped.
        self.left_out.truncate(known);
        Ok(None)
    }

    /// Remembers what helped. To be called once the deployment has answered, or refused the request for another reason.
    pub(crate) fn remember(&self, knowledge: &Knowledge, model: &ModelKnowledge) {
        let lasting = |left_out: &&LeftOut| left_out.helped && left_out.limitation.lasts();
        for left_out in self.left_out.iter().filter(lasting) {
            let LeftOut {
                format, limitation, ..
            } = left_out;
            knowledge.learn(Lesson {
                deployment: model.deployment.to_string(),
                model: model.name.to_string(),
                format: *format,
                limitation: limitation.clone(),
                since: SystemTime::now(),
                words: limitation.refused(),
            });
        }
    }
}
