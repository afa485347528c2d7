"""Starts the processes of the chain, and ends them whatever happens."""

import http.client
import os
import pathlib
import select
import signal
import socket
import subprocess
import sys
import time

START_SECONDS = 60
END_SECONDS = 5


class Failed(Exception):
    """The chain cannot go on."""


class Processes:
    """Children with a log each, in process groups of their own, so that their children end with them."""

    def __init__(self, folder):
        self.folder, self.running = folder, {}

    def __enter__(self):
        return self

    def start(self, name, command, environment, cwd):
        with open(self.log(name), "wb") as log:
            self.running[name] = subprocess.Popen(
                [str(word) for word in command],
                cwd=cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def log(self, name):
        return self.folder / f"{name}.log"

    def ended(self):
        """Those that are no longer there: name, exit code, the end of its log."""
        return [
            f"{name} ended with {process.returncode}: {self.log(name).read_text('utf-8', 'replace')[-800:].strip()}"
            for name, process in self.running.items()
            if process.poll() is not None
        ]

    def wait(self, name, ready):
        """Until `ready` is true; an error when a process ends before that."""
        give_up = time.monotonic() + START_SECONDS
        while not ready():
            if self.ended():
                raise Failed("; ".join(self.ended()))
            if time.monotonic() > give_up:
                raise Failed(f"{name} does not answer: {self.log(name).read_text('utf-8', 'replace')[-800:].strip()}")
            time.sleep(0.05)

    def __exit__(self, *_):
        for signum in (signal.SIGTERM, signal.SIGKILL):
            for process in self.running.values():
                if process.poll() is None:
                    os.killpg(process.pid, signum)
            give_up = time.monotonic() + END_SECONDS
            while time.monotonic() < give_up and any(p.poll() is None for p in self.running.values()):
                time.sleep(0.05)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def start_aws(processes):
    """The port at which moto is S3 and SQS."""
    port = free_port()
    script = pathlib.Path(__file__).with_name("emulator.py")
    processes.start("aws", [sys.executable, script, port, processes.folder / "requests"], dict(os.environ), None)
    processes.wait("aws", lambda: answers(port))
    return port


def start_runtime_api(processes, project):
    """The port at which cargo-lambda takes calls, and hands them to whoever asks for work. It builds and starts nothing
    itself: what runs is the binary that is there."""
    port = free_port()
    command = ["cargo-lambda", "lambda", "watch", "--only-lambda-apis", "-A", "127.0.0.1", "-P", port]
    here = str(pathlib.Path(sys.executable).parent)
    environment = {**os.environ, "PATH": os.pathsep.join([here, os.environ["PATH"]])}
    processes.start("runtime-api", command, environment, project)
    processes.wait("runtime-api", lambda: answers(port))
    return port


def start_function(processes, name, binary, runtime_api, function, environment):
    """One instance, with the environment that Lambda gives it and nothing of this machine's."""
    memory, function_name = function["MemorySize"], function["FunctionName"]
    task = processes.folder / name
    (task / "tmp").mkdir(parents=True)
    lambdas = {
        "AWS_LAMBDA_RUNTIME_API": f"http://127.0.0.1:{runtime_api}/.rt/{function_name}",
        "AWS_LAMBDA_FUNCTION_NAME": function_name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory),
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_FORMAT": function["LoggingConfig"]["LogFormat"],
        "AWS_LAMBDA_LOG_GROUP_NAME": function["LoggingConfig"]["LogGroup"],
        "AWS_LAMBDA_LOG_STREAM_NAME": name,
        "_HANDLER": function["Handler"],
        "LAMBDA_TASK_ROOT": str(task),
        "LANG": "en_US.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "TMPDIR": str(task / "tmp"),
        "TZ": ":UTC",
    }
    processes.start(name, [binary], {**lambdas, **environment}, task)


def call(processes, port, function_name, body, timeout):
    """(status, answer) of one invocation. An error when a process ends meanwhile: nobody would answer then."""
    give_up = time.monotonic() + timeout
    connection = http.client.HTTPConnection("127.0.0.1", port)
    try:
        connection.request("POST", f"/2015-03-31/functions/{function_name}/invocations", body)
        while not select.select([connection.sock], [], [], 0.2)[0]:
            if processes.ended():
                raise Failed("; ".join(processes.ended()))
            if time.monotonic() > give_up:
                return 0, f"no answer within {timeout} s".encode()
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        return 0, f"{type(error).__name__}: {error}".encode()
    finally:
        connection.close()
