"""Who may come in: by the settings alone, and against a provider of OpenID Connect on the loopback with the real server."""

import asyncio
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from dashboard import signin
from dashboard.language import LANGUAGES, catalogue
from dashboard.language.text import sentence
from tests.soak.server import serving
from tests.soak.visitor import Visitor

APP = Path(__file__).parents[2] / "dashboard" / "app.py"
AUTH = {"redirect_uri": "http://localhost:8501/oauth2callback", "cookie_secret": "x" * 32, "client_id": "c", "client_secret": "s", "server_metadata_url": "u"}


@pytest.fixture(autouse=True)
def no_lists(monkeypatch):
    for name in (signin.USERS, signin.ADMINS):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def as_if(monkeypatch):
    """Return a function that makes secrets, a person and whether Authlib is installed."""

    def make(section=AUTH, *, authlib=True, **person):
        monkeypatch.setattr(signin.st, "secrets", {} if section is None else {"auth": section})
        monkeypatch.setattr(signin, "find_spec", lambda name: object() if authlib else None)
        monkeypatch.setattr(signin.st, "user", person)

    return make


def knock(language="en"):
    page = AppTest.from_file(APP, default_timeout=60)
    page.query_params["lang"] = language
    page.run()
    assert not page.exception, [e.message for e in page.exception]
    return page


def test_without_a_section_everybody_is_inside_and_nothing_is_asked(as_if):
    as_if(section=None)
    assert signin.providers() == () and signin.inside() and signin.administers()


@pytest.mark.parametrize("language", LANGUAGES)
def test_with_a_section_a_stranger_sees_the_door_alone(as_if, language):
    as_if(is_logged_in=False)
    page, words = knock(language), catalogue(language)
    assert [title.value for title in page.title] == [words["signin.title"]]
    assert [button.label for button in page.button] == [words["signin.in"]] and not page.sidebar.children


def test_each_named_provider_has_its_button(as_if):
    as_if({**AUTH, "google": {"client_id": "c"}, "client_kwargs": {"scope": "openid"}})
    assert signin.providers() == (None, "google")
    assert [button.label for button in knock().button] == ["Sign in", "Sign in with Google"]
    del_default = {name: value for name, value in AUTH.items() if not name.startswith("client")}
    as_if({**del_default, "keycloak": {"client_id": "c"}})
    assert signin.providers() == ("keycloak",)


@pytest.mark.parametrize(
    ("section", "authlib", "users", "key", "name"),
    [
        (AUTH, False, "", "signin.authlib", ""),
        ({"client_id": "c", "redirect_uri": "u"}, True, "", "signin.lacks", "cookie_secret"),
        ({"redirect_uri": "u", "cookie_secret": "x"}, True, "", "signin.lacks", "client_id"),
        (None, True, "@school.example", "signin.no_section", signin.USERS),
    ],
)
def test_settings_that_are_wrong_keep_everybody_out(as_if, monkeypatch, section, authlib, users, key, name):
    as_if(section, authlib=authlib, is_logged_in=True, email="a@school.example")
    monkeypatch.setenv(signin.USERS, users)
    assert not signin.inside() and not signin.administers()
    page = knock("ko")
    assert [error.value for error in page.error] == [sentence(catalogue("ko")[f"error.{key}"].format(name=name))] and not page.button


def test_a_file_of_secrets_that_cannot_be_read_keeps_everybody_out(monkeypatch, tmp_path):
    from streamlit import config
    from streamlit.runtime.secrets import Secrets

    (tmp_path / "secrets.toml").write_text("[auth\nclient_id = ")
    monkeypatch.setattr(signin.st, "secrets", Secrets())
    before = config.get_option("secrets.files")
    config.set_option("secrets.files", [str(tmp_path / "secrets.toml")])
    try:
        assert not signin.inside()
        with pytest.raises(signin.InputError) as caught:
            signin.providers()
        assert caught.value.key == "signin.unreadable"
        config.set_option("secrets.files", [str(tmp_path / "none.toml")])
        assert signin.inside()
    finally:
        config.set_option("secrets.files", before)


def test_the_list_decides_and_an_address_that_is_not_confirmed_is_nobodys(as_if, monkeypatch):
    monkeypatch.setenv(signin.USERS, "kim@home.example, @school.example")
    monkeypatch.setenv(signin.ADMINS, "kim@home.example")
    for email, more, inside, administers in [
        ("Kim@Home.example", {}, True, True),
        ("lee@school.example", {"email_verified": True}, True, False),
        ("lee@school.example", {"email_verified": False}, False, False),
        ("kim@elsewhere.example", {}, False, False),
        ("", {}, False, False),
    ]:
        as_if(is_logged_in=True, email=email, **more)
        assert (signin.inside(), signin.administers()) == (inside, administers), email
    as_if(is_logged_in=True, email="kim@elsewhere.example")
    page = knock()
    assert "kim@elsewhere.example" in page.error[0].value and page.button[0].label == catalogue("en")["signin.other"]
    as_if(section=None)
    monkeypatch.delenv(signin.USERS)
    assert signin.inside() and not signin.administers()  # nobody can be told to be an administrator where nobody signs in


