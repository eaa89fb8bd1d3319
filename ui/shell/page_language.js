// Says the language of the page to the browser and to screen readers.
export default function ({ data }) {
  document.documentElement.lang = data.language;
}
