"""What runs on the node: a page served on the node itself, and a browser that uses it."""

import http.server
import os
import threading

from selenium import webdriver  # type: ignore[import-not-found]
from selenium.webdriver.chrome.service import Service  # type: ignore[import-not-found]
from selenium.webdriver.common.by import By  # type: ignore[import-not-found]

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
options = webdriver.ChromeOptions()
for each in ("--window-size=1000,600", "--window-position=0,0", "--disable-gpu", "--no-first-run"):
    options.add_argument(each)
browser = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
try:
    browser.set_page_load_timeout(600)
    browser.get(f"http://127.0.0.1:{server.server_port}/")
    browser.find_element(By.TAG_NAME, "button").click()
    assert browser.find_element(By.TAG_NAME, "h1").text == "clicked"
    browser.save_screenshot(f"{os.environ['GUI_TESTS_DIR']}/page.png")
    print("the page was used")  # noqa: T201 - what it is run for
finally:
    browser.quit()
