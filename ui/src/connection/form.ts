// The form's state: what the person changed laid over what is saved, and what Rust says about it.

import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import { useBackend, useSnapshot } from "../backend/context";
import type { CertificateView } from "../backend/types/CertificateView";
import type { ConnectionDraft } from "../backend/types/ConnectionDraft";
import type { ConnectionView } from "../backend/types/ConnectionView";
import type { Field } from "../backend/types/Field";
import type { Offer } from "../backend/types/Offer";
import type { ProblemView } from "../backend/types/ProblemView";
import type { SavedConnection } from "../backend/types/SavedConnection";
import type { SecretDraft } from "../backend/types/SecretDraft";
import type { SecretView } from "../backend/types/SecretView";
import { asProblem } from "../problem";
import { noModules } from "./orchestration-modules";

export interface ConnectionForm {
  draft: ConnectionDraft;
  /** The saved connection that is edited; null while a new one is entered. */
  edited: SavedConnection | null;
  /** Edits another saved connection, with null a new one, with undefined the one in use; what was changed is forgotten. */
  edit(name: string | null | undefined): void;
  /** Another number whenever another connection is edited: what was said of the one before is over then. */
  opened: number;
  /** The client certificate whose private key stands in the secret's place; null with a client secret. */
  certificate: CertificateView | null;
  /** Whether it differs from what is saved. */
  changed: boolean;
  /** Changes fields; `typing` while a key may still follow. */
  change(changes: Partial<ConnectionView>, typing?: boolean): void;
  /** Takes another secret, with the certificate that it is the key of; null goes back to the saved one. */
  changeSecret(secret: SecretDraft | null, typing?: boolean, certificate?: CertificateView | null): void;
  /** Whether a key may still follow. */
  typing: boolean;
  /** Says that a field was left: its problem may be shown. */
  touch(field: Field): void;
  /** Shows every problem, after an attempt. */
  touchAll(): void;
  touched(field: Field): boolean;
  /** Forgets what was changed: it is saved. */
  saved(): void;
  /** Whether what Rust said is about what the form holds now. */
  settled: boolean;
  problems: ProblemView[];
  offer: Offer | undefined;
  offerLoading: boolean;
  offerProblem: ProblemView | null;
  retryOffer(): void;
}

/** What the first connection is called, which has no need of a name. */
const firstName = "SAP AI Core";

const newConnection: ConnectionView = {
  name: "",
  group: null,
  clientId: "",
  baseUrl: "",
  authUrl: "",
  resourceGroup: "",
  orchestration: true,
  model: null,
  deployment: null,
  orchestrationModules: noModules,
  certificate: null,
};

/** What has to be right before SAP AI Core can be asked for its models. */
const accessFields: (Field | null)[] = ["clientId", "clientSecret", "baseUrl", "authUrl", "resourceGroup"];

