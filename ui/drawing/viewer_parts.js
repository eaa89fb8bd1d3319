// The parts of the viewer's page: bars, rows, panels, legends, words.

export function element(tag, name = "", text = "") {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text) made.textContent = text;
  return made;
}

export function button(text, title, act) {
  const made = element("button", "", text);
  made.type = "button";
  made.title = title;
  if (text.length === 1) made.setAttribute("aria-label", title); // a sign is no name
  made.onclick = act;
  return made;
}

export class ViewerParts {
  // A text in the reader's language (TEXTS of viewer.py), with its values.
  say(text, values = {}) {
    return (this.data.texts[text] ?? text).replace(/\{(\w+)\}/g, (place, name) => values[name] ?? place);
  }

  build() {
    const { data, root } = this;
    root.replaceChildren();
    root.tabIndex = -1;
    root.setAttribute("role", "group");
    root.setAttribute("aria-label", this.say("Predictions of one image"));
    const first = element("div", "bar first"), second = element("div", "bar");
    const through = element("div", "through");
    this.player = button(this.say("Play"), this.say("Move through the epochs (space)"), () => this.play(!this.playing));
    this.slider = Object.assign(element("input"), { type: "range", min: 0, step: 1, title: this.say("Epoch (left and right arrow keys)") });
    this.slider.setAttribute("aria-label", this.say("Epoch"));
    this.slider.oninput = () => this.goTo(Number(this.slider.value));
    this.said = element("span", "epoch");
    through.append(...(data.single ? [] : [this.player, this.slider]), this.said);
    first.append(through);
    if (data.steps_samples) first.append(button(this.say("Previous image"), this.say("Arrow key up"), () => this.send.trigger("move", -1)), button(this.say("Next image"), this.say("Arrow key down"), () => this.send.trigger("move", 1)));
    this.listed = data.tasks.filter((task) => !this.isBeside(task));
    const layered = this.listed.length > 0;
    if (layered) second.append(this.dial(this.say("Opacity"), 0, 1, 0.05, "opacity"));
    const drawnAs = (layer) => data.tasks.some((task) => task.layer === layer);
    if (drawnAs("boxes") || drawnAs("points")) second.append(this.dial(this.say("Confidence from"), 0.05, 0.95, 0.05, "confidence"));
    if (drawnAs("boxes")) {
      second.append(this.dial(this.say("Overlap up to (NMS)"), 0.05, 1, 0.05, "suppression"), this.choice(this.say("One class per place"), this.say("Of boxes that overlap, only the best stays, whatever their classes are"), "agnostic"));
    }
    this.hider = button(this.say("Hide layers"), this.say("Show the plain image (H)"), () => this.hide());
    if (layered) second.append(this.hider);
    const zoom = element("span", "zoom");
    zoom.append(button("−", this.say("Zoom out (or Ctrl + wheel)"), () => this.zoomBy(1 / 1.5)), button("+", this.say("Zoom in (or Ctrl + wheel, then drag)"), () => this.zoomBy(1.5)), button(this.say("Whole image"), this.say("Zoom back (double click)"), () => this.zoomTo(1, 0, 0)));
    second.append(zoom);
    const keys = [...(data.single ? [] : [this.say("← → epoch")]), ...(data.steps_samples ? [this.say("↑ ↓ image")] : []), layered ? this.say("1–{last} layers · H hide · Shift + arrows: move the enlarged picture", { last: Math.min(9, this.listed.length) }) : this.say("Shift + arrows: move the enlarged picture")];
    second.append(element("span", "quiet", this.say("Keys: {keys}", { keys: keys.join(" · ") })));
    this.tip = element("div", "tip");
    this.rows = element("div", "rows");
    root.append(first, this.rows, this.tip);
    this.panels = [];
    this.titles = [];
    this.rows.append(this.row(null), second); // the pictures first: they begin high on the page
    this.listed.forEach((task, number) => this.rows.append(this.row(task, number)));
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
    const columns = this.data.with_targets ? [["target", this.say("Target"), 0]] : [];
    this.data.runs.forEach((run, place) => {
      columns.push(["predicted", several ? this.say("Predicted: {run}", { run: run.name }) : this.say("Predicted"), place]);
      if (this.data.with_targets) columns.push(["error", several ? this.say("Error: {run}", { run: run.name }) : this.say("Error"), place]);
    });
    return columns;
  }

  // Without targets there is room for what tasks say in words beside the picture, where it is in view with it.
  isBeside(task) { return !this.data.with_targets && !task.drawn; }

  row(task, number) {
    const columns = this.columns(), row = element("div", columns.length > 3 && task ? "row several" : "row"); // what a task found stands in a second line
    row.style.gridTemplateColumns = `repeat(${columns.length + 1}, minmax(140px, ${columns.length > 3 ? "1fr" : "380px"}))`;
    row.style.borderLeftColor = task ? task.colour : "transparent";
    if (task) {
      row.dataset.task = task.name;
      row.append(this.about(task, number, row));
    } else {
      row.append(this.panel(row, null, "input", this.say("Input"), 0));
    }
    if (!task && !this.data.with_targets) row.classList.add("beside");
    for (const [what, title, run] of columns) {
      if (!task && !this.data.tasks.some((each) => each.drawn && !each.made)) continue; // nothing to lay over the image
      if (task && !task.drawn) row.append(this.sentence(task, what, title, run));
      else row.append(this.panel(row, task, what, !task ? this.say("{title} · all layers", { title }) : task.made && what === "error" ? this.say("What it was shown") : title, run));
    }
    if (!task && this.data.tasks.some((each) => this.isBeside(each))) row.append(this.answers());
    return row;
  }

