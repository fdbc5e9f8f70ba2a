// Which problem is shown at which field.

import type { TFunction } from "i18next";

import type { Field } from "../backend/types/Field";
import { problemText } from "../problem";
import type { ConnectionForm } from "./form";

export interface FormProblems {
  /** What to show at a field. */
  at(field: Field): string | null;
  /** The fields that keep the form from being saved, in their order. */
  fields: Field[];
  canSave: boolean;
}

export const fieldOrder: Field[] = [
  "name",
  "clientId",
  "clientSecret",
  "baseUrl",
  "authUrl",
  "resourceGroup",
  "model",
  "deployment",
  "orchestrationModules",
];

export function formProblems(form: ConnectionForm, t: TFunction): FormProblems {
  const { draft, offer, offerProblem } = form;
  const modelIsUnknown =
    offer !== undefined && draft.model !== null && !offer.models.some((model) => model.name === draft.model);
  const wrong = (field: Field) => form.problems.some((problem) => problem.field === field) || (field === "model" && modelIsUnknown);

  return {
    at(field) {
      const problem = form.problems.find((candidate) => candidate.field === field);
      if (problem && form.touched(field)) return problemText(problem);
      if (field === "model" && modelIsUnknown && !form.typing) return t("connection.modelUnknown", { name: draft.model ?? "" });
      // What SAP AI Core refused belongs to the field that it refused.
      if (offerProblem?.field === field) return problemText(offerProblem);
      return null;
    },
    fields: fieldOrder.filter(wrong),
    canSave: form.settled && form.problems.length === 0 && !modelIsUnknown,
  };
}
