# SPDX-License-Identifier: MIT
"""A headless Chromium, driven over the W3C's WebDriver protocol (w3.org/TR/webdriver2)."""

import base64
import json
import subprocess
import tempfile
import urllib.error
import urllib.request

from profd import wait_for

FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync
--disable-background-networking --disable-component-update --disable-dev-shm-usage
--hide-scrollbars --window-size=1240,800""".split()
KEYS = {"Escape": "\ue00c", "Enter": "\ue007", "Control": "\ue009", "Home": "\ue011"}
KEYS |= {"Up": "\ue013", "Down": "\ue015", "Left": "\ue012", "Right": "\ue014"}


class Browser:
    def __init__(self):
        self.profile = tempfile.TemporaryDirectory(prefix="profd-chromium-")
        self.driver = subprocess.Popen(
            ["chromedriver", "--port=0"], stdout=subprocess.PIPE, text=True
        )
        self.session = ""
        try:
            self.base = f"http://127.0.0.1:{self._port()}"
            options = {"args": [*FLAGS, f"--user-data-dir={self.profile.name}"]}
            capabilities = {"browserName": "chrome", "goog:chromeOptions": options}
            answer = self._call("POST", "", capabilities={"alwaysMatch": capabilities})
            self.session = f"/{answer['sessionId']}"
        except BaseException:
            self.close()
            raise

    def _port(self):
        for line in self.driver.stdout:
            if "started successfully on port" in line:
                return int(line.rsplit("port", 1)[1].strip(" .\n"))
        raise AssertionError("chromedriver did not start")

    def _call(self, method, path, **body):
        request = urllib.request.Request(
            f"{self.base}/session{self.session}{path}",
            method=method,
            data=json.dumps(body).encode() if method == "POST" else None,
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from None

    def close(self):
        try:
            if self.session:
                self._call("DELETE", "")
        finally:
            self.driver.terminate()
            self.driver.wait(30)
            self.profile.cleanup()

    def open(self, path, state=""):
        self._call("POST", "/url", url="about:blank")
        self._call("POST", "/url", url=f"file://{path}{state and '#' + state}")
        return self

    def run(self, script, *arguments):
        """What the script returns."""
        return self._call("POST", "/execute/sync", script=script, args=list(arguments))

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0]).textContent", selector)

    def state(self):
        """What is behind the # of the URL."""
        return self.run("return location.hash.slice(1)")

    def back(self):
        self._call("POST", "/back")

    def _act(self, *sources):
        self._call("POST", "/actions", actions=list(sources))

    def point(self, x, y, click=False):
        """Moves the pointer there, in pixels of the window, and clicks."""
        steps = [{"type": "pointerMove", "x": int(x), "y": int(y), "duration": 0}]
        if click:
            steps += [{"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
        self._act({"type": "pointer", "id": "mouse", "actions": steps})

    def click(self, selector):
        place = "const r = document.querySelector(arguments[0]).getBoundingClientRect();"
        x, y = self.run(f"{place} return [r.x + r.width / 2, r.y + r.height / 2]", selector)
        self.point(x, y, click=True)

    def keys(self, *keys, held=None):
        """Types each, by its name or as it is, with one held down."""
        steps = [{"type": "keyDown", "value": KEYS[held]}] if held else []
        for key in keys:
            value = KEYS.get(key, key)
            steps += [{"type": "keyDown", "value": value}, {"type": "keyUp", "value": value}]
        steps += [{"type": "keyUp", "value": KEYS[held]}] if held else []
        self._act({"type": "key", "id": "keyboard", "actions": steps})

    def type(self, text):
        self.keys(*text)

    def wait(self, script, *arguments):
        return wait_for(lambda: self.run(script, *arguments), 10, script)

    def prefer(self, theme):
        """Lets pages see a dark or light desktop."""
        features = [{"name": "prefers-color-scheme", "value": theme}]
        self._call(
            "POST",
            "/goog/cdp/execute",
            cmd="Emulation.setEmulatedMedia",
            params={"features": features},
        )

    def problems(self):
        """Errors that scripts left in the console."""
        return [m for m in self._call("POST", "/se/log", type="browser") if m["level"] == "SEVERE"]

    def screenshot(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self._call("GET", "/screenshot")))
