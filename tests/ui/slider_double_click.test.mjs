import assert from "node:assert/strict";
import test from "node:test";
import listen from "../../ui/run/slider_double_click.js";

test("a double click tells the place of its slider, to whoever drew the sliders last", () => {
  const sliders = [{}, {}], told = [];
  let clicked;
  const box = { querySelectorAll: () => sliders, addEventListener: (name, act) => { assert.equal(clicked, undefined); clicked = act; } };
  const parentElement = { closest: () => box };
  listen({ parentElement, setTriggerValue: (...all) => told.push(["before", ...all]) });
  listen({ parentElement, setTriggerValue: (...all) => told.push(["now", ...all]) });
  clicked({ target: { closest: () => sliders[1] } });
  clicked({ target: { closest: () => null } });
  assert.deepEqual(told, [["now", "doubled", 1]]);
});

test("sliders that are gone are no error", () => {
  listen({ parentElement: { closest: () => null }, setTriggerValue: assert.fail });
});
