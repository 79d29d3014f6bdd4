"""What every S3 client does in the tests, and how it is judged: by the server's disk, and by what the client reads back."""
import os

from e2e.support.s3_clients import NO_FILES, ODD_KEYS, ODD_NAMES, answers, digest

META, FOLDED = {"colour": "blue"}, {"folded": "two  blanks"}
FIRST, LAST = 4_999_990, 10_000_000  # of the large file: from its first part into its third
LARGE, SMALL = (11 << 20) + 12345, b"a small one"


class Scenario:
    def __init__(self, machine, judge, bucket):
        self.judge, self.bucket = judge, bucket
        self.odd = machine.folder("shared/odd-names")
        for name in ODD_NAMES:
            self.write(os.path.join("odd-names", name), machine, name.encode() * 100)
        self.large_bytes = os.urandom(1 << 20) * 11 + os.urandom(LARGE - (11 << 20))
        self.large = self.write("large", machine, self.large_bytes)
        self.small = self.write("small", machine, SMALL)

    @staticmethod
    def write(name, machine, content):
        return machine.write(os.path.join("shared", name), content, 0o644)

    def jobs(self, client, prefix):
        """{name: job}, in their order."""
        wanted = {"up": {"do": "up", "folder": self.odd, "prefix": prefix + "odd/"},
                  "down": {"do": "down", "prefix": prefix + "odd/", "names": ODD_NAMES}}
        if "list" not in client.cannot:
            wanted["list"] = {"do": "list", "prefix": prefix + "odd/"}
        if "keys" not in client.cannot:
            for number, key in enumerate(ODD_KEYS):
                wanted[f"put {key!r}"] = {"do": "put", "key": f"{prefix}{number}/{key}", "file": self.small}
                wanted[f"get {key!r}"] = {"do": "get", "key": f"{prefix}{number}/{key}"}
            for key in NO_FILES:
                wanted[f"try {key!r}"] = {"do": "put", "key": f"{prefix}{key}", "file": self.small}
        if "parts" not in client.cannot:
            wanted["parts"] = {"do": "parts", "key": prefix + "large", "file": self.large}
        else:
            wanted["whole"] = {"do": "put", "key": prefix + "large", "file": self.large}
        wanted["get"] = {"do": "get", "key": prefix + "large"}
        if "range" not in client.cannot:
            wanted["range"] = {"do": "range", "key": prefix + "large", "first": FIRST, "last": LAST}
        wanted["put with headers"] = {"do": "put", "key": prefix + "meta", "file": self.small,
                                      "meta": META if "folded headers" in client.cannot else {**META, **FOLDED}}
        wanted["head"] = {"do": "head", "key": prefix + "meta"}
        wanted["put again"] = {"do": "put", "key": prefix + "gone", "file": self.small}
        wanted["delete"] = {"do": "delete", "key": prefix + "gone"}
        return wanted

    def check(self, case, prefix, results):
        """Each result and the judge's disk, one sub-test each. `results` is {name: answer}."""
        odd = {name: name.encode() * 100 for name in ODD_NAMES}
        right = {"down": {"sums": {name: digest(body) for name, body in odd.items()}}, "list": {"keys": sorted(prefix + "odd/" + name for name in odd)},
                 "get": {"sum": digest(self.large_bytes)}, "range": {"sum": digest(self.large_bytes[FIRST:LAST + 1])},
                 **{f"get {key!r}": {"sum": digest(SMALL)} for key in ODD_KEYS}}
        for name, answer in results.items():
            with case.subTest(name):
                if name.startswith("try "):
                    case.assertNotRegex(answer.get("error", ""), "(?i)signature|denied|forbidden|403")
                    continue
                case.assertNotIn("error", answer)
                if "keys" in answer:
                    answer["keys"].sort()
                if name == "head":
                    case.assertEqual(answer["size"], len(SMALL))
                    case.assertLessEqual(folded(META).items(), folded(answer["meta"]).items())
                else:
                    case.assertEqual(answer, right.get(name, {}))
        with case.subTest("on the disk"):
            case.assertEqual({name: self.stored(prefix + "odd/" + name) for name in odd}, odd)
            case.assertTrue(self.stored(prefix + "large") == self.large_bytes, "the large object is another one")
            case.assertIsNone(self.stored(prefix + "gone"))

    def stored(self, key):
        return self.judge.stored(self.bucket, key)


def folded(names):
    return {name.lower(): " ".join(value.split()) for name, value in names.items()}


def by_name(jobs, done):
    return dict(zip(jobs, answers(jobs, done)))
