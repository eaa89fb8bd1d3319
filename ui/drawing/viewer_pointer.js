// What the pointer, the wheel and the keys do.

import { IGNORE, MOST_ZOOM, chosenBoxes } from "./layer_values.js";
import { ViewerCanvas } from "./viewer_canvas.js";

export class ViewerPointer extends ViewerCanvas {
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
    const lines = [this.say("x {x}, y {y} · red {red}, green {green}, blue {blue}", { x, y, red: pixels[3 * place], green: pixels[3 * place + 1], blue: pixels[3 * place + 2] })];
    const value = (each, layer) => {
      if (!layer) return null;
      if (layer.mask) return layer.mask[place] === IGNORE ? this.say("ignored") : each.classes[layer.mask[place]];
      if (layer.heat) return this.words(layer.heat[place], each.unit);
      if (layer.points) return this.pointsAt(each, layer, x + 0.5, y + 0.5);
      if (layer.boxes) return chosenBoxes(layer, layer === this.target[each.name] ? 0 : this.confidence, this.suppression, layer !== this.target[each.name] && this.agnostic).filter((box) => x >= box[0] && x < box[2] && y >= box[1] && y < box[3]).map((box) => `${each.classes[box[4]]} ${layer === this.target[each.name] ? "" : box[5].toFixed(2)}`.trim()).join(", ") || this.say("no box");
      return null;
    };
    for (const each of task ? [task] : this.data.tasks.filter((one) => one.drawn && !this.off.has(one.name))) {
      const parts = [this.data.with_targets ? [this.say("target"), this.target[each.name] ? value(each, this.target[each.name]) : this.say("none")] : null];
      this.data.runs.forEach((run, number) => parts.push([this.data.runs.length > 1 ? run.name : this.say("predicted"), value(each, this.shown[number][each.name])]));
      const told = parts.filter((part) => part && part[1] !== null).map(([name, text]) => `${name} ${text}`);
      if (told.length) lines.push(`${each.name}: ${told.join(" · ")}`);
    }
    return lines.join("\n");
  }

  pointsAt(task, layer, x, y) {
    const least = layer === this.target[task.name] ? 0 : this.confidence, reach = 0.03 * Math.max(this.sample.width, this.sample.height);
    const near = layer.points.flatMap((point, index) => {
      if (point[2] === 0 || point[3] < least || Math.hypot(point[0] - x, point[1] - y) > reach) return [];
      return [`${task.classes[index]}${least ? ` ${point[3].toFixed(2)}` : ""}${point[2] === 1 ? ` ${this.say("(hidden)")}` : ""}`];
    });
    return near.join(", ") || this.say("no point");
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
    this.root.dataset.corner = `${this.zoom.x.toFixed(2)},${this.zoom.y.toFixed(2)}`;
    this.draw();
  }

  hide(hidden = !this.hidden) {
    this.hidden = hidden;
    this.hider.setAttribute("aria-pressed", String(hidden));
    this.root.dataset.hidden = hidden;
    this.draw();
  }

  toggle(number) {
    const task = this.listed[number];
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
    if (event.shiftKey && this.zoom.k > 1 && event.key.startsWith("Arrow")) return this.pan(event);
    const acts = { ArrowLeft: () => this.goTo(this.at - 1), ArrowRight: () => this.goTo(this.at + 1), h: () => this.hide(), H: () => this.hide() };
    if (this.data.steps_samples) Object.assign(acts, { ArrowUp: () => this.send.trigger("move", -1), ArrowDown: () => this.send.trigger("move", 1) });
    if (!this.data.single && focus.tagName !== "BUTTON") acts[" "] = () => this.play(!this.playing);
    if (/^[1-9]$/.test(event.key)) acts[event.key] = () => this.toggle(Number(event.key) - 1);
    if (!acts[event.key]) return;
    event.preventDefault();
    acts[event.key]();
  }
  pan(event) {
    event.preventDefault();
    const step = 0.125 / this.zoom.k, [across, down] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    this.zoomTo(this.zoom.k, this.zoom.x + across * step * this.sample.width, this.zoom.y + down * step * this.sample.height);
  }
}
