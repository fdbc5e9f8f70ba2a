//! `/v1/models`: what agents may ask for.

use coretap_aicore::{Error, SelectableModel, Selection};
use coretap_formats::{AgentFormat, ListedModel, model_entry, model_list};

use crate::configuration::Configuration;
use crate::problem::Problem;

/// The list in the agent's shape. Anthropic's clients ask no model for embeddings; all others may.
pub(crate) async fn list(configuration: &Configuration, agent: AgentFormat) -> Result<Vec<u8>, Problem> {
    let models = offered(configuration, agent).await?;
    let listed: Vec<_> = models
        .iter()
        .map(|(model, embeds)| listed(model, id(model, agent), *embeds))
        .collect();
    Ok(model_list(agent, &listed))
}

/// One entry of the list, under the name it was asked by.
pub(crate) async fn entry(
    configuration: &Configuration,
    agent: AgentFormat,
    asked: &str,
) -> Result<Vec<u8>, Problem> {
    let models = offered(configuration, agent).await?;
    let named = |name: &str| {
        models
            .iter()
            .find(|(model, _)| model.name.eq_ignore_ascii_case(name))
    };
    let model = match named(asked) {
        Some(model) => Some(model),
        // Whatever name a request may carry is a name of a model here too.
        None => match configuration.selected.aicore.route(asked).await {
            Err(Error::ModelPurpose { model, .. }) => named(&model),
            route => named(&route?.model),
        },
    };
    let (model, embeds) = model.ok_or_else(|| Problem::model_not_listed(asked))?;
    Ok(model_entry(agent, &listed(model, asked, *embeds)))
}

/// Whether anybody offers a model that agents ask for by `asked`, as far as the lists that are there say so.
///
/// # Errors
/// Why the selected connection does not, where none does.
pub(crate) async fn check_offered(configuration: &Configuration, asked: &str) -> Result<(), Problem> {
    let mut why = None;
    for connection in configuration.connections() {
        match connection.aicore.why_not_offered(asked).await {
            Some(error) => why = why.or(Some(error)),
            None => return Ok(()),
        }
    }
    why.map_or(Ok(()), |error| Err(error.into()))
}

/// Every model that agents of this format may ask for, and whether it makes embeddings: those of the selected connection, and
/// those that only others of its group have.
async fn offered(
    configuration: &Configuration,
    agent: AgentFormat,
) -> Result<Vec<(SelectableModel, bool)>, Problem> {
    let mut offered = of(configuration.selected.aicore.selection().await?, agent);
    for connection in &configuration.others {
        // What can't be asked now offers nothing now.
        let Ok(selection) = connection.aicore.selection().await else {
            continue;
        };
        for model in of(selection, agent) {
            if offered.iter().all(|(known, _)| known.name != model.0.name) {
                offered.push(model);
            }
        }
    }
    Ok(offered)
}

fn of(selection: Selection, agent: AgentFormat) -> Vec<(SelectableModel, bool)> {
    let Selection {
        models, embeddings, ..
    } = selection;
    let mut offered: Vec<_> = models.into_iter().map(|model| (model, false)).collect();
    if agent != AgentFormat::Messages {
        offered.extend(embeddings.into_iter().map(|model| (model, true)));
    }
    offered
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
