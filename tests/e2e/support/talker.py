"""A process that answers each JSON line with one: how the tests steer the peers of tests/peers."""
import json
import os
import select
import subprocess

from e2e.support import tools


class LineTalker:
    """Any program that does so."""

    def __init__(self, machine, label, command, **options):
        self.label, self.log = label, machine.log(label)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                                            bufsize=1, start_new_session=True, **options)
        self.machine = machine
        machine.processes.append(self.process)

    def line(self, seconds=30):
        """The next line, whole: each of these programs writes a line at once."""
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        text = self.process.stdout.readline() if ready else ""
        if not text:
            raise RuntimeError(f"{self.label}: no answer within {seconds} s or its end; see {self.log}")
        return json.loads(text)

    def say(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")
        said = self.line()
        if "error" in said:
            raise ValueError(f"{self.label}: {said['error']}")
        return said

    def close(self):
        self.process.stdin.close()
        self.machine.stop(self.process)
        self.process.stdout.close()


class Talker(LineTalker):
    """A program of tests/peers/node."""

    def __init__(self, machine, label, *command):
        super().__init__(machine, label, [tools.node(), *command], cwd=tools.node_peers())


def operator_of(machine, label, port, ca):
    """tests/peers/node/operator.mjs; `ca` None: plaintext."""
    return Talker(machine, label, "operator.mjs", f"127.0.0.1:{port}", ca or "-")


def bytes_of(path, limit=1 << 20):
    with open(path, "rb") as file:
        return file.read(limit)


def lines_of(path):
    """The JSON lines of a file that may be written to meanwhile."""
    if not os.path.exists(path):
        return []
    whole = bytes_of(path, 1 << 26).rpartition(b"\n")[0]
    return [json.loads(line) for line in whole.splitlines()]
