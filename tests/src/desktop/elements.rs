//! The window's parts by the ids that are agreed on: UI5 web components, which keep what a person sees and types
//! into in a shadow tree of their own.

use fantoccini::elements::Element;
use fantoccini::key::Key;
use serde_json::{Value, json};

use crate::desktop::window::Window;
use crate::desktop::{poll, until};
use crate::process::LIMIT;

/// What scripts of the tests share.
pub(crate) const LIBRARY: &str = r"
const find = (selector) => document.querySelector(selector);
// The text of what is rendered, through shadow trees and slots.
const shown = (node) => {
  if (!node) return null;
  if (node.nodeType === Node.TEXT_NODE) return node.data;
  if (node.nodeType === Node.ELEMENT_NODE) {
    if (['STYLE', 'SCRIPT', 'TEMPLATE'].includes(node.tagName)) return '';
    const style = getComputedStyle(node);
    if (style.display === 'none' || style.visibility === 'hidden') return '';
  }
  const slotted = node.tagName === 'SLOT' ? node.assignedNodes() : [];
  const children = slotted.length ? slotted : [...(node.shadowRoot ?? node).childNodes];
  return children.map(shown).join(' ').replace(/\s+/g, ' ').trim();
};
// The field that keys go to.
const field = (host) => {
  if (!host) return null;
  if (host.matches('input, textarea')) return host;
  for (const root of [host.shadowRoot, host]) {
    const own = root?.querySelector('input, textarea');
    if (own) return own;
    for (const inner of root?.querySelectorAll('*') ?? []) {
      if (inner.shadowRoot) { const found = field(inner); if (found) return found; }
    }
  }
  return null;
};
// What a click on a component has to hit.
const target = (host) => host?.getFocusDomRef?.() ?? host?.getDomRef?.() ?? host;
// A component renders later what was set on it: until then a click is swallowed.
const isDisabled = (node) => !!node.disabled || node.hasAttribute('disabled') || node.getAttribute('aria-disabled') === 'true';
const disabled = (host) => isDisabled(host) || isDisabled(target(host));
";

/// A selection's entries, as they are offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What it says.
    pub text: String,
    /// Whether it can be chosen.
    pub enabled: bool,
}

impl Window {
    /// Waits until the element is there.
    pub async fn wait_for(&self, selector: &str) {
        until(&format!("{selector} is there"), async || {
            self.exists(selector).await.then_some(())
        })
        .await;
    }

    /// Waits until the element is gone.
    pub async fn wait_for_no(&self, selector: &str) {
        until(&format!("{selector} is gone"), async || {
            (!self.exists(selector).await).then_some(())
        })
        .await;
    }

    /// Whether the element is there now.
    pub async fn exists(&self, selector: &str) -> bool {
        self.script("return !!find(arguments[0])", vec![json!(selector)])
            .await
            == true
    }

