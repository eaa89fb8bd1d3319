import assert from "node:assert/strict";
import test from "node:test";
import start, { reword } from "../../ui/status/silent_server.js";

const text = (value) => ({ nodeType: 3, nodeValue: value, childNodes: [] });
const element = (...childNodes) => ({ nodeType: 1, childNodes });
const words = { title: "Keine Antwort", text: "Der Server schweigt.", command: "streamlit run app.py" };

function page(state) {
  const watches = [];
  globalThis.MutationObserver = class {
    constructor(look) { this.look = look; watches.push(this); }
    observe(node) { this.node = node; }
    disconnect() { this.node = null; }
  };
  const dialogs = [], app = { state, getAttribute: () => app.state };
  globalThis.document = { body: {}, querySelector: () => app, querySelectorAll: () => dialogs };
  return { app, dialogs, watches };
}

test("Streamlit's words on a silent server are the page's, and other texts stay", () => {
  const { app, dialogs, watches } = page("CONNECTED");
  start({ data: { words } });
  start({ data: { words } });
  const [, connection] = watches;
  assert.equal(watches.filter((watch) => watch.node === app).length, 1); // one watch, however often the page is drawn
  app.state = "PINGING_SERVER";
  connection.look();
  const said = [" Connection error ", "Streamlit server is not responding. Are you connected to the internet?", "mine"].map(text);
  dialogs.push(element(element(said[0]), element(element(said[1]), said[2])));
  watches.at(-1).look();
  assert.deepEqual(said.map((node) => node.nodeValue), ["Keine Antwort", "Der Server schweigt. streamlit run app.py", "mine"]);
  app.state = "CONNECTED";
  connection.look();
  assert.equal(watches.at(-1).node, null);
});

test("the command beside Streamlit's words on localhost is the dashboard's", () => {
  const said = ["Is Streamlit still running? If you accidentally stopped Streamlit, just restart it in your terminal:", "streamlit run yourscript.py"].map(text);
  reword(element(...said));
  assert.deepEqual(said.map((node) => node.nodeValue), ["Der Server schweigt.", "streamlit run app.py"]);
});
