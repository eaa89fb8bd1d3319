// Pure parts of the viewer, with worked values. test_viewer_scripts.py runs this file with `node --test`.

import assert from "node:assert/strict";
import { test } from "node:test";

import { chosenBoxes, freePlace, iou, judgedBoxes, judgedPoints, rgb } from "../../ui/drawing/layer_values.js";

test("overlap of boxes", () => {
  assert.equal(iou([0, 0, 2, 2], [1, 0, 3, 2]), 2 / 6);
  assert.equal(iou([0, 0, 2, 2], [2, 0, 4, 2]), 0); // they touch
  assert.equal(iou([0, 0, 2, 2], [0, 0, 2, 2]), 1);
  assert.equal(iou([0, 0, 0, 0], [0, 0, 0, 0]), 0); // no area
  assert.equal(iou([3, 3, 1, 1], [0, 0, 4, 4]), 0); // corners the wrong way round have no area
});

test("boxes below the confidence or over a better one of their class are left out", () => {
  const boxes = [[0, 0, 10, 10, 0, 0.6], [1, 0, 11, 10, 0, 0.9], [1, 0, 11, 10, 1, 0.8], [50, 50, 60, 60, 0, 0.2]];
  assert.deepEqual(chosenBoxes({ boxes }, 0.3, 0.5), [boxes[1], boxes[2]]);
  assert.deepEqual(chosenBoxes({ boxes }, 0.3, 0.5, true), [boxes[1]]); // one class per place
  assert.deepEqual(chosenBoxes({ boxes }, 0.1, 1), [boxes[1], boxes[2], boxes[0], boxes[3]]);
  assert.deepEqual(boxes[0], [0, 0, 10, 10, 0, 0.6]); // the layer keeps its order
});

test("each box is in one pair at most, and its class decides", () => {
  const target = [[0, 0, 10, 10, 0], [20, 20, 30, 30, 1]];
  const right = [0, 0, 10, 9, 0, 0.9], second = [0, 0, 10, 8, 0, 0.8], otherClass = [20, 20, 30, 30, 0, 0.7];
  const judged = judgedBoxes([second, right, otherClass], target);
  assert.deepEqual(judged, { found: [right], wrong: [second, otherClass], missed: [target[1]] });
  assert.deepEqual(judgedBoxes([], target).missed, target);
  assert.deepEqual(judgedBoxes([right], []).wrong, [right]);
});

test("a point is near within a tenth of the longer side", () => {
  const wanted = [[50, 50, 2], [50, 50, 1], [50, 50, 2], [0, 0, 0], [0, 0, 0]];
  const said = [[60, 50, 0, 0.9], [60.1, 50, 0, 0.9], [50, 50, 0, 0.1], [5, 5, 0, 0.9], [5, 5, 0, 0.1]];
  assert.deepEqual(judgedPoints(said, wanted, 0.5, 100).map((found) => found[0]), ["near", "off", "missed", "false"]);
});

test("a caption moves below those that are there, and is left out below the picture", () => {
  const place = { x: 0, y: 0, wide: 10, high: 4 };
  assert.deepEqual(freePlace(place, [], 20), place);
  assert.deepEqual(freePlace(place, [place], 20), { ...place, y: 4 });
  assert.deepEqual(freePlace(place, [{ ...place, x: 10 }], 20), place); // beside it
  assert.equal(freePlace(place, [{ ...place, high: 20 }], 20), null);
});

test("colours", () => assert.deepEqual(rgb("#2ca25f"), [44, 162, 95]));
