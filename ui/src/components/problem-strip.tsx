import { MessageStrip } from "@ui5/webcomponents-react/MessageStrip";
import type { ReactNode } from "react";

import type { ProblemView } from "../backend/types/ProblemView";
import { problemText } from "../problem";

interface Properties {
  id: string;
  problem: ProblemView;
  design?: "Negative" | "Critical";
  /** What can be done about it right here. */
  children?: ReactNode;
  onClose?: () => void;
}

export function ProblemStrip({ id, problem, design = "Negative", children, onClose }: Properties) {
  return (
    <MessageStrip id={id} role="alert" design={design} hideCloseButton={!onClose} onClose={onClose}>
      <span className="strip">
        <span>{problemText(problem)}</span>
        {children}
      </span>
    </MessageStrip>
  );
}
