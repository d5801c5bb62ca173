"""`nightcap app`."""

import os
import shutil
import signal
import socket
import subprocess
import sys

import pytest

from tests.serving.night_world import World

CHROMIUM = shutil.which("chromium")


@pytest.fixture
def world(tmp_path):
    world = World.within(tmp_path)
    world.fill(3)
    world.night(alternatives=1)
    return world


@pytest.fixture
def app(world):
    environment = {"NIGHTCAP_HOME": str(world.home.root), "NIGHTCAP_STORE": str(world.home.store)}
    command = [sys.executable, "-m", "nightcap", "app", "--port", "0", "--who", "ann"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=os.environ | environment, **pipes) as process:
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def test_it_serves_on_this_machine_until_stopped(app):
    process, address = app
    host, port = address.removeprefix("http://").partition("/")[0].split(":")
    with socket.create_connection((host, int(port)), timeout=60) as client:
        client.sendall(b"GET /review HTTP/1.0\r\n\r\n")
        assert client.makefile().readline().split()[1] == "403"
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert (host, process.returncode, err) == ("127.0.0.1", 143, "nightcap: terminated\n")


@pytest.mark.integration
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (Debian package)")
def test_every_key_does_what_it_says(app, world):
    from playwright.sync_api import expect, sync_playwright

    first, second, third = world.rows(current=True)
    sandbox = [] if os.getuid() else ["--no-sandbox"]
    with sync_playwright() as playwright:
        page = playwright.chromium.launch(executable_path=CHROMIUM, args=sandbox).new_page()
        page.goto(app[1])
        page.get_by_role("link", name="n1").click()
        expect(page.get_by_role("heading", name="Audit of night n1")).to_be_visible()
        page.goto(app[1].partition("/?")[0] + "/review?order=name")
        for key, place in (("j", "at=1"), ("j", "at=2"), ("k", "at=1"), ("k", "at=0")):
            page.keyboard.press(key)
            page.wait_for_url(f"**{place}")
        page.keyboard.press("e")
        page.keyboard.type("by hand, j and k")
        page.keyboard.press("Control+Enter")
        page.wait_for_url("**at=1")
        page.keyboard.press("1")
        page.keyboard.press("Control+Enter")
        page.wait_for_url("**at=2")
        page.keyboard.press("a")
        expect(page.get_by_text("That was the last.")).to_be_visible()
        said = [(row["caption"], row["source"]) for row in world.rows(current=True)]
        words = ["by hand, j and k", second["alternatives"][0], third["caption"]]
        assert said == list(zip(words, ["human", "human", "model"], strict=True))  # accepted words stay the model's
        page.goto(page.url.replace("at=3", "at=1"))
        page.keyboard.press("u")
        expect(page.get_by_role("textbox", name="Caption")).to_have_value(second["caption"])
        page.wait_for_load_state()  # its script, which knows the keys, comes last
        page.keyboard.press("/")
        page.keyboard.type("hand")
        page.keyboard.press("Enter")
        expect(page.get_by_text("1 of 1")).to_be_visible()
        page.get_by_role("link", name=first["image"]).click()
        expect(page.get_by_role("row", name="by hand, j and k current")).to_be_visible()
        page.get_by_role("navigation").get_by_role("link", name="Quarantine").press("Enter")
        expect(page.get_by_text("No image is quarantined.")).to_be_visible()
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_a_port_that_is_taken_is_one_line(run, world, monkeypatch):
    monkeypatch.setenv("NIGHTCAP_HOME", str(world.home.root))
    monkeypatch.setenv("NIGHTCAP_STORE", str(world.home.store))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run("app", "--port", str(port)).refused(
            2, f"port {port} of 127.0.0.1 cannot be had: Address already in use", "--port"
        )