    /// The text that a person sees in the element, "" when it is not there.
    pub async fn text(&self, selector: &str) -> String {
        let text = self
            .script("return shown(find(arguments[0]))", vec![json!(selector)])
            .await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the element's text holds this, and gives all of it.
    pub async fn text_with(&self, selector: &str, wanted: &str) -> String {
        let found = poll(LIMIT, async || {
            let text = self.text(selector).await;
            text.contains(wanted).then_some(text)
        })
        .await;
        match found {
            Some(text) => text,
            None => panic!(
                "{selector} should say {wanted:?}, but says {:?}",
                self.text(selector).await
            ),
        }
    }

    /// A property of the element.
    pub async fn property(&self, selector: &str, name: &str) -> Value {
        self.script(
            "return find(arguments[0])?.[arguments[1]] ?? null",
            vec![json!(selector), json!(name)],
        )
        .await
    }

    /// What a field holds.
    pub async fn value(&self, selector: &str) -> String {
        self.property(selector, "value")
            .await
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Waits until a field holds this.
    pub async fn wait_for_value(&self, selector: &str, wanted: &str) {
        let found = poll(LIMIT, async || {
            (self.value(selector).await == wanted).then_some(())
        })
        .await;
        if found.is_none() {
            let value = self.value(selector).await;
            panic!("{selector} should hold {wanted:?}, but holds {value:?}");
        }
    }

    /// An attribute of the element.
    pub async fn attribute(&self, selector: &str, name: &str) -> String {
        let value = self
            .script(
                "return find(arguments[0])?.getAttribute(arguments[1]) ?? ''",
                vec![json!(selector), json!(name)],
            )
            .await;
        value.as_str().unwrap_or_default().to_owned()
    }

    /// Whether the element is there and can be used.
    pub async fn enabled(&self, selector: &str) -> bool {
        self.script(
            "const host = find(arguments[0]); return !!host && !disabled(host)",
            vec![json!(selector)],
        )
        .await
            == true
    }

    /// Clicks the element once it is there, enabled, in view and at rest: the driver clicks where it was.
    pub async fn click(&self, selector: &str) {
        let mut place = Value::Null;
        until(&format!("{selector} can be clicked"), async || {
            let before = std::mem::take(&mut place);
            place = self
                .script(
                    "const host = find(arguments[0]); if (!host || disabled(host)) return null;
                     host.scrollIntoView({ block: 'nearest', behavior: 'instant' });
                     const { x, y } = host.getBoundingClientRect(); return [x, y]",
                    vec![json!(selector)],
                )
                .await;
            if place.is_null() || place != before {
                return None;
            }
            let part = self.part("target", selector).await?;
            part.click().await.ok()
        })
        .await;
    }

    /// Replaces a field's text, key by key, and leaves the field.
    pub async fn type_into(&self, selector: &str, text: &str) {
        until(&format!("{selector} can be typed into"), async || {
            let field = self.part("field", selector).await?;
            // A key that is held down is let go at the end of a call.
            field.send_keys(&format!("{}a", Key::Control)).await.ok()?;
            let keys = format!("{}{text}{}", Key::Delete, Key::Tab);
            field.send_keys(&keys).await.ok()
        })
        .await;
        self.wait_for_value(selector, text).await;
    }

    /// Sends keys to a field as they are.
    pub async fn keys(&self, selector: &str, keys: &str) {
        let field = until(&format!("{selector} can be typed into"), async || {
            self.part("field", selector).await
        })
        .await;
        field.send_keys(keys).await.unwrap();
    }

    /// The element of a component that one of the library's functions finds.
    async fn part(&self, function: &str, selector: &str) -> Option<Element> {
        let script = format!("return {function}(find(arguments[0]))");
        let found = self.try_script(&script, vec![json!(selector)]).await?;
        // WebDriver writes an element as an object with its id as the only value.
        let id = found.as_object()?.values().next()?.as_str()?.to_owned();
        Some(Element::from_element_id(self.client.clone(), id.into()))
    }

    /// The entries of a selection.
    pub async fn choices(&self, selector: &str) -> Vec<Choice> {
        let found = self
            .script(
                "return [...(find(arguments[0])?.querySelectorAll(
                    '[ui5-cb-item], [ui5-option], [ui5-li], [ui5-option-custom]') ?? [])]
                  .map((item) => ({ text: (item.text || item.textContent || '').trim(), enabled: !disabled(item) }))",
                vec![json!(selector)],
            )
            .await;
        let found = found.as_array().cloned().unwrap_or_default();
        found
            .iter()
            .map(|choice| Choice {
                text: choice["text"].as_str().unwrap_or_default().to_owned(),
                enabled: choice["enabled"] == true,
            })
            .collect()
    }

    /// The status of a step: `waiting`, `running`, `done`, `failed`, and "" when it is not there.
    pub async fn status(&self, selector: &str) -> String {
        self.attribute(selector, "data-status").await
    }

    /// Waits until a step has come to its end, and gives its status and what it says.
    pub async fn finished(&self, selector: &str) -> (String, String) {
        until(&format!("{selector} is done or failed"), async || {
            let status = self.status(selector).await;
            let ended = ["done", "failed"].contains(&status.as_str());
            if ended {
                Some((status, self.text(selector).await))
            } else {
                None
            }
        })
        .await
    }
}
