//! What there is to choose from with the credentials of a form.

use coretap_aicore::{AiCore, Deployment, SelectableModel};

use crate::view::{DeploymentView, ModelView, Offer, ProblemView};

/// What there is to choose from.
///
/// # Errors
/// When SAP AI Core can't be reached or says no.
pub(crate) async fn offer(aicore: &AiCore) -> Result<Offer, ProblemView> {
    // Who may not list the groups, or asks while only that list fails, types the name.
    let resource_groups = aicore.resource_groups().await?.unwrap_or_default();
    let deployments = aicore.deployments().await?;
    let selection = aicore.selection().await?;
    Ok(Offer {
        resource_groups,
        models: selection.models.into_iter().map(ModelView::from).collect(),
        hidden_models: selection.hidden.into_iter().map(Into::into).collect(),
        deployments: deployments.rows.iter().map(DeploymentView::from).collect(),
    })
}

impl From<SelectableModel> for ModelView {
    fn from(model: SelectableModel) -> Self {
        ModelView {
            name: model.name,
            display_name: model.display_name,
            provider: model.provider,
            context_length: model.context_length,
            images: model.images,
            input_cost: model.input_cost,
            output_cost: model.output_cost,
            running_deployments: model
                .running_deployments
                .map(|count| u64::try_from(count).unwrap_or(u64::MAX)),
            deprecated: model.deprecated,
            retirement_date: model.retirement_date,
        }
    }
}

impl From<&Deployment> for DeploymentView {
    fn from(row: &Deployment) -> Self {
        DeploymentView {
            id: row.id.clone(),
            status: row.status.clone(),
            model: row.model.clone(),
            selectable: row.is_callable(),
            problem: row.problem.clone(),
        }
    }
}
