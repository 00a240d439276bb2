"""Who may ask: every wall around the page."""

from __future__ import annotations

import graphlib
import io
import posixpath
import re
import socket
import subprocess
import sys
import time

import pytest
from PIL import Image
from starlette.testclient import TestClient

from seewhy.errors import OptionError
from seewhy.serving import protocol
from seewhy.serving.server import bound_socket, build_app, check_host, host_names
from seewhy.serving.shelf import Shelf, UnknownPhoto
from tests.colour_network import colour_classifier
from tests.serving.conftest import HOST, OWN, loaded, png, running, send

TOKEN = "a-long-enough-token-of-letters"


def test_the_page_and_all_its_files_are_small_and_come_from_here(client):
    page = client.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    from seewhy.serving.server import static_files

    files = static_files()
    assert sum(map(len, files.values())) < 180_000  # as they are written, comments and all
    for name in files:
        assert client.get(f"/static/{name}").content == files[name]
    text = b"".join(files.values()).decode()
    assert set(re.findall(r"https?://[^\s\"'`)]+|[\"'(]//[a-z]+\.", text)) == {
        "http://www.w3.org/2000/svg"  # a name, not an address
    }


def test_the_pages_modules_import_in_one_direction():
    from seewhy.serving.server import static_files

    files = {name: text.decode() for name, text in static_files().items() if name.endswith(".js")}
    imports = {
        name: {
            posixpath.normpath(posixpath.join(posixpath.dirname(name), found))
            for found in re.findall(r'from "(\.[^"]+)";', text)
        }
        for name, text in files.items()
    }
    assert imports["modes.js"] >= {name for name in files if name.startswith("modes/")}
    graphlib.TopologicalSorter(imports).prepare()  # raises where there is a circle


def test_a_file_that_did_not_change_is_not_sent_again(client):
    tag = client.get("/static/painter.js").headers["etag"]
    again = client.get("/static/painter.js", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["/", "/api/about", "/static/app.js", "/api/nothing"])
def test_every_answer_forbids_foreign_content_sniffing_referrers_and_frames(client, path):
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert not [name for name in headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "path", ["/static/../server.py", "/static/%2e%2e%2fserver.py", "/static/x"]
)
def test_only_the_pages_own_files_are_served(client, path):
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    "host", ["evil.example:8000", "127.0.0.1", "127.0.0.1:8001", "localhost.evil.example:8000", ""]
)
def test_another_host_header_is_refused(client, host):
    refused = client.get("/api/about", headers={"Host": host})
    assert refused.status_code == 400
    assert refused.json() == {
        "error": "seewhy does not answer to this address. Open the one that `seewhy serve` printed."
    }


def test_the_hosts_of_a_server_are_listed_exactly():
    assert host_names("127.0.0.1", 8000) == {"127.0.0.1:8000", "localhost:8000"}
    assert host_names("127.0.0.1", 80) >= {"127.0.0.1", "localhost"}
    assert host_names("192.0.2.7", 8000) == {"192.0.2.7:8000"}


def test_the_host_attack_over_a_raw_socket_gets_nothing():
    with running({"colours": colour_classifier()}) as server:
        for host in (b"evil.example", b"evil.example:%d" % server.port):
            said = exchange(server.port, b"GET /api/about HTTP/1.1\r\nHost: %s\r\n\r\n" % host)
            assert said.startswith(b"HTTP/1.1 400 ")
            assert b"colours" not in said
        twice = b"GET /api/about HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nHost: evil\r\n\r\n" % server.port
        assert exchange(server.port, twice).startswith(b"HTTP/1.1 400 ")
        none = exchange(server.port, b"GET /api/about HTTP/1.0\r\n\r\n")
        assert none.startswith(b"HTTP/1.1 400 ")
        own = b"GET /api/about HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % server.port
        assert b"colours" in exchange(server.port, own)


@pytest.mark.parametrize("digits", ["9" * 5000, "-1", "٣", "1e3"])
def test_a_number_that_is_none_in_an_address_is_not_found_with_the_protective_headers(
    client, digits
):
    for path in (f"/api/run/{digits}", f"/api/photos/run{digits}"):
        missing = client.get(path)
        assert missing.status_code == 404
        assert missing.headers["X-Frame-Options"] == "DENY"


