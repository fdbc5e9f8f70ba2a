// A field of a form: its label, its control and what is wrong with it.

import { Icon } from "@ui5/webcomponents-react/Icon";
import { Label } from "@ui5/webcomponents-react/Label";
import "@ui5/webcomponents-icons/dist/message-error.js";
import type { ReactNode } from "react";

import type { Field as FieldName } from "../backend/types/Field";

interface Properties {
  /** The id of the control that the label names. */
  control: string;
  name: FieldName;
  label: string;
  required?: boolean;
  /** What is wrong, written out. */
  problem?: string | null;
  children: ReactNode;
}

export function Field({ control, name, label, required = false, problem, children }: Properties) {
  return (
    <div className="field">
      <Label id={`${control}-label`} for={control} required={required} showColon>
        {label}
      </Label>
      {children}
      <FieldProblem name={name} problem={problem} />
    </div>
  );
}

export function FieldProblem({ name, problem }: { name: FieldName; problem: string | null | undefined }) {
  if (!problem) return null;
  return (
    <div id={`problem-${name}`} className="field-problem" role="alert">
      <Icon name="message-error" mode="Decorative" />
      <span>{problem}</span>
    </div>
  );
}

/** The properties that mark a UI5 input as wrong. */
export function valueState(problem: string | null | undefined) {
  return problem
    ? { valueState: "Negative" as const, valueStateMessage: <div>{problem}</div> }
    : { valueState: "None" as const, valueStateMessage: undefined };
}
