import { Label } from "@ui5/webcomponents-react/Label";
import { Option } from "@ui5/webcomponents-react/Option";
import { Select } from "@ui5/webcomponents-react/Select";
import { useTranslation } from "react-i18next";

import { useBackend, useSnapshot } from "../backend/context";
import { useActions } from "./actions";

/** The model that answers when an agent names one that SAP AI Core doesn't know. */
export function SelectedModel() {
  const { t } = useTranslation();
  const backend = useBackend();
  const actions = useActions();
  const { models, selectedModel } = useSnapshot();
  // A chosen model that is not (or not yet) among the known ones stays visible.
  const isKnown = models.some((model) => model.name === selectedModel);

  return (
    <div className="field">
      <Label for="selected-model" showColon>
        {t("overview.model")}
      </Label>
      <Select
        id="selected-model"
        value={selectedModel ?? ""}
        disabled={models.length === 0}
        onChange={(event) => {
          const name = event.detail.selectedOption.getAttribute("data-name");
          if (name && name !== selectedModel) void actions.run(() => backend.selectModel(name));
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