  answers() {
    const box = element("div", "answers");
    for (const task of this.data.tasks.filter((each) => this.isBeside(each))) {
      const answer = element("div", "answer"), name = element("div", "", task.name);
      answer.dataset.task = task.name;
      answer.style.borderLeftColor = task.colour;
      name.style.fontWeight = 600;
      answer.append(name, element("div", "quiet", task.title), this.sentence(task, "predicted", this.say("Predicted"), 0));
      box.append(answer);
    }
    return box;
  }

  about(task, number, row) {
    const box = element("div", "about");
    const toggle = button(number < 9 ? `${number + 1}  ${task.name}` : task.name, number < 9 ? this.say("Layer on or off (key {key})", { key: number + 1 }) : this.say("Layer on or off"), () => this.toggle(number));
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
    if (this.data.with_targets && task.layer === "mask") legend.append(this.note([[this.data.marks.missed, this.say("wrong pixel")], [this.data.marks.grey, this.say("ignored")]], this.say("Error:")));
    if (this.data.with_targets && task.layer === "boxes") legend.append(this.note([[this.data.marks.right, this.say("found")], [this.data.marks.false, this.say("not there, or another class")], [this.data.marks.missed, this.say("missed")]], this.say("Error:")));
    if (this.data.with_targets && task.layer === "points") legend.append(this.note([[this.data.marks.right, this.say("within 10 % of the frame")], [this.data.marks.false, this.say("farther off, or not there")], [this.data.marks.missed, this.say("missed")]], this.say("Error:")));
    if (this.data.with_targets && task.layer === "heat") legend.append(element("div", "quiet", this.say("Error, distance from the target:")), this.scale(this.data.error_scale, 0, this.worst(task), task.unit));
    box.append(legend);
    return box;
  }

  worst(task) { return (task.range[1] - task.range[0]) / 4; }

  keys(task) {
    const pairs = task.classes.map((name, index) => [task.class_colours[index], name]).filter(([, name]) => name !== "background");
    return this.note(pairs.slice(0, 24).concat(pairs.length > 24 ? [[this.data.marks.grey, this.say("and {more} more", { more: pairs.length - 24 })]] : []));
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
    if (!Number.isFinite(value)) return this.say("unknown");
    const number = Number(value.toPrecision(3));
    return `${number} ${number === 1 ? this.data.unit_of_one[unit] ?? this.data.units[unit] ?? unit : this.data.units[unit] ?? unit}`.trim();
  }

  cell(title, what, run) {
    const cell = element("div", "cell"), name = element("div", "name");
    const left = element("span", "", title), right = element("span");
    left.title = title;
    const colour = (what === "predicted" || what === "error") && this.data.runs[run]?.colour;
    if (colour) Object.assign(left.style, { borderLeft: `4px solid ${colour}`, paddingLeft: "0.35rem" });
    if (what === "predicted" || what === "error") this.titles.push({ name: left, title, run });
    name.append(left, right);
    cell.append(name);
    return [cell, right];
  }

  panel(row, task, what, title, run) {
    const [cell, note] = this.cell(title, what, run);
    const canvas = element("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", task ? this.say("{title} of {task}", { title, task: task.name }) : title);
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
    if (!layer) return [element("span", "quiet", this.say(what === "target" ? "no target" : "no prediction"))];
    if (layer.v !== undefined) return [element("div", "number", layer.v === null ? this.say("unknown") : this.words(layer.v, task.unit))];
    if (what === "target") return [element("div", "number", layer.p.map((p, index) => (p > 0.5 ? task.classes[index] : "")).filter(Boolean).join(", ") || this.say("none"))];
    const order = layer.p.map((p, index) => [p, index]).sort((a, b) => b[0] - a[0]);
    const wanted = (index) => target && target.p[index] > 0.5;
    const shown = order.filter(([p, index], place) => place < 4 || wanted(index) || (!layer.one && p >= 0.5)).slice(0, 10);
    const longest = Math.max(...shown.map(([, index]) => task.classes[index].length));
    return shown.map(([p, index]) => {
      const line = element("div", `prob${wanted(index) ? " right" : ""}`), name = element("span", "", task.classes[index]), bar = element("i");
      line.style.setProperty("--names", `${Math.min(longest, 12) + 1}ch`);
      name.title = task.classes[index] + (wanted(index) ? ` ${this.say("(target)")}` : "");
      bar.style.width = `${100 * p}%`;
      bar.style.color = task.colour;
      line.append(name, bar, element("span", "", `${(100 * p).toFixed(p < 0.0995 ? 1 : 0)} %`));
      return line;
    });
  }

  errorWords(task, layer, target) {
    if (!layer || !target) return [element("span", "quiet", this.say("nothing to compare with"))];
    if (layer.v !== undefined) return [element("div", "number", this.words(Math.abs(layer.v - target.v), task.unit))];
    if (layer.one) {
      const best = layer.p.indexOf(Math.max(...layer.p)), right = target.p[best] > 0.5;
      return [this.note([[right ? this.data.marks.right : this.data.marks.missed, right ? this.say("right") : this.say("wrong: {found} for {wanted}", { found: task.classes[best], wanted: task.classes[target.p.indexOf(1)] })]])];
    }
    const wrong = layer.p.flatMap((p, index) => (p >= 0.5 === target.p[index] > 0.5 ? [] : [[p >= 0.5 ? this.data.marks.false : this.data.marks.missed, p >= 0.5 ? this.say("{name} is not there", { name: task.classes[index] }) : this.say("{name} missed", { name: task.classes[index] })]]));
    return [this.note(wrong.length ? wrong : [[this.data.marks.right, this.say("every class right")]])];
  }
}
