"""The tour on paper: one HTML file that needs nothing else, for a pupil to write on or, with answers, for a teacher."""

from dataclasses import dataclass
from html import escape
from urllib.parse import urlencode

import streamlit as st

from core.errors import InputError
from core.explanation.drawing import overlay
from dashboard import compute
from dashboard.charts.pictures import data_url
from dashboard.language import class_name, explain, language, t
from dashboard.parts import tour_numbers as numbers
from dashboard.parts.families import pack_titles
from dashboard.parts.tour_stage import said
from dashboard.session import pictures

STYLE = """
@page { size: A4; margin: 16mm; }
body { font: 11pt/1.45 'Pretendard', 'Noto Sans KR', 'Apple SD Gothic Neo', 'Malgun Gothic', sans-serif; max-width: 178mm; margin: 8mm auto; color: #000;
  overflow-wrap: anywhere; }
:lang(ko) { word-break: keep-all; }
h1 { font-size: 18pt; margin: 0 0 2mm; } h2 { font-size: 13pt; margin: 0 0 1mm; } p { margin: 0 0 2mm; }
section { break-inside: avoid; border-top: 1px solid #000; padding: 3mm 0; }
figure { display: inline-block; margin: 0 2mm 2mm 0; text-align: center; font-size: 9pt; }
img { width: 19mm; height: 19mm; margin: 0 auto; image-rendering: pixelated; display: block; }
ul.guess { list-style: none; padding: 0; margin: 0 0 2mm; } ul.guess li { display: inline-block; margin-right: 6mm; } ul.guess li::before { content: "☐ "; }
.field { display: inline-block; min-width: 32mm; border-bottom: 1px solid #000; margin: 0 6mm 0 2mm; }
.room { border-bottom: 1px dotted #555; height: 9mm; } .label, .link { font-size: 9pt; color: #333; } .link { overflow-wrap: anywhere; }
.answer { border: 1px solid #000; padding: 2mm 3mm; } .answer p:last-child { margin: 0; }
"""


@dataclass(frozen=True)
class Task:
    """One step on paper. Attributes: pictures: [(data URL, caption)]; guesses: texts; link: an address;
    answer: sentences, the finding first, () where there is none, None on a pupil's sheet.
    """

    question: str
    do: str
    pictures: tuple
    guesses: tuple
    link: str
    answer: tuple | None = None


def offer(settings):
    """Draw the worksheet's place on the page: with or without answers, and its button."""
    with st.expander(t("tour.sheet_offer"), icon=":material/print:", key="tour_sheet", on_change="rerun") as place:
        if not place.open:
            return
        st.markdown(t("tour.sheet_how"))
        with_answers = st.toggle(t("tour.sheet_with"), key="sheet_answers")
        try:
            with st.spinner(t("tour.sheet_making"), show_time=True):
                page = sheet(pack_titles(compute.packs()).get(settings.pack, settings.pack), tasks(settings, with_answers), lang=language())
        except InputError as error:
            st.error(explain(error), icon=":material/error:")
            return
        name = f"blockscope-{settings.pack}-{language()}{'-answers' if with_answers else ''}.html"
        st.download_button(t("tour.sheet_download"), page, name, "text/html", icon=":material/download:", on_click="ignore", key="sheet_download")


