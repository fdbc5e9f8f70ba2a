// How a page is reached without a mouse and without eyes.

import axe from "axe-core";

/** Goes through the page by Tab until it is round. Each control with the name that a screen reader says and the ids around it. */
export async function controlsByTab(page) {
  const session = await page.context().newCDPSession(page);
  const reached = [];
  let first;
  await page.evaluate(() => document.activeElement?.blur());
  for (let presses = 0; presses < 150; presses++) {
    await page.keyboard.press("Tab");
    const { result } = await session.send("Runtime.evaluate", {
      expression: `(() => {
        let active = document.activeElement;
        while (active?.shadowRoot?.activeElement) active = active.shadowRoot.activeElement;
        return active;
      })()`,
    });
    const ids = await page.evaluate(() => {
      const found = [];
      for (let node = document.activeElement; node && node !== document.body; node = node.parentElement) {
        if (node.id) found.push(node.id);
      }
      return found;
    });
    if (ids.length === 0) continue;
    const { nodes } = await session.send("Accessibility.getPartialAXTree", { objectId: result.objectId, fetchRelatives: false });
    const control = { ids, label: nodes[0]?.name?.value ?? "" };
    const key = JSON.stringify(control);
    if (key === first && reached.length > 3) break;
    first ??= key;
    reached.push(control);
  }
  return reached;
}

/** What axe calls serious or critical. */
export async function seriousViolations(page) {
  // The CSP forbids scripts in the page, not those of the debugger.
  await page.evaluate(axe.source);
  const { violations, passes } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  if (passes.length < 10) throw new Error("axe looked at next to nothing");
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => ({ id, nodes: nodes.map(({ html, failureSummary }) => `${html.slice(0, 200)}: ${failureSummary}`) }));
}
