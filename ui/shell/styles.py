"""CSS that Streamlit's theme has no setting for, and the page icon. Most colours come from the theme, so light and dark both work."""

from typing import Any

import numpy as np
import streamlit as st
from PIL import Image

from mtl_core.figures.colours import MISSED, PALETTE
from ui.shell.element_keys import element_key

CSS = (
    f"""
<style>
:root {{--line-colour: {PALETTE[0]}; --marked-colour: {PALETTE[1]}; --missed-colour: {MISSED};}}
"""
    + """
.stMainBlockContainer {padding-top: 3.9rem; padding-bottom: 3rem; max-width: 1880px;}
/* Text in a line with buttons. Streamlit gives a paragraph a margin and its container the same one below 0: without both it stands in the middle. */
:is(.st-key-strip, .st-key-lineage, [class*="st-key-queue_"], .st-key-steering_title, .st-key-state, .st-key-class_link, .st-key-class_tiles)
  :is(p, [data-testid="stMarkdownContainer"], [data-testid="stCaptionContainer"]) {margin: 0;}
.st-key-strip {border-bottom: 1px solid rgba(128,128,128,.22); padding: .1rem 0 .45rem; min-height: 2.75rem;}
.st-key-strip p {white-space: nowrap; font-size: .9rem;}
.st-key-strip .stPageLink a {padding: 0 .4rem; margin: 0;}
.st-key-strip .stProgress {padding: 0;}
.st-key-strip button {min-height: 2rem; padding: .1rem .65rem;}
.st-key-strip .stPageLink a, .st-key-lineage .stPageLink a, [class*="st-key-queue_"] .stPageLink a {background: transparent;}
.st-key-strip .stPageLink a:hover, .st-key-lineage .stPageLink a:hover, [class*="st-key-queue_"] .stPageLink a:hover {text-decoration: underline;}
/* A link to a page takes the lines that its title needs, except in a line of its own kind. */
.stPageLink a > span:not(.st-key-strip *, .st-key-lineage *, [class*="st-key-queue_"] *) {white-space: normal; overflow: visible;}
/* The bar stays one line on a narrow screen, so that what is below it does not move down while a run trains. */
@media (max-width: 1450px) {
  .st-key-strip [data-testid="stElementContainer"]:has(> .stProgress) {max-width: 6rem;}
  .st-key-strip:has(.stProgress) .gauges .beside {display: none;}
  .st-key-strip .stPageLink a {max-width: 26rem;}
  .st-key-strip:has(.stProgress) .stPageLink a {max-width: 18rem;}
  .st-key-strip .stPageLink a p {overflow: hidden; text-overflow: ellipsis;}
  .st-key-strip:has(.stProgress) :is(.st-key-language_switch, .st-key-machine) button p {position: absolute; width: 1px;
    height: 1px; overflow: hidden; clip-path: inset(50%);}
}
.st-key-strip .stProgress, .st-key-strip .stProgress > div {margin: 0; padding: 0;}
[class*="st-key-queue_"] button {min-height: 1.9rem; padding: 0 .45rem;}
.gauge-list {display: grid; gap: .35rem; font-size: .9rem; min-width: 22rem; font-variant-numeric: tabular-nums;}
.gauge-list div {display: grid; grid-template-columns: 5.5rem 1fr auto; gap: .7rem; align-items: center;}
.gauge-list i {display: block; height: 5px; border-radius: 3px; background: rgba(128,128,128,.3); overflow: hidden;}
.gauge-list b {display: block; height: 100%; background: var(--line-colour);}
.gauge-list .marked {font-weight: 600;}
.gauge-list .marked b {background: var(--marked-colour);}
[class*="st-key-entry_"] .stPageLink a {padding: 0; margin: 0;}
.st-key-lineage {font-size: .9rem;}
.st-key-lineage .stPageLink a {padding: 0 .2rem; margin: 0;}
.st-key-delete_really button {background: #B3261E; border-color: #B3261E;}
.st-key-delete_really button:hover {background: #8C1D18; border-color: #8C1D18;}
.st-key-view [data-testid="stWidgetLabel"] {min-height: 0;}
[data-testid="stLayoutWrapper"]:has(> .st-key-beside) {position: sticky; top: 4.2rem;}
.st-key-beside {max-height: calc(100vh - 5rem); overflow-y: auto; padding: 2px 4px 8px 2px;}
.st-key-beside table {font-size: .85em;}
.st-key-beside :is(th, td) {padding: .3em .5em;}
.st-key-beside td {word-break: keep-all;}
.st-key-beside td:first-child {min-width: 6em; word-break: normal; overflow-wrap: anywhere;}
/* A run's column is as wide as a word of a setting needs; more runs than fit beside each other are scrolled to. */
.st-key-setting_differences {overflow-x: auto;}
.st-key-setting_differences [data-testid="stTable"] {overflow: visible;}
.st-key-setting_differences :is(th, td) {padding: .35rem .5rem; font-size: .85rem; vertical-align: top; overflow-wrap: anywhere;
  min-width: 7.5rem; line-height: 1.35;}
.st-key-setting_differences thead th {vertical-align: bottom; font-weight: 600;}
.facts {display: flex; flex-wrap: wrap; gap: .35rem 2.2rem; font-size: .92rem; padding: .1rem 0 .2rem;}
/* The name has a line of its own above the value at the slider's thumb. The small line below takes up the room that the slider leaves. */
.steer-name {font-size: .85rem; line-height: 1.2; margin: .2rem 0 .4rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap;}
.st-key-steering .share {margin-top: -.9rem;}
/* The sliders stay in view while a run trains. Their background hides what scrolls below them. */
[data-testid="stLayoutWrapper"]:has(> div > div > .st-key-steering) {position: sticky; top: 3.75rem; z-index: 20;}
.st-key-steering {padding: .4rem .8rem .5rem; gap: .2rem; background: light-dark(#FFFFFF, #10151C);}
.st-key-steering [data-testid="stSliderTickBar"] {display: none;}
.st-key-steering [data-testid="stVerticalBlock"] {gap: .15rem;}
.st-key-steering [data-testid="stHorizontalBlock"] {row-gap: .2rem;}
.st-key-steering_title p {font-size: .9rem;}
.st-key-steering_title button {min-height: 0; padding: 0;}
.notify {font: inherit; font-size: .9rem; color: inherit; background: transparent; border: 1px solid rgba(128,128,128,.4); border-radius: 8px;
  padding: .35rem .75rem; cursor: pointer;}
.notify:disabled {opacity: .5; cursor: default;}
.notify-why {font-size: .82rem; padding-top: .25rem;}
/* Gauges for which there is no room are left out; they move nothing to a second line. */
.st-key-strip [data-testid="stElementContainer"]:has(.gauges) {flex: 1000 1 0; min-width: 0; max-width: max-content;}
.gauges {display: flex; flex-wrap: wrap; gap: .5rem 1rem; height: 1.6rem; overflow: hidden;
  font-size: .8rem; font-variant-numeric: tabular-nums; white-space: nowrap;}
/* An empty first item: a first gauge that does not fit goes to the hidden second line, too. */
.gauges::before {content: ""; order: -2; height: 1.6rem; margin-right: -1rem;}
.gauges i {display: block; height: 3px; border-radius: 2px; background: rgba(128,128,128,.3); overflow: hidden;}
.gauges b {display: block; height: 100%; background: var(--line-colour);}
.gauges .marked {font-weight: 600; order: -1;}
.gauges .marked b {background: var(--marked-colour);}
.share {display: flex; align-items: center; gap: .5rem; font-size: .8rem; font-variant-numeric: tabular-nums;}
.share img {flex: 1; height: 26px; min-width: 0; width: 100%;}
.st-key-state > div:first-child {flex: 1 1 14rem;}
.progress {font-size: .9rem; line-height: 1.6;}
.progress .bar {height: .5rem; border-radius: .25rem; background: rgba(128,128,128,.2); overflow: hidden;}
.progress .bar b {display: block; height: 100%; background: light-dark(#0B6BA8, #2474AD);}
.live-plot {contain: layout style;}
.slower {font-size: .875rem;}
.st-key-state p {font-size: .9rem;}
.st-key-task_rows {display: grid; grid-template-columns: 1fr; gap: .4rem;}
.st-key-task_rows [class*="st-key-panel"] {display: grid; grid-template-columns: 16rem 3fr 2fr; gap: .6rem;
  align-items: center; padding: .1rem .6rem;}
.st-key-above_tasks, .st-key-below_tasks {display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: .8rem;}
[data-testid="stLayoutWrapper"]:has(> [class*="st-key-area_auto"], > [class*="st-key-area_whole"]) {grid-column: 1 / -1;}
@media (min-width: 1700px) {
  .st-key-task_rows {grid-template-columns: repeat(auto-fit, minmax(22rem, 1fr));}
  .st-key-task_rows [class*="st-key-panel"] {grid-template-columns: 1fr; gap: .2rem; padding: .4rem .6rem;}
  [data-testid="stLayoutWrapper"]:has(> [class*="st-key-area_auto"]) {grid-column: auto;}
}
.st-key-class_link [data-testid="stCode"] {flex: 1 1 20rem;}
.st-key-class_link pre {padding: .35rem .8rem;}
.st-key-class_link code {font-size: 1rem;}
/* Tiles fill their columns, also where there are few: a narrower tile in a wide column would leave a gap. */
.st-key-class_tiles {display: grid; grid-template-columns: repeat(auto-fill, minmax(min(13rem, 100%), 1fr)); gap: .3rem; align-items: stretch;}
.st-key-class_tiles [class*="st-key-tile_"] {padding: .05rem .45rem; min-height: 0; flex-wrap: nowrap; align-items: start;}
.st-key-class_tiles p {font-size: clamp(13px, .8rem, 17px); line-height: 1.3; overflow-wrap: anywhere;}
.st-key-class_tiles [data-testid="stMarkdownContainer"] {min-width: 0;}
.st-key-class_tiles button {min-height: 0; padding: 0 .45rem;}
.legend {display: flex; flex-wrap: wrap; gap: .1rem .8rem; font-size: .82rem;}
/* A class's colour may be as bright as the page: its dot has an outline. */
.legend i {display: inline-block; width: .65em; height: .65em; margin-right: .15em; border-radius: 50%;
  box-shadow: 0 0 0 1px color-mix(in srgb, currentColor 60%, transparent);}
[class*="st-key-rerun-"], [class*="st-key-news-"], [class*="st-key-steer-double"], .st-key-page_top, .st-key-learner_identity {position: absolute;}
.said {font-size: .875rem; line-height: 1.6; white-space: pre-line;}
.measured {line-height: 1.6;}
.measured strong {font-size: 1rem; line-height: 1.4;}
.measured .small {font-size: .875rem;}
.said summary {cursor: pointer; padding: .25rem 0;}
.said summary:hover {color: color-mix(in srgb, #2474AD 55%, currentColor);}
/* The end of the log is in view, as in a terminal. */
.run-log {display: flex; flex-direction: column-reverse; max-height: 22rem; overflow: auto; white-space: pre-wrap; overflow-wrap: anywhere;
  font-family: var(--st-code-font, monospace); font-size: .8rem; line-height: 1.5; padding: .6rem .8rem; border-radius: 8px;
  background: rgba(128,128,128,.1);}
.live-plot.clickable .nsewdrag {cursor: pointer;}
[class*="st-key-data.open"] button, [class*="st-key-data-open"] button {min-height: 0; padding: 0; margin-top: -.7rem; font-size: .82rem;}
.fact-name {font-size: .78rem;}
.stMainBlockContainer img {border-radius: 4px;}
/* A tile's title has the lines that it needs. The values stand in one line at the bottom of their row. */
[class*="st-key-test_"] [data-testid="stMetricLabel"] :is(*, p) {white-space: normal; overflow: visible;}
[class*="st-key-test_"] :is([data-testid="stElementContainer"], [data-testid="stMetric"], [data-testid="stMetric"] > div) {
  display: flex; flex-direction: column; flex: 1; align-self: stretch;}
[class*="st-key-test_"] [data-testid="stMetricValue"] {margin-top: auto;}
/* Columns whose parts stand in lines: a line is as high as its highest part, so that what follows a text of two lines stands beside its like. */
@media (min-width: 641px) {
  [class*="st-key-lines_"] > [data-testid="stLayoutWrapper"] > [data-testid="stHorizontalBlock"] {
    display: grid; grid-auto-flow: column; grid-auto-columns: minmax(0, 1fr); grid-template-rows: repeat(10, auto); row-gap: 0;}
  [class*="st-key-lines_"] :is([data-testid="stColumn"], [data-testid="stColumn"] > [data-testid="stVerticalBlock"],
    [data-testid="stColumn"] > [data-testid="stVerticalBlock"] > [data-testid="stLayoutWrapper"],
    [data-testid="stColumn"] > [data-testid="stVerticalBlock"] > [data-testid="stLayoutWrapper"] > [data-testid="stVerticalBlock"]) {
    display: grid; grid-row: 1 / -1; grid-template-rows: subgrid; grid-template-columns: minmax(0, 1fr); width: auto; row-gap: 0;}
  [class*="st-key-lines_"] [data-testid="stColumn"] [data-testid="stElementContainer"] {margin-bottom: .5rem;}
  [class*="st-key-lines_"] [data-testid="stColumn"] :is([data-testid="stElementContainer"]:last-child, [class*="st-key-test_"] > *) {
    margin-bottom: 0;}
  [class*="st-key-test_"] > * + * {margin-top: .4rem;}
}
/* The boxes are as wide as their names where there is room, and narrower where a second line would push the pictures down. */
@media (min-width: 1100px) {
  .st-key-predictions_head {flex-wrap: nowrap;}
  .st-key-predictions_head > * {flex: none;}
  .st-key-predictions_head > :has(.stSelectbox) {flex: 0 1 auto; min-width: 8rem;}
  .st-key-predictions_head > :is([class*="st-key-picked_run"], [class*="st-key-beside"]) {flex-shrink: 8; min-width: 10rem;}
}
/* Rows of options are as high as the boxes beside them, so that the labels above them stand in one line. */
:is(.st-key-data_filters, .st-key-evaluation_choices) [data-testid="stButtonGroup"] button {min-height: 2.5rem;}
/* A list is as wide as its longest text, where its box is narrower. */
[data-testid="stSelectboxVirtualDropdown"] {width: max-content !important; min-width: var(--trigger-width); max-width: 92vw;}
/* Contrast. Streamlit draws captions at an opacity of 0.6 (4.2 on white), which fades coloured words in them too, and what is chosen in the primary
   colour (3.3 on the dark background). Menus lie outside .stApp, without its colour scheme, so the colours are made from that of the text. */
[data-testid="stCaptionContainer"] {opacity: 1;}
/* Faint words, all in one strength, with a contrast of 5.9 or more. An opacity would fade colours beside them, too. */
:is([data-testid="stCaptionContainer"], .faint, .fact-name, .gauges, .legend, .slower, .notify-why) {
  color: color-mix(in srgb, currentColor 72%, transparent);}
:is([data-testid="stCaptionContainer"], .faint, .legend) :is(.faint, .fact-name, .legend) {color: inherit;}
:is(button[data-variant][data-selected="true"], [role="tab"][aria-selected="true"], [data-testid="stSliderThumbValue"]) :is(div, span, p),
[data-testid="stSliderThumbValue"] {color: inherit !important;}
button[data-variant][data-selected="true"], [role="tab"][aria-selected="true"], [data-testid="stSlider"] {
  color: color-mix(in srgb, #2474AD 55%, currentColor) !important;}
/* Streamlit darkens the words of a flat button that the mouse is on, or whose list is open: 1.2 on the dark background. */
button[kind="tertiary"]:not(:disabled):is(:hover, :active, [aria-expanded="true"]) {
  color: color-mix(in srgb, #2474AD 55%, var(--st-text-color, currentColor)) !important;}
/* The keyboard's focus, in a blue that has 3.8 on white and 4.8 on the dark background. */
:is(a, button, summary, [tabindex], [role="slider"], [role="tab"]):focus-visible, label:has(input:focus-visible),
[data-rac]:has(> div > input[type="range"]:focus-visible) {outline: 2px solid #1F87D6 !important; outline-offset: 2px;}
.js-plotly-plot .modebar-btn {min-width: 24px; min-height: 24px;}
/* A live page reruns every few seconds. Fading it each time would flicker, and without a GPU the cores that train would paint every frame
   of the fade. Streamlit fades the heads of expanders and tabs as well, and marks them with no attribute. */
[data-stale="true"] {opacity: 1 !important; transition: none !important;}
:is(.stExpander summary, .stExpander > div, .stTabs [role="tablist"], .stTabs [role="tab"]:not([data-disabled])) {opacity: 1 !important;}
.stProgress div {transition: none !important;}
[data-testid="stStatusWidget"] {display: none;}
</style>
"""
)


