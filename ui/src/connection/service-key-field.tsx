// Takes a service key by pasting or dropping. What was read leaves the screen: it holds the secret.

import { BusyIndicator } from "@ui5/webcomponents-react/BusyIndicator";
import { TextArea } from "@ui5/webcomponents-react/TextArea";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

import { useBackend } from "../backend/context";
import { Field, valueState } from "../components/field";
import { asProblem, problemText } from "../problem";
import type { ConnectionForm } from "./form";

export function ServiceKeyField({ form }: { form: ConnectionForm }) {
  const { t } = useTranslation();
  const backend = useBackend();
  const [text, setText] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const [state, setState] = useState<"empty" | "reading" | "read">("empty");
  const [fileOver, setFileOver] = useState(false);
  const readings = useRef(0);

  const read = async (key: string) => {
    const reading = ++readings.current;
    setState("reading");
    try {
      const { certificate, ...fields } = await backend.readServiceKey(key);
      if (reading !== readings.current) return;
      form.change(fields);
      form.changeSecret({ from: "service_key", text: key }, false, certificate);
      setText("");
      setProblem(null);
      setState("read");
    } catch (error) {
      if (reading !== readings.current) return;
      setProblem(problemText(asProblem(error)));
      setState("empty");
    }
  };

  // A paste is one change, typing is many: it is read when no more follows.
  const latestRead = useRef(read);
  latestRead.current = read;
  useEffect(() => {
    if (text.trim() === "") return;
    const timer = setTimeout(() => void latestRead.current(text), 300);
    return () => clearTimeout(timer);
  }, [text]);

  // A key that is still being read was meant for the connection that was open then.
  useEffect(
    () => () => {
      readings.current += 1;
    },
    [],
  );

  const take = (next: string) => {
    readings.current += 1;
    setText(next);
    setState("empty");
    if (next.trim() === "") setProblem(null);
  };

  return (
    <Field control="service-key" name="serviceKey" label={t("connection.serviceKey")} problem={problem}>
      <TextArea
        id="service-key"
        className={fileOver ? "drop-here" : undefined}
        value={text}
        rows={3}
        placeholder={t("connection.serviceKeyPlaceholder")}
        {...valueState(problem)}
        onInput={(event) => take(event.target.value)}
        onDragOver={(event) => {
          event.preventDefault();
          setFileOver(true);
        }}
        onDragLeave={() => setFileOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          setFileOver(false);
          const file = event.dataTransfer.files[0];
          if (file) void file.text().then(take, (error: unknown) => setProblem(problemText(asProblem(error))));
          else take(event.dataTransfer.getData("text"));
        }}
      />
      {state === "reading" && <BusyIndicator active size="S" text={t("connection.readingKey")} textPlacement="Bottom" />}
      {state === "read" && (
        <span id="service-key-read" role="status">
          {t("connection.serviceKeyRead")}
        </span>
      )}
    </Field>
  );
}
