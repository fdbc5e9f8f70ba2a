// Which of the saved connections the form edits, which one is in use, and the way to another.

import { Button } from "@ui5/webcomponents-react/Button";
import { Dialog } from "@ui5/webcomponents-react/Dialog";
import { Label } from "@ui5/webcomponents-react/Label";
import { Option } from "@ui5/webcomponents-react/Option";
import { Select } from "@ui5/webcomponents-react/Select";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { useBackend, useRefreshSnapshot, useSnapshot } from "../backend/context";
import { useActions } from "../components/actions";
import type { ConnectionForm } from "./form";

/** Stands for the connection that is not saved yet. No saved one is called so: a name is one line. */
const newOption = "\n";

export function ConnectionPicker({ form }: { form: ConnectionForm }) {
  const { t } = useTranslation();
  const backend = useBackend();
  const refreshSnapshot = useRefreshSnapshot();
  const actions = useActions();
  const { connections } = useSnapshot();
  const [removing, setRemoving] = useState(false);
  const [busy, setBusy] = useState(false);
  if (connections.length === 0) return null;
  const name = form.edited?.connection.name ?? null;

  const run = async (call: () => Promise<void>) => {
    setBusy(true);
    if (await actions.run(call)) await refreshSnapshot();
    setBusy(false);
  };
  const remove = async () => {
    setRemoving(false);
    if (name === null) return;
    await run(() => backend.removeConnection(name));
    // What was typed for it is not for the next one.
    form.edit(undefined);
  };

  return (
    <div className="field">
      <Label id="edited-connection-label" for="edited-connection" showColon>
        {t("connection.edited")}
      </Label>
      <div className="row">
        <Select
          id="edited-connection"
          className="grow"
          value={name ?? newOption}
          onChange={(event) => form.edit(event.detail.selectedOption.getAttribute("data-name"))}
        >
          {connections.map(({ connection, part }) => (
            <Option
              key={connection.name}
              value={connection.name}
              data-name={connection.name}
              additionalText={part === "none" ? "" : t(`connection.part.${part}`)}
            >
              {connection.name}
            </Option>
          ))}
          {name === null && <Option value={newOption}>{t("connection.new")}</Option>}
        </Select>
        <Button
          id="use-connection"
          disabled={busy || name === null || form.edited?.part === "selected"}
          onClick={() => {
            if (name !== null) void run(() => backend.selectConnection(name));
          }}
        >
          {t("connection.use")}
        </Button>
        <Button id="add-connection" disabled={busy || name === null} onClick={() => form.edit(null)}>
          {t("connection.add")}
        </Button>
        <Button id="remove-connection" design="Transparent" disabled={busy || name === null} onClick={() => setRemoving(true)}>
          {t("connection.remove")}
        </Button>
      </div>
      <Dialog
        id="remove-connection-dialog"
        open={removing}
        headerText={t("connection.removeTitle", { name })}
        accessibleRole="AlertDialog"
        onClose={() => setRemoving(false)}
        footer={
          <div className="dialog-footer">
            <Button id="remove-connection-confirm" design="Negative" onClick={() => void remove()}>
              {t("connection.remove")}
            </Button>
            <Button id="remove-connection-cancel" onClick={() => setRemoving(false)}>
              {t("app.cancel")}
            </Button>
          </div>
        }
      >
        <p>{t(form.edited?.part === "selected" ? "connection.removeInUse" : "connection.removeText")}</p>
      </Dialog>
    </div>
  );
}
