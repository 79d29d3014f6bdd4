"""What the soak reads: the gateway's audit log as instants, and a process's memory and descriptors."""
import collections
import dataclasses
import json
import os


@dataclasses.dataclass
class Footprint:
    resident: int  # KiB
    descriptors: int
    threads: int

    def __str__(self):
        return f"{self.resident / 1024:.0f} MiB, {self.descriptors} descriptors, {self.threads} threads"


def footprint(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        status = dict(line.split(":", 1) for line in file)
    return Footprint(int(status["VmRSS"].split()[0]), len(os.listdir(f"/proc/{pid}/fd")), int(status["Threads"]))


class Calls:
    """The calls that the gateway's audit log tells of: who, what, when (seconds since the epoch)."""

    def __init__(self, path):
        self.instants = collections.defaultdict(lambda: collections.defaultdict(list))  # method, caller
        self.refusals = collections.Counter()  # method and why
        with open(path, encoding="utf-8") as file:
            for line in file:
                if line.endswith("}\n"):  # kill -9 may leave the half of one
                    self._take(json.loads(line))

    def _take(self, event):
        method = event["api"]["operation"]
        if event["status_id"] != 1:
            self.refusals[f"{method}: {event['status_detail']}"] += 1
            return
        caller = event["actor"]["user"]["name"]
        if caller.startswith("sandbox:"):
            self.instants[method][caller.removeprefix("sandbox:")].append(event["time"] / 1000)

    def of(self, method):
        return self.instants[method]

    def first_after(self, method, instant):
        """By caller, its first call after that instant, in seconds from there."""
        firsts = {caller: min((t for t in times if t > instant), default=None) for caller, times in self.of(method).items()}
        return {caller: first - instant for caller, first in firsts.items() if first is not None}


def gaps(times):
    """What lies between one instant and the next, with where it begins."""
    ordered = sorted(times)
    return [(begin, end - begin) for begin, end in zip(ordered, ordered[1:])]


def per_second(instants):
    """How many fall into each second, from the first to the last."""
    counts = collections.Counter(int(t) for t in instants)
    return [counts[second] for second in range(min(counts), max(counts) + 1)] if counts else []


def told(title, counts, first=0):
    """A row of counts for a note: what the seconds are counted from stands in the title."""
    return f"{title}: from second {first}: {' '.join(map(str, counts))}"
