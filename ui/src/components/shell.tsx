// The bar on top: the name, what the proxy does, and one button to start or stop it.

import { Button } from "@ui5/webcomponents-react/Button";
import { Icon } from "@ui5/webcomponents-react/Icon";
import { ShellBar } from "@ui5/webcomponents-react/ShellBar";
import { ShellBarBranding } from "@ui5/webcomponents-react/ShellBarBranding";
import { ShellBarSpacer } from "@ui5/webcomponents-react/ShellBarSpacer";
import { Tag } from "@ui5/webcomponents-react/Tag";
import "@ui5/webcomponents-icons/dist/circle-task.js";
import "@ui5/webcomponents-icons/dist/message-error.js";
import "@ui5/webcomponents-icons/dist/message-success.js";
import "@ui5/webcomponents-icons/dist/message-warning.js";
import "@ui5/webcomponents-icons/dist/pending.js";
import "@ui5/webcomponents-icons/dist/play.js";
import "@ui5/webcomponents-icons/dist/stop.js";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { useBackend, useSnapshot } from "../backend/context";
import { formatTime } from "../texts/texts";
import { useActions } from "./actions";

const looks = {
  stopped: { design: "Neutral", icon: "circle-task" },
  starting: { design: "Information", icon: "pending" },
  running: { design: "Positive", icon: "message-success" },
  degraded: { design: "Critical", icon: "message-warning" },
  stopping: { design: "Information", icon: "pending" },
  failed: { design: "Negative", icon: "message-error" },
} as const;

interface Properties {
  /** Where the layout wants the bar. */
  slot?: string;
  /** Opens the first page. */
  onHome: () => void;
}

export function Shell({ slot, onHome }: Properties) {
  const { t } = useTranslation();
  const backend = useBackend();
  const actions = useActions();
  const { proxy, source } = useSnapshot();
  const [busy, setBusy] = useState(false);

  const runs = proxy.state === "running" || proxy.state === "degraded";
  const changes = proxy.state === "starting" || proxy.state === "stopping";
  const time = proxy.state === "failed" ? formatTime(proxy.since) : "";
  const host = runs ? proxy.address.replace(/^https?:\/\//, "") : "";

  const toggle = async () => {
    setBusy(true);
    await actions.run(() => (runs ? backend.stop() : backend.start()));
    setBusy(false);
  };

  return (
    <ShellBar
      slot={slot}
      branding={<ShellBarBranding accessibleName={t("app.home")} onClick={onHome}>{t("app.name")}</ShellBarBranding>}
      content={
        <>
          <ShellBarSpacer />
          <Tag
            id="run-state"
            design={looks[proxy.state].design}
            icon={<Icon name={looks[proxy.state].icon} mode="Decorative" />}
            data-hide-order="2"
            aria-live="polite"
          >
            {t(`run.${proxy.state}`, { host, time })}
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
