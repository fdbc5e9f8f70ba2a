// The model: searched by name, grouped by provider, with what the catalogue knows of it.

import { BusyIndicator } from "@ui5/webcomponents-react/BusyIndicator";
import { Button } from "@ui5/webcomponents-react/Button";
import { ComboBox } from "@ui5/webcomponents-react/ComboBox";
import { ComboBoxItem } from "@ui5/webcomponents-react/ComboBoxItem";
import { ComboBoxItemGroup } from "@ui5/webcomponents-react/ComboBoxItemGroup";
import { Panel } from "@ui5/webcomponents-react/Panel";
import type { TFunction } from "i18next";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";

import type { HiddenModel } from "../backend/types/HiddenModel";
import type { ModelView } from "../backend/types/ModelView";
import { Field, valueState } from "../components/field";
import { ProblemStrip } from "../components/problem-strip";
import { problemText } from "../problem";
import { formatNumber, formatTokens } from "../texts/texts";
import type { ConnectionForm } from "./form";

interface Properties {
  form: ConnectionForm;
  problem: string | null;
  /** The id of the strip for what kept the models away. */
  offerProblemId: string;
}

export function ModelField({ form, problem, offerProblemId }: Properties) {
  const { t } = useTranslation();
  const { offer, offerLoading, offerProblem, draft } = form;
  const chosen = offer?.models.find((model) => model.name === draft.model);
  const others = t("connection.otherProvider");
  const groups = useMemo(() => byProvider(offer?.models ?? [], others), [offer, others]);

  const choose = (text: string) => {
    const typed = text.trim();
    const named = offer?.models.find((model) => isCalled(model, typed));
    const name = named?.name ?? (typed || null);
    const keepsDeployment = offer?.deployments.some(({ id, model }) => id === draft.deployment && model === name);
    form.change({ model: name, deployment: keepsDeployment ? draft.deployment : null });
    form.touch("model");
  };

  return (
    <Field control="model" name="model" label={t("connection.model")} required problem={problem}>
      {offerProblem && !offerProblem.field ? (
        <>
          <ProblemStrip id={offerProblemId} problem={offerProblem}>
            <Button id="retry-offer" onClick={form.retryOffer}>
              {t("app.tryAgain")}
            </Button>
          </ProblemStrip>
          {draft.model !== null && <span>{t("connection.modelKept", { name: draft.model })}</span>}
        </>
      ) : (
        <ComboBox
          id="model"
          className="wide"
          required
          value={draft.model ?? ""}
          placeholder={t("connection.modelPlaceholder")}
          filter="Contains"
          noTypeahead
          showClearIcon
          loading={offerLoading}
          {...valueState(problem)}
          onInput={(event) => form.change({ model: event.target.value || null }, true)}
          onChange={(event) => choose(event.target.value)}
        >
          {groups.map(([provider, models]) => (
            <ComboBoxItemGroup key={provider} headerText={provider}>
              {models.map((model) => (
                <ModelItem key={model.name} model={model} />
              ))}
            </ComboBoxItemGroup>
          ))}
        </ComboBox>
      )}
      <div className="row">
        <span id="model-count" role="status">
          {offer ? t("connection.models", { count: offer.models.length }) : !offerLoading && !offerProblem && t("connection.modelsLater")}
        </span>
        {offerLoading && <BusyIndicator active size="S" text={t("connection.loadingModels")} />}
      </div>
      {chosen && <ModelFacts model={chosen} />}
      {offer && offer.hiddenModels.length > 0 && <HiddenModels models={offer.hiddenModels} />}
    </Field>
  );
}

function ModelItem({ model }: { model: ModelView }) {
  const { t } = useTranslation();
  const facts = [
    model.contextLength === null ? null : t("connection.context", { tokens: formatTokens(model.contextLength) }),
    model.images ? t("connection.images") : null,
    model.runningDeployments === null ? null : t("connection.running", { count: model.runningDeployments }),
    retirement(model, t),
  ].filter((fact) => fact !== null);
  return <ComboBoxItem text={model.name} additionalText={facts.join(" · ")} />;
}

function ModelFacts({ model }: { model: ModelView }) {
  const { t } = useTranslation();
  const { inputCost, outputCost } = model;
  const facts = [
    model.displayName === model.name ? null : model.displayName,
    model.contextLength === null ? null : t("connection.contextSize", { tokens: formatNumber(model.contextLength) }),
    model.images === null ? null : t(model.images ? "connection.seesImages" : "connection.seesNoImages"),
    inputCost !== null && outputCost !== null
      ? t("connection.cost", { input: inputCost, output: outputCost })
      : inputCost !== null
        ? t("connection.costOf.input", { input: inputCost })
        : outputCost !== null
          ? t("connection.costOf.output", { output: outputCost })
          : null,
    model.runningDeployments === null ? null : t("connection.running", { count: model.runningDeployments }),
    retirement(model, t),
  ].filter((fact) => fact !== null);
  return <span id="model-facts">{facts.join(" · ")}</span>;
}

function retirement({ deprecated, retirementDate }: ModelView, t: TFunction): string | null {
  if (retirementDate !== null) {
    return t("connection.retires", { date: retirementDate });
  }
  return deprecated ? t("connection.deprecated") : null;
}

function HiddenModels({ models }: { models: HiddenModel[] }) {
  const { t } = useTranslation();
  return (
    <Panel id="hidden-models" className="wide" collapsed noAnimation headerText={t("connection.hidden", { count: models.length })}>
      <ul className="plain hidden-models">
        {models.map(({ name, problem }) => (
          <li key={name}>
            <b>{name}</b>: {problemText(problem)}
          </li>
        ))}
      </ul>
    </Panel>
  );
}

function isCalled(model: ModelView, text: string): boolean {
  const wanted = text.toLowerCase();
  return model.name.toLowerCase() === wanted || model.displayName.toLowerCase() === wanted;
}

function byProvider(models: ModelView[], others: string): [string, ModelView[]][] {
  const groups = new Map<string, ModelView[]>();
  for (const model of models) {
    const provider = model.provider ?? others;
    groups.set(provider, [...(groups.get(provider) ?? []), model]);
  }
  return [...groups].sort(([left], [right]) => left.localeCompare(right));
}