def exchange(port: int, request: bytes, *, seconds: float = 1.0) -> bytes:
    """Send bytes, and read until nothing comes any more."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as sock:
        sock.sendall(request)
        said = b""
        try:
            while part := sock.recv(65536):
                said += part
                if b"\r\n\r\n" in said:
                    sock.settimeout(0.2)
        except TimeoutError:
            pass
        return said


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {},
    ],
)
def test_what_changes_state_must_come_from_the_page(headers):
    app = build_app(loaded({"colours": colour_classifier()}), hosts=frozenset({HOST}))
    with TestClient(app, base_url=f"http://{HOST}") as foreign:
        refused = foreign.post("/api/photos", content=png(), headers=headers)
        assert refused.status_code == 403
        assert refused.json() == {
            "error": "Requests from other sites are refused. Use seewhy's own page."
        }
        assert len(app.state.api.shelf) == 0


@pytest.mark.parametrize(
    "headers", [{"Origin": f"http://{HOST}"}, {"Sec-Fetch-Site": "same-origin"}]
)
def test_the_page_itself_may_change_state(headers):
    app = build_app(loaded({"colours": colour_classifier()}), hosts=frozenset({HOST}))
    with TestClient(app, base_url=f"http://{HOST}") as own:
        assert own.post("/api/photos", content=png(), headers=headers).status_code == 200


def test_another_site_may_link_to_the_page_but_read_nothing_else(client):
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert client.get("/", headers=foreign).status_code == 200
    assert client.get("/api/about", headers=foreign).status_code == 403


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_verbs_are_refused(client, method):
    assert client.request(method, "/api/photos").status_code == 405


def test_a_token_is_asked_of_every_request_and_becomes_a_cookie():
    app = build_app(loaded({"colours": colour_classifier()}), hosts=frozenset({HOST}), token=TOKEN)
    with TestClient(app, base_url=f"http://{HOST}", headers=OWN) as client:
        assert client.get("/").status_code == 401
        assert client.get("/?token=wrong").status_code == 401
        assert client.get("/api/about?token=" + TOKEN).status_code == 401
        welcome = client.get("/?token=" + TOKEN, follow_redirects=False)
        assert (welcome.status_code, welcome.headers["location"]) == (303, "/")
        cookie = welcome.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert client.get("/api/about").status_code == 200
    with TestClient(app, base_url=f"http://{HOST}", headers=OWN) as other:
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        assert other.get("/api/about", headers=bearer).status_code == 200
        assert other.get("/api/about", headers={"Cookie": "seewhy-token=no"}).status_code == 401


def test_another_host_needs_a_token():
    with pytest.raises(OptionError, match=r"^--host 0.0.0.0 lets other machines in, so it needs"):
        check_host("0.0.0.0", None)
    with pytest.raises(
        OptionError,
        match=r"^--token is too short or has odd letters. Give 16 plain letters or more.$",
    ):
        check_host("127.0.0.1", "short")
    check_host("0.0.0.0", TOKEN)
    check_host("localhost", None)


def test_a_port_that_is_taken_is_an_error_that_says_so():
    taken = bound_socket("127.0.0.1", 0)
    taken.listen()
    port = taken.getsockname()[1]
    with pytest.raises(
        OptionError, match=rf"^Port {port} of 127.0.0.1 is not free: .*--port 8001$"
    ):
        bound_socket("127.0.0.1", port)
    taken.close()


def test_the_command_says_what_is_missing_before_it_loads_a_model():
    said = subprocess.run(
        [sys.executable, "-m", "seewhy", "serve", "--host", "0.0.0.0"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 1
    assert said.stderr.startswith("seewhy: --host 0.0.0.0 lets other machines in")


def test_half_requests_are_let_go(monkeypatch):
    monkeypatch.setattr(protocol.Protocol, "header_seconds", 0.4)
    with running({"colours": colour_classifier()}) as server:
        for beginning in (b"", b"GET / HTTP/1.1\r\nHost: 127.0"):
            with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
                sock.sendall(beginning)
                started = time.monotonic()
                assert sock.recv(10) == b""
                assert time.monotonic() - started < 3


def test_headers_that_trickle_are_let_go_all_the_same(monkeypatch):
    monkeypatch.setattr(protocol.Protocol, "header_seconds", 0.4)
    with (
        running({"colours": colour_classifier()}) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock,
    ):
        sock.settimeout(0.05)
        started = time.monotonic()
        while not closed(sock, b"G"):
            assert time.monotonic() - started < 3
        assert time.monotonic() - started >= 0.3


def closed(sock: socket.socket, trickle: bytes) -> bool:
    """Send a little, and say whether the other side has hung up."""
    try:
        sock.sendall(trickle)
        return sock.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def test_an_upload_that_stops_halfway_is_let_go():
    with running({"colours": colour_classifier()}, chunk_seconds=0.4) as server:
        head = (
            b"POST /api/photos HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nSec-Fetch-Site: same-origin\r\n"
            b"Content-Length: 5000\r\n\r\nhalf" % server.port
        )
        said = exchange(server.port, head, seconds=5)
        assert said.startswith(b"HTTP/1.1 408 ")
        assert b"The upload did not arrive in time. Try again." in said


def test_a_reader_that_does_not_read_is_let_go(monkeypatch):
    monkeypatch.setattr(protocol.Protocol, "stall_seconds", 0.4)
    with running({"colours": colour_classifier()}) as server:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        sock.settimeout(5)
        sock.connect(("127.0.0.1", server.port))
        request = b"GET /api/sample HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % server.port
        sock.sendall(request * 40)
        time.sleep(1.5)
        received = read_all(sock)
        sock.close()
        assert 0 < received < 20 * len(server.app.state.api.sample)


def read_all(sock: socket.socket) -> int:
    """Read until the other side has hung up; return how many bytes came."""
    received = 0
    try:
        while part := sock.recv(65536):
            received += len(part)
    except ConnectionResetError:
        pass
    return received


def test_uploads_with_a_foreign_name_keep_it_as_plain_text(client):
    said = send(client, name="..%2F..%2Fetc%2F%3Cimg%20src%3Dx%3E%0A.png")
    assert b'"name": "<img src=x>.png"' in said.content


def test_photos_that_questions_hold_count_as_kept_ones(tmp_path):
    def painted(value):
        content = io.BytesIO()
        Image.new("RGB", (100, 100), (value, 0, 0)).save(content, "PNG")
        return content.getvalue()

    shelf = Shelf([], memory=4 * 30_000)
    held = [
        shelf.get(shelf.add(painted(value), "photo")) for value in range(3)
    ]  # in a model's queue
    keys = [shelf.add(painted(value), "photo") for value in range(10, 16)]
    assert shelf.used <= 4 * 30_000
    assert shelf.get(keys[-1]).pixels[0, 0, 0] == 15
    with pytest.raises(UnknownPhoto):
        shelf.get(keys[-2])
    held.clear()
    for value in range(20, 26):
        shelf.add(painted(value), "photo")
    assert len(shelf) == 4
