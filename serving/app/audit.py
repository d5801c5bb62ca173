"""The audit of a night: a random sample of its captions, which people review one after the other."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from pipeline.core.errors import SettingsError
from pipeline.registry.acceptance import acceptance_of
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
        said = [each for each in self._review.reviews.read() if each.night == night and each.audited]
        waiting = self._waiting(night, sample, {each.image for each in said})
        shown = waiting[at] if at < len(waiting) else None
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
            "acceptance": self._acceptance(sample),
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
            self._review.reject(image, form["shown"], was_blind)
        else:
            caption = form["shown"] if form["action"] == "accept" else form["caption"]
            self._review.save(image, caption, form["shown"], was_blind)
        self._written.pop((night, image), None)

    def _is_hidden(self, night: str, image: str) -> bool:
        return is_blind(night, image) and (night, image) not in self._written

    def _waiting(self, night: str, sample: list[str], done: set[str]) -> list[CurrentCaption]:
        """The captions that nobody has reviewed and nothing has replaced, in the order of the audit."""
        current = (self._review.index.of(image) for image in sample if image not in done)
        return [each for each in current if each is not None and each.source == "model" and each.night == night]

    def _acceptance(self, sample: list[str]) -> str:
        """That of the version that captioned the night."""
        current = next(filter(None, map(self._review.index.of, sample)), None)
        found = current and acceptance_of(self._review.home.store, current.model_name or "", current.model_version)
        return f"{current.model_name} version {current.model_version}: {found}" if current and found else ""
