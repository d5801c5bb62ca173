"""The application's pages over HTTP, for whoever has its key."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Annotated, Any, Final, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse
from pydantic import TypeAdapter

from pipeline.core.errors import NightcapError, SettingsError
from pipeline.storage.forgotten import Forgotten
from serving.app.audit import Audit
from serving.app.caption_index import CaptionQuery, Order
from serving.app.held import held_captions
from serving.app.history import history_of
from serving.app.pages import FOLDER, page
from serving.app.quarantine import quarantined_images
from serving.app.review import Conflict, Review
from serving.app.reviewed_images import ReviewedImages

_LONGEST_FORM: Final = 100_000  # bytes
_MOST: Final = 2**31  # places
_QUERY: Final = TypeAdapter(CaptionQuery)
_POLICY: Final = (
    "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; script-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors "
)
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def create_app(review: Review, images: ReviewedImages, key: str) -> FastAPI:
    """The application, which answers only to those who bring its key, first as `?key=`, then as a cookie."""
    app, audit = FastAPI(openapi_url=None), Audit(review)
    headers = {"Content-Security-Policy": _POLICY + (origin_of(review.home.airflow_url) or "'none'"), **_HEADERS}

    @app.middleware("http")
    async def guard(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        response = _admit(request, key) or await answer(request)
        response.headers.update(headers)
        return response

    @app.exception_handler(NightcapError)
    def explain(_: Request, error: NightcapError) -> HTMLResponse:
        return _failed(str(error), 409 if isinstance(error, Conflict) else 400, getattr(error, "told", {}))

    @app.get("/")
    def nights() -> HTMLResponse:
        return page("nights.html", nights=review.nights(), who=review.who)

    @app.get("/night")
    def night(night: str = "", run: str = "") -> RedirectResponse:
        line = review.night_with_images(night, run)
        path = "held" if line.state == "held" else "review" if line.captioned else "quarantine"
        return _to(path, {"night": line.night})

    @app.get("/review")
    def show(
        words: str = "",
        night: str = "",
        source: Literal["", "model", "human"] = "",
        order: Order = "confidence",
        at: Annotated[int, Query(ge=0, le=_MOST)] = 0,
    ) -> HTMLResponse:
        return _review_page(review, CaptionQuery(words, night, source, order), at)

    @app.get("/audit")
    def audit_page(night: str, at: Annotated[int, Query(ge=0, le=_MOST)] = 0) -> HTMLResponse:
        return page("audit.html", **audit.page(night, at))

    @app.post("/audit")
    def answer(form: Fields) -> RedirectResponse:
        audit.answer(form)
        return _to("audit", {name: form[name] for name in ("night", "at") if form[name]})

    @app.get("/history")
    def history(name: str) -> HTMLResponse:
        return page("history.html", **history_of(review, name))

    @app.get("/held")
    def held(night: str) -> HTMLResponse:
        return page("held.html", **held_captions(review, night))

    @app.get("/quarantine")
    def quarantine(night: str = "") -> HTMLResponse:
        return page("quarantine.html", **quarantined_images(review, night))

    @app.get("/image")
    def image(name: str, size: Literal["small", "large"] = "large") -> Response:
        is_shown = name in review.listed or review.index.of(name)
        data = images.jpeg(name, size) if is_shown and name not in Forgotten.of(review.home.store) else None
        return Response(data, 200 if data else 404, media_type="image/jpeg")

    @app.post("/caption")
    def caption(form: Fields) -> RedirectResponse:
        if form["action"] == "reject":
            review.reject(form["image"], form["shown"])
        else:
            review.save(form["image"], form["caption"], form["shown"])
        return _following(review, form)

    @app.post("/undo")
    def undo(form: Fields) -> RedirectResponse:
        review.undo(form["image"])
        return _to("audit", {"night": form["night"]}) if form["night"] else _to_review(dict(parse_qsl(form["here"])))

    @app.get("/review.js")
    def script() -> FileResponse:
        return FileResponse(FOLDER / "review.js", media_type="text/javascript")

    return app


def origin_of(address: str) -> str:
    """An address' scheme, host and port alone."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


def _admit(request: Request, key: str) -> Response | None:
    """A response for whom the pages are not, or who comes with the key for the first time."""
    if secrets.compare_digest(request.query_params.get("key", "").encode(), key.encode()):
        response = RedirectResponse(request.url.path, 303)
        response.set_cookie(_cookie(request), key, httponly=True, samesite="lax")
        return response
    if secrets.compare_digest(request.cookies.get(_cookie(request), "").encode(), key.encode()):
        return None
    return _failed("Open the address that `nightcap app` has printed; the key in it lets you in.", 403, {})


def _cookie(request: Request) -> str:
    """The name of the key's cookie; browsers do not tell the ports of one machine apart."""
    return f"nightcap-{request.url.port}"


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form, each empty where the browser sent none."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _LONGEST_FORM:
            raise SettingsError(f"the form is longer than {_LONGEST_FORM:,} bytes; write less")
    fields = dict.fromkeys(("image", "caption", "shown", "here", "night", "at", "action"), "")
    return fields | dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


Fields = Annotated[dict[str, str], Depends(_form)]


def _following(review: Review, form: dict[str, str]) -> RedirectResponse:
    """The place of the next caption: a saved one may have left the filter, or moved within the order."""
    here = dict(parse_qsl(form["here"]))
    at = int(here.pop("at", "0"))
    if review.index.leads_to(_QUERY.validate_python(here), form["image"], at + 1):
        at += 1
    return _to_review(here | {"at": at})


def _to_review(place: dict[str, Any]) -> RedirectResponse:
    return _to("review", place)


def _to(path: str, place: dict[str, Any]) -> RedirectResponse:
    return RedirectResponse(f"/{path}?{urlencode(place)}", 303)


def _review_page(review: Review, query: CaptionQuery, at: int) -> HTMLResponse:
    review.index.refresh()
    total, found = review.index.find(query, at, 1)

    def place(number: int) -> str:
        return urlencode({**asdict(query), "at": number})

    return page(
        "review.html",
        query=query,
        nights=review.index.nights(),
        who=review.who,
        is_mine=bool(found) and review.has_said(found[0]),
        total=total,
        at=at,
        shown=found[0] if found else None,
        image=urlencode({"name": found[0].image}) if found else "",
        before=place(at - 1) if at else None,
        after=place(at + 1) if at + 1 < total else None,
        here=place(at),
    )


def _failed(message: str, status: int, told: dict[str, str]) -> HTMLResponse:
    return page("failed.html", status, message=message, told=told)
