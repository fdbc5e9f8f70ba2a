// The parts of UI5 that are loaded on demand: themes and German texts. Named one by one instead of through Assets.js,
// which brings every theme and some fifty languages. English texts and the light theme are in the components themselves.

import { registerI18nLoader } from "@ui5/webcomponents-base/dist/asset-registries/i18n.js";
import { registerThemePropertiesLoader } from "@ui5/webcomponents-base/dist/asset-registries/Themes.js";

type Theme = () => Promise<{ default: string }>;
type Texts = () => Promise<{ default: Record<string, string> }>;

function registerTheme(packageName: string, theme: string, load: Theme, target: "root" | "host") {
  registerThemePropertiesLoader(packageName, theme, async () => (await load()).default, target);
}

function registerTexts(packageName: string, language: string, load: Texts) {
  registerI18nLoader(packageName, language, async () => (await load()).default);
}

registerTheme("@ui5/webcomponents-theming", "sap_horizon_dark", () => import("@ui5/webcomponents-theming/dist/generated/assets/themes/sap_horizon_dark/parameters-bundle.css.json"), "root");
registerTheme("@ui5/webcomponents", "sap_horizon_dark", () => import("@ui5/webcomponents/dist/generated/assets/themes/sap_horizon_dark/parameters-bundle.css.json"), "host");
registerTheme("@ui5/webcomponents-fiori", "sap_horizon_dark", () => import("@ui5/webcomponents-fiori/dist/generated/assets/themes/sap_horizon_dark/parameters-bundle.css.json"), "host");
registerTheme("@ui5/webcomponents-theming", "sap_horizon_hcb", () => import("@ui5/webcomponents-theming/dist/generated/assets/themes/sap_horizon_hcb/parameters-bundle.css.json"), "root");
registerTheme("@ui5/webcomponents", "sap_horizon_hcb", () => import("@ui5/webcomponents/dist/generated/assets/themes/sap_horizon_hcb/parameters-bundle.css.json"), "host");
registerTheme("@ui5/webcomponents-fiori", "sap_horizon_hcb", () => import("@ui5/webcomponents-fiori/dist/generated/assets/themes/sap_horizon_hcb/parameters-bundle.css.json"), "host");
registerTheme("@ui5/webcomponents-theming", "sap_horizon_hcw", () => import("@ui5/webcomponents-theming/dist/generated/assets/themes/sap_horizon_hcw/parameters-bundle.css.json"), "root");
registerTheme("@ui5/webcomponents", "sap_horizon_hcw", () => import("@ui5/webcomponents/dist/generated/assets/themes/sap_horizon_hcw/parameters-bundle.css.json"), "host");
registerTheme("@ui5/webcomponents-fiori", "sap_horizon_hcw", () => import("@ui5/webcomponents-fiori/dist/generated/assets/themes/sap_horizon_hcw/parameters-bundle.css.json"), "host");

registerTexts("@ui5/webcomponents-base", "de", () => import("@ui5/webcomponents-base/dist/generated/assets/i18n/messagebundle_de.json"));
registerTexts("@ui5/webcomponents", "de", () => import("@ui5/webcomponents/dist/generated/assets/i18n/messagebundle_de.json"));
registerTexts("@ui5/webcomponents-fiori", "de", () => import("@ui5/webcomponents-fiori/dist/generated/assets/i18n/messagebundle_de.json"));
registerTexts("@ui5/webcomponents-icons", "de", () => import("@ui5/webcomponents-icons/dist/generated/assets/i18n/messagebundle_de.json"));
