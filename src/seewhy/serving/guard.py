"""Access control for the page, as one ASGI middleware.

- The Host header must be in an exact list, so that no foreign name that resolves to this machine
  (DNS rebinding) reaches it.
- What changes state must come from the page itself: `Sec-Fetch-Site: same-origin`, or an Origin
  that equals the Host. Nothing else may be read from another site either, and there is no CORS.
- Where a token was set, every request needs it: in the address once, then as a cookie.
- Every response forbids foreign content, sniffing, referrers and frames.
"""

from __future__ import annotations

import hmac
import traceback
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)

HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}

COOKIE = "seewhy-token"
READ_METHODS = ("GET", "HEAD")


class Guard:
    """Refuse what does not come from the page; add the protective headers.

    Args:
        app: the protected application.
        hosts: the Host headers that are answered, in lower case, with their port.
        token: what every request must know; None: no token.
    """

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str], token: str | None) -> None:
        self.app = app
        self.hosts = hosts
        self.token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return

        has_started = False

        async def send_guarded(message: Message) -> None:
            nonlocal has_started
            if message["type"] == "http.response.start":
                has_started = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = self._refusal(scope)
        try:
            await (refusal or self.app)(scope, receive, send_guarded)
        except Exception as error:
            if has_started:
                raise
            traceback.print_exception(error)
            broken = refuse(500, "The server failed on this request. Its own window says why.")
            await broken(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self.hosts:
            return refuse(
                400,
                "seewhy does not answer to this address. Open the one that `seewhy serve` printed.",
            )
        method = scope["method"]
        if method not in (*READ_METHODS, "POST"):
            return refuse(405, f"The page does not use {method} requests.")
        if not _is_own(headers, hosts[0], method, scope["path"]):
            return refuse(403, "Requests from other sites are refused. Use seewhy's own page.")
        return self._token_refusal(scope, headers) if self.token is not None else None

    def _token_refusal(self, scope: Scope, headers: Headers) -> Response | None:
        token = self.token or ""
        if _same(_cookie(headers), token) or _same(_bearer(headers), token):
            return None
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["path"] == "/" and scope["method"] == "GET" and _same(given, token):
            response = RedirectResponse("/", status_code=303)
            response.set_cookie(COOKIE, token, httponly=True, samesite="strict", path="/")
            return response
        return refuse(
            401,
            "This page needs its token. Open the address that `seewhy serve` printed.",
        )


def refuse(status: int, message: str) -> JSONResponse:
    """Return an error that the page shows as a sentence."""
    return JSONResponse({"error": message}, status_code=status)


def _is_own(headers: Headers, host: str, method: str, path: str) -> bool:
    site = headers.get("sec-fetch-site")
    if len(headers.getlist("origin")) > 1 or len(headers.getlist("sec-fetch-site")) > 1:
        return False
    origin = headers.get("origin")
    own_origin = origin in (f"http://{host}", f"https://{host}")
    if method in READ_METHODS:
        # A link from elsewhere may open the page; nothing else of it is readable from elsewhere.
        return site in (None, "same-origin", "none") or path == "/"
    if origin is not None and not own_origin:
        return False
    return site == "same-origin" or (site is None and own_origin)


def _cookie(headers: Headers) -> str:
    try:
        jar: SimpleCookie = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return ""
    return jar[COOKIE].value if COOKIE in jar else ""


def _bearer(headers: Headers) -> str:
    return headers.get("authorization", "").removeprefix("Bearer ")


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(), token.encode())
