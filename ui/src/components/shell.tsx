// The bar on top: the name, what the proxy does, and one button to start or stop it.

import { Button } from "@ui5/webcomponents-react/Button";
import { ShellBar } from "@ui5/webcomponents-react/ShellBar";
import { ShellBarBranding } from "@ui5/webcomponents-react/ShellBarBranding";
import { ShellBarSpacer } from "@ui5/webcomponents-react/ShellBarSpacer";
import { Tag } from "@ui5/webcomponents-react/Tag";
import "@ui5/webcomponents-icons/dist/play.js";
import "@ui5/webcomponents-icons/dist/stop.js";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { useBackend, useSnapshot } from "../backend/context";
import { useActions } from "./actions";

const designs = {
  stopped: "Neutral",
  starting: "Information",
  running: "Positive",
  degraded: "Critical",
  stopping: "Information",
  failed: "Negative",
} as const;

export function Shell() {
  const { t } = useTranslation();
  const backend = useBackend();
  const actions = useActions();
  const { proxy, source } = useSnapshot();
  const [busy, setBusy] = useState(false);

  const runs = proxy.state === "running" || proxy.state === "degraded";
  const changes = proxy.state === "starting" || proxy.state === "stopping";
  const host = runs ? proxy.address.replace(/^https?:\/\//, "") : "";

  const toggle = async () => {
    setBusy(true);
    await actions.run(() => (runs ? backend.stop() : backend.start()));
    setBusy(false);
  };

  return (
    <ShellBar
      branding={<ShellBarBranding>{t("app.name")}</ShellBarBranding>}
      content={
        <>
          <ShellBarSpacer />
          <Tag id="run-state" design={designs[proxy.state]} data-hide-order="2" aria-live="polite">
            {t(`run.${proxy.state}`, { host })}
          </Tag>
          <Button
            id="run-toggle"
            icon={runs ? "stop" : "play"}
            disabled={busy || changes || (!runs && source === "none")}
            onClick={() => void toggle()}
            data-hide-order="1"
          >
            {runs ? t("app.stop") : t("app.start")}
          </Button>
        </>
      }
    />
  );
}
