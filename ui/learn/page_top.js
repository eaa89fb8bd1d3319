// Opens a lesson at its top: a link from one lesson to the next stays on the same page, and the browser would keep the place that it had scrolled to.
let shown = null;

export default function ({ data }) {
  if (shown !== null && shown !== data.page) {
    for (const each of document.querySelectorAll('[data-testid="stMain"], [data-testid="stAppScrollToBottomContainer"]')) each.scrollTo(0, 0);
  }
  shown = data.page;
}
