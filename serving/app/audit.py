"""The audit of a night: a random sample of its captions, which people review one after the other."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from pipeline.core.errors import SettingsError
from pipeline.registry.acceptance import Acceptance
from pipeline.storage.tables.reviews import CaptionReview
from serving.app.audit_sample import is_blind
from serving.app.caption_index import CurrentCaption
from serving.app.review import Review

_ACTIONS: Final = {"write", "save", "accept", "reject"}


class Audit:
    """Audits by one person, who writes before half of the models' words are shown."""

    def __init__(self, review: Review) -> None:
        self._review = review
        self._written: dict[tuple[str, str], str] = {}  # by night and image: the person's words, before they saw others

    def page(self, night: str, at: int) -> dict[str, Any]:
        """What `audit.html` shows: the caption at a place among those that wait; none after the last."""
        self._review.index.refresh()
        sample = self._review.samples.of(night)
        if not sample:
            raise SettingsError(
                f"night {night!r} has no published captions to audit; choose one from the list of nights"
            )
        reviews = self._review.reviews.read()
        said = [each for each in reviews if each.night == night and each.audited]
        waiting = self._waiting(night, sample, {each.image for each in said})
        at = at if at < len(waiting) else 0  # some were passed over
        shown = waiting[at] if waiting else None
        mine = [each.image for each in said if self._review.wrote(each.who)]
        return {
            "night": night,
            "total": len(sample),
            "done": len(said),
            "shown": shown,
            "image": urlencode({"name": shown.image}) if shown else "",
            "written": self._written.get((night, shown.image)) if shown else None,
            "is_hidden": shown is not None and self._is_hidden(night, shown.image),
            "before": at - 1 if at else None,
            "after": at + 1 if at + 1 < len(waiting) else None,
            "at": at,
            "last": mine[-1] if mine else None,
            "acceptance": _acceptance(said[-1], reviews) if said else "",
        }

    def answer(self, form: dict[str, str]) -> None:
        """Take what a person says of a caption; where its words are hidden, the person's own come first, and stay."""
        night, image = form["night"], form["image"]
        if image not in self._review.samples.of(night) or form["action"] not in _ACTIONS:
            raise SettingsError(f"the audit of night {night!r} has no such image; open it from the list of nights")
        if self._is_hidden(night, image):
            if words := " ".join(form["caption"].split()):
                self._written[night, image] = words
            return
        was_blind = is_blind(night, image)
        if form["action"] == "reject":
            self._review.reject(image, form["shown"], audited=True, blind=was_blind)
        else:
            caption = form["shown"] if form["action"] == "accept" else form["caption"]
            self._review.save(image, caption, form["shown"], audited=True, blind=was_blind)

    def _is_hidden(self, night: str, image: str) -> bool:
        return is_blind(night, image) and (night, image) not in self._written

    def _waiting(self, night: str, sample: list[str], done: set[str]) -> list[CurrentCaption]:
        """The captions that nobody has reviewed and nothing has replaced, in the order of the audit."""
        current = (self._review.index.of(image) for image in sample if image not in done)
        return [each for each in current if each is not None and each.source == "model" and each.night == night]


def _acceptance(said: CaptionReview, reviews: list[CaptionReview]) -> str:
    """That of the version whose caption was reviewed."""
    version = said.model_name, said.model_version
    found = Acceptance.of(each for each in reviews if (each.model_name, each.model_version) == version)
    return f"{said.model_name} version {said.model_version or '(a folder)'}: {found}"
