"""A server that is asked over HTTP, and may be ended and started again on the way."""
import http.client
import json
import os
import pathlib
import signal
import subprocess
import threading
from urllib.parse import urlsplit


class Process:
    """A server that is started again on its data whenever it was killed."""

    def __init__(self, binary, data_dir, key):
        config = pathlib.Path(f"{data_dir}.toml")
        config.write_text(f'[services.worker]\nsecret = "{key}"\npermissions = ["usage:write"]\nprojects = ["test"]\n')
        self.command = [
            binary, "serve", "--config", str(config), "--data-dir", data_dir, "--listen", "127.0.0.1:0"
        ]
        self.environment = {**os.environ, "RECKONER_BOOTSTRAP_TEST_API_KEY": key, "RECKONER_LOG_LEVEL": "error"}
        self.start()

    def start(self):
        self.child = subprocess.Popen(self.command, stdout=subprocess.PIPE, env=self.environment, text=True)
        for line in self.child.stdout:
            if line.startswith("listening on "):
                self.url = line.removeprefix("listening on ").strip()
                # What else it says is read, so that it never waits for a reader.
                threading.Thread(target=lambda: [None for _ in self.child.stdout], daemon=True).start()
                return
        raise SystemExit("the server did not start")

    def kill(self):
        self.child.send_signal(signal.SIGKILL)

    def restart(self):
        self.child.wait()
        self.start()


class Server:
    def __init__(self, url, key, process=None):
        self.process = process
        self.headers = {"x-apikey": key, "content-type": "application/json"}
        self.connect(process.url if process else url)

    def connect(self, url):
        self.connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=600)

    def ask_through_crash(self, method, path, body, after_s):
        """Asks while the server is killed after some time, and again once it is back."""
        timer = threading.Timer(after_s, self.process.kill)
        timer.start()
        try:
            self.ask(method, path, body)
        except (http.client.HTTPException, OSError):
            pass
        timer.join()
        self.process.restart()
        self.connect(self.process.url)
        return self.ask(method, path, body)

    def ask(self, method, path, body=None, allowed=(200, 201)):
        payload = None if body is None else json.dumps(body)
        self.connection.request(method, path, payload, self.headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status not in allowed:
            raise SystemExit(f"{method} {path} {payload}: {answer.status} {text.decode()}")
        return json.loads(text)

    def pages(self, path, query=""):
        cursor, rows = "", []
        while True:
            page = self.ask("GET", f"{path}?limit=1000{query}{cursor}")
            rows += page["data"]
            if not page["next_cursor"]:
                return rows
            cursor = f"&cursor={page['next_cursor']}"


class SecondWorker:
    """Has everything run that is due, over and over, as a service; a crash of the server is waited out."""

    def __init__(self, process, secret):
        self.process, self.secret = process, secret
        self.rounds = 0
        self.failures = []
        self.stopping = threading.Event()
        self.moving = threading.Event()
        self.round = threading.Lock()
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def work(self):
        while not self.stopping.is_set():
            try:
                self.work_on(http.client.HTTPConnection(urlsplit(self.process.url).netloc, timeout=600))
            except (http.client.HTTPException, OSError):
                # It is down, and comes back.
                self.stopping.wait(0.05)

    def work_on(self, connection):
        token = self.ask(connection, "/auth/service/token", {"X-Service-Secret": self.secret}, {"serviceName": "worker"})
        headers = {"X-Service-Token": token["token"], "Reckoner-Project": "test"}
        while not self.stopping.is_set():
            # Not between two things that are done at one instant: which comes first is not for it to decide.
            self.moving.wait(0.05)
            with self.round:
                if self.moving.is_set():
                    self.ask(connection, "/trials/check", headers, {})
                    self.rounds += 1

    def rest(self):
        """Lets it do no more, after what it is about."""
        self.moving.clear()
        with self.round:
            pass

    def ask(self, connection, path, headers, body):
        connection.request("POST", path, json.dumps(body), {**headers, "content-type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status >= 400:
            self.failures.append(f"{path}: {answer.status} {text.decode()}")
            self.stopping.set()
        return json.loads(text)

    def stop(self):
        self.stopping.set()
        self.thread.join()
