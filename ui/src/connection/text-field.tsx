import { Input } from "@ui5/webcomponents-react/Input";

import { Field, valueState } from "../components/field";
import type { ConnectionForm } from "./form";

interface Properties {
  form: ConnectionForm;
  id: string;
  name: "name" | "clientId" | "baseUrl" | "authUrl";
  label: string;
  placeholder?: string;
  problem: string | null;
}

/** A line of text that is needed. */
export function TextField({ form, id, name, label, placeholder, problem }: Properties) {
  return (
    <Field control={id} name={name} label={label} required problem={problem}>
      <Input
        id={id}
        required
        value={form.draft[name]}
        placeholder={placeholder}
        {...valueState(problem)}
        onInput={(event) => form.change({ [name]: event.target.value }, true)}
        onChange={() => form.touch(name)}
        onBlur={() => form.touch(name)}
      />
    </Field>
  );
}
