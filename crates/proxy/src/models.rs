//! `/v1/models`: what agents may ask for.

use coretap_aicore::{AiCore, Error, SelectableModel, Selection};
use coretap_formats::{AgentFormat, ListedModel, model_entry, model_list};

use crate::problem::Problem;

/// The list in the agent's shape. Anthropic's clients ask no model for embeddings; all others may.
pub(crate) async fn list(aicore: &AiCore, agent: AgentFormat) -> Result<Vec<u8>, Problem> {
    let models = offered(aicore, agent).await?;
    let listed: Vec<_> = models
        .iter()
        .map(|(model, embeds)| listed(model, id(model, agent), *embeds))
        .collect();
    Ok(model_list(agent, &listed))
}

/// One entry of the list, under the name it was asked by.
pub(crate) async fn entry(aicore: &AiCore, agent: AgentFormat, asked: &str) -> Result<Vec<u8>, Problem> {
    let models = offered(aicore, agent).await?;
    let named = |name: &str| {
        models
            .iter()
            .find(|(model, _)| model.name.eq_ignore_ascii_case(name))
    };
    let model = match named(asked) {
        Some(model) => Some(model),
        // Whatever name a request may carry is a name of a model here too.
        None => match aicore.route(asked).await {
            Err(Error::ModelPurpose { model, .. }) => named(&model),
            route => named(&route?.model),
        },
    };
    let (model, embeds) = model.ok_or_else(|| Problem::model_not_listed(asked))?;
    Ok(model_entry(agent, &listed(model, asked, *embeds)))
}

/// Every model that agents of this format may ask for, and whether it makes embeddings.
async fn offered(aicore: &AiCore, agent: AgentFormat) -> Result<Vec<(SelectableModel, bool)>, Problem> {
    let Selection {
        models, embeddings, ..
    } = aicore.selection().await?;
    let mut offered: Vec<_> = models.into_iter().map(|model| (model, false)).collect();
    if agent != AgentFormat::Messages {
        offered.extend(embeddings.into_iter().map(|model| (model, true)));
    }
    Ok(offered)
}

/// Claude Code tells what a model can do by its name, so it gets the names that it knows; everybody else gets SAP's.
fn id(model: &SelectableModel, agent: AgentFormat) -> &str {
    match agent {
        AgentFormat::Messages => model.agent_alias.as_deref().unwrap_or(&model.name),
        AgentFormat::ChatCompletions | AgentFormat::Responses | AgentFormat::Gemini => &model.name,
    }
}

fn listed<'a>(model: &'a SelectableModel, id: &'a str, embeds: bool) -> ListedModel<'a> {
    ListedModel {
        id,
        display_name: &model.display_name,
        owner: model.provider.as_deref().unwrap_or("sap-ai-core"),
        created: 0,
        deprecated: model.deprecated,
        retirement_date: model.retirement_date.as_deref(),
        embeds,
        context_length: model.context_length,
    }
}
