// What orchestration does beside completing: filters, masking, fallbacks, caching, a time budget. All of it is off at first.

import { CheckBox } from "@ui5/webcomponents-react/CheckBox";
import { Input } from "@ui5/webcomponents-react/Input";
import { Label } from "@ui5/webcomponents-react/Label";
import { Option } from "@ui5/webcomponents-react/Option";
import { Panel } from "@ui5/webcomponents-react/Panel";
import { Select } from "@ui5/webcomponents-react/Select";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";

import type { AzureContentSafety } from "../backend/types/AzureContentSafety";
import type { LlamaGuardCategory } from "../backend/types/LlamaGuardCategory";
import type { MaskedEntity } from "../backend/types/MaskedEntity";
import type { Masking } from "../backend/types/Masking";
import type { MaskingMethod } from "../backend/types/MaskingMethod";
import type { OrchestrationModules } from "../backend/types/OrchestrationModules";
import type { Threshold } from "../backend/types/Threshold";
import { FieldProblem } from "../components/field";
import { type ModuleName, moduleNames, nameOfModule } from "../components/module-name";
import { en } from "../texts/en";
import type { ConnectionForm } from "./form";

export const noModules: OrchestrationModules = {
  prompt_caching: false,
  timeout: null,
  fallbacks: [],
  input_filter: null,
  output_filter: null,
  masking: null,
};

const kinds = ["hate", "self_harm", "sexual", "violence"] as const;
const thresholds: Threshold[] = [0, 2, 4, 6];
const methods: MaskingMethod[] = ["pseudonymization", "anonymization"];
const categories = Object.keys(en.connection.modules.category) as LlamaGuardCategory[];
const entities = Object.keys(en.connection.modules.entity) as MaskedEntity[];
const usualThresholds: AzureContentSafety = { hate: 4, self_harm: 4, sexual: 4, violence: 4 };
const usualMasking: Masking = { method: "pseudonymization", entities: ["profile-email", "profile-phone"], allowlist: [] };

/** Which are on, in the words of the header that tells an agent. */
function modulesOn(modules: OrchestrationModules): ModuleName[] {
  const on: Record<ModuleName, boolean> = {
    filtering: modules.input_filter !== null || modules.output_filter !== null,
    masking: modules.masking !== null,
    fallbacks: modules.fallbacks.length > 0,
    prompt_caching: modules.prompt_caching,
    timeout: modules.timeout !== null,
  };
  return moduleNames.filter((name) => on[name]);
}

export function isAnyOn(modules: OrchestrationModules): boolean {
  return modulesOn(modules).length > 0;
}

