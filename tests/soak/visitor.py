"""A person's browser without a browser: what it sends and what comes back, over the same connection, so that forty fit on a small machine."""

import asyncio
import re
import time
from dataclasses import dataclass, field

import httpx2
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Common_pb2 import FileURLs, UploadedFileInfo
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect

PATIENCE = 120  # seconds after which a page counts as dead
LARGEST = 64 * 2**20  # bytes of a message


class Broken(Exception):
    """The page died or showed a stack trace."""


@dataclass
class Page:
    """What one run of a page sent.

    Attributes: texts: of headings, paragraphs and messages; widgets: {key: (id, element type)}; fragments: {seconds between two runs: id} of what
        draws itself anew; charts: how many; whole: whether it was the whole page; seconds: from the request until the last message; bytes: received;
        redirect: where the browser is sent to sign in or out.
    """

    texts: list = field(default_factory=list)
    widgets: dict = field(default_factory=dict)
    fragments: dict = field(default_factory=dict)
    charts: int = 0
    whole: bool = True
    seconds: float = 0.0
    bytes: int = 0
    redirect: str = ""

    def says(self, pattern):
        """Return the first text that a pattern matches, or None."""
        return next((text for text in self.texts if re.search(pattern, text)), None)


class Visitor:
    """One person: a connection, an address, what was chosen and brought so far. Use as `async with Visitor(...) as visitor`.

    Args: address: of the server; language: in the link; cookies: that the browser has already.
    """

    def __init__(self, address, language="en", *, cookies=()):
        self._address, self._language, self._cookies, self.query = address, language, dict(cookies), {}
        self._values, self._fragments, self._hashes = {}, {}, {}
        self.path = ""

    async def __aenter__(self):
        self._http = httpx2.AsyncClient(base_url=self._address, timeout=PATIENCE)
        await self._http.get("/_stcore/health")  # it gives the token that an upload must show
        self._token = self._http.cookies.get("_streamlit_xsrf")
        cookies = "; ".join(f"{name}={value}" for name, value in {**self._cookies, "_streamlit_xsrf": self._token}.items())
        self._socket = await connect(
            self._address.replace("http", "ws", 1) + "/_stcore/stream",
            subprotocols=["streamlit", self._token],
            max_size=LARGEST,
            additional_headers={"Cookie": cookies},
            origin=self._address,
        )
        return self

    async def __aexit__(self, *_):
        await self._socket.close()
        await self._http.aclose()

    async def open(self, path="", **query):
        """Turn to a page. Returns: `Page`. Raises: Broken."""
        self.path, self.query = path, {"lang": self._language, **query}
        self._values = {}
        return await self._run()

    async def choose(self, page, key, value):
        """Change a widget: True for a button, else a string, a number or a list of strings. Returns: `Page`."""
        return await self._run({page.widgets[key]: value})

    async def bring(self, page, key, name, data):
        """Upload a file to a widget, in the place of the one before, and wait for what the page makes of it. Returns: `Page`."""
        message = BackMsg()
        message.file_urls_request.request_id = name
        message.file_urls_request.file_names.append(name)
        message.file_urls_request.session_id = self._session
        await self._socket.send(message.SerializeToString())
        while True:
            answer = await self._receive()
            if answer.WhichOneof("type") == "file_urls_response":
                break
        urls = answer.file_urls_response.file_urls[0]
        form = {"file": (name, data, "application/octet-stream")}
        sent = await self._http.put(urls.upload_url, files=form, headers={"X-Xsrftoken": self._token})
        if sent.status_code >= 400:
            raise Broken(f"the upload was answered by {sent.status_code}")
        info = UploadedFileInfo(file_id=urls.file_id, name=name, size=len(data))
        info.file_urls.CopyFrom(FileURLs(file_id=urls.file_id, upload_url=urls.upload_url, delete_url=urls.delete_url))
        return await self._run({page.widgets[key]: info})

    async def redraw(self, fragment):
        """Let a fragment draw itself, as the page does from time to time. Returns: `Page`."""
        return await self._run(fragment=fragment)

    async def _run(self, changed=None, fragment=""):
        """Let the page's script run, or a fragment of it, with what was chosen so far and what has changed. Returns: `Page`."""
        message, began = BackMsg(), time.perf_counter()
        state = message.rerun_script
        state.page_name, state.fragment_id, state.is_auto_rerun = self.path, fragment, bool(fragment)
        state.query_string = "&".join(f"{name}={value}" for name, value in self.query.items())
        for (identity, kind), value in (self._values | (changed or {})).items():
            _set(state.widget_states.widgets.add(id=identity), kind, value)
        self._values |= {widget: value for widget, value in (changed or {}).items() if widget[1] != "button"}
        await self._socket.send(message.SerializeToString())
        page, started = Page(), False
        while True:
            answer = await self._receive(page)
            kind = answer.WhichOneof("type")
            if kind == "new_session":
                self._session = answer.new_session.initialize.session_id
                whole = not answer.metadata.run.fragment_ids
                self._fragments = {} if whole else self._fragments
                page, started = Page(whole=whole, bytes=page.bytes), True
            elif kind == "delta":
                _take(page, answer.delta)
            elif kind == "page_info_changed":
                self.query = dict(part.split("=", 1) for part in answer.page_info_changed.query_string.split("&") if "=" in part)
            elif kind == "auth_redirect":
                page.redirect = answer.auth_redirect.url
            elif kind == "auto_rerun":
                self._fragments[answer.auto_rerun.interval] = answer.auto_rerun.fragment_id
            elif kind == "script_finished" and started and answer.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                page.seconds, page.fragments = time.perf_counter() - began, dict(self._fragments)
                return page

    async def _receive(self, page=None):
        try:
            data = await asyncio.wait_for(self._socket.recv(), PATIENCE)
        except TimeoutError as error:
            raise Broken(f"nothing came for {PATIENCE} s") from error
        if page is not None:
            page.bytes += len(data)
        message = ForwardMsg()
        message.ParseFromString(data)
        if message.WhichOneof("type") == "ref_hash":
            return self._hashes[message.ref_hash]
        if message.hash:
            self._hashes[message.hash] = message
        if message.WhichOneof("type") == "delta" and message.delta.new_element.WhichOneof("type") == "exception":
            raise Broken(message.delta.new_element.exception.message)
        return message


def _take(page, delta):
    """Put what a delta draws into a page."""
    element = delta.new_element
    kind = element.WhichOneof("type")
    if kind is None:
        return
    part = getattr(element, kind)
    if kind in ("markdown", "heading", "alert"):
        page.texts.append(part.body)
    elif kind == "plotly_chart":
        page.charts += 1
    identity = getattr(part, "id", "")
    if isinstance(identity, str) and identity.startswith("$$ID-"):
        page.widgets[identity.split("-", 2)[2]] = identity, kind


def _set(state, kind, value):
    """Write a widget's value as the browser does."""
    if kind == "button":
        state.trigger_value = value
    elif kind == "file_uploader":
        state.file_uploader_state_value.uploaded_file_info.append(value)
    elif kind == "button_group":
        state.string_array_value.data.extend(value)
    elif kind in ("selectbox", "radio", "text_input"):
        state.string_value = value
    elif kind == "checkbox":
        state.bool_value = value
    else:
        raise ValueError(f"no value is known of {kind}")
