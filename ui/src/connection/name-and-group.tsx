// What a connection is called, and which others answer for it. Whoever has one connection needs neither.

import { Input } from "@ui5/webcomponents-react/Input";
import { Label } from "@ui5/webcomponents-react/Label";
import { useTranslation } from "react-i18next";

import { useSnapshot } from "../backend/context";
import type { ConnectionForm } from "./form";
import { TextField } from "./text-field";

export function NameAndGroup({ form, problem }: { form: ConnectionForm; problem: string | null }) {
  const { t } = useTranslation();
  const { connections } = useSnapshot();
  if (connections.length === 0) return null;
  return (
    <>
      <TextField form={form} id="name" name="name" label={t("connection.name")} problem={problem} />
      <div className="field">
        <Label id="group-label" for="group" showColon>
          {t("connection.group")}
        </Label>
        <Input
          id="group"
          value={form.draft.group ?? ""}
          placeholder={t("connection.groupPlaceholder")}
          accessibleDescription={t("connection.groupHint")}
          onInput={(event) => form.change({ group: event.target.value || null }, true)}
        />
        <span className="hint">{t("connection.groupHint")}</span>
      </div>
    </>
  );
}
