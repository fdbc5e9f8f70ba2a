// Hands the backend to the pages, and the snapshot that it keeps sending.

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, useContext, useEffect } from "react";

import type { Backend } from "./backend";
import type { Snapshot } from "./types/Snapshot";

const BackendContext = createContext<Backend | null>(null);
const SnapshotContext = createContext<Snapshot | null>(null);
const snapshotKey = ["snapshot"];

export function BackendProvider({ backend, children }: { backend: Backend; children: ReactNode }) {
  return <BackendContext value={backend}>{children}</BackendContext>;
}

export const SnapshotProvider = SnapshotContext.Provider;

export function useBackend(): Backend {
  const backend = useContext(BackendContext);
  if (!backend) throw new Error("useBackend needs a BackendProvider");
  return backend;
}

/** All that is true now. Only below the app's SnapshotProvider. */
export function useSnapshot(): Snapshot {
  const snapshot = useContext(SnapshotContext);
  if (!snapshot) throw new Error("useSnapshot needs a SnapshotProvider");
  return snapshot;
}

/** Reads the snapshot and follows it; for the app itself. */
export function useSnapshotQuery() {
  const backend = useBackend();
  const queryClient = useQueryClient();

  useEffect(() => {
    let ended = false;
    let stop = () => {};
    backend
      .onSnapshot((snapshot) => {
        // One that is still on its way is older than this.
        void queryClient.cancelQueries({ queryKey: snapshotKey });
        queryClient.setQueryData(snapshotKey, snapshot);
      })
      .then((unlisten) => {
        if (ended) unlisten();
        else stop = unlisten;
      })
      .catch((error: unknown) => console.error("snapshots can't be followed", error));
    return () => {
      ended = true;
      stop();
    };
  }, [backend, queryClient]);

  return useQuery({ queryKey: snapshotKey, queryFn: () => backend.snapshot(), staleTime: Infinity });
}

/** Reads the snapshot anew, for those who must not wait for the next one. */
export function useRefreshSnapshot(): () => Promise<void> {
  const queryClient = useQueryClient();
  return () => queryClient.refetchQueries({ queryKey: snapshotKey });
}
