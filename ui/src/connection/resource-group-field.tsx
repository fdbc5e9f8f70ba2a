import { ComboBox } from "@ui5/webcomponents-react/ComboBox";
import { ComboBoxItem } from "@ui5/webcomponents-react/ComboBoxItem";
import { useTranslation } from "react-i18next";

import { Field, valueState } from "../components/field";
import type { ConnectionForm } from "./form";

/** Offers the groups that the key may see and takes any other name: a key need not see the group it may use. */
export function ResourceGroupField({ form, problem }: { form: ConnectionForm; problem: string | null }) {
  const { t } = useTranslation();
  return (
    <Field control="resource-group" name="resourceGroup" label={t("connection.resourceGroup")} problem={problem}>
      <ComboBox
        id="resource-group"
        className="wide"
        value={form.draft.resourceGroup}
        placeholder="default"
        filter="Contains"
        noTypeahead
        {...valueState(problem)}
        onInput={(event) => form.change({ resourceGroup: event.target.value }, true)}
        onChange={(event) => {
          form.change({ resourceGroup: event.target.value });
          form.touch("resourceGroup");
        }}
      >
        {form.offer?.resourceGroups.map((group) => <ComboBoxItem key={group} text={group} />)}
      </ComboBox>
    </Field>
  );
}
