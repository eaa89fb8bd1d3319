// Values of layers and what follows from them: overlaps, pairs of boxes, places of captions. No page is needed: tests run this file in Node.

export const UNKNOWN = 65535, IGNORE = 255, MATCHING = 0.5, NEAR = 0.1, MOST_ZOOM = 24, PLAY_MS = 260, REPORT_MS = 450;

export async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

// Raw values of a layer: bytes for masks and pictures, numbers in the task's unit (NaN = unknown) for heat.
export async function opened(layer) {
  if (!layer) return null;
  if (layer.mask) return { ...layer, mask: new Uint8Array(await unpack(layer.mask)) };
  if (layer.picture) {
    const seen = layer.seen ? new Uint8Array(await unpack(layer.seen)) : null; // what a self-supervised task was shown
    return { ...layer, seen, picture: new Uint8Array(await unpack(layer.picture)) };
  }
  if (layer.heat) {
    const steps = new Uint16Array(await unpack(layer.heat));
    const span = (layer.high - layer.low) / (UNKNOWN - 1);
    return { ...layer, heat: Float32Array.from(steps, (step) => (step === UNKNOWN ? NaN : layer.low + step * span)) };
  }
  return layer;
}

export function iou(a, b) {
  const across = Math.min(a[2], b[2]) - Math.max(a[0], b[0]), down = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  const shared = Math.max(across, 0) * Math.max(down, 0);
  const area = (box) => Math.max(box[2] - box[0], 0) * Math.max(box[3] - box[1], 0);
  const union = area(a) + area(b) - shared;
  return union > 0 ? shared / union : 0;
}

// Non-maximum suppression, best first: within each class as torchvision's batched_nms does, or over all classes (agnostic).
export function chosenBoxes(layer, confidence, suppression, agnostic = false) {
  const kept = [];
  for (const box of layer.boxes.filter((each) => each[5] >= confidence).sort((a, b) => b[5] - a[5])) {
    if (kept.every((other) => (!agnostic && other[4] !== box[4]) || iou(other, box) <= suppression)) kept.push(box);
  }
  return kept;
}

// Best overlap first, each box in one pair at most; then classes decide whether a pair is right.
export function judgedBoxes(predicted, target) {
  const pairs = [];
  predicted.forEach((box, p) => target.forEach((other, t) => { const v = iou(box, other); if (v >= MATCHING) pairs.push([v, p, t]); }));
  pairs.sort((a, b) => b[0] - a[0]);
  const ofPrediction = new Map(), ofTarget = new Map();
  for (const [, p, t] of pairs) if (!ofPrediction.has(p) && !ofTarget.has(t)) { ofPrediction.set(p, t); ofTarget.set(t, p); }
  const right = (p) => ofPrediction.has(p) && predicted[p][4] === target[ofPrediction.get(p)][4];
  return {
    found: predicted.filter((_, p) => right(p)),
    wrong: predicted.filter((_, p) => !right(p)),
    missed: target.filter((_, t) => !ofTarget.has(t) || !right(ofTarget.get(t))),
  };
}

// Points against their targets: [state, point, target]; a point is off by more than a share of the frame's longer side, or not there at all.
export function judgedPoints(predicted, target, confidence, longer) {
  return target.flatMap((wanted, k) => {
    const point = predicted[k], said = point[3] >= confidence;
    if (wanted[2] === 0) return said ? [["false", point, null]] : [];
    if (!said) return [["missed", point, wanted]];
    return [[Math.hypot(point[0] - wanted[0], point[1] - wanted[1]) <= NEAR * longer ? "near" : "off", point, wanted]];
  });
}

// The place itself, or the next one below it that touches none of those taken; null below the picture's end.
export function freePlace(place, taken, bottom) {
  const touches = (one, other) => one.x < other.x + other.wide && other.x < one.x + one.wide && one.y < other.y + other.high && other.y < one.y + one.high;
  for (let free = { ...place }; free.y < bottom; free = { ...free, y: free.y + place.high }) {
    if (!taken.some((other) => touches(free, other))) return free;
  }
  return null;
}

export const OVER = ["boxes", "points"]; // lie over all other layers, in this order
// Black or white, whichever has more contrast to a colour: for words on it, and for its outline. The rule is that of mtl_core/figures/colours.py.
export const inkOn = (hex) => {
  const [red, green, blue] = rgb(hex).map((value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000000" : "#ffffff";
};

export const rgb = (hex) => [1, 3, 5].map((place) => parseInt(hex.slice(place, place + 2), 16));