export function useConnectionForm(isShown: boolean): ConnectionForm {
  const backend = useBackend();
  const { connections, source } = useSnapshot();
  // Undefined follows the connection in use.
  const [chosen, setChosen] = useState<string | null | undefined>(undefined);
  const [opened, setOpened] = useState(0);
  const [changes, setChanges] = useState<Partial<ConnectionView>>({});
  const [ownSecret, setOwnSecret] = useState<SecretDraft | null>(null);
  const [ownCertificate, setOwnCertificate] = useState<CertificateView | null>(null);
  // Stands for the secret wherever two states of the form are told apart, so that no key holds the secret itself.
  const [secretVersion, setSecretVersion] = useState(0);
  const [typing, setTyping] = useState(false);
  const [touchedFields, setTouchedFields] = useState<ReadonlySet<Field>>(new Set());
  const [everyField, setEveryField] = useState(false);

  const inUse = connections.find(({ part }) => part === "selected") ?? null;
  const edited = chosen === null ? null : (connections.find(({ connection }) => connection.name === chosen) ?? inUse);
  const connection = edited?.connection ?? null;
  const secret: SecretView = edited?.secret ?? { state: "missing" };
  const hasSavedSecret = secret.state === "stored" || secret.state === "this_run" || secret.state === "asking";
  const clientSecret: SecretDraft =
    ownSecret ?? (connection && hasSavedSecret ? { from: "stored" } : { from: "typed", value: "" });
  const empty = { ...newConnection, name: connections.length === 0 ? firstName : "" };
  const { certificate: savedCertificate, ...fields } = { ...empty, ...connection, ...changes };
  const draft: ConnectionDraft = { ...fields, clientSecret, replaces: connection?.name ?? null };

  const now = {
    draft,
    key: JSON.stringify([{ ...draft, clientSecret: clientSecret.from }, secretVersion, connection, secret.state]),
  };
  const checked = useSettled(now, 300);
  const validation = useQuery({
    queryKey: ["validate", checked.key],
    queryFn: () => backend.validateConnection(checked.draft),
    placeholderData: keepPreviousData,
    staleTime: Infinity,
    gcTime: 0,
  });
  const problems = validation.isError ? [asProblem(validation.error)] : (validation.data ?? []);
  const settled = checked.key === now.key && !validation.isFetching && !validation.isPlaceholderData;

  // SAP AI Core is asked when typing has come to an end, not for every half of a secret.
  const asked = useSettled(now, typing ? 1200 : 300);
  const { clientId, baseUrl, authUrl, resourceGroup, orchestration } = asked.draft;
  const accessIsValid =
    settled && asked.key === now.key && validation.isSuccess && !problems.some((problem) => accessFields.includes(problem.field));
  const offerQuery = useQuery({
    queryKey: [
      "offer",
      { clientId, baseUrl, authUrl, resourceGroup, orchestration },
      asked.draft.clientSecret.from,
      secretVersion,
      secret.state,
    ],
    queryFn: () => backend.offer(asked.draft),
    // Nobody is asked for a form that nobody sees, nor, while the simulator answers, for one that nobody has touched.
    enabled: accessIsValid && isShown && (source !== "simulator" || ownSecret !== null || Object.keys(changes).length > 0),
    staleTime: 60_000,
  });

  // What is typed belongs to this connection, whichever is in use a moment later.
  const stay = () => setChosen(connection?.name ?? null);
  const forgetChanges = () => {
    setChanges({});
    setOwnSecret(null);
    setOwnCertificate(null);
    setSecretVersion((version) => version + 1);
    setTouchedFields(new Set());
    setEveryField(false);
  };

  return {
    draft,
    edited,
    edit(name) {
      forgetChanges();
      setChosen(name);
      setOpened((count) => count + 1);
    },
    opened,
    certificate: clientSecret.from === "stored" ? savedCertificate : ownCertificate,
    changed: ownSecret !== null || Object.keys(changes).length > 0,
    change(next, stillTyping = false) {
      stay();
      setChanges((before) => ({ ...before, ...next }));
      setTyping(stillTyping);
    },
    changeSecret(next, stillTyping = false, certificate = null) {
      stay();
      setOwnSecret(next);
      setOwnCertificate(certificate);
      setSecretVersion((version) => version + 1);
      setTyping(stillTyping);
    },
    typing,
    touch(field) {
      setTyping(false);
      setTouchedFields((before) => (before.has(field) ? before : new Set([...before, field])));
    },
    touchAll: () => setEveryField(true),
    touched: (field) => everyField || touchedFields.has(field),
    saved() {
      forgetChanges();
      setChosen(draft.name.trim());
    },
    settled,
    problems,
    offer: offerQuery.data,
    offerLoading: offerQuery.isFetching,
    offerProblem: offerQuery.isError && !offerQuery.isFetching ? asProblem(offerQuery.error) : null,
    retryOffer: () => void offerQuery.refetch(),
  };
}

/** The value once its key has stayed the same for a while. */
function useSettled<T extends { key: string }>(value: T, milliseconds: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    if (settled.key === value.key) return;
    const timer = setTimeout(() => setSettled(value), milliseconds);
    return () => clearTimeout(timer);
    // Only the key says whether it is another value.
  }, [value.key, settled.key, milliseconds]);
  return settled;
}
