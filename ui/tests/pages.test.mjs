// The window in a browser, on the fake backend, under the CSP of the app. SCREENSHOTS names a folder for pictures.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { startWindow } from "./browser.mjs";
import { controlsByTab, seriousViolations } from "./keyboard.mjs";

const serviceKey = (secret = "s3cret-of-the-key") =>
  JSON.stringify(
    {
      clientid: "sb-of-the-key",
      clientsecret: secret,
      url: "https://of-the-key.authentication.example",
      serviceurls: { AI_API_URL: "https://api.of-the-key.example" },
    },
    null,
    2,
  );

let window;
before(async () => (window = await startWindow()));
after(() => window?.close());

/** Opens a case, hands its page to the steps, and asserts that nothing went wrong behind them. */
function pageTest(title, name, steps, options) {
  test(title, async () => {
    const { page, faults, close } = await window.open(name, options);
    try {
      await steps(page);
      assert.deepEqual(faults, []);
    } catch (error) {
      await picture(page, `failed-${title}`);
      throw error;
    } finally {
      await close();
    }
  });
}

async function picture(page, name) {
  const folder = process.env.SCREENSHOTS;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: `${folder}/${name.replaceAll(/\W+/g, "-")}.png` });
}

const inputOf = (page, id) => page.locator(`#${id} input`).first();
const fill = async (page, id, text) => {
  await inputOf(page, id).fill(text);
  await inputOf(page, id).blur();
};
const property = (page, id, name) => page.locator(`#${id}`).evaluate((element, wanted) => element[wanted], name);
const calls = (page, name) => page.evaluate((wanted) => globalThis.calls.filter(([call]) => call === wanted), name);
const says = async (page, id, text) => {
  await page.waitForFunction(
    ([wanted, part]) => document.getElementById(wanted)?.textContent.includes(part),
    [id, text],
    { timeout: 5000 },
  );
};
const gone = (page, id) => page.locator(`#${id}`).waitFor({ state: "detached" });
const becomes = (page, id, name, value) =>
  page.waitForFunction(([wanted, key, expected]) => document.getElementById(wanted)?.[key] === expected, [id, name, value]);
const open = async (page, name) => page.locator(`#nav-${name}`).click();
const paste = async (page, text) => page.locator("#service-key textarea").fill(text);

/** A form that has just changed can't be tested before Rust has looked at it. */
const startTest = async (page) => {
  await becomes(page, "test-connection", "disabled", false);
  await page.locator("#test-connection").click();
};

/** Chooses an entry of a UI5 Select by the keyboard: so many below the chosen one, or above it. */
async function select(page, id, steps) {
  await page.locator(`#${id}`).evaluate((element) => element.focus());
  const key = steps < 0 ? "ArrowUp" : "ArrowDown";
  for (let step = 0; step < Math.abs(steps); step++) await page.keyboard.press(key);
  await page.keyboard.press("Enter");
}

test("the test's page is set up like the app's", () => {
  const config = (file) => /data-ui5-config[^>]*>([^<]+)</.exec(readFileSync(new URL(file, import.meta.url), "utf8"))[1];
  assert.deepEqual(JSON.parse(config("index.html")), JSON.parse(config("../index.html")));
});

