"""The stage of the tour: which step is on, what a person answered, and how large everything is drawn.

Steps and answers are in the link, so that a reload, or a class that opens it, is where the teacher is. Presenting is in it too.
"""

from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard.language import t
from dashboard.parts.chart import CONFIG, show
from dashboard.parts.frame import Frame
from dashboard.parts.link import remember
from dashboard.parts.tour_numbers import GUESSES, STEPS, Cast

SHOWN = "shown"  # the answer of who asked to be shown it
# Only a step that has just begun is shown from its top: the function runs on every rerun, its module once.
TOP = """let at;
export default function(c) {
  if (at !== c.data.at) document.querySelector('[data-testid=stMain]')?.scrollTo(0, 0);
  at = c.data.at;
}"""
# Streamlit sets type size and margins for all visitors of a server alike; every other size on the page follows the first.
LARGE = """<style>
:root { font-size: 125%; }
[data-testid=stMainBlockContainer] { padding: 2.5rem 4rem 0; }
[data-testid=stMainBlockContainer] [data-testid=stVerticalBlock] { gap: 0.6rem; }
[data-testid=stMainBlockContainer] :is(h1, h2, h3) { padding-top: 0; }
[data-testid=stBottomBlockContainer] { padding: 0.25rem 4rem 0.5rem; }
[data-testid=stMetricLabel] * { white-space: normal !important; }
</style>"""
HEIGHT, ROOM = 290, 50  # pixels of a chart that a class looks at, and more once there are no guesses: it fits 1280 x 800 so
WIDE = 90  # pixels on the left of such a chart where its axis has a title, of two lines


@dataclass(frozen=True)
class Stage:
    """One step on screen.

    Attributes: number: from 1; pair: which two pictures take part; presenting: for a class to see; head: the place below the question.
    """

    settings: Frame
    cast: Cast
    number: int
    pair: int
    presenting: bool
    head: DeltaGenerator

    @property
    def step(self):
        return STEPS[self.number - 1]

    @property
    def known(self):
        return self.cast.pairs[self.pair][0]

    @property
    def unknown(self):
        return self.cast.pairs[self.pair][1]

    @property
    def chosen(self):
        """Return the answer that was given: a guess, or SHOWN, or None."""
        return st.session_state[_key(self.number)]

    @property
    def shown(self):
        """Tell whether the answer may be seen."""
        return self.chosen is not None

    def guess(self, labels=None):
        """Draw what can be answered, a button each, and one for who wants to be shown. Args: labels: {guess: text}, by default all of the step."""
        if self.shown and self.presenting:
            return
        labels = {guess: t(f"tour.{self.step}_guess_{guess}") for guess in GUESSES[self.step]} if labels is None else labels
        with st.container(horizontal=True, gap="small"):
            for guess, label in labels.items():
                icon = ":material/check:" if guess == self.chosen else None
                st.button(label, key=f"guess_{self.number}_{guess}", icon=icon, on_click=answer, args=(self.number, guess))
            if not self.shown:
                st.button(t("tour.show"), icon=":material/visibility:", type="tertiary", key="show_answer", on_click=answer, args=(self.number, SHOWN))

    def told(self, finding):
        """Draw a finding, whether the guess was right, and more sentences: here or, for a class, the first alone right below the question."""
        with self.head if self.presenting else st.container():
            st.header(said(finding.headline))
            if finding.right and self.chosen != SHOWN:
                right = self.chosen in finding.right
                (st.success if right else st.info)(
                    t("tour.guess_right" if right else "tour.guess_other"), icon=":material/check:" if right else ":material/info:"
                )
            if not self.presenting:
                st.markdown("\n".join(f"- {said(line)}" for line in finding.lines))

    def chart(self, figure, *, alt, table, key):
        """Draw a chart; for a class with larger type, and without its table."""
        if not self.presenting:
            show(figure, alt=alt, table=table, key=key)
            return
        figure.update_layout(font={"size": 17}, height=HEIGHT + ROOM * self.shown, margin={"b": 64})
        if title := figure.layout.yaxis.title.text:  # along the height, which is short
            figure.update_yaxes(title={"font": {"size": 13}, "text": title.replace(" (", "<br>("), "standoff": 26})
            figure.update_layout(margin={"l": WIDE})
        st.plotly_chart(figure, alt=alt, key=key, config={**CONFIG, "displayModeBar": False})


def said(sentence):
    """Return a `Sentence` in the language in use."""
    return t(sentence.key, **sentence.values)


def recall(number):
    """Give a step the answer that was given to it, here or by the link."""
    remember(_key(number), (*GUESSES[STEPS[number - 1]], SHOWN), None)


def answer(number, guess):
    """Keep the answer to a step. For callbacks."""
    st.session_state[_key(number)] = guess


def go(number):
    """Turn to a step. For callbacks."""
    st.session_state["step"] = number


def restart():
    """Forget all answers and begin anew. For callbacks."""
    forget()
    go(1)


def forget():
    for number in range(1, len(STEPS) + 1):
        st.session_state.pop(_key(number), None)
        st.query_params.pop(_key(number), None)


def present(wish):
    """Begin to present, or end it. For callbacks."""
    st.session_state["present"] = int(wish)


def _key(number):
    return f"a{number}"
