// One image large: target, prediction and error of every task, at any epoch. Everything is drawn here from raw values, so that epochs,
// layers, opacity, thresholds and zoom need no answer from the server. Layers are primitives: mtl_core/figures/primitives.py says which. Nothing here knows a kind of task.

import { PLAY_MS, REPORT_MS, opened, unpack } from "./layer_values.js";
import { ViewerPointer } from "./viewer_pointer.js";

class Viewer extends ViewerPointer {
  constructor(root) {
    super();
    Object.assign(this, { root, opacity: 0.6, agnostic: false, off: new Set(), hidden: false, zoom: { k: 1, x: 0, y: 0 }, cache: new Map(), at: 0 });
    document.addEventListener("keydown", (event) => this.pressed(event));
    new ResizeObserver(() => this.draw()).observe(root);
  }

  // -- what is shown

  async show(data, send) {
    this.send = send;
    if (this.data && this.data.revision === data.revision) return;
    const other = !this.data || this.data.sequence !== data.sequence;
    const layout = JSON.stringify([data.sequence, data.tasks, data.runs.map((run) => run.name), data.with_targets, data.texts]);
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
    this.slider.setAttribute("aria-valuetext", this.say("epoch {epoch}", { epoch: asked }));
    this.said.textContent = this.data.single ? this.data.single : this.say("epoch {epoch} of {last}", { epoch: asked, last: this.steps[this.steps.length - 1] });
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
      name.textContent = name.title = this.data.single || own === asked ? title : this.say("{title} · its epoch {epoch}", { title, epoch: own });
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
    this.player.textContent = this.say(on ? "Pause" : "Play");
  }
}

export default function ({ parentElement, data, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".viewer");
  root.viewer ??= new Viewer(root);
  root.viewer.show(data, { state: setStateValue, trigger: setTriggerValue });
}
