"""What runs on the node: a page served on the node itself, and a browser that uses it.

The browser is started here and not by its driver, which would give it a minute: an emulated processor needs longer.
"""

import http.server
import os
import pathlib
import subprocess
import tempfile
import threading
import time

from selenium import webdriver  # type: ignore[import-not-found]
from selenium.webdriver.chrome.service import Service  # type: ignore[import-not-found]
from selenium.webdriver.common.by import By  # type: ignore[import-not-found]

PATIENCE = 600
FLAGS = (
    "--window-size=1000,600",
    "--window-position=0,0",
    "--disable-gpu",
    "--no-first-run",
    "--disable-extensions",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--remote-debugging-port=0",
)
PAGE = b"""<html><title>Dashboard</title><body style='background: #0a0'><h1>waiting</h1>
<button onclick="document.querySelector('h1').textContent = 'clicked'">go</button></body></html>"""


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves the page, whatever is asked for."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(PAGE)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
profile = pathlib.Path(tempfile.mkdtemp())
chromium = subprocess.Popen(["chromium", *FLAGS, f"--user-data-dir={profile}", "about:blank"])
try:
    end = time.monotonic() + PATIENCE
    while not (profile / "DevToolsActivePort").exists():
        assert chromium.poll() is None, "the browser ended"
        assert time.monotonic() < end, "the browser does not start"
        time.sleep(0.2)
    options = webdriver.ChromeOptions()
    port = (profile / "DevToolsActivePort").read_text().split()[0]
    options.add_experimental_option("debuggerAddress", f"127.0.0.1:{port}")
    browser = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
    browser.set_page_load_timeout(PATIENCE)
    browser.get(f"http://127.0.0.1:{server.server_port}/")
    browser.find_element(By.TAG_NAME, "button").click()
    assert browser.find_element(By.TAG_NAME, "h1").text == "clicked"
    browser.save_screenshot(f"{os.environ['GUI_TESTS_DIR']}/page.png")
    browser.quit()
    print("the page was used")  # noqa: T201 - what it is run for
finally:
    chromium.terminate()
    chromium.wait()
