// Every deployment, those of the chosen model first. Only those that can be called, and that have a model, can be chosen.

import { RadioButton } from "@ui5/webcomponents-react/RadioButton";
import { useTranslation } from "react-i18next";

import type { DeploymentView } from "../backend/types/DeploymentView";
import { FieldProblem } from "../components/field";
import { Label } from "@ui5/webcomponents-react/Label";
import type { ConnectionForm } from "./form";

export function DeploymentField({ form, problem }: { form: ConnectionForm; problem: string | null }) {
  const { t } = useTranslation();
  const { draft, offer } = form;
  if (!offer) return null;

  const isOfModel = (deployment: DeploymentView) => draft.model !== null && deployment.model === draft.model;
  const sorted = offer.deployments.toSorted((one, other) => Number(isOfModel(other)) - Number(isOfModel(one)));
  const choose = (deployment: DeploymentView | null) => {
    form.change({ deployment: deployment?.id ?? null, ...(deployment?.model ? { model: deployment.model } : {}) });
    form.touch("deployment");
  };

  return (
    <div className="field">
      <Label id="deployment-label" showColon>
        {t("connection.deployment")}
      </Label>
      <div id="deployment" role="radiogroup" aria-labelledby="deployment-label">
        {sorted.length === 0 ? (
          <span>{t("connection.noDeployments")}</span>
        ) : (
          <div id="deployment-list" className="deployments">
            {draft.model !== null && (
              <div className="deployment">
                <RadioButton
                  id="deployment-newest"
                  name="deployment"
                  text={t("connection.newestDeployment")}
                  checked={draft.deployment === null}
                  onChange={() => choose(null)}
                />
              </div>
            )}
            {sorted.map((deployment) => (
              <div key={deployment.id} className="deployment">
                <RadioButton
                  id={`deployment-${deployment.id}`}
                  name="deployment"
                  text={`${deployment.id} (${deployment.status})`}
                  checked={draft.deployment === deployment.id}
                  disabled={!deployment.selectable || deployment.model === null}
                  onChange={() => choose(deployment)}
                />
                <span className="deployment-model">{deployment.model}</span>
                {deployment.problem && <span className="deployment-problem">{deployment.problem}</span>}
              </div>
            ))}
          </div>
        )}
      </div>
      <FieldProblem name="deployment" problem={problem} />
    </div>
  );
}
