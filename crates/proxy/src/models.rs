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
        .map(|model| listed(model, id(model, agent)))
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
    let named = |name: &str| models.iter().find(|model| model.name.eq_ignore_ascii_case(name));
    let model = match named(asked) {
        Some(model) => Some(model),
        // Whatever name a request may carry is a name of a model here too.
        None => match configuration.selected.aicore.route(asked).await {
            Err(Error::ModelPurpose { model, .. }) => named(&model),
            route => named(&route?.model),
        },
    };
    let model = model.ok_or_else(|| Problem::model_not_listed(asked))?;
    Ok(model_entry(agent, &listed(model, asked)))
}

/// The models of the selected connection, and those that only others of its group have.
async fn offered(configuration: &Configuration, agent: AgentFormat) -> Result<Vec<SelectableModel>, Problem> {
    let with_embeddings = agent != AgentFormat::Messages;
    let mut offered = of(configuration.selected.aicore.selection().await?, with_embeddings);
    for connection in &configuration.others {
        // What can't be asked now offers nothing now.
        let Ok(selection) = connection.aicore.selection().await else {
            continue;
        };
        for model in of(selection, with_embeddings) {
            if offered.iter().all(|known| known.name != model.name) {
                offered.push(model);
            }
        }
    }
    Ok(offered)
}

fn of(selection: Selection, with_embeddings: bool) -> Vec<SelectableModel> {
    let mut models = selection.models;
    if with_embeddings {
        models.extend(selection.embeddings);
    }
    models
}

/// Claude Code tells what a model can do by its name, so it gets the names that it knows; everybody else gets SAP's.
fn id(model: &SelectableModel, agent: AgentFormat) -> &str {
    match agent {
        AgentFormat::Messages => model.agent_alias.as_deref().unwrap_or(&model.name),
        AgentFormat::ChatCompletions | AgentFormat::Responses | AgentFormat::Gemini => &model.name,
    }
}

fn listed<'a>(model: &'a SelectableModel, id: &'a str) -> ListedModel<'a> {
    ListedModel {
        id,
        display_name: &model.display_name,
        owner: model.provider.as_deref().unwrap_or("sap-ai-core"),
        created: 0,
        deprecated: model.deprecated,
        retirement_date: model.retirement_date.as_deref(),
    }
}
