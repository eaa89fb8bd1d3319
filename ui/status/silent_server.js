// Says in the page's language that the server does not answer. Streamlit's own words ask for the internet, which the dashboard does not need.
// Only the texts of nodes change: the nodes are Streamlit's, which takes them away once the server answers.
const STATE = "data-test-connection-state";
const THEIRS = [
  [/^Connection error$/, "title"],
  [/^Is Streamlit still running/, "text"], // the command stands below it
  [/^(Streamlit server is not responding|Cannot connect to Streamlit)/, "text", "command"],
  [/^streamlit run yourscript\.py$/, "command"],
];
let words = {}, app, watch;

export function reword(root) {
  for (const node of root.childNodes) {
    if (node.nodeType !== 3) { reword(node); continue; }
    const [, ...ours] = THEIRS.find(([theirs]) => theirs.test(node.nodeValue.trim())) || [];
    const said = ours.map((name) => words[name]).join(" ");
    if (said && node.nodeValue !== said) node.nodeValue = said;
  }
}

function look() {
  if (app.getAttribute(STATE) === "CONNECTED") { watch.disconnect(); return; }
  const dialogs = () => document.querySelectorAll("[role=dialog]").forEach(reword);
  watch.disconnect();
  watch = new MutationObserver(dialogs);
  watch.observe(document.body, { childList: true, subtree: true });
  dialogs();
}

export default function ({ data }) {
  words = data.words;
  const now = document.querySelector(`[${STATE}]`);
  if (!now || now === app) return;
  app = now;
  watch = new MutationObserver(() => {});
  new MutationObserver(look).observe(app, { attributes: true, attributeFilter: [STATE] });
}
