// A pad to draw on, with a pointer or with keys. Each stroke that ends is sent as a PNG; the pad keeps its drawing when the page is refreshed.
const KEY_STEP = 8;
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
export default function ({ parentElement, data, setStateValue }) {
  const pad = parentElement.querySelector(".sketch"), canvas = pad.querySelector("canvas"), context = canvas.getContext("2d");
  const [width, inverted] = pad.querySelectorAll("input"), clear = pad.querySelector("button"), said = pad.querySelector("output");
  const [widthLabel, invertedLabel] = pad.querySelectorAll("span"), texts = pad.texts = data.words;
  canvas.setAttribute("aria-label", texts.pad);
  width.setAttribute("aria-label", texts.width);
  [widthLabel.textContent, invertedLabel.textContent, clear.textContent, pad.querySelector("p").textContent] = [texts.pen, texts.inverted, texts.clear, texts.keys];
  pad.send = setStateValue;
  if (pad.ready) return;
  pad.ready = true;
  let strokes = [], stroke = null, pen = [canvas.width / 2, canvas.height / 2];

  const draw = () => {
    const [paper, ink] = inverted.checked ? ["#ffffff", "#000000"] : ["#000000", "#ffffff"];
    context.fillStyle = paper;
    context.fillRect(0, 0, canvas.width, canvas.height);
    Object.assign(context, { strokeStyle: ink, fillStyle: ink, lineCap: "round", lineJoin: "round" });
    for (const { points, size } of strokes) {
      context.lineWidth = size;
      context.beginPath();
      context.arc(...points[0], size / 2, 0, 7);
      context.fill();
      context.beginPath();
      points.forEach(([x, y]) => context.lineTo(x, y));
      context.stroke();
    }
  };
  // Where the keys' pen is. It is no part of the drawing.
  const mark = () => {
    Object.assign(context, { strokeStyle: "#1F87D6", lineWidth: stroke ? 4 : 2 });
    context.beginPath();
    context.arc(...pen, Number(width.value) / 2 + 3, 0, 7);
    context.stroke();
  };
  const send = () => {
    draw();
    pad.send("drawing", strokes.length ? canvas.toDataURL("image/png") : "");
    if (document.activeElement === canvas && canvas.matches(":focus-visible")) mark();
  };
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * canvas.width) / box.width, ((event.clientY - box.top) * canvas.height) / box.height];
  };
  canvas.onpointerdown = (event) => {
    canvas.setPointerCapture(event.pointerId);
    stroke = { points: [at(event)], size: Number(width.value) };
    strokes.push(stroke);
    said.textContent = "";
    draw();
  };
  canvas.onpointermove = (event) => {
    if (!stroke) return;
    stroke.points.push(at(event));
    draw();
  };
  const lift = () => {
    if (!stroke) return;
    stroke = null;
    if (said.textContent) said.textContent = pad.texts.up; // only for keys, whose pen nobody sees being lifted
    send();
  };
  canvas.onpointerup = canvas.onpointercancel = lift;
  canvas.onfocus = () => { if (canvas.matches(":focus-visible")) mark(); };
  canvas.onblur = () => { lift(); draw(); };
  canvas.onkeydown = (event) => {
    const move = MOVES[event.key];
    if (!move && event.key !== " ") return;
    event.preventDefault();
    event.stopPropagation();
    if (!move && stroke) return lift();
    if (!move) {
      stroke = { points: [[...pen]], size: Number(width.value) };
      strokes.push(stroke);
      said.textContent = pad.texts.down;
    } else {
      pen = pen.map((value, axis) => Math.min(Math.max(value + KEY_STEP * move[axis], 0), [canvas.width, canvas.height][axis]));
      stroke?.points.push([...pen]);
    }
    draw();
    mark();
  };
  inverted.onchange = () => { draw(); if (strokes.length) send(); };
  clear.onclick = () => { strokes = []; draw(); send(); };
  draw();
}
