"""What a person sees and does in a real browser: log in, fill the form of a training, and see it succeed."""

import os
import re
import shutil
from pathlib import Path
from urllib.parse import unquote

import pytest
from playwright.sync_api import expect, sync_playwright

from pipeline.core.settings.form import FIRST
from tests.integration.test_scheduler import TINY

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(900),
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (Debian package)"),
]

# One epoch more than the champion's; what does not depend on it is found done. However good it is, it is not promoted.
CHANGED = TINY | {"training.epochs": 2, "gate.margin_points": 100}
PAGE_MS, TRAINING_MS = 60_000, 600_000


@pytest.fixture
def page(tmp_path):
    """A page of a browser of its own; it accepts as little as a person's does."""
    sandbox = [] if os.getuid() else ["--no-sandbox"]  # Chromium's cannot be had as root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=sandbox)
        try:
            page = browser.new_page(viewport={"width": 1400, "height": 1000})
            page.set_default_timeout(PAGE_MS)
            expect.set_options(timeout=PAGE_MS)
            yield page
        finally:
            browser.close()


@pytest.fixture
def seen(tmp_path):
    """Where images of pages go: NIGHTCAP_SCREENSHOTS, if a person wants to look at them."""
    return Path(os.environ.get("NIGHTCAP_SCREENSHOTS", tmp_path))


def log_in(page, address, role):
    page.goto(address)
    page.fill("input[name=username]", role.lower())
    page.fill("input[name=password]", f"{role} of the tests")
    page.click("[type=submit]")
    expect(page.get_by_role("link", name="Dags")).to_be_visible()


def fill(form, values):
    """Open the section that each field stands in, and type its value; the first fields are open from the start."""
    last = None
    for name, value in sorted(values.items(), key=lambda item: item[0] not in FIRST):
        section = None if name in FIRST else name.split(".")[0].capitalize()
        if section != last:
            form.get_by_role("button", name=section, exact=True).click()
            last = section
        field = form.locator(f'[name="element_{name}"]')
        field.fill(str(value))
        field.blur()


def test_a_person_trains_from_the_form_with_other_params_and_sees_it_succeed(stack, api, champion, page, seen):
    log_in(page, stack.address(8080), "Approver")
    page.goto(f"{stack.address(8080)}/dags/train_captioner")
    page.get_by_role("button", name="Trigger").first.click()
    form = page.locator("[role=dialog][data-state=open]")
    fill(form, CHANGED)
    page.screenshot(path=seen / "form.png")
    form.get_by_role("button", name="Trigger", exact=True).click()
    page.wait_for_url("**/dags/train_captioner/runs/manual__*")
    badge = page.get_by_test_id("state-badge").first
    expect(badge).to_have_text(re.compile("Success|Failed"), timeout=TRAINING_MS)
    page.screenshot(path=seen / "run.png", full_page=True)
    expect(badge).to_have_text("Success")
    run = unquote(page.url.rpartition("/runs/")[2].split("?")[0])
    asked = api.get(f"dags/train_captioner/dagRuns/{run}")
    assert asked["triggering_user_name"] == "approver"
    assert {name: asked["conf"][name] for name in CHANGED} == CHANGED
    assert int(api.result("train_captioner", run, "register", "version")) > 1


def test_a_wrong_password_is_told_and_lets_nobody_in(stack, people, page, seen):
    page.goto(stack.address(8080))
    page.fill("input[name=username]", "approver")
    page.fill("input[name=password]", "guessed")
    page.click("[type=submit]")
    expect(page.get_by_text("Invalid login")).to_be_visible()
    page.screenshot(path=seen / "refused.png")
    assert "/auth/login" in page.url
