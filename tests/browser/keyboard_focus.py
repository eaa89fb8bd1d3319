"""What a keyboard and a screen reader find on a page that a journey has open: every control has a name, and shows that it has the focus."""

from __future__ import annotations

import re

from playwright.sync_api import Page

_ROLES = "button checkbox combobox link listbox menuitem menuitemcheckbox menuitemradio radio searchbox slider spinbutton switch tab textbox"
CONTROLS = frozenset(re.findall(r"\w+", _ROLES))
# Focuses each control that Tab can reach, one after the other, and compares the styles around it with those before. The last interaction was with
# the keyboard, so Chromium shows the focus as it does after Tab. Gives the controls that look the same, or whose mark has a contrast below 3.
LOOK = """() => {
  const parts = ["outlineStyle", "outlineWidth", "outlineColor", "boxShadow", "borderTopColor", "borderBottomColor", "backgroundColor", "color",
                 "textDecorationLine", "opacity", "stroke", "fill"];
  const styles = (part, pseudo) => { const style = getComputedStyle(part, pseudo); return parts.map((name) => style[name]); };
  const around = (control) => {
    const whole = control.closest("label") ?? control.parentElement ?? control, found = [];
    for (let part = control, up = 0; part && up < 5; part = part.parentElement, up++) found.push([part, null]);
    for (const part of [...whole.querySelectorAll("*")].slice(0, 40)) found.push([part, null]);
    return [...found, [control, "::before"], [control, "::after"]];
  };
  const numbers = (colour) => {
    const found = colour.match(/[\\d.]+/g)?.map(Number);
    return found && { rgb: found.slice(0, 3), alpha: found[3] ?? 1 };
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const behind = (part) => {
    for (let up = part.parentElement; up; up = up.parentElement) {
      const found = numbers(getComputedStyle(up).backgroundColor);
      if (found && found.alpha === 1) return found.rgb;
    }
    return [255, 255, 255];
  };
  const mixed = (colour, under) => colour.rgb.map((c, i) => c * colour.alpha + under[i] * (1 - colour.alpha));
  const wrong = [], still = document.createElement("style");
  let seen = 0;
  still.textContent = "* {transition: none !important; animation: none !important}";
  document.head.append(still);
  for (const control of document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")) {
    if (control.tabIndex < 0 || control.disabled || !control.checkVisibility({ checkVisibilityCSS: true })) continue;
    document.activeElement?.blur();
    const places = around(control), before = places.map(([part, pseudo]) => styles(part, pseudo));
    control.focus({ preventScroll: true });
    if (document.activeElement !== control) continue;
    const after = places.map(([part, pseudo]) => styles(part, pseudo));
    let best = 0;
    places.forEach(([part], place) => parts.forEach((name, at) => {
      const now = after[place][at], outlined = after[place][0] !== "none", newly = before[place][0] === "none" && outlined;
      if (now === before[place][at] && !(name === "outlineColor" && newly)) return;
      if ((name === "outlineColor" && !outlined) || now === "none" || ["outlineStyle", "outlineWidth", "opacity"].includes(name)) return;
      if (name === "textDecorationLine") best = 21;
      const colour = numbers(now), under = behind(part);
      if (colour) best = Math.max(best, contrast(mixed(colour, under), under));
    }));
    seen++;
    if (best < 3) wrong.push(`${best.toFixed(2)}: ${control.outerHTML.slice(0, 220)}`);
  }
  document.activeElement?.blur();
  still.remove();
  return [seen, wrong];
}"""
# What comes from Streamlit or Plotly and cannot be changed with CSS: part of the element -> why.
OF_OTHERS: dict[str, str] = {}


def check_focus(page: Page) -> int:
    """Fail for a control that does not show its focus, with a contrast of 3 to what is behind it. Gives how many controls there are."""
    page.keyboard.press("Tab")  # from now on the keyboard has the say
    count, wrong = page.evaluate(LOOK)
    left = [control for control in wrong if not any(part in control for part in OF_OTHERS)]
    assert not left, "\n".join(dict.fromkeys(left))
    return count


def check_names(page: Page) -> int:
    """Fail for a control without a name in the browser's accessibility tree. Gives how many controls there are."""
    session = page.context.new_cdp_session(page)
    tree = session.send("Accessibility.getFullAXTree")["nodes"]
    session.detach()  # or Chromium keeps the tree of every page that follows in this tab
    controls = [node for node in tree if not node["ignored"] and node.get("role", {}).get("value") in CONTROLS]
    nameless = [
        str({key: node.get(key) for key in ("role", "description", "properties")}) for node in controls if not node.get("name", {}).get("value")
    ]
    assert not nameless, "\n".join(nameless)
    return len(controls)
