// Writes pictures of every page into the folder that is named.
import { mkdirSync } from "node:fs";
import { startWindow } from "./browser.mjs";

const folder = process.argv[2];
mkdirSync(folder, { recursive: true });
const window = await startWindow();
const only = process.argv[3];
const list = [
  ["first-run", "overview"], ["first-run", "connection"], ["running", "overview"], ["running", "connection"], ["running", "agents"], ["running", "settings"],
  ["port-taken", "overview"], ["keychain", "overview"], ["keychain", "connection"], ["foundation", "connection"], ["degraded", "overview"], ["no-offer", "connection"],
];
for (const colorScheme of ["light", "dark"]) for (const [name, nav] of list) {
  if (only && !`${name}-${nav}-${colorScheme}`.includes(only)) continue;
  const { page, faults, close } = await window.open(name, { colorScheme });
  await page.locator(`#nav-${nav}`).click();
  await page.waitForTimeout(900);
  await page.screenshot({ path: `${folder}/${name}-${nav}-${colorScheme}.png` });
  if (nav === "connection") {
    await page.locator("#save-connection").scrollIntoViewIfNeeded();
    await page.screenshot({ path: `${folder}/${name}-${nav}-below-${colorScheme}.png` });
  }
  if (faults.length) console.log(name, nav, colorScheme, faults);
  await close();
}
await window.close();