ADDRESSES = st.from_regex(r"[a-z0-9.+]{1,6}@[a-z]{1,5}\.[a-z]{2}", fullmatch=True)


@given(ADDRESSES, ADDRESSES)
def test_a_list_names_its_addresses_and_domains_and_no_others(one, other):
    local, domain = one.rsplit("@", 1)
    assert signin.named(one, f" x@y.example ,{one.upper()},") and signin.named(one, f"@{domain}")
    assert not any(signin.named(f"{local}@{near}{domain}", f"@{domain}") for near in ("not", "sub."))
    assert not signin.named(local, one) and not signin.named("", ",") and not signin.named(one, "")
    assert signin.named(other, one) == (other == one)


class Provider(ThreadingHTTPServer):
    """A provider of OpenID Connect that lets in whoever it is told to: the code flow of OpenID Connect Core 1.0, section 3.1."""

    def __init__(self):
        from joserfc.jwk import ECKey

        super().__init__(("127.0.0.1", 0), _Answers)
        self.person, self.key, self.codes = {}, ECKey.generate_key("P-256", {"kid": "1"}), {}
        self.address = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Answers(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def _say(self, document):
        data = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        here, path = self.server.address, urlsplit(self.path).path
        if path == "/.well-known/openid-configuration":
            ends = {name: f"{here}/{end}" for name, end in (("authorization_endpoint", "authorize"), ("token_endpoint", "token"), ("jwks_uri", "keys"))}
            self._say({"issuer": here, **ends, "id_token_signing_alg_values_supported": ["ES256"], "code_challenge_methods_supported": ["S256"]})
        elif path == "/keys":
            self._say({"keys": [self.server.key.as_dict(private=False)]})
        else:
            asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            self.server.codes["code"] = asked
            self.send_response(302)
            self.send_header("Location", f"{asked['redirect_uri']}?{urlencode({'code': 'code', 'state': asked['state']})}")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def do_POST(self):
        from joserfc import jwt

        self.rfile.read(int(self.headers["Content-Length"]))
        asked, now = self.server.codes.pop("code"), int(time.time())
        claims = {"iss": self.server.address, "aud": asked["client_id"], "sub": "1", "iat": now, "exp": now + 60, "nonce": asked["nonce"], **self.server.person}
        token = jwt.encode({"alg": "ES256", "kid": "1"}, claims, self.server.key)
        self._say({"access_token": "a", "token_type": "Bearer", "expires_in": 60, "id_token": token})


async def walk_in(address, provider, email):
    """Press the button, follow where it leads, and open a page with the cookies that come of it. Returns: (the door, the page about the server)."""
    provider.person = {"email": email, "email_verified": True}
    async with Visitor(address) as stranger:
        door = await stranger.open("status")
        sent = await stranger.choose(door, next(key for key in door.widgets if key.endswith("signin_None")), True)
    async with httpx2.AsyncClient(base_url=address, follow_redirects=True) as browser:
        await browser.get(sent.redirect)
        cookies = {cookie.name: cookie.value for cookie in browser.cookies.jar}
    async with Visitor(address, cookies=cookies) as known:
        return door, await known.open("status")


def test_a_person_signs_in_with_a_provider_and_comes_in_if_listed(tmp_path, monkeypatch):
    pytest.importorskip("authlib", reason="Authlib is not installed: requirements-signin.txt")
    provider, words = Provider(), catalogue("en")
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "secrets.toml").write_text(
        "[auth]\n"
        'redirect_uri = "http://127.0.0.1:{port}/oauth2callback"\n'
        f'cookie_secret = "{"x" * 32}"\nclient_id = "blockscope"\nclient_secret = "secret"\n'
        f'server_metadata_url = "{provider.address}/.well-known/openid-configuration"\n'
    )
    try:
        with serving(tmp_path, BLOCKSCOPE_USERS="@school.example") as server:
            door, page = asyncio.run(walk_in(server.address, provider, "kim@school.example"))
            refused = asyncio.run(walk_in(server.address, provider, "kim@elsewhere.example"))[1]
    finally:
        provider.shutdown()
    assert door.says(words["signin.title"].replace("?", r"\?")) and not door.says("server")
    assert page.says(r"Is the server well\?") and page.says("Signed in as kim@school.example")
    assert refused.says("kim@elsewhere.example, which is not on the list") and not refused.says("Is the server well")
    assert "Traceback" not in server.log.read_text()
