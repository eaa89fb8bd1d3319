// The layers of an image as pixels, boxes, points and captions on the panels' canvases.

import { IGNORE, OVER, chosenBoxes, freePlace, inkOn, judgedBoxes, judgedPoints, rgb } from "./layer_values.js";
import { ViewerParts, element } from "./viewer_parts.js";

export class ViewerCanvas extends ViewerParts {
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
    const colours = task.class_colours.map(rgb), red = rgb(this.data.marks.missed);
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
    if (!layer || (panel.what === "error" && !this.target[task.name])) { if (!together) panel.note.textContent = layer ? "" : this.say(panel.what === "target" ? "no target" : "no prediction"); return; }
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
      return counted ? this.say("{share} % of pixels wrong", { share: ((100 * wrong) / counted).toFixed(1) }) : this.say("every pixel ignored");
    }
    let sum = 0, known = 0;
    layer.heat.forEach((value, place) => { const error = Math.abs(value - target.heat[place]); if (Number.isFinite(error)) { sum += error; known++; } });
    return known ? this.say("{value} on average", { value: this.words(sum / known, task.unit) }) : this.say("no measurement");
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
      ...judged.missed.map((box) => ({ box, colour: this.data.marks.missed, caption: task.classes[box[4]], dash: [4, 3] })),
      ...judged.wrong.map((box) => ({ box, colour: this.data.marks.false, caption: task.classes[box[4]] })),
      ...judged.found.map((box) => ({ box, colour: this.data.marks.right, caption: "" })),
    ]);
    panel.canvas.dataset.boxes = judged.found.length + judged.wrong.length + judged.missed.length;
    if (panel.task) panel.note.textContent = this.say("{found} found, {missed} missed, {wrong} false", { found: judged.found.length, missed: judged.missed.length, wrong: judged.wrong.length });
  }

  // Named points and the lines between them; beside the target, how far each one is off.
  points(context, panel, task, layer, k) {
    const { width, height } = this.sample, least = panel.what === "target" ? 0 : this.confidence;
    if (panel.what === "error") {
      const judged = judgedPoints(layer.points, this.target[task.name].points, this.confidence, Math.max(width, height));
      for (const [state, point, wanted] of judged) {
        const colour = { near: this.data.marks.right, off: this.data.marks.false, false: this.data.marks.false, missed: this.data.marks.missed }[state];
        if (wanted && state !== "missed") this.line(context, k, point, wanted, colour);
        this.dot(context, k, wanted ?? point, colour, state !== "missed");
      }
      panel.canvas.dataset.points = judged.length;
      const counted = (state) => judged.filter((each) => each[0] === state).length;
      if (panel.task) panel.note.textContent = this.say("{near} near, {off} off, {missed} missed, {wrong} not there", { near: counted("near"), off: counted("off"), missed: counted("missed"), wrong: counted("false") });
      return;
    }
    const there = layer.points.map((point) => point[2] > 0 && point[3] >= least);
    for (const [one, other] of task.edges) if (there[one] && there[other]) this.line(context, k, layer.points[one], layer.points[other], "#ffffff");
    layer.points.forEach((point, index) => { if (there[index]) this.dot(context, k, point, task.class_colours[index], point[2] > 1); });
    panel.canvas.dataset.points = there.filter(Boolean).length;
  }

  line(context, k, from, to, colour) {
    const pen = window.devicePixelRatio / k;
    context.beginPath();
    context.moveTo(from[0], from[1]);
    context.lineTo(to[0], to[1]);
    this.stroke(context, colour, 1.5 * pen, pen);
  }

  // A hidden or a missed point is a ring.
  dot(context, k, point, colour, filled) {
    const pen = window.devicePixelRatio / k;
    context.beginPath();
    context.arc(point[0], point[1], 4 * pen, 0, 2 * Math.PI);
    context.fillStyle = colour;
    this.stroke(context, colour, filled ? pen : 2 * pen, pen);
    if (filled) context.fill();
  }

  // Boxes in the order of their weight: the first lies on top, and its caption keeps its place while the others' move out of the way.
  allBoxes(context, k, entries) {
    const behind = [...entries].reverse();
    for (const { box, colour } of behind) this.outline(context, k, box, inkOn(colour), [], true); // no outline covers another box
    for (const { box, colour, dash } of behind) this.outline(context, k, box, colour, dash);
    const taken = [];
    for (const { box, colour, caption } of entries) {
      const place = caption && this.captionPlace(context, k, box, caption, taken);
      if (!place) continue;
      taken.push(place);
      this.caption(context, k, place, colour, caption);
    }
  }

  // A line with a thin outline in black or white, so that it is seen on any picture.
  stroke(context, colour, wide, pen) {
    for (const [style, width] of [[inkOn(colour), wide + 2 * pen], [colour, wide]]) {
      Object.assign(context, { strokeStyle: style, lineWidth: width });
      context.stroke();
    }
  }

  outline(context, k, box, colour, dash = [], behind = false) {
    const pen = (2 * window.devicePixelRatio) / k;
    context.lineWidth = behind ? 2 * pen : pen;
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
    const size = (11 * window.devicePixelRatio) / k;
    context.font = `${size}px sans-serif`;
    context.fillStyle = colour;
    context.fillRect(place.x, place.y, place.wide, place.high);
    context.fillStyle = inkOn(colour);
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
}
