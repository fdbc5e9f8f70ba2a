import { Button } from "@ui5/webcomponents-react/Button";
import { IllustratedMessage } from "@ui5/webcomponents-react/IllustratedMessage";
import { Link } from "@ui5/webcomponents-react/Link";
import "@ui5/webcomponents-fiori/dist/illustrations/Connection.js";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { useBackend } from "../backend/context";
import { useActions } from "../components/actions";
import { ServiceKeyGuide } from "../components/service-key-guide";

export function FirstRunPage({ onConnect }: { onConnect: () => void }) {
  const { t } = useTranslation();
  const backend = useBackend();
  const actions = useActions();
  const [guide, setGuide] = useState(false);
  const [busy, setBusy] = useState(false);

  const trySimulator = async () => {
    setBusy(true);
    await actions.run(async () => {
      await backend.useSimulator();
      await backend.start();
    });
    setBusy(false);
  };

  return (
    <>
      <IllustratedMessage
        id="first-run"
        name="Connection"
        design="Scene"
        decorative
        titleText={t("firstRun.title")}
        subtitleText={t("firstRun.subtitle")}
      >
        <div className="first-run-ways">
          <div className="row">
            <Button id="connect" design="Emphasized" onClick={onConnect}>
              {t("firstRun.connect")}
            </Button>
            <Button id="try-simulator" disabled={busy} onClick={() => void trySimulator()}>
              {t("firstRun.simulator")}
            </Button>
          </div>
          <Link id="where-is-my-key" accessibleRole="Button" onClick={() => setGuide(true)}>
            {t("firstRun.whereIsMyKey")}
          </Link>
        </div>
      </IllustratedMessage>
      <ServiceKeyGuide open={guide} onClose={() => setGuide(false)} />
    </>
  );
}
