// Steps in order, each with its state in words, what it found, and what went wrong.

import { BusyIndicator } from "@ui5/webcomponents-react/BusyIndicator";
import { Icon } from "@ui5/webcomponents-react/Icon";
import "@ui5/webcomponents-icons/dist/message-error.js";
import "@ui5/webcomponents-icons/dist/message-success.js";
import "@ui5/webcomponents-icons/dist/pending.js";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";

import type { Step } from "../backend/types/Step";
import { problemText } from "../problem";

interface Properties {
  /** What the ids of the rows begin with. */
  prefix: string;
  label: string;
  steps: Step[];
  /** What can be done next in a step. */
  action?: (step: Step) => ReactNode;
  /** The id for the text of a step's problem. */
  problemId?: (step: Step) => string | undefined;
}

const icons = { waiting: "pending", done: "message-success", failed: "message-error" } as const;

export function StepList({ prefix, label, steps, action, problemId }: Properties) {
  const { t } = useTranslation();
  return (
    <ol className="steps" aria-label={label}>
      {steps.map((step) => (
        <li key={step.id} id={`${prefix}-${step.id}`} className="step" data-status={step.status}>
          <span className="step-icon">
            {step.status === "running" ? (
              <BusyIndicator active size="S" delay={0} text="" />
            ) : (
              <Icon name={icons[step.status]} mode="Decorative" />
            )}
          </span>
          <span className="step-name">{t(`steps.name.${step.id}`)}</span>
          <span className="step-status">{t(`steps.status.${step.status}`)}</span>
          <span className="step-detail">
            <StepDetail step={step} />
            {step.problem && (
              <span className="step-problem" id={problemId?.(step)}>
                {problemText(step.problem)}
              </span>
            )}
          </span>
          <span className="step-action">{action?.(step)}</span>
        </li>
      ))}
    </ol>
  );
}

function StepDetail({ step }: { step: Step }) {
  const { t } = useTranslation();
  const parts = [
    step.name,
    step.count === null ? null : t(`steps.count.${step.id}`, { count: step.count }),
    step.hidden ? t("steps.hidden", { hidden: step.hidden }) : null,
    step.milliseconds === null ? null : t("steps.milliseconds", { milliseconds: step.milliseconds }),
  ].filter((part) => part !== null);
  if (parts.length === 0) return null;
  return <span>{parts.join(" · ")}</span>;
}