// Two at a time: each waits more than it works.
describe("the window", { concurrency: 2 }, () => {
  pageTest("the first run has two ways in and a guide", "first-run", async (page) => {
    assert.equal(await property(page, "run-toggle", "disabled"), true);
    await page.locator("#where-is-my-key").click();
    await page.getByText("Instances and Subscriptions").waitFor();
    await picture(page, "guide");
    await page.keyboard.press("Escape");
    await page.locator("#connect").click();
    await page.locator("#service-key").waitFor();
    await open(page, "overview");
    await page.locator("#step-service_key").waitFor();
  });

  pageTest("the simulator says on every page that it answers, until it is left", "first-run", async (page) => {
    await page.locator("#try-simulator").click();
    await says(page, "run-state", "Running on 127.0.0.1:4000");
    for (const name of ["connection", "agents", "settings", "overview"]) {
      await open(page, name);
      await page.locator("#simulator-strip").waitFor();
    }
    await picture(page, "simulator");
    await page.locator("#leave-simulator").click();
    await gone(page, "simulator-strip");
    assert.deepEqual((await calls(page, "useSimulator")).length, 1);
  });

  pageTest("a pasted service key fills the form and leaves the screen", "first-run", async (page) => {
    await page.locator("#connect").click();
    await paste(page, serviceKey());
    await page.locator("#service-key-read").waitFor();
    await becomes(page, "client-id", "value", "sb-of-the-key");
    await becomes(page, "base-url", "value", "https://api.of-the-key.example");
    await becomes(page, "auth-url", "value", "https://of-the-key.authentication.example");
    await says(page, "secret-state", "taken from the service key");
    assert.equal(await property(page, "service-key", "value"), "");
    assert.equal((await page.content()).includes("s3cret-of-the-key"), false);

    await says(page, "model-count", "60 models");
    assert.equal(await property(page, "save-connection", "disabled"), true);
    await fill(page, "model", "gpt-5");
    await becomes(page, "save-connection", "disabled", false);
    assert.match(await page.locator("#model-facts").textContent(), /400,000 tokens.*Sees images.*will be retired/);
    await picture(page, "filled");

    // What was typed outlives a look at another page.
    await open(page, "agents");
    await open(page, "connection");
    await becomes(page, "client-id", "value", "sb-of-the-key");
    await page.locator("#save-connection").click();
    await says(page, "connection-saved", "Saved");
    await says(page, "secret-state", "stored in the keychain");
    const [[, draft, keep]] = await calls(page, "saveConnection");
    assert.equal(keep, "keychain");
    assert.deepEqual(draft.clientSecret, { from: "service_key", text: serviceKey() });
    assert.deepEqual([draft.orchestration, draft.model, draft.resourceGroup], [true, "gpt-5", ""]);
  });

  pageTest("a service key with a certificate shows whose it is, and its private key stays out of sight", "first-run", async (page) => {
    await page.locator("#connect").click();
    const { clientsecret: _, ...fields } = JSON.parse(serviceKey());
    const key = JSON.stringify({
      ...fields,
      certurl: "https://of-the-key.authentication.cert.example",
      certificate: "-----BEGIN CERTIFICATE-----",
      key: "-----BEGIN RSA PRIVATE KEY-----",
    });
    await paste(page, key);
    await becomes(page, "auth-url", "value", "https://of-the-key.authentication.cert.example");
    await says(page, "client-secret-label", "Client Certificate");
    await says(page, "certificate", "CN=sb-of-the-key,OU=SAP Cloud Platform Clients,O=SAP SE,C=DE, valid until Nov 2");
    await says(page, "secret-state", "Private key taken from the service key");
    assert.equal((await page.content()).includes("BEGIN"), false);
    await picture(page, "certificate");
    await startTest(page);
    await says(page, "test-result", "The connection works.");

    await fill(page, "model", "gpt-5");
    await becomes(page, "save-connection", "disabled", false);
    await page.locator("#save-connection").click();
    await says(page, "connection-saved", "Saved");
    await says(page, "secret-state", "Private key stored in the keychain");
    const [[, draft]] = await calls(page, "saveConnection");
    assert.deepEqual(draft.clientSecret, { from: "service_key", text: key });
    assert.equal("certificate" in draft, false);
    assert.deepEqual(await seriousViolations(page), []);

    // It gives way to a client secret, and comes back.
    await page.locator("#replace-secret").click();
    await gone(page, "certificate");
    await says(page, "client-secret-label", "Client Secret");
    await page.locator("#keep-secret").click();
    await says(page, "certificate", "CN=sb-of-the-key");
    await page.locator("#forget-secret").click();
    await gone(page, "certificate");
  });

  pageTest("a dropped file is read like a pasted key, and what is no key is said", "first-run", async (page) => {
    await page.locator("#connect").click();
    await paste(page, "{ not a key");
    await says(page, "problem-serviceKey", "(CONFIG-SERVICE-KEY)");
    const data = await page.evaluateHandle((text) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([text], "key.json", { type: "application/json" }));
      return transfer;
    }, serviceKey());
    await page.locator("#service-key").dispatchEvent("drop", { dataTransfer: data });
    await becomes(page, "client-id", "value", "sb-of-the-key");
    await gone(page, "problem-serviceKey");
  });

  pageTest("a field's problem is said when it was left, and all of them on a test", "first-run", async (page) => {
    await page.locator("#connect").click();
    await says(page, "save-hint", "Client ID");
    assert.equal(await page.locator(".field-problem").count(), 0);
    await fill(page, "auth-url", "http://no.example");
    await says(page, "problem-authUrl", "This is no https address (CONFIG-URL). Copy it from the service key.");
    assert.equal(await property(page, "auth-url", "valueState"), "Negative");
    assert.equal(await page.locator("#problem-clientId").count(), 0);
    await startTest(page);
    await says(page, "problem-clientId", "(CONFIG-MISSING)");
    await says(page, "problem-clientSecret", "(CONFIG-MISSING)");
    assert.equal(await page.evaluate(() => document.activeElement.id), "client-id");
    assert.deepEqual(await calls(page, "testConnection"), []);
    assert.deepEqual(await calls(page, "offer"), []);
    await picture(page, "problems");
  });

  pageTest("a test shows its steps as they go, and can be cancelled", "running", async (page) => {
    await open(page, "connection");
    await says(page, "model-count", "60 models");
    await page.evaluate(() => {
      globalThis.heldStep = "token";
    });
    await startTest(page);
    await page.locator('#test-step-token[data-status="running"]').waitFor();
    assert.equal(await page.locator("#test-step-answer").getAttribute("data-status"), "waiting");
    assert.equal(await page.locator("#test-step-service_key").getAttribute("data-status"), "done");
    await picture(page, "testing");
    await page.locator("#cancel-test").click();
    await says(page, "test-result", "cancelled");
    assert.equal((await calls(page, "cancelTest")).length, 1);
    assert.equal(await page.locator('.test [data-status="running"]').count(), 0);

    await page.evaluate(() => {
      globalThis.heldStep = undefined;
    });
    await startTest(page);
    await page.locator('#test-step-answer[data-status="done"]').waitFor();
    await says(page, "test-result", "works");
    await picture(page, "tested");
  });

  pageTest("a refused secret is said at its field and in its step", "running", async (page) => {
    await open(page, "connection");
    await page.locator("#replace-secret").click();
    await fill(page, "client-secret", "wrong");
    await says(page, "problem-clientSecret", "SAP AI Core refused the client secret (AUTH-401). Copy the service key again");
    await startTest(page);
    await page.locator('#test-step-token[data-status="failed"]').waitFor();
    await says(page, "test-step-token", "(AUTH-401)");
    await says(page, "test-result", "failed");
    await picture(page, "refused");
    await page.locator("#keep-secret").click();
    await says(page, "secret-state", "stored in the keychain");
    await gone(page, "problem-clientSecret");
  });

  pageTest("what orchestration does beside completing is off, set, saved, and unused in foundation mode", "running", async (page) => {
    const check = (id) => page.locator(`#${id}`).click();
    await open(page, "connection");
    await says(page, "model-count", "60 models");
    assert.equal(await property(page, "orchestration-modules", "collapsed"), true);
    await page.locator("#orchestration-modules").evaluate((panel) => (panel.collapsed = false));
    await page.locator("#input-filter").waitFor();
    assert.equal(await page.locator("#prompt-shield, #entity-profile-email").count(), 0);
    assert.match(await property(page, "orchestration-modules", "headerText"), /\(off\)$/);

    await check("input-filter");
    // What the person has opened stays open when the last one is turned off.
    await check("input-filter");
    await gone(page, "prompt-shield");
    assert.equal(await property(page, "orchestration-modules", "collapsed"), false);
    await check("input-filter");
    await check("prompt-shield");
    await select(page, "input-violence", 1);
    await check("input-llama-guard");
    await check("input-category-elections");
    await check("masking");
    await check("entity-profile-iban");
    await fill(page, "allowlist", "SAP, , Joule ");
    await check("prompt-caching");
    await fill(page, "fallbacks", "gpt-5,gemini-2.5-pro");
    await fill(page, "timeout", "soon");
    await says(page, "problem-orchestrationModules", "(CONFIG-ORCHESTRATION)");
    await says(page, "save-hint", "Orchestration");
    await fill(page, "timeout", "300");
    await gone(page, "problem-orchestrationModules");
    assert.equal(
      await property(page, "orchestration-modules", "headerText"),
      "Orchestration: filters, masking, fallbacks, prompt caching, time budget on",
    );
    await picture(page, "modules");
    assert.deepEqual(await seriousViolations(page), []);
    const reached = await controlsByTab(page);
    for (const id of ["input-filter", "input-hate", "entity-profile-email", "fallbacks", "timeout"]) {
      const control = reached.find(({ ids }) => ids.includes(id));
      assert.ok(control?.label, `${id} is not reached, or has no name`);
    }

    await becomes(page, "save-connection", "disabled", false);
    await page.locator("#save-connection").click();
    await says(page, "connection-saved", "Saved");
    const [[, draft]] = await calls(page, "saveConnection");
    const { input_filter: input, ...others } = draft.orchestrationModules;
    assert.deepEqual(input.azure_content_safety, { hate: 4, self_harm: 4, sexual: 4, violence: 6 });
    assert.equal(input.prompt_shield, true);
    assert.equal(input.llama_guard.length, 13);
    assert.equal(input.llama_guard.includes("elections"), false);
    assert.deepEqual(others, {
      prompt_caching: true,
      timeout: 300,
      fallbacks: ["gpt-5", "gemini-2.5-pro"],
      output_filter: null,
      masking: {
        method: "pseudonymization",
        entities: ["profile-email", "profile-phone", "profile-iban"],
        allowlist: ["SAP", "Joule"],
      },
    });

    await check("orchestration");
    await gone(page, "orchestration-modules");
    await says(page, "modules-unused", "not used");
  });

  pageTest("a test ends with its page", "running", async (page) => {
    await open(page, "connection");
    await says(page, "model-count", "60 models");
    await startTest(page);
    await page.locator("#cancel-test").waitFor();
    await open(page, "overview");
    await page.waitForFunction(() => globalThis.calls.some(([call]) => call === "cancelTest"));
  });

  pageTest("another address asks for the secret again; Forget removes it", "running", async (page) => {
    await open(page, "connection");
    await fill(page, "auth-url", "https://elsewhere.example");
    await startTest(page);
    await says(page, "problem-clientSecret", "(CONFIG-SECRET-ORIGIN)");
    await page.locator("#forget-secret").click();
    await page.locator("#client-secret").waitFor();
    assert.deepEqual(await calls(page, "forgetSecret"), [["forgetSecret", "SAP AI Core"]]);
  });

  pageTest("several connections are chosen, added, renamed and removed, and each has its own form", "several", async (page) => {
    await open(page, "connection");
    await becomes(page, "edited-connection", "value", "Production");
    await becomes(page, "group", "value", "team");
    assert.equal(await property(page, "use-connection", "disabled"), true);
    assert.deepEqual(
      await page.locator("#edited-connection").evaluate((element) => [...element.children].map((option) => option.additionalText)),
      ["in use", "answers too", ""],
    );
    await picture(page, "connections");
    assert.deepEqual(await seriousViolations(page), []);

    await select(page, "edited-connection", 1);
    await becomes(page, "name", "value", "Second tenant");
    await select(page, "edited-connection", 1);
    await becomes(page, "name", "value", "Sandbox");
    await becomes(page, "resource-group", "value", "sandbox");
    await says(page, "secret-state", "stored in the keychain");
    await fill(page, "group", "team");
    await fill(page, "name", "");
    await says(page, "problem-name", "(CONFIG-CONNECTION)");
    await fill(page, "name", "Playground");
    await gone(page, "problem-name");
    await becomes(page, "save-connection", "disabled", false);
    await page.locator("#save-connection").click();
    await says(page, "connection-saved", "Your agents use another connection");
    const [[, renamed]] = await calls(page, "saveConnection");
    assert.deepEqual([renamed.replaces, renamed.name, renamed.group], ["Sandbox", "Playground", "team"]);
    assert.deepEqual(renamed.clientSecret, { from: "stored" });
    await becomes(page, "edited-connection", "value", "Playground");
    await page.locator("#use-connection").click();
    await becomes(page, "use-connection", "disabled", true);
    assert.deepEqual(await calls(page, "selectConnection"), [["selectConnection", "Playground"]]);

    // A new one begins empty, and its name must be its own.
    await page.locator("#add-connection").click();
    await becomes(page, "client-id", "value", "");
    await paste(page, serviceKey());
    await becomes(page, "client-id", "value", "sb-of-the-key");
    await fill(page, "name", "Production");
    await says(page, "problem-name", "(CONFIG-CONNECTION)");
    await fill(page, "name", "New tenant");
    await says(page, "model-count", "60 models");
    await fill(page, "model", "gpt-5");
    await becomes(page, "save-connection", "disabled", false);
    await page.locator("#save-connection").click();
    await becomes(page, "edited-connection", "value", "New tenant");

    await page.locator("#remove-connection").click();
    await page.locator("#remove-connection-cancel").click();
    assert.deepEqual(await calls(page, "removeConnection"), []);
    await page.locator("#remove-connection").click();
    await page.locator("#remove-connection-confirm").click();
    await becomes(page, "edited-connection", "value", "Playground");
    assert.deepEqual(await calls(page, "removeConnection"), [["removeConnection", "New tenant"]]);
  });

  pageTest("what is entered for one connection is never another one's", "several", async (page) => {
    await says(page, "connection-in-use", "Production");
    await page.getByText("Also in its group: Second tenant").waitFor();
    await open(page, "connection");
    await becomes(page, "name", "value", "Production");

    // Neither when the tray switches,
    await fill(page, "resource-group", "only-here");
    await page.evaluate(() => globalThis.tray.selectConnection("Sandbox"));
    await becomes(page, "use-connection", "disabled", false);
    await becomes(page, "edited-connection", "value", "Production");
    await becomes(page, "resource-group", "value", "only-here");

    // nor when another one is chosen, or a new one is begun: what a test has said is over too,
    await startTest(page);
    await says(page, "test-result", "The connection works.");
    await paste(page, serviceKey());
    await page.locator("#service-key-read").waitFor();
    await page.locator("#add-connection").click();
    await becomes(page, "client-id", "value", "");
    await page.waitForFunction(() => document.getElementById("edited-connection")?.selectedOption?.textContent === "New connection");
    await gone(page, "service-key-read");
    await gone(page, "test-result");
    await page.locator("#client-secret").waitFor();
    await becomes(page, "resource-group", "value", "");

    // nor when it is removed.
    await select(page, "edited-connection", -2);
    await becomes(page, "name", "value", "Second tenant");
    await fill(page, "base-url", "https://of-the-removed.example");
    await page.locator("#remove-connection").click();
    await page.locator("#remove-connection-confirm").click();
    await becomes(page, "name", "value", "Sandbox");
    await becomes(page, "base-url", "value", "https://api.ai.prod.eu-central-1.aws.ml.hana.ondemand.com");
  });

  pageTest("models are searched, and a name that is none is a problem", "running", async (page) => {
    await open(page, "connection");
    await says(page, "model-count", "60 models");
    await page.locator("#hidden-models").getByText("2 models can’t be used").click();
    await page.getByText("It holds 8,192 tokens; coding agents need 32,000 (MODEL-CONTEXT).").waitFor();
    const model = inputOf(page, "model");
    await model.fill("claude");
    await page.getByText("anthropic--claude-4-sonnet").first().waitFor();
    await picture(page, "model-search");
    await model.blur();
    await says(page, "problem-model", "“claude” is not among the models");
    await becomes(page, "save-connection", "disabled", true);
    // The name for people will do.
    await fill(page, "model", "claude sonnet 4");
    await becomes(page, "model", "value", "anthropic--claude-4-sonnet");
    await gone(page, "problem-model");
    await fill(page, "resource-group", "a-group-nobody-listed");
    await becomes(page, "save-connection", "disabled", false);
  });

  pageTest("every deployment is shown, only those that run can be chosen", "foundation", async (page) => {
    await open(page, "connection");
    await page.locator("#deployment-d1a2b3c4d5e6").waitFor();
    assert.equal(await property(page, "deployment-d4d5e6f7a8b9", "text"), "d4d5e6f7a8b9 (PENDING)");
    assert.equal(await page.locator("#deployment-list ui5-radio-button").count(), 6);
    for (const [id, disabled] of [
      ["d1a2b3c4d5e6", false],
      ["d4d5e6f7a8b9", true],
      ["d5e6f7a8b9c0", true],
      ["d6f7a8b9c0d1", true],
    ]) {
      assert.equal(await property(page, `deployment-${id}`, "disabled"), disabled, id);
    }
    await page.locator("#deployment-d4d5e6f7a8b9").click({ force: true });
    assert.equal(await property(page, "model", "value"), "");
    await page.locator("#deployment-d2b3c4d5e6f7").click();
    await becomes(page, "model", "value", "anthropic--claude-4-sonnet");
    // All, and the newest one of the model that was chosen with it.
    assert.equal(await page.locator("#deployment-list ui5-radio-button").count(), 7);
    assert.match(await page.locator("#model-facts").textContent(), /\(2 running\).*retires on 2026-12-31/);
    await picture(page, "deployment");
    await becomes(page, "save-connection", "disabled", false);
    await page.locator("#save-connection").click();
    await says(page, "connection-saved", "Saved");
    const [[, draft]] = await calls(page, "saveConnection");
    assert.deepEqual([draft.model, draft.deployment], ["anthropic--claude-4-sonnet", "d2b3c4d5e6f7"]);
    await page.locator("#orchestration").click();
    await gone(page, "deployment-list");
  });

  pageTest("without its models the form says why", "no-offer", async (page) => {
    await open(page, "connection");
    await says(page, "connection-problem", "(NET-CONNECT)");
    await page.locator("#retry-offer").click();
    await page.waitForFunction(() => globalThis.calls.filter(([call]) => call === "offer").length > 1);
  });

  pageTest("a keychain that refuses leaves the choice to keep the secret for this run", "keychain", async (page) => {
    await says(page, "notice-SECRET-LOCKED", "(SECRET-LOCKED)");
    await says(page, "notice-CONFIG-SETTINGS-FILE", "(CONFIG-SETTINGS-FILE)");
    await open(page, "connection");
    await says(page, "problem-clientSecret", "(SECRET-LOCKED)");
    await fill(page, "client-secret", "typed");
    await becomes(page, "save-connection", "disabled", false);
    await page.locator("#save-connection").click();
    await says(page, "connection-problem", "(SECRET-LOCKED)");
    await picture(page, "keychain-refused");
    await page.locator("#keep-this-run").click();
    await says(page, "secret-state", "kept for this run");
    const [, [, , keep]] = await calls(page, "saveConnection");
    assert.equal(keep, "this_run");
    await page.locator("#retry-keychain").click();
    await gone(page, "notice-SECRET-LOCKED");
    await says(page, "secret-state", "stored in the keychain");
  });

  pageTest("a taken port is left by one click", "port-taken", async (page) => {
    await says(page, "proxy-problem", "Port 4000 is used by another program (PORT-TAKEN).");
    await says(page, "run-state", "Could not start at ");
    assert.equal(await page.locator("#step-proxy").getAttribute("data-status"), "failed");
    assert.equal(await property(page, "copy-address", "disabled"), true);
    await page.locator("#use-free-port").click();
    await says(page, "run-state", "Running on 127.0.0.1:4001");
    await says(page, "address", "http://127.0.0.1:4001");
  });

  pageTest("the overview says what is wrong and leads to where it is mended", "degraded", async (page) => {
    await says(page, "proxy-problem", "(AUTH-401)");
    await says(page, "last-problem", "/v1/messages was answered with 401 (AUTH-401)");
    await says(page, "last-problem", "On: filters, masking.");
    await says(page, "usage", "with masking on: 12 requests");
    await says(page, "usage", "128 requests");
    await page.locator("#check-again").click();
    await says(page, "action-problem", "SAP AI Core did not answer within 30 seconds (NET-TIMEOUT). Check again later.");
    await page.locator("#copy-address").click();
    await select(page, "selected-model", 1);
    await page.waitForFunction(() => globalThis.calls.some(([call, model]) => call === "selectModel" && model === "gpt-5"));
    assert.equal((await calls(page, "copyAddress")).length, 1);
    await page.locator("#run-toggle").click();
    await says(page, "run-state", "Stopped");
    await page.getByText("Go to Connection").click();
    await page.locator("#service-key").waitFor();
  });

  pageTest("an agent's setup is copied by the backend, in the shell chosen last", "running", async (page) => {
    await open(page, "agents");
    await says(page, "snippet-claude-code", "# claude-code in bash");
    await says(page, "agent-codex", "~/.codex/config.toml");
    await select(page, "form-claude-code", 2);
    await says(page, "snippet-claude-code", "set -gx");
    await says(page, "snippet-kilo-code", "set -gx");
    await says(page, "snippet-codex", '"env"');
    await page.locator("#copy-claude-code").click();
    await page.getByText("Copied").waitFor();
    assert.deepEqual(await calls(page, "copySnippet"), [["copySnippet", "claude-code", "fish"]]);
    await picture(page, "copied");
    await page.locator("#copy-key").click();
    await open(page, "settings");
    await open(page, "agents");
    await says(page, "snippet-kilo-code", "set -gx");
  });

  pageTest("settings are checked at their field and saved", "running", async (page) => {
    await open(page, "settings");
    for (const wrong of ["0", "65536", "x", ""]) {
      await fill(page, "port", wrong);
      await says(page, "problem-port", "from 1 to 65535");
      assert.equal(await property(page, "save-settings", "disabled"), true);
    }
    await fill(page, "port", "80");
    await page.locator("#save-settings").click();
    await says(page, "problem-port", "(PORT-DENIED)");
    await fill(page, "port", "4711");
    await page.locator("#start-proxy").click();
    await fill(page, "ca-file", "/nowhere");
    await page.locator("#save-settings").click();
    await says(page, "problem-caFile", "The CA file /nowhere can’t be read (CONFIG-CA-FILE).");
    await picture(page, "ca-file");
    await fill(page, "ca-file", " /etc/company.pem ");
    await gone(page, "problem-caFile");
    await page.locator("#save-settings").click();
    await page.waitForFunction(() => globalThis.calls.filter(([call]) => call === "saveSettings").length === 3);
    assert.deepEqual((await calls(page, "saveSettings"))[2][1], { port: 4711, startProxy: false, caFile: "/etc/company.pem" });
    await page.locator("#start-at-login").click();
    await becomes(page, "start-at-login", "checked", true);
    await page.locator("#rotate-key").click();
    await page.locator("#cancel-rotate-key").click();
    assert.deepEqual(await calls(page, "rotateLocalKey"), []);
    await page.locator("#rotate-key").click();
    await picture(page, "rotate-key");
    await page.locator("#confirm-rotate-key").click();
    await page.getByText("ct-new1…").waitFor();
    await says(page, "about", "Coretap 0.");
  });

  pageTest(
    "the theme follows the system until one is chosen",
    "running",
    async (page) => {
      const theme = () => page.evaluate(() => document.documentElement.getAttribute("data-sap-theme"));
      const themeIs = (name) =>
        page.waitForFunction((wanted) => document.documentElement.getAttribute("data-sap-theme") === wanted, name);
      assert.equal(await theme(), "sap_horizon_dark");
      await page.emulateMedia({ colorScheme: "light" });
      await themeIs("sap_horizon");
      await open(page, "settings");
      await select(page, "theme", 3);
      await themeIs("sap_horizon_hcb");
      await picture(page, "high-contrast");
      await page.reload();
      await themeIs("sap_horizon_hcb");
    },
    { colorScheme: "dark" },
  );

  for (const [name, nav, expected] of [
    ["first-run", "overview", ["connect", "try-simulator", "where-is-my-key"]],
    ["degraded", "overview", ["run-toggle", "check-again", "copy-address", "selected-model"]],
    [
      "foundation",
      "connection",
      ["service-key", "client-id", "replace-secret", "forget-secret", "base-url", "auth-url", "resource-group", "orchestration", "model", "hidden-models", "deployment-d1a2b3c4d5e6", "test-connection"],
    ],
    ["keychain", "connection", ["retry-keychain", "client-secret", "where-is-my-key"]],
    ["running", "agents", ["form-claude-code", "snippet-claude-code", "copy-claude-code", "form-codex", "copy-key"]],
    ["running", "settings", ["port", "ca-file", "start-proxy", "save-settings", "start-at-login", "theme", "copy-key", "rotate-key"]],
  ]) {
    pageTest(`${nav} (${name}) works by keyboard and for screen readers`, name, async (page) => {
      await open(page, nav);
      if (nav === "connection") await page.waitForFunction(() => /models|fields/.test(document.getElementById("model-count").textContent));
      assert.deepEqual(await seriousViolations(page), []);
      await picture(page, `${nav}-${name}`);
      await page.emulateMedia({ colorScheme: "dark" });
      await page.waitForFunction(() => document.documentElement.getAttribute("data-sap-theme") === "sap_horizon_dark");
      // UI5 fades some colours.
      await page.waitForTimeout(400);
      assert.deepEqual(await seriousViolations(page), []);
      await picture(page, `${nav}-${name}-dark`);

      const reached = await controlsByTab(page);
      const nameless = reached.filter(({ label }) => !label);
      assert.deepEqual(nameless, [], "controls without a name");
      const ids = reached.flatMap(({ ids: own }) => own);
      const unreached = expected.filter((id) => !ids.includes(id));
      assert.deepEqual(unreached, [], "controls that Tab does not reach");
    });
  }

  pageTest(
    "the smallest window hides nothing",
    "degraded",
    async (page) => {
      for (const name of ["overview", "connection", "agents", "settings"]) {
        await open(page, name);
        await page.waitForTimeout(200);
        await picture(page, `small-${name}`);
        const wider = await page.evaluate(() => {
          const main = document.querySelector("main");
          return main.scrollWidth - main.clientWidth;
        });
        assert.ok(wider <= 0, `${name} is ${wider} px too wide`);
        assert.ok(await page.locator("#run-toggle").isVisible());
      }
    },
    { width: 720, height: 520 },
  );
});
