"""What every S3 client does in the tests, and how it is judged: by the server's disk, and by what the client reads back."""
import os

from e2e.support.s3_clients import ODD_KEYS, ODD_NAMES, answers, digest

META = {"colour": "blue", "odd": "two  blanks"}
FIRST, LAST = 4_999_990, 10_000_000  # of the large file: from its first part into its third
LARGE = (11 << 20) + 12345


class Scenario:
    def __init__(self, machine, judge, bucket):
        self.judge, self.bucket = judge, bucket
        self.odd = machine.folder("shared/odd-names")
        for name in ODD_NAMES:
            self.write(os.path.join("odd-names", name), machine, name.encode() * 100)
        self.large_bytes = os.urandom(1 << 20) * 11 + os.urandom(LARGE - (11 << 20))
        self.large = self.write("large", machine, self.large_bytes)
        self.small = self.write("small", machine, b"a small one")

    @staticmethod
    def write(name, machine, content):
        return machine.write(os.path.join("shared", name), content, 0o644)

    def jobs(self, client, prefix):
        """{name: job}, in their order."""
        wanted = {"up": {"do": "up", "folder": self.odd, "prefix": prefix + "odd/"}, "down": {"do": "down", "prefix": prefix + "odd/"},
                  "list": {"do": "list", "prefix": prefix + "odd/"}}
        if "keys" not in client.cannot:
            for number, key in enumerate(ODD_KEYS):
                wanted[f"put {key!r}"] = {"do": "put", "key": f"{prefix}{number}/{key}", "file": self.small}
                wanted[f"get {key!r}"] = {"do": "get", "key": f"{prefix}{number}/{key}"}
        if "parts" not in client.cannot:
            wanted["parts"] = {"do": "parts", "key": prefix + "large", "file": self.large}
        else:
            wanted["whole"] = {"do": "put", "key": prefix + "large", "file": self.large}
        wanted["get"] = {"do": "get", "key": prefix + "large"}
        if "range" not in client.cannot:
            wanted["range"] = {"do": "range", "key": prefix + "large", "first": FIRST, "last": LAST}
        wanted["put with headers"] = {"do": "put", "key": prefix + "meta", "file": self.small, "meta": META}
        wanted["head"] = {"do": "head", "key": prefix + "meta"}
        wanted["put again"] = {"do": "put", "key": prefix + "gone", "file": self.small}
        wanted["delete"] = {"do": "delete", "key": prefix + "gone"}
        return wanted

    def check(self, case, prefix, results):
        """Each result and the judge's disk, one sub-test each. `results` is {name: answer}."""
        stored = lambda key: self.judge.stored(self.bucket, prefix + key)
        odd = {name: name.encode() * 100 for name in ODD_NAMES}
        right = {"down": {"sums": {name: digest(body) for name, body in odd.items()}}, "list": {"keys": sorted(prefix + "odd/" + name for name in odd)},
                 "get": {"sum": digest(self.large_bytes)}, "range": {"sum": digest(self.large_bytes[FIRST:LAST + 1])}}
        for name, answer in results.items():
            with case.subTest(name):
                case.assertNotIn("error", answer)
                if "keys" in answer:
                    answer["keys"].sort()
                if name.startswith("get '"):
                    case.assertEqual(answer, {"sum": digest(b"a small one")})
                elif name == "head":
                    case.assertEqual(answer["size"], len(b"a small one"))
                    case.assertEqual(lower(answer["meta"]) | lower(META), lower(answer["meta"]))
                elif name in right:
                    case.assertEqual(answer, right[name])
        for name, body in odd.items():
            with case.subTest("on the disk", name=name):
                case.assertEqual(stored("odd/" + name), body)
        with case.subTest("on the disk, large"):
            case.assertTrue(stored("large") == self.large_bytes, "the large object is another one")
            case.assertIsNone(stored("gone"))


def lower(names):
    return {name.lower(): " ".join(value.split()) for name, value in names.items()}


def by_name(jobs, done):
    return dict(zip(jobs, answers(jobs, done)))