def page_icon() -> Image.Image:
    """Four squares in the task colours, (64, 64) RGBA. Streamlit would fetch its own icons for the browser's tab from the internet."""
    icon = np.zeros((64, 64, 4), dtype=np.uint8)
    for place, colour in enumerate(PALETTE[:4]):
        row, column = 34 * (place // 2), 34 * (place % 2)
        icon[row : row + 30, column : column + 30] = (*bytes.fromhex(colour[1:]), 255)
    return Image.fromarray(icon)


def apply_styles() -> None:
    """Add the CSS to the page; once per full script run."""
    st.html(CSS)


def columns_in_lines(count: int, name: str) -> list[Any]:
    """Columns whose first parts stand in one line, as do their second ones, and so on. ``name``: unique on the page."""
    with st.container(key=element_key("lines", name)):
        return st.columns(count)


def hide_navigation() -> None:
    """Leave out the links to the other pages at the top, for a class."""
    places = ("stTopNav", "stSidebar", "stExpandSidebarButton")  # in a narrow window they are at the side
    st.html(f"<style>{', '.join(f'[data-testid={place}]' for place in places)} {{display: none;}}</style>")


def enlarge() -> None:
    """Enlarge all type of the page, for a projector."""
    st.html("<style>html {font-size: 21px;} .stMainBlockContainer {padding-left: 1.5rem; padding-right: 1.5rem;}</style>")
