"""A headless Chromium, driven over a pipe: what the tests of pages use.

The protocol is Chrome's DevTools protocol, which speaks JSON over the file descriptors 3 and 4 of
the browser; each message ends in a zero byte.
"""

import base64
import contextlib
import functools
import http.server
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

# Where fetch_chromium.py puts one, with the libraries and fonts that a bare machine lacks.
FETCHED = Path(__file__).resolve().parents[1] / "build" / "chromium" / "chromium"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = os.environ.get("NNGAN_CHROMIUM") or next(
    filter(None, map(shutil.which, (*NAMES, str(FETCHED)))), None
)
QUIET = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-sync", "--disable-background-networking", "--disable-component-update",
    "--disable-default-apps", "--disable-extensions", "--mute-audio", "--remote-debugging-pipe",
]  # fmt: skip


# Gives two pipes the numbers that Chromium expects, whatever numbers they have now.
LAUNCH = """
import os, sys
from fcntl import F_DUPFD, fcntl
a, b = (fcntl(int(n), F_DUPFD, 10) for n in sys.argv[1:3])
os.dup2(a, 3)
os.dup2(b, 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""


class Browser:
    """One page of a headless Chromium, and all that it asked for and wrote to its console."""

    def __init__(self, process, reader, writer):
        self.process, self.reader, self.writer = process, reader, writer
        self.number, self.buffer, self.requests, self.console = 0, b"", [], []
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        # Workers too: their requests and their errors count.
        self.call(
            "Target.setAutoAttach", autoAttach=True, waitForDebuggerOnStart=True, flatten=True
        )
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method, /, session=None, **parameters):
        """Send one command; return its result."""
        number = self._send(method, session or self.session, parameters)
        while True:
            message = self._receive(60)
            if message is None:
                raise TimeoutError(f"no answer to {method}")
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']['message']}")
                return message["result"]

    def _send(self, method, session, parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self.writer, json.dumps(message).encode() + b"\0")
        return self.number

    def _receive(self, seconds):
        """Return the next message, or None after some seconds; events are kept."""
        while b"\0" not in self.buffer:
            if not select.select([self.reader], [], [], seconds)[0]:
                return None
            part = os.read(self.reader, 1 << 20)
            if not part:
                raise ConnectionError("the browser has ended")
            self.buffer += part
        line, self.buffer = self.buffer.split(b"\0", 1)
        message = json.loads(line)
        self._keep(message.get("method"), message.get("params", {}))
        return message

    def _keep(self, method, parameters):
        if method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif method == "Runtime.consoleAPICalled":
            words = [str(a.get("value", a.get("description"))) for a in parameters["args"]]
            self.console.append(" ".join(words))
        elif method == "Runtime.exceptionThrown":
            self.console.append(json.dumps(parameters["exceptionDetails"])[:500])
        elif method == "Log.entryAdded":
            self.console.append(parameters["entry"]["text"] + parameters["entry"].get("url", ""))
        elif method == "Target.attachedToTarget" and self.session:
            worker = parameters["sessionId"]
            for command in ("Runtime.enable", "Network.enable", "Log.enable"):
                self._send(command, worker, {})
            self._send("Runtime.runIfWaitingForDebugger", worker, {})

    def evaluate(self, expression):
        """Return the value of a JavaScript expression in the page."""
        result = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in result:
            raise RuntimeError(json.dumps(result["exceptionDetails"])[:1000])
        return result["result"].get("value")

    def wait(self, expression, seconds):
        """Wait until a JavaScript expression is true; return its value."""
        end = time.monotonic() + seconds
        while not (value := self.evaluate(expression)):
            if time.monotonic() > end:
                raise TimeoutError(f"not within {seconds} s: {expression}")
            self._receive(0.2)
        return value

    def open(self, url):
        """Open a page, and wait until it is loaded."""
        self.call("Page.navigate", url=url)
        self.wait(f"document.readyState == 'complete' && location.href == {json.dumps(url)}", 600)

    def click(self, selector):
        self.evaluate(f"document.querySelector({json.dumps(selector)}).click()")

    def choose(self, selector, value):
        """Choose an option of a select, or fill a field, as a user does."""
        self.evaluate(
            f"""(() => {{ const e = document.querySelector({json.dumps(selector)});
            e.value = {json.dumps(value)};
            e.dispatchEvent(new Event('change', {{bubbles: true}})); }})()"""
        )

    def press(self, key):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, **key)

    def mouse(self, kind, x, y):
        self.call(
            "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1
        )

    def resize(self, width, height, dark=False):
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 500,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self, path, whole=False):
        data = self.call("Page.captureScreenshot", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))


def environment():
    """Return what Chromium finds in its environment."""
    if str(FETCHED) != CHROMIUM:
        return None
    folder = FETCHED.parent
    return {
        **os.environ,
        "LD_LIBRARY_PATH": f"{folder / 'lib'}:{os.environ.get('LD_LIBRARY_PATH', '')}",
        "FONTCONFIG_FILE": str(folder / "fonts.conf"),
    }


@contextlib.contextmanager
def browser():
    """Start a headless Chromium and end it."""
    to_browser, from_browser = os.pipe(), os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [
                sys.executable, "-c", LAUNCH, str(to_browser[0]), str(from_browser[1]), CHROMIUM,
                *QUIET, f"--user-data-dir={profile}",
            ],
            pass_fds=(to_browser[0], from_browser[1]), env=environment(),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_browser[0])
        os.close(from_browser[1])
        try:
            yield Browser(process, from_browser[0], to_browser[1])
        finally:
            process.kill()
            process.wait()
            os.close(to_browser[1])
            os.close(from_browser[0])


class Handler(http.server.SimpleHTTPRequestHandler):
    extensions_map = {  # noqa: RUF012 (as in the base class)
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript", ".js": "text/javascript", ".wasm": "application/wasm",
    }  # fmt: skip

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def served(folder):
    """Serve a folder on 127.0.0.1; yield its address."""
    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
