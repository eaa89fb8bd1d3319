"""The form of a class: which lesson, what its page leaves out, the seed, and the links for learners and the projector."""

from __future__ import annotations

from urllib.parse import urlsplit

import streamlit as st

from mtl_core.language import tr
from mtl_core.lessons import LESSONS
from mtl_core.lessons.lesson_runs import CLASS, LARGEST_SEED, new_class
from ui.learn.lesson_address import HIDEABLE, LessonAddress
from ui.shell.words import text_of, translated

_HELD = "class.id"
CODE_LETTERS = len("class-1a2b3c4d")


def class_form() -> None:
    """Draw the form and the links. Everything about the class is in its links; the server keeps nothing but the runs."""
    st.markdown(
        tr(
            "One server, many browsers: learners open the first link, type a name, and train. Their runs appear on the board under these names. "
            "Nobody needs an account. The queue trains one run after the other, so choose a lesson whose runs are short."
        )
    )
    form, links = st.columns(2, gap="large")
    titles = {name: f"{number}. {LESSONS.load(name)().text().title}" for number, name in enumerate(LESSONS, 1)}
    with form:
        lesson = st.selectbox(tr("Lesson"), list(titles), format_func=text_of(titles), key="class.lesson", persist_state="session")
        seed = st.number_input(
            tr("Seed"),
            0,
            LARGEST_SEED,
            0,
            key="class.seed",
            persist_state="session",
            help=tr("All runs of the class begin with the same random numbers and see the same batches."),
        )
        hidden = st.multiselect(
            tr("What the lesson's page leaves out"),
            list(HIDEABLE),
            format_func=translated(HIDEABLE),
            key="class.hidden",
            persist_state="session",
            wrap=True,
            placeholder=tr("Nothing"),
        )
        code: str = st.session_state.setdefault(_HELD, new_class())
        typed = (st.text_input(tr("Code of a class"), code, key="class.code", persist_state="session") or "").strip()
        if not CLASS.fullmatch(typed):
            said = tr("The code of a class looks like class-1a2b3c4d. Copy it from a link of the class.")
            if len(typed) > CODE_LETTERS:
                said = tr("Expected {letters} characters, found {found:,}. {said}", letters=CODE_LETTERS, found=len(typed), said=said)
            st.error(said)
            return
    address = LessonAddress(lesson=lesson, class_id=typed, seed=int(seed), hidden=frozenset(hidden))
    with links:
        base = server_address()
        st.markdown(tr("**For the learners**"))
        st.code(f"{base}/{address.link()}", language=None, wrap_lines=True)
        st.page_link("pages/learn.py", label=tr("Open as a learner"), icon=":material/school:", query_params=address.query())
        st.markdown(tr("**For the projector**"))
        st.code(f"{base}/{address.link(board=True, large=True)}", language=None, wrap_lines=True)
        st.page_link("pages/learn.py", label=tr("Open the board"), icon=":material/leaderboard:", query_params=address.query(board=True, large=True))
        if "localhost" in base or "127.0.0.1" in base:
            st.caption(
                tr("These links work on this computer only. “Behind a proxy, for several people” in `docs/deploy.md` says how to share the server.")
            )
        st.caption(tr("Everybody who can open this server can train, stop and delete runs."))


def server_address() -> str:
    """Scheme, host and path of this server, as this browser sees it."""
    parts = urlsplit(str(st.context.url or ""))
    return f"{parts.scheme}://{parts.netloc}{parts.path.rsplit('/', 1)[0]}" if parts.netloc else ""
