// Gradients of tasks as arrows that can be dragged, and the updates that methods make of them. The server computes the updates.

const SIZE = 520, KEY_STEP = 0.1, FAR = 10;
const make = (tag, attributes, text = "") => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text) made.textContent = text;
  return made;
};

// Directions that lower every loss when followed backwards: those with a positive product with every gradient. Null where there are none.
export function cone(gradients) {
  const angles = gradients.map(([x, y]) => Math.atan2(y, x));
  const from = (angle) => angles.map((other) => { const turn = other - angle; return Math.atan2(Math.sin(turn), Math.cos(turn)); });
  for (const first of angles) { // the gradient from which all others lie to the left, by less than half a turn
    const turns = from(first);
    const most = Math.max(...turns);
    if (Math.min(...turns) >= -1e-9 && most < Math.PI - 1e-9) return [first + most - Math.PI / 2, first + Math.PI / 2];
  }
  return null;
}

function arrow(svg, place, vector, colour, width) {
  const [x, y] = place([0, 0]), [ex, ey] = place(vector), length = Math.hypot(ex - x, ey - y);
  if (length < 1) return;
  const head = Math.min(5 + 2 * width, length), ux = (ex - x) / length, uy = (ey - y) / length;
  svg.append(make("line", { x1: x, y1: y, x2: ex - ux * head * 0.8, y2: ey - uy * head * 0.8, stroke: colour, "stroke-width": width }));
  const [bx, by] = [ex - ux * head, ey - uy * head], half = head * 0.42;
  svg.append(make("polygon", { points: `${ex},${ey} ${bx - uy * half},${by + ux * half} ${bx + uy * half},${by - ux * half}`, fill: colour }));
}

function draw(box) {
  const { data, gradients } = box, half = SIZE / 2, unit = half / data.side / 1.08;
  const place = ([x, y]) => [half + x * unit, half - y * unit];
  const focused = box.svg.contains(document.activeElement) ? document.activeElement.dataset.task : null;
  box.svg.replaceChildren();
  box.svg.append(make("line", { class: "axis", x1: 0, y1: half, x2: SIZE, y2: half }), make("line", { class: "axis", x1: half, y1: 0, x2: half, y2: SIZE }));
  const open = cone(gradients);
  if (open) {
    const steps = Array.from({ length: 25 }, (_, step) => open[0] + ((open[1] - open[0]) * step) / 24);
    const points = [[0, 0], ...steps.map((angle) => [FAR * Math.cos(angle), FAR * Math.sin(angle)])].map((point) => place(point).join(","));
    box.svg.append(make("polygon", { class: "cone", points: points.join(" ") }));
  }
  for (const { vector, colour } of data.updates) {
    const long = Math.max(...vector.map(Math.abs)) / data.side;
    arrow(box.svg, place, long > 1 ? vector.map((value) => value / long) : vector, colour, 5);
  }
  gradients.forEach((gradient, task) => {
    const colour = data.colours[task % data.colours.length], [x, y] = place(gradient);
    arrow(box.svg, place, gradient, colour, 2.5);
    const handle = make("g", { class: "handle", tabindex: 0, role: "slider", "data-task": task, "aria-label": data.words.gradients[task] });
    handle.setAttribute("aria-valuetext", `x ${gradient[0].toFixed(2)}, y ${gradient[1].toFixed(2)}`);
    handle.setAttribute("aria-valuenow", Math.hypot(...gradient).toFixed(2));
    handle.append(make("circle", { cx: x, cy: y, r: 9, stroke: colour }), make("text", { x: x + 12, y: y - 10 }, data.words.tasks[task]));
    handle.onpointerdown = (event) => { box.dragged = task; box.svg.setPointerCapture(event.pointerId); };
    handle.onkeydown = (event) => {
      const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (!move) return;
      event.preventDefault();
      set(box, task, [gradient[0] + KEY_STEP * move[0], gradient[1] + KEY_STEP * move[1]]);
      tell(box);
    };
    box.svg.append(handle);
    if (focused === String(task)) handle.focus();
  });
}

function set(box, task, [x, y]) {
  const { side } = box.data, clamp = (value) => Math.min(Math.max(value, -side), side);
  box.gradients = box.gradients.map((gradient, each) => (each === task ? [clamp(x), clamp(y)] : gradient));
  draw(box);
}

function tell(box) {
  box.told = JSON.stringify(box.gradients);
  box.send("gradients", box.gradients);
}

function build(box) {
  box.svg = make("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, role: "group" });
  box.legend = document.createElement("div");
  box.legend.className = "legend";
  box.replaceChildren(box.svg, box.legend);
  box.svg.onpointermove = (event) => {
    if (box.dragged === undefined) return;
    const frame = box.svg.getBoundingClientRect(), unit = SIZE / 2 / box.data.side / 1.08, scale = SIZE / frame.width;
    set(box, box.dragged, [((event.clientX - frame.left) * scale - SIZE / 2) / unit, (SIZE / 2 - (event.clientY - frame.top) * scale) / unit]);
  };
  box.svg.onpointerup = box.svg.onpointercancel = () => {
    if (box.dragged === undefined) return;
    box.dragged = undefined;
    tell(box);
  };
}

export default function ({ parentElement, data, setStateValue }) {
  const box = parentElement.querySelector(".gradient-plotter");
  box.send = setStateValue;
  if (!box.svg) build(box);
  box.data = data;
  box.svg.setAttribute("aria-label", data.words.drawing);
  if (box.dragged === undefined && (!box.told || box.told === JSON.stringify(data.gradients) || !box.gradients)) box.gradients = data.gradients;
  box.legend.replaceChildren(...data.updates.map(({ name, colour }) => {
    const entry = document.createElement("span"), mark = document.createElement("i");
    mark.style.background = colour;
    entry.append(mark, name);
    return entry;
  }));
  draw(box);
}
