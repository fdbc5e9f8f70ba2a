import { Button } from "@ui5/webcomponents-react/Button";
import { Dialog } from "@ui5/webcomponents-react/Dialog";
import { useTranslation } from "react-i18next";

const steps = ["step1", "step2", "step3", "step4", "step5", "step6"] as const;

/** How to get a service key. In words only: a link would leave the window. */
export function ServiceKeyGuide({ open, onClose }: { open: boolean; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Dialog
      id="service-key-guide"
      open={open}
      headerText={t("guide.title")}
      onClose={onClose}
      footer={
        <div className="dialog-footer">
          <Button design="Emphasized" onClick={onClose}>
            {t("app.close")}
          </Button>
        </div>
      }
    >
      <ol className="guide">
        {steps.map((step) => (
          <li key={step}>{t(`guide.${step}`)}</li>
        ))}
      </ol>
      <p className="guide-note">{t("guide.noInstance")}</p>
    </Dialog>
  );
}
