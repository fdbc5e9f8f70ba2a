import { Label } from "@ui5/webcomponents-react/Label";
import { Option } from "@ui5/webcomponents-react/Option";
import { Select } from "@ui5/webcomponents-react/Select";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { useBackend, useSnapshot } from "../backend/context";
import { useActions } from "./actions";

/** The model that answers when an agent names one that SAP AI Core doesn't know. */
export function SelectedModel() {
  const { t } = useTranslation();
  const backend = useBackend();
  const actions = useActions();
  const { models, selectedModel } = useSnapshot();
  const [attempts, setAttempts] = useState(0);
  // A chosen model that is not (or not yet) among the known ones stays visible.
  const isKnown = models.some((model) => model.name === selectedModel);

  const select = async (name: string) => {
    // Another attempt, another component: what was refused does not stay in the field.
    if (!(await actions.run(() => backend.selectModel(name)))) setAttempts(attempts + 1);
  };

  return (
    <div className="field">
      <Label for="selected-model" showColon>
        {t("overview.model")}
      </Label>
      <Select
        key={attempts}
        id="selected-model"
        value={selectedModel ?? ""}
        disabled={models.length === 0}
        onChange={(event) => {
          const name = event.detail.selectedOption.getAttribute("data-name");
          if (name && name !== selectedModel) void select(name);
        }}
      >
        {!isKnown && (
          <Option value={selectedModel ?? ""} data-name={selectedModel ?? ""}>
            {selectedModel ?? t("overview.noModel")}
          </Option>
        )}
        {models.map((model) => (
          <Option key={model.name} value={model.name} data-name={model.name} additionalText={model.displayName}>
            {model.name}
          </Option>
        ))}
      </Select>
      {models.length === 0 && <span>{t("overview.noModels")}</span>}
    </div>
  );
}