export function OrchestrationModulesField({ form, problem }: { form: ConnectionForm; problem: string | null }) {
  const { t } = useTranslation();
  const modules = form.draft.orchestrationModules;
  const change = (changes: Partial<OrchestrationModules>) => {
    form.change({ orchestrationModules: { ...modules, ...changes } });
    form.touch("orchestrationModules");
  };
  const { input_filter: input, output_filter: output, masking } = modules;
  const on = modulesOn(modules);
  // Open where something is set; later it is the person who opens and closes it.
  const [collapsed, setCollapsed] = useState(on.length === 0);

  return (
    <div className="field">
      <Panel
        id="orchestration-modules"
        className="wide"
        collapsed={collapsed}
        noAnimation
        headerText={t(on.length === 0 ? "connection.modules.off" : "connection.modules.on", {
          modules: on.map((name) => nameOfModule(name, t)).join(", "),
        })}
        onToggle={(event) => setCollapsed(event.target.collapsed)}
      >
        <div className="modules">
          <Module
            id="input-filter"
            text={t("connection.modules.inputFilter")}
            hint={t("connection.modules.inputFilterHint")}
            on={input !== null}
            onChange={(on) =>
              change({ input_filter: on ? { azure_content_safety: usualThresholds, prompt_shield: false, llama_guard: [] } : null })
            }
          >
            {input && (
              <>
                <Filters id="input" filter={input} onChange={(filter) => change({ input_filter: { ...input, ...filter } })} />
                <CheckBox
                  id="prompt-shield"
                  text={t("connection.modules.promptShield")}
                  checked={input.prompt_shield}
                  onChange={(event) => change({ input_filter: { ...input, prompt_shield: event.target.checked } })}
                />
              </>
            )}
          </Module>
          <Module
            id="output-filter"
            text={t("connection.modules.outputFilter")}
            hint={t("connection.modules.outputFilterHint")}
            on={output !== null}
            onChange={(on) =>
              change({
                output_filter: on ? { azure_content_safety: usualThresholds, protected_material_code: false, llama_guard: [] } : null,
              })
            }
          >
            {output && (
              <>
                <Filters id="output" filter={output} onChange={(filter) => change({ output_filter: { ...output, ...filter } })} />
                <CheckBox
                  id="protected-material-code"
                  text={t("connection.modules.protectedCode")}
                  checked={output.protected_material_code}
                  onChange={(event) => change({ output_filter: { ...output, protected_material_code: event.target.checked } })}
                />
              </>
            )}
          </Module>
          <Module
            id="masking"
            text={t("connection.modules.masking")}
            hint={t("connection.modules.maskingHint")}
            on={masking !== null}
            onChange={(on) => change({ masking: on ? usualMasking : null })}
          >
            {masking && <MaskingFields masking={masking} onChange={(next) => change({ masking: next })} />}
          </Module>
          <Module
            id="prompt-caching"
            text={t("connection.modules.promptCaching")}
            hint={t("connection.modules.promptCachingHint")}
            on={modules.prompt_caching}
            onChange={(on) => change({ prompt_caching: on })}
          />
          <Words
            id="fallbacks"
            label={t("connection.modules.fallbacks")}
            hint={t("connection.modules.fallbacksHint")}
            words={modules.fallbacks}
            onChange={(fallbacks) => change({ fallbacks })}
          />
          <div className="field">
            <Label for="timeout" showColon>
              {t("connection.modules.timeout")}
            </Label>
            <Input
              id="timeout"
              className="short"
              value={modules.timeout === null ? "" : String(modules.timeout)}
              placeholder="1200"
              accessibleDescription={t("connection.modules.timeoutHint")}
              onChange={(event) => change({ timeout: seconds(event.target.value) })}
            />
            <span className="hint">{t("connection.modules.timeoutHint")}</span>
          </div>
        </div>
      </Panel>
      <FieldProblem name="orchestrationModules" problem={problem} />
    </div>
  );
}

/** What is no number is none that Rust takes, so that it says what is wrong. */
function seconds(text: string): number | null {
  const given = text.trim();
  if (given === "") return null;
  return /^\d{1,4}$/.test(given) ? Number(given) : 0;
}

interface ModuleProperties {
  id: string;
  text: string;
  hint: string;
  on: boolean;
  onChange(on: boolean): void;
  children?: ReactNode;
}

/** A switch, what it does, and its fields while it is on. */
function Module({ id, text, hint, on, onChange, children }: ModuleProperties) {
  return (
    <div className="field module">
      <CheckBox id={id} text={text} checked={on} onChange={(event) => onChange(event.target.checked)} />
      <span className="hint">{hint}</span>
      {on && children && <div className="module-fields">{children}</div>}
    </div>
  );
}

interface Filter {
  azure_content_safety: AzureContentSafety | null;
  llama_guard: LlamaGuardCategory[];
}

