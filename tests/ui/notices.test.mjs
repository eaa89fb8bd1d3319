import assert from "node:assert/strict";
import test from "node:test";
import show from "../../ui/status/notices.js";

function browser(chosen, permission) {
  const made = [], store = () => { const kept = {}; return { getItem: (key) => kept[key] ?? null, setItem: (key, value) => { kept[key] = value; } }; };
  globalThis.sessionStorage = store();
  globalThis.localStorage = store();
  if (chosen) localStorage.setItem("run_notifications", chosen);
  globalThis.Notification = class { static permission = permission; constructor(title, about) { made.push([title, about.body, about.tag]); } };
  return made;
}

const two = { data: { notices: JSON.stringify([{ id: "alert-1", title: "a run", text: "low disk" }, { id: "end-2", title: "b", text: "finished" }]) } };

test("each notice is shown once where the viewer asked for it", () => {
  const made = browser("on", "granted");
  show(two);
  show(two);
  assert.deepEqual(made, [["a run", "low disk", "alert-1"], ["b", "finished", "end-2"]]);
});

test("nothing is shown without the viewer's choice or the browser's permission, and not later either", () => {
  for (const [chosen, permission] of [[null, "granted"], ["off", "granted"], ["on", "denied"], ["on", "default"]]) {
    const made = browser(chosen, permission);
    show(two);
    localStorage.setItem("run_notifications", "on");
    Notification.permission = "granted";
    show(two);
    assert.deepEqual(made, [], `${chosen} ${permission}`);
  }
});

test("a browser without notifications or storage does nothing", () => {
  browser("on", "granted");
  delete globalThis.Notification;
  show(two);
  delete globalThis.sessionStorage;
  show(two);
});