def tasks(settings, with_answers):
    """Return the six `Task`s of a model, in the language in use. Raises: InputError for a picture that cannot be read."""
    cast = numbers.cast(settings)
    known, unknown = cast.pairs[0]
    looks = {i: compute.look(settings.pack, i, pictures.find(i)).seen for i in (known, unknown, *cast.suspects.values()) if i}
    pair = [(i, t("tour.known_picture" if i == known else "tour.unknown_picture", name=pictures.name_of(i))) for i in (known, unknown) if i]
    shown = {"look": pair, "tiles": pair[:1], "why": pair[:1], "sure": [(i, t("tour.letter", letter=letter)) for letter, i in cast.suspects.items()]}
    found = numbers.answers(settings) if with_answers else None
    address = (st.context.url or "").partition("?")[0]
    made = []
    for number, step in enumerate(numbers.STEPS, 1):
        guesses = () if step == "line" or (step == "look" and known is None) else numbers.GUESSES[step]
        guesses = tuple(cast.suspects) if step == "sure" else tuple(t(f"tour.{step}_guess_{guess}") for guess in guesses)
        images = tuple((data_url(looks[i]), caption) for i, caption in shown.get(step, ()))
        images += _map(settings, known or unknown, looks[known or unknown]) if step == "why" else ()
        link = f"{address}?{urlencode({'lang': language(), 'pack': settings.pack, 'step': number})}"
        answer = None
        if found is not None:
            answer = (*(said(one) for one in (found[step].headline, *found[step].lines)), t(f"tour.{step}_why")) if step in found else ()
        do = t("tour.look_do_alone") if step == "look" and known is None else t(f"tour.{step}_do")
        made.append(Task(t(f"tour.{step}_question"), do, images, guesses, link, answer))
    return made


def _map(settings, picture_id, seen):
    """Return the map that step 5 asks about, as pictures of a `Task`; none where the network has none."""
    try:
        found = compute.evidence(settings.pack, picture_id, pictures.find(picture_id), block=compute.choice(settings.facts).blocks[-1])
    except InputError:
        return ()
    return ((data_url(overlay(seen, found.values)), t("tour.why_map_caption", says=class_name(settings.facts["classes"][found.label]))),)


def sheet(model, tasks, *, lang):
    """Write the sheet: a whole HTML page. Args: model: a name; tasks: `Task`s; lang: "ko" or "en", of the words in `tasks` and of those around them."""
    title = f"{t('tour.page')}: {t('tour.sheet')}"
    fields = "".join(f'{escape(t(f"tour.sheet_{field}"))} <span class="field">&nbsp;</span>' for field in ("name", "class", "date"))
    note = f"<p>{escape(t('tour.sheet_answers_of'))}</p>" if any(task.answer is not None for task in tasks) else ""
    body = "\n".join(_section(number, task) for number, task in enumerate(tasks, 1))
    last = "" if note else f'<section><p>{escape(t("tour.sheet_last"))}</p><div class="room"></div></section>'
    return f"""<!DOCTYPE html>
<html lang="{lang}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title><style>{STYLE}</style></head>
<body><h1>{escape(title)}</h1><p>{escape(t("tour.sheet_model", name=model))}</p><p>{fields}</p>{note}
{body}
{last}
</body></html>
"""


def _section(number, task):
    """Write one task, everything in it escaped: pictures and classes may have any name."""
    figures = "".join(f'<figure><img src="{escape(url)}" alt="{escape(caption)}">{escape(caption)}</figure>' for url, caption in task.pictures)
    guesses = "".join(f"<li>{escape(guess)}</li>" for guess in task.guesses)
    guesses = f'<p class="label">{escape(t("tour.sheet_guess"))}</p><ul class="guess">{guesses}</ul>' if guesses else ""
    link = f'<p class="link">{escape(t("tour.sheet_open"))}: <a href="{escape(task.link)}">{escape(task.link)}</a></p>'
    if task.answer is None:
        room = "".join(
            f'<p class="label">{escape(t(key))}</p><div class="room"></div><div class="room"></div>' for key in ("tour.sheet_found", "tour.sheet_because")
        )
    else:
        finding, *others = task.answer or (t("tour.sheet_none"),)
        sentences = f"<p><strong>{escape(finding)}</strong></p>" + "".join(f"<p>{escape(sentence)}</p>" for sentence in others)
        room = f'<div class="answer"><p class="label">{escape(t("tour.sheet_answer"))}</p>{sentences}</div>'
    return f"<section><h2>{number}. {escape(task.question)}</h2><p>{escape(task.do)}</p>{figures}{guesses}{room}{link}</section>"
