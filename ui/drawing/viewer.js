// One image large: target, prediction and error of every task, at any epoch. Everything is drawn here from raw values, so that epochs,
// layers, opacity, thresholds and zoom need no answer from the server. Layers are primitives: mtl_core/figures/primitives.py says which. Nothing here knows a kind of task.

const UNKNOWN = 65535, IGNORE = 255, MATCHING = 0.5, NEAR = 0.1, MOST_ZOOM = 24, PLAY_MS = 260, REPORT_MS = 450;
const GREEN = "#2ca25f", RED = "#e34a33", AMBER = "#e6a100", QUIET = "rgba(128,128,128,0.55)";

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

// Raw values of a layer: bytes for masks and pictures, numbers in the task's unit (NaN = unknown) for heat.
async function opened(layer) {
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
function judgedBoxes(predicted, target) {
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

const OVER = ["boxes", "points"]; // lie over all other layers, in this order
const rgb = (hex) => [1, 3, 5].map((place) => parseInt(hex.slice(place, place + 2), 16));

function element(tag, name = "", text = "") {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text) made.textContent = text;
  return made;
}

function button(text, title, act) {
  const made = element("button", "", text);
  made.type = "button";
  made.title = title;
  made.onclick = act;
  return made;
}

class Viewer {
  constructor(root) {
    Object.assign(this, { root, opacity: 0.6, agnostic: false, off: new Set(), hidden: false, zoom: { k: 1, x: 0, y: 0 }, cache: new Map(), at: 0 });
    document.addEventListener("keydown", (event) => this.pressed(event));
    new ResizeObserver(() => this.draw()).observe(root);
  }

  // -- what is shown

  async show(data, send) {
    this.send = send;
    if (this.data && this.data.revision === data.revision) return;
    const other = !this.data || this.data.sequence !== data.sequence;
    const layout = JSON.stringify([data.sequence, data.tasks, data.runs.map((run) => run.name), data.with_targets]);
    const sample = JSON.parse(data.sample);
    const image = new Uint8Array(await unpack(sample.image));
    const target = {};
    for (const task of data.tasks) target[task.name] = await opened(sample.target[task.name]);
    Object.assign(this, { data, sample, image, target, shown: null }); // nothing is drawn or told until the predictions that belong to it are there
    this.cache.clear();
    if (other) {
      this.confidence = data.confidence;
      this.suppression = data.suppression;
    }
    const steps = [...new Set(sample.runs.flatMap((run) => run.epochs))].sort((a, b) => a - b);
    const kept = this.steps ? this.steps[this.at] : undefined;
    this.steps = steps;
    const wanted = steps.indexOf(other || !steps.includes(kept) ? data.epoch : kept);
    this.at = wanted < 0 ? steps.length - 1 : wanted;
    this.base = this.painted((pixels) => {
      for (let place = 0; place < image.length / 3; place++) pixels.set([image[3 * place], image[3 * place + 1], image[3 * place + 2], 255], 4 * place);
    });
    this.greyBase = this.painted((pixels) => { // errors stand out on it in the colours of their legend
      for (let place = 0; place < image.length / 3; place++) {
        const grey = 0.65 * (0.299 * image[3 * place] + 0.587 * image[3 * place + 1] + 0.114 * image[3 * place + 2]);
        pixels.set([grey, grey, grey, 255], 4 * place);
      }
    });
    if (layout !== this.layout) this.build();
    this.layout = layout;
    await this.goTo(this.at, false);
    this.root.dataset.sample = sample.number;
    this.ahead(data.revision);
  }

  // Unpack the other epochs while nothing else is to be done, so that the slider never waits.
  async ahead(revision) {
    for (let place = 0; place < this.steps.length; place++) {
      if (this.data.revision !== revision) return;
      for (let run = 0; run < this.sample.runs.length; run++) await this.frame(run, this.steps[place]);
      if (place % 4 === 3) await new Promise((go) => setTimeout(go));
    }
    this.root.dataset.ready = revision;
  }

  // A run's predictions at an epoch of the slider: its own last ones up to there.
  async frame(run, epoch) {
    const { epochs, frames } = this.sample.runs[run];
    let place = epochs.length - 1;
    while (place > 0 && epochs[place] > epoch) place--;
    const key = `${run}/${place}`;
    if (!this.cache.has(key)) {
      const layers = { epoch: epochs[place], canvases: new Map() };
      this.cache.set(key, Promise.all(this.data.tasks.map(async (task) => { layers[task.name] = await opened(frames[place][task.name]); })).then(() => layers));
    }
    return this.cache.get(key);
  }

  async goTo(at, report = true) {
    this.at = Math.max(0, Math.min(this.steps.length - 1, at));
    const asked = this.steps[this.at], revision = this.data.revision;
    const shown = await Promise.all(this.sample.runs.map((_, run) => this.frame(run, asked)));
    if (this.steps[this.at] !== asked || this.data.revision !== revision) return; // moved on meanwhile
    this.shown = shown;
    this.slider.max = this.steps.length - 1;
    this.slider.value = this.at;
    this.slider.setAttribute("aria-valuetext", `epoch ${asked}`);
    this.said.textContent = this.data.single ? this.data.single : `epoch ${asked} of ${this.steps[this.steps.length - 1]}`;
    this.root.dataset.epoch = asked;
    this.entitle(asked);
    this.draw();
    if (!report) return;
    clearTimeout(this.reporting);
    this.reporting = setTimeout(() => this.send.state("epoch", asked), REPORT_MS);
  }

  // Beside another run one may have ended, or begun, at another epoch than the slider's.
  entitle(asked) {
    for (const { name, title, run } of this.titles) {
      const own = this.shown[run].epoch;
      name.textContent = name.title = this.data.single || own === asked ? title : `${title} · its epoch ${own}`;
    }
  }

  play(on) {
    clearInterval(this.playing);
    this.playing = on ? setInterval(() => {
      if (!this.root.isConnected) return clearInterval(this.playing);
      this.goTo(this.at + 1);
      if (this.at >= this.steps.length - 1) this.play(false);
    }, PLAY_MS) : null;
    if (on && this.at >= this.steps.length - 1) this.goTo(0);
    this.player.textContent = on ? "Pause" : "Play";
  }

  // -- the page's parts

  build() {
    const { data, root } = this;
    root.replaceChildren();
    root.tabIndex = -1;
    const first = element("div", "bar first"), second = element("div", "bar");
    const through = element("div", "through");
    this.player = button("Play", "Move through the epochs (space)", () => this.play(!this.playing));
    this.slider = Object.assign(element("input"), { type: "range", min: 0, step: 1, title: "Epoch (left and right arrow keys)" });
    this.slider.setAttribute("aria-label", "Epoch");
    this.slider.oninput = () => this.goTo(Number(this.slider.value));
    this.said = element("span", "epoch");
    through.append(...(data.single ? [] : [this.player, this.slider]), this.said);
    first.append(through);
    if (data.steps_samples) first.append(button("Previous image", "Arrow key up", () => this.send.trigger("move", -1)), button("Next image", "Arrow key down", () => this.send.trigger("move", 1)));
    second.append(this.dial("Opacity", 0, 1, 0.05, "opacity"));
    const drawnAs = (layer) => data.tasks.some((task) => task.layer === layer);
    if (drawnAs("boxes") || drawnAs("points")) second.append(this.dial("Confidence from", 0.05, 0.95, 0.05, "confidence"));
    if (drawnAs("boxes")) {
      second.append(this.dial("Overlap up to (NMS)", 0.05, 1, 0.05, "suppression"), this.choice("One class per place", "Of boxes that overlap, only the best stays, whatever their classes are", "agnostic"));
    }
    this.hider = button("Hide layers", "Show the plain image (H)", () => this.hide());
    second.append(this.hider, button("−", "Zoom out (or Ctrl + wheel)", () => this.zoomBy(1 / 1.5)), button("+", "Zoom in (or Ctrl + wheel, then drag)", () => this.zoomBy(1.5)), button("Whole image", "Zoom back (double click)", () => this.zoomTo(1, 0, 0)));
    second.append(element("span", "quiet", `Keys: ${data.single ? "" : "← → epoch · "}${data.steps_samples ? "↑ ↓ image · " : ""}1–${Math.min(9, data.tasks.length)} layers · H hide`));
    this.tip = element("div", "tip");
    this.rows = element("div", "rows");
    root.append(first, second, this.rows, this.tip);
    this.panels = [];
    this.titles = [];
    this.rows.append(this.row(null));
    data.tasks.forEach((task, number) => this.rows.append(this.row(task, number)));
    this.hide(this.hidden);
  }

  dial(text, min, max, step, name) {
    const box = element("label", "", text), value = element("output");
    const input = Object.assign(element("input"), { type: "range", min, max, step, value: this[name] });
    input.setAttribute("aria-label", text);
    value.textContent = Number(this[name]).toFixed(2);
    input.oninput = () => { this[name] = Number(input.value); value.textContent = this[name].toFixed(2); this.draw(); };
    box.append(input, value);
    return box;
  }

  choice(text, about, name) {
    const box = element("label", "", text), input = Object.assign(element("input"), { type: "checkbox", checked: Boolean(this[name]) });
    box.title = about;
    input.onchange = () => { this[name] = input.checked; this.draw(); };
    box.prepend(input);
    return box;
  }

  columns() {
    const several = this.data.runs.length > 1;
    const columns = this.data.with_targets ? [["target", "Target", 0]] : [];
    this.data.runs.forEach((run, place) => {
      columns.push(["predicted", several ? `Predicted: ${run.name}` : "Predicted", place]);
      if (this.data.with_targets) columns.push(["error", several ? `Error: ${run.name}` : "Error", place]);
    });
    return columns;
  }

  row(task, number) {
    const columns = this.columns(), row = element("div", columns.length > 3 ? "row several" : "row");
    row.style.gridTemplateColumns = `repeat(${columns.length + 1}, minmax(140px, ${columns.length > 3 ? "1fr" : "380px"}))`;
    row.style.borderLeftColor = task ? task.colour : "transparent";
    if (task) {
      row.dataset.task = task.name;
      row.append(this.about(task, number, row));
    } else {
      row.append(this.panel(row, null, "input", "Input", 0));
    }
    for (const [what, title, run] of columns) {
      if (!task && !this.data.tasks.some((each) => each.drawn && !each.made)) continue; // nothing to lay over the image
      if (task && !task.drawn) row.append(this.sentence(task, what, title, run));
      else row.append(this.panel(row, task, what, !task ? `${title} · all layers` : task.made && what === "error" ? "What it was shown" : title, run));
    }
    return row;
  }

  about(task, number, row) {
    const box = element("div", "about");
    const toggle = button(number < 9 ? `${number + 1}  ${task.name}` : task.name, `Layer on or off${number < 9 ? ` (key ${number + 1})` : ""}`, () => this.toggle(number));
    const name = element("div", "quiet", task.title);
    this.panels.push({ row, task, draw: () => {
      const off = this.off.has(task.name);
      toggle.setAttribute("aria-pressed", String(!off));
      row.classList.toggle("off", off);
      for (const cell of row.querySelectorAll(".cell, .legend-part")) cell.style.display = off ? "none" : "";
    } });
    box.append(toggle, name);
    const legend = element("div", "legend-part");
    if (["mask", "boxes", "points"].includes(task.layer)) legend.append(this.keys(task));
    if (task.layer === "heat") legend.append(this.scale(this.data.depth_scale, task.range[0], task.range[1], task.unit));
    if (this.data.with_targets && task.layer === "mask") legend.append(this.note([[RED, "wrong pixel"], ["#888888", "ignored"]], "Error:"));
    if (this.data.with_targets && task.layer === "boxes") legend.append(this.note([[GREEN, "found"], [AMBER, "not there, or another class"], [RED, "missed"]], "Error:"));
    if (this.data.with_targets && task.layer === "points") legend.append(this.note([[GREEN, "within 10 % of the frame"], [AMBER, "farther off, or not there"], [RED, "missed"]], "Error:"));
    if (this.data.with_targets && task.layer === "heat") legend.append(element("div", "quiet", "Error, distance from the target:"), this.scale(this.data.error_scale, 0, this.worst(task), task.unit));
    box.append(legend);
    return box;
  }

  worst(task) { return (task.range[1] - task.range[0]) / 4; }

  keys(task) {
    const pairs = task.classes.map((name, index) => [task.class_colours[index], name]).filter(([, name]) => name !== "background");
    return this.note(pairs.slice(0, 24).concat(pairs.length > 24 ? [[QUIET, `and ${pairs.length - 24} more`]] : []));
  }

  note(pairs, before = "") {
    const box = element("div", "keys");
    if (before) box.append(element("span", "quiet", before));
    for (const [colour, text] of pairs) {
      const key = element("span"), dot = element("i");
      dot.style.background = colour;
      key.append(dot, text);
      box.append(key);
    }
    return box;
  }

  scale(colours, low, high, unit) {
    const box = element("div"), bar = element("div", "scale"), ends = element("div", "ends");
    bar.style.background = `linear-gradient(to right, ${colours.join(",")})`;
    ends.append(element("span", "", this.words(low, unit)), element("span", "", this.words(high, unit)));
    box.append(bar, ends);
    return box;
  }

  words(value, unit = "") {
    if (!Number.isFinite(value)) return "unknown";
    const number = Number(value.toPrecision(3));
    return `${number} ${number === 1 ? this.data.unit_of_one[unit] ?? unit : unit}`.trim();
  }

  cell(title, what, run) {
    const cell = element("div", "cell"), name = element("div", "name");
    const left = element("span", "", title), right = element("span");
    left.title = title;
    if (what === "predicted" || what === "error") this.titles.push({ name: left, title, run });
    name.append(left, right);
    cell.append(name);
    return [cell, right];
  }

  panel(row, task, what, title, run) {
    const [cell, note] = this.cell(title, what, run);
    const canvas = element("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${title}${task ? ` of ${task.name}` : ""}`);
    cell.append(canvas);
    const panel = { row, task, what, run, canvas, note };
    panel.draw = () => this.paint(panel);
    this.panels.push(panel);
    canvas.onmousemove = (event) => this.pointed(panel, event);
    canvas.onmouseleave = () => { this.pointer = null; this.tip.style.display = "none"; this.draw(); };
    canvas.ondblclick = () => this.zoomTo(1, 0, 0);
    canvas.onpointerdown = (event) => { canvas.setPointerCapture(event.pointerId); this.dragged = [event.offsetX, event.offsetY, canvas.clientWidth]; };
    canvas.onpointerup = () => { this.dragged = null; };
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // a plain wheel scrolls the page
      event.preventDefault();
      this.zoomBy(event.deltaY < 0 ? 1.25 : 0.8, event.offsetX / canvas.clientWidth, event.offsetY / canvas.clientHeight);
    }, { passive: false });
    return cell;
  }

  // Tasks that say something about the whole image: words, numbers and bars.
  sentence(task, what, title, run) {
    const [cell] = this.cell(title, what, run), body = element("div", "said");
    cell.append(body);
    this.panels.push({ row: null, task, what, run, draw: () => {
      const target = this.target[task.name], layer = what === "target" ? target : this.shown[run][task.name];
      body.replaceChildren(...(what === "error" ? this.errorWords(task, this.shown[run][task.name], target) : this.layerWords(task, layer, target, what)));
    } });
    return cell;
  }

  layerWords(task, layer, target, what) {
    if (!layer) return [element("span", "quiet", what === "target" ? "no target" : "no prediction")];
    if (layer.v !== undefined) return [element("div", "number", layer.v === null ? "unknown" : this.words(layer.v, task.unit))];
    if (what === "target") return [element("div", "number", layer.p.map((p, index) => (p > 0.5 ? task.classes[index] : "")).filter(Boolean).join(", ") || "none")];
    const order = layer.p.map((p, index) => [p, index]).sort((a, b) => b[0] - a[0]);
    const wanted = (index) => target && target.p[index] > 0.5;
    const shown = order.filter(([p, index], place) => place < 4 || wanted(index) || (!layer.one && p >= 0.5)).slice(0, 10);
    const longest = Math.max(...shown.map(([, index]) => task.classes[index].length));
    return shown.map(([p, index]) => {
      const line = element("div", `prob${wanted(index) ? " right" : ""}`), name = element("span", "", task.classes[index]), bar = element("i");
      line.style.setProperty("--names", `${Math.min(longest, 12) + 1}ch`);
      name.title = task.classes[index] + (wanted(index) ? " (target)" : "");
      bar.style.width = `${100 * p}%`;
      bar.style.color = task.colour;
      line.append(name, bar, element("span", "", `${(100 * p).toFixed(p < 0.0995 ? 1 : 0)} %`));
      return line;
    });
  }

  errorWords(task, layer, target) {
    if (!layer || !target) return [element("span", "quiet", "nothing to compare with")];
    if (layer.v !== undefined) return [element("div", "number", this.words(Math.abs(layer.v - target.v), task.unit))];
    if (layer.one) {
      const best = layer.p.indexOf(Math.max(...layer.p)), right = target.p[best] > 0.5;
      return [this.note([[right ? GREEN : RED, right ? "right" : `wrong: ${task.classes[best]} for ${task.classes[target.p.indexOf(1)]}`]])];
    }
    const wrong = layer.p.flatMap((p, index) => (p >= 0.5 === target.p[index] > 0.5 ? [] : [[p >= 0.5 ? AMBER : RED, `${task.classes[index]} ${p >= 0.5 ? "is not there" : "missed"}`]]));
    return [this.note(wrong.length ? wrong : [[GREEN, "every class right"]])];
  }

  // -- drawing

  painted(fill) {
    const canvas = Object.assign(element("canvas"), { width: this.sample.width, height: this.sample.height });
    const context = canvas.getContext("2d"), data = context.createImageData(canvas.width, canvas.height);
    fill(data.data);
    context.putImageData(data, 0, 0);
    return canvas;
  }

  layersOf(panel) { return panel.what === "target" ? this.target : this.shown[panel.run]; }

  // The picture of a dense layer, kept with its epoch.
  picture(panel, task) {
    const layers = this.layersOf(panel), key = `${panel.what === "error" ? "error" : "plain"}/${task.name}`;
    const kept = panel.what === "target" ? (this.targetCanvases ??= new Map()) : layers.canvases;
    if (panel.what === "target" && this.targetsOf !== this.data.revision) { kept.clear(); this.targetsOf = this.data.revision; }
    if (!kept.has(key)) kept.set(key, this.dense(task, layers[task.name], panel.what === "error" ? this.target[task.name] : null, panel.what === "error"));
    return kept.get(key);
  }

  dense(task, layer, target, error) {
    if (!layer || (error && !target)) return null;
    if (layer.picture) {
      const shown = error ? target.seen : layer.picture;
      return shown && this.painted((pixels) => { for (let p = 0; p < shown.length / 3; p++) pixels.set([shown[3 * p], shown[3 * p + 1], shown[3 * p + 2], 255], 4 * p); });
    }
    if (layer.mask) return this.painted((pixels) => this.fillMask(pixels, task, layer.mask, error ? target.mask : null));
    if (layer.heat) return this.painted((pixels) => this.fillHeat(pixels, task, layer.heat, error ? target.heat : null));
    return null;
  }

  fillMask(pixels, task, mask, target) {
    const colours = task.class_colours.map(rgb), red = rgb(RED);
    for (let place = 0; place < mask.length; place++) {
      if (target) {
        if (target[place] === IGNORE) pixels.set([136, 136, 136, 160], 4 * place);
        else if (target[place] !== mask[place]) pixels.set([...red, 255], 4 * place);
      } else if (mask[place] !== IGNORE && mask[place] < colours.length && task.classes[mask[place]] !== "background") {
        pixels.set([...colours[mask[place]], 255], 4 * place);
      }
    }
  }

  fillHeat(pixels, task, heat, target) {
    const scale = (target ? this.data.error_scale : this.data.depth_scale).map(rgb);
    const low = target ? 0 : task.range[0], span = Math.max(target ? this.worst(task) : task.range[1] - task.range[0], 1e-9);
    for (let place = 0; place < heat.length; place++) {
      const value = target ? Math.abs(heat[place] - target[place]) : heat[place];
      if (!Number.isFinite(value)) { pixels.set([128, 128, 128, target ? 160 : 255], 4 * place); continue; }
      const colour = scale[Math.round(Math.min(Math.max((value - low) / span, 0), 1) * (scale.length - 1))];
      pixels.set([...colour, 255], 4 * place);
    }
  }

  paint(panel) {
    const { canvas, task } = panel, { width, height } = this.sample;
    if (!canvas.clientWidth) return;
    const across = Math.round(canvas.clientWidth * window.devicePixelRatio), down = Math.round((across * height) / width);
    if (canvas.width !== across || canvas.height !== down) Object.assign(canvas, { width: across, height: down });
    const context = canvas.getContext("2d"), k = (across / width) * this.zoom.k;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, across, down);
    context.imageSmoothingEnabled = false;
    context.setTransform(k, 0, 0, k, -this.zoom.x * k, -this.zoom.y * k);
    context.globalAlpha = 1;
    context.drawImage(panel.what === "error" && !this.hidden ? this.greyBase : this.base, 0, 0);
    canvas.dataset.boxes = canvas.dataset.points = 0;
    panel.note.textContent = "";
    if (panel.what !== "input" && !this.hidden) {
      const tasks = task ? [task] : this.data.tasks.filter((each) => each.drawn && !each.made && !this.off.has(each.name));
      for (const each of [...tasks].sort((a, b) => OVER.indexOf(a.layer) - OVER.indexOf(b.layer))) this.overlay(context, panel, each, k, !task);
    }
    this.cross(context, k);
  }

  overlay(context, panel, task, k, together) {
    const layer = this.layersOf(panel)[task.name];
    if (!layer || (panel.what === "error" && !this.target[task.name])) { if (!together) panel.note.textContent = layer ? "" : panel.what === "target" ? "no target" : "no prediction"; return; }
    if (layer.caption && !together && panel.what !== "error") panel.note.textContent = layer.caption;
    if (layer.boxes) return this.boxes(context, panel, task, layer, k);
    if (layer.points) return this.points(context, panel, task, layer, k);
    const picture = this.picture(panel, task);
    if (!picture) return;
    const whole = layer.heat || layer.picture; // covers everything: beside other layers it is only a tint, alone it is the picture
    context.globalAlpha = together && whole ? this.opacity / 2 : whole && (panel.what !== "error" || task.made) ? Math.min(1, this.opacity / 0.6) : this.opacity;
    context.drawImage(picture, 0, 0);
    context.globalAlpha = 1;
    if (!together && panel.what === "error" && !layer.picture) panel.note.textContent = this.share(layer, this.target[task.name], task);
  }

  share(layer, target, task) {
    if (layer.mask) {
      let counted = 0, wrong = 0;
      target.mask.forEach((value, place) => { if (value !== IGNORE) { counted++; wrong += value !== layer.mask[place]; } });
      return counted ? `${((100 * wrong) / counted).toFixed(1)} % of pixels wrong` : "every pixel ignored";
    }
    let sum = 0, known = 0;
    layer.heat.forEach((value, place) => { const error = Math.abs(value - target.heat[place]); if (Number.isFinite(error)) { sum += error; known++; } });
    return known ? `${this.words(sum / known, task.unit)} on average` : "no measurement";
  }

  boxes(context, panel, task, layer, k) {
    const chosen = (each, of) => (of === "target" ? each.boxes : chosenBoxes(each, this.confidence, this.suppression, this.agnostic));
    if (panel.what !== "error") {
      const drawn = chosen(layer, panel.what);
      const caption = (box) => task.classes[box[4]] + (panel.what === "target" ? "" : ` ${box[5].toFixed(2)}`);
      this.allBoxes(context, k, drawn.map((box) => ({ box, colour: task.class_colours[box[4]], caption: caption(box) })));
      panel.canvas.dataset.boxes = drawn.length;
      panel.canvas.dataset.top = drawn.length ? caption(drawn[0]) : "";
      return;
    }
    const judged = judgedBoxes(chosen(layer, "predicted"), this.target[task.name].boxes);
    this.allBoxes(context, k, [
      ...judged.missed.map((box) => ({ box, colour: RED, caption: task.classes[box[4]], dash: [4, 3] })),
      ...judged.wrong.map((box) => ({ box, colour: AMBER, caption: task.classes[box[4]] })),
      ...judged.found.map((box) => ({ box, colour: GREEN, caption: "" })),
    ]);
    panel.canvas.dataset.boxes = judged.found.length + judged.wrong.length + judged.missed.length;
    if (panel.task) panel.note.textContent = `${judged.found.length} found, ${judged.missed.length} missed, ${judged.wrong.length} false`;
  }

  // Named points and the lines between them; beside the target, how far each one is off.
  points(context, panel, task, layer, k) {
    const { width, height } = this.sample, least = panel.what === "target" ? 0 : this.confidence;
    if (panel.what === "error") {
      const judged = judgedPoints(layer.points, this.target[task.name].points, this.confidence, Math.max(width, height));
      for (const [state, point, wanted] of judged) {
        const colour = { near: GREEN, off: AMBER, false: AMBER, missed: RED }[state];
        if (wanted && state !== "missed") this.line(context, k, point, wanted, colour);
        this.dot(context, k, wanted ?? point, colour, state !== "missed");
      }
      panel.canvas.dataset.points = judged.length;
      const counted = (state) => judged.filter((each) => each[0] === state).length;
      if (panel.task) panel.note.textContent = `${counted("near")} near, ${counted("off")} off, ${counted("missed")} missed, ${counted("false")} not there`;
      return;
    }
    const there = layer.points.map((point) => point[2] > 0 && point[3] >= least);
    for (const [one, other] of task.edges) if (there[one] && there[other]) this.line(context, k, layer.points[one], layer.points[other], "#ffffff");
    layer.points.forEach((point, index) => { if (there[index]) this.dot(context, k, point, task.class_colours[index], point[2] > 1); });
    panel.canvas.dataset.points = there.filter(Boolean).length;
  }

  line(context, k, from, to, colour) {
    context.strokeStyle = colour;
    context.lineWidth = (1.5 * window.devicePixelRatio) / k;
    context.beginPath();
    context.moveTo(from[0], from[1]);
    context.lineTo(to[0], to[1]);
    context.stroke();
  }

  // A hidden or a missed point is a ring.
  dot(context, k, point, colour, filled) {
    const pen = window.devicePixelRatio / k;
    context.beginPath();
    context.arc(point[0], point[1], 4 * pen, 0, 2 * Math.PI);
    context.lineWidth = (filled ? 1 : 2) * pen;
    context.strokeStyle = filled ? "#000000" : colour;
    context.fillStyle = colour;
    if (filled) context.fill();
    context.stroke();
  }

  // Boxes in the order of their weight: the first lies on top, and its caption keeps its place while the others' move out of the way.
  allBoxes(context, k, entries) {
    for (const { box, colour, dash } of [...entries].reverse()) this.outline(context, k, box, colour, dash);
    const taken = [];
    for (const { box, colour, caption } of entries) {
      const place = caption && this.captionPlace(context, k, box, caption, taken);
      if (!place) continue;
      taken.push(place);
      this.caption(context, k, place, colour, caption);
    }
  }

  outline(context, k, box, colour, dash = []) {
    const pen = (2 * window.devicePixelRatio) / k;
    context.lineWidth = pen;
    context.strokeStyle = colour;
    context.setLineDash(dash.map((length) => length * pen / 2));
    context.strokeRect(box[0] + pen / 2, box[1] + pen / 2, Math.max(box[2] - box[0] - pen, 0), Math.max(box[3] - box[1] - pen, 0));
    context.setLineDash([]);
  }

  // Where a box's caption goes: above the box, inside it where there is no room above, then line by line down, past the captions that are there.
  captionPlace(context, k, box, caption, taken) {
    const size = (11 * window.devicePixelRatio) / k, high = size * 1.2;
    context.font = `${size}px sans-serif`;
    const wide = context.measureText(caption).width + size * 0.5;
    const { x: left, y: top } = this.zoom, right = left + this.sample.width / this.zoom.k, bottom = top + this.sample.height / this.zoom.k;
    if (box[2] < left || box[0] > right || box[3] < top) return null;
    const x = Math.max(left, Math.min(box[0], right - wide)), above = box[1] - high;
    return freePlace({ x, y: above >= top ? above : Math.max(box[1], top), wide, high }, taken, bottom);
  }

  caption(context, k, place, colour, text) {
    const size = (11 * window.devicePixelRatio) / k, [red, green, blue] = rgb(colour);
    context.font = `${size}px sans-serif`;
    context.fillStyle = colour;
    context.fillRect(place.x, place.y, place.wide, place.high);
    context.fillStyle = 0.299 * red + 0.587 * green + 0.114 * blue > 150 ? "#000" : "#fff";
    context.fillText(text, place.x + size * 0.25, place.y + size * 0.95);
  }

  cross(context, k) {
    if (!this.pointer) return;
    const [x, y] = this.pointer;
    context.strokeStyle = "rgba(255,255,255,0.9)";
    context.lineWidth = 1 / k;
    context.strokeRect(x, y, 1, 1);
    context.strokeStyle = "rgba(0,0,0,0.9)";
    context.strokeRect(x - 1 / k, y - 1 / k, 1 + 2 / k, 1 + 2 / k);
  }

  draw() {
    if (!this.shown || this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = null;
      if (!this.shown) return;
      for (const panel of this.panels) panel.draw();
      this.tell();
      this.root.dataset.drawn = `${this.data.revision}/${this.root.dataset.epoch}`;
    });
  }

  // -- pointer, zoom, keys

  pointed(panel, event) {
    if (!this.shown) return;
    const { canvas } = panel, k = (canvas.clientWidth / this.sample.width) * this.zoom.k;
    if (this.dragged && this.zoom.k > 1) {
      this.zoomTo(this.zoom.k, this.zoom.x - (event.offsetX - this.dragged[0]) / k, this.zoom.y - (event.offsetY - this.dragged[1]) / k);
      this.dragged = [event.offsetX, event.offsetY];
    }
    const clamp = (value, size) => Math.min(Math.max(Math.floor(value), 0), size - 1);
    this.pointer = [clamp(this.zoom.x + event.offsetX / k, this.sample.width), clamp(this.zoom.y + event.offsetY / k, this.sample.height)];
    this.told = panel.task;
    this.tip.style.display = "block";
    this.draw();
    this.place(event.clientX, event.clientY);
  }

  // Beside the pointer, on its other side where the window ends.
  place(x, y) {
    this.tell();
    this.tip.style.left = "0"; // its own width, not what room is left of the window
    const { offsetWidth: wide, offsetHeight: high } = this.tip;
    const left = x + 14 + wide > window.innerWidth ? Math.max(4, x - 14 - wide) : x + 14;
    const top = y + 14 + high > window.innerHeight ? Math.max(4, y - 14 - high) : y + 14;
    Object.assign(this.tip.style, { left: `${left}px`, top: `${top}px` });
  }

  // What lies under the pointer, also after another image or epoch came under it.
  tell() {
    if (this.pointer && this.shown) this.tip.textContent = this.valuesAt(this.told, ...this.pointer);
  }

  valuesAt(task, x, y) {
    const place = y * this.sample.width + x, pixels = (task && this.target[task.name]?.seen) || this.image;
    const lines = [`x ${x}, y ${y} · red ${pixels[3 * place]}, green ${pixels[3 * place + 1]}, blue ${pixels[3 * place + 2]}`];
    const value = (each, layer) => {
      if (!layer) return null;
      if (layer.mask) return layer.mask[place] === IGNORE ? "ignored" : each.classes[layer.mask[place]];
      if (layer.heat) return this.words(layer.heat[place], each.unit);
      if (layer.points) return this.pointsAt(each, layer, x + 0.5, y + 0.5);
      if (layer.boxes) return chosenBoxes(layer, layer === this.target[each.name] ? 0 : this.confidence, this.suppression, layer !== this.target[each.name] && this.agnostic).filter((box) => x >= box[0] && x < box[2] && y >= box[1] && y < box[3]).map((box) => `${each.classes[box[4]]} ${layer === this.target[each.name] ? "" : box[5].toFixed(2)}`.trim()).join(", ") || "no box";
      return null;
    };
    for (const each of task ? [task] : this.data.tasks.filter((one) => one.drawn && !this.off.has(one.name))) {
      const parts = [this.data.with_targets ? ["target", this.target[each.name] ? value(each, this.target[each.name]) : "none"] : null];
      this.data.runs.forEach((run, number) => parts.push([this.data.runs.length > 1 ? run.name : "predicted", value(each, this.shown[number][each.name])]));
      const told = parts.filter((part) => part && part[1] !== null).map(([name, text]) => `${name} ${text}`);
      if (told.length) lines.push(`${each.name}: ${told.join(" · ")}`);
    }
    return lines.join("\n");
  }

  pointsAt(task, layer, x, y) {
    const least = layer === this.target[task.name] ? 0 : this.confidence, reach = 0.03 * Math.max(this.sample.width, this.sample.height);
    const near = layer.points.flatMap((point, index) => {
      if (point[2] === 0 || point[3] < least || Math.hypot(point[0] - x, point[1] - y) > reach) return [];
      return [`${task.classes[index]}${least ? ` ${point[3].toFixed(2)}` : ""}${point[2] === 1 ? " (hidden)" : ""}`];
    });
    return near.join(", ") || "no point";
  }

  zoomBy(factor, across = 0.5, down = 0.5) {
    const { width, height } = this.sample, k = Math.min(Math.max(this.zoom.k * factor, 1), MOST_ZOOM);
    const x = this.zoom.x + (across * width) / this.zoom.k, y = this.zoom.y + (down * height) / this.zoom.k;
    this.zoomTo(k, x - (across * width) / k, y - (down * height) / k);
  }

  zoomTo(k, x, y) {
    const { width, height } = this.sample;
    this.zoom = { k, x: Math.min(Math.max(x, 0), width - width / k), y: Math.min(Math.max(y, 0), height - height / k) };
    this.root.dataset.zoom = k.toFixed(3);
    this.draw();
  }

  hide(hidden = !this.hidden) {
    this.hidden = hidden;
    this.hider.setAttribute("aria-pressed", String(hidden));
    this.root.dataset.hidden = hidden;
    this.draw();
  }

  toggle(number) {
    const task = this.data.tasks[number];
    if (!task) return;
    if (!this.off.delete(task.name)) this.off.add(task.name);
    this.root.dataset.off = [...this.off].join(",");
    this.draw();
  }

  pressed(event) {
    if (!this.root.isConnected || !this.data || !this.root.clientWidth || event.ctrlKey || event.metaKey || event.altKey) return;
    const focus = event.target;
    if (focus.isContentEditable || focus.closest?.("textarea, select, [role=slider], [role=combobox], [role=dialog], [role=tab], [role=radiogroup]")) return;
    if (focus.tagName === "INPUT" && !(focus.type === "range" && this.root.contains(focus) && focus === this.slider && !event.key.startsWith("Arrow"))) return;
    const acts = { ArrowLeft: () => this.goTo(this.at - 1), ArrowRight: () => this.goTo(this.at + 1), h: () => this.hide(), H: () => this.hide() };
    if (this.data.steps_samples) Object.assign(acts, { ArrowUp: () => this.send.trigger("move", -1), ArrowDown: () => this.send.trigger("move", 1) });
    if (!this.data.single && focus.tagName !== "BUTTON") acts[" "] = () => this.play(!this.playing);
    if (/^[1-9]$/.test(event.key)) acts[event.key] = () => this.toggle(Number(event.key) - 1);
    if (!acts[event.key]) return;
    event.preventDefault();
    acts[event.key]();
  }
}

export default function ({ parentElement, data, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".viewer");
  root.viewer ??= new Viewer(root);
  root.viewer.show(data, { state: setStateValue, trigger: setTriggerValue });
}
