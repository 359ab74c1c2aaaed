"""The stage of the tour: which step is on, what a person answered, and how large everything is drawn.

Steps and answers are in the link, so that a reload, or a class that opens it, is where the teacher is. Presenting is in it too.
"""

from dataclasses import dataclass

import streamlit as st

from dashboard.language import t
from dashboard.parts.chart import CONFIG, show
from dashboard.parts.frame import Frame
from dashboard.parts.link import remember
from dashboard.parts.tour_numbers import GUESSES, STEPS, Cast

SHOWN = "shown"  # the answer of who asked to be shown it
LARGE = "<style>:root { font-size: 130%; }</style>"  # Streamlit sets its type size for all visitors of a server alike; every other size follows this one


@dataclass(frozen=True)
class Stage:
    """One step on screen. Attributes: number: from 1; pair: which two pictures take part; presenting: for a class to see."""

    settings: Frame
    cast: Cast
    number: int
    pair: int
    presenting: bool

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
        """Draw what can be answered, a button each. Args: labels: {guess: text}, by default all of the step."""
        if self.shown and self.presenting:
            return
        labels = labels or {guess: t(f"tour.{self.step}_guess_{guess}") for guess in GUESSES[self.step]}
        with st.container(horizontal=True, gap="small"):
            for guess, label in labels.items():
                icon = ":material/check:" if guess == self.chosen else None
                st.button(label, key=f"guess_{self.number}_{guess}", icon=icon, on_click=answer, args=(self.number, guess))

    def told(self, finding):
        """Draw a finding, and whether the guess was right."""
        st.header(said(finding.headline))
        if finding.right and self.chosen != SHOWN:
            right = self.chosen == finding.right
            (st.success if right else st.info)(t("tour.guess_right" if right else "tour.guess_other"), icon=":material/check:" if right else ":material/info:")
        if not self.presenting:
            st.markdown("\n".join(f"- {said(line)}" for line in finding.lines))
        elif finding.lines:
            st.subheader(said(finding.lines[0]))

    def chart(self, figure, *, alt, table, key):
        """Draw a chart, larger and without its table where a class looks on."""
        if not self.presenting:
            show(figure, alt=alt, table=table, key=key)
            return
        figure.update_layout(font={"size": 18})
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