function Filters({ id, filter, onChange }: { id: string; filter: Filter; onChange(changes: Partial<Filter>): void }) {
  const { t } = useTranslation();
  const { azure_content_safety: azure, llama_guard: guard } = filter;
  return (
    <>
      <CheckBox
        id={`${id}-azure`}
        text={t("connection.modules.azure")}
        checked={azure !== null}
        onChange={(event) => onChange({ azure_content_safety: event.target.checked ? usualThresholds : null })}
      />
      {azure && (
        <div className="thresholds">
          {kinds.map((kind) => (
            <div key={kind} className="field">
              <Label for={`${id}-${kind}`} showColon>
                {t(`connection.modules.kind.${kind}`)}
              </Label>
              <Select
                id={`${id}-${kind}`}
                value={String(azure[kind])}
                onChange={(event) => {
                  const chosen = event.detail.selectedOption.getAttribute("data-threshold");
                  const threshold = thresholds.find((candidate) => String(candidate) === chosen) ?? 4;
                  onChange({ azure_content_safety: { ...azure, [kind]: threshold } });
                }}
              >
                {thresholds.map((threshold) => (
                  <Option key={threshold} value={String(threshold)} data-threshold={threshold}>
                    {t(`connection.modules.threshold.up${threshold}`)}
                  </Option>
                ))}
              </Select>
            </div>
          ))}
        </div>
      )}
      <CheckBox
        id={`${id}-llama-guard`}
        text={t("connection.modules.llamaGuard")}
        checked={guard.length > 0}
        onChange={(event) => onChange({ llama_guard: event.target.checked ? categories : [] })}
      />
      {guard.length > 0 && (
        <Choices
          id={`${id}-category`}
          label={t("connection.modules.categories")}
          all={categories}
          chosen={guard}
          name={(category) => t(`connection.modules.category.${category}`)}
          onChange={(llama_guard) => onChange({ llama_guard })}
        />
      )}
    </>
  );
}

function MaskingFields({ masking, onChange }: { masking: Masking; onChange(masking: Masking): void }) {
  const { t } = useTranslation();
  return (
    <>
      <div className="field">
        <Label for="masking-method" showColon>
          {t("connection.modules.method")}
        </Label>
        <Select
          id="masking-method"
          value={masking.method}
          onChange={(event) => {
            const chosen = event.detail.selectedOption.getAttribute("data-method");
            onChange({ ...masking, method: methods.find((method) => method === chosen) ?? "pseudonymization" });
          }}
        >
          {methods.map((method) => (
            <Option key={method} value={method} data-method={method}>
              {t(`connection.modules.methods.${method}`)}
            </Option>
          ))}
        </Select>
      </div>
      <Choices
        id="entity"
        label={t("connection.modules.entities")}
        all={entities}
        chosen={masking.entities}
        name={(entity) => t(`connection.modules.entity.${entity}`)}
        onChange={(next) => onChange({ ...masking, entities: next })}
      />
      <Words
        id="allowlist"
        label={t("connection.modules.allowlist")}
        hint={t("connection.modules.allowlistHint")}
        words={masking.allowlist}
        onChange={(allowlist) => onChange({ ...masking, allowlist })}
      />
    </>
  );
}

interface ChoicesProperties<T extends string> {
  id: string;
  label: string;
  all: T[];
  chosen: T[];
  name(choice: T): string;
  onChange(chosen: T[]): void;
}

/** Any of many, in the order of the list. */
function Choices<T extends string>({ id, label, all, chosen, name, onChange }: ChoicesProperties<T>) {
  return (
    <div className="field">
      <Label id={`${id}-label`} showColon>
        {label}
      </Label>
      <div className="choices" role="group" aria-labelledby={`${id}-label`}>
        {all.map((choice) => (
          <CheckBox
            key={choice}
            id={`${id}-${choice}`}
            text={name(choice)}
            checked={chosen.includes(choice)}
            onChange={(event) => onChange(all.filter((one) => (one === choice ? event.target.checked : chosen.includes(one))))}
          />
        ))}
      </div>
    </div>
  );
}

interface WordsProperties {
  id: string;
  label: string;
  hint: string;
  words: string[];
  onChange(words: string[]): void;
}

/** Words with commas between them. */
function Words({ id, label, hint, words, onChange }: WordsProperties) {
  return (
    <div className="field">
      <Label for={id} showColon>
        {label}
      </Label>
      <Input
        id={id}
        value={words.join(", ")}
        accessibleDescription={hint}
        onChange={(event) =>
          onChange(
            event.target.value
              .split(",")
              .map((word) => word.trim())
              .filter((word) => word !== ""),
          )
        }
      />
      <span className="hint">{hint}</span>
    </div>
  );
}
