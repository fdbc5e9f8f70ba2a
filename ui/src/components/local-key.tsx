import { Button } from "@ui5/webcomponents-react/Button";
import "@ui5/webcomponents-icons/dist/copy.js";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";

import { useBackend, useSnapshot } from "../backend/context";
import { useActions } from "./actions";

/** The beginning of the key that agents show, a button that copies all of it, and `children` beside it. */
export function LocalKey({ children }: { children?: ReactNode }) {
  const { t } = useTranslation();
  const backend = useBackend();
  const { localKey } = useSnapshot();
  const actions = useActions();

  const copy = async () => {
    if (await actions.run(() => backend.copyLocalKey())) actions.say(t("app.copied"));
  };

  return (
    <>
      <p>{t("localKey.explain")}</p>
      <div className="row">
        <span>{t("localKey.beginning", { beginning: `${localKey.beginning}…` })}</span>
        <Button id="copy-key" icon="copy" onClick={() => void copy()}>
          {t("localKey.copy")}
        </Button>
        {children}
      </div>
      {!localKey.stored && <p>{t("localKey.thisRun")}</p>}
    </>
  );
}
