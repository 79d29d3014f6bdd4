"""One object, many spellings of its URL: what is signed is what is sent, and it is the key that the client means."""
from urllib.parse import quote

from e2e.suite import Case
from e2e.support.programs import RAW, REGION_ENV
from e2e.support.sigv4_proxy import curl
from e2e.support.world import BUCKET

# (what stands in the URL, the key)
SPELLINGS = [("with%20blank", "with blank"), ("a+b", "a+b"), ("a%2Bb", "a+b"), ("a%2bb", "a+b"), ("caf%C3%A9", "café"), ("caf%c3%a9", "café"),
             ("100%25", "100%"), ("%2525", "%25"), ("%252F", "%2F"), ("one%2Ftwo", "one/two"), ("one%2ftwo", "one/two"), ("a//b", "a/b"),
             ("./dot", "dot"), ("mac@2x", "mac@2x"), ("mac%402x", "mac@2x"), ("%74%65st", "test"), ("~user", "~user"), ("%7Euser", "~user"),
             ("semi;colon", "semi;colon"), ("a=b&c", "a=b&c"), ("a:b,c", "a:b,c"), ("(it's!*)", "(it's!*)"), ("what%3F", "what?"), ("no%23", "no#"),
             ("$dollar", "$dollar"), ("%5Cback", "\\back"), ("%5B1%5D", "[1]"), ("%7B%7D%7C%5E%60", "{}|^`"), ("%22%3C%3E", '"<>'),
             ("tab%09", "tab\t"), ("%C2%A0nbsp", "\u00a0nbsp"), ("%E6%97%A5%E6%9C%AC", "日本")]
QUERIES = ["list-type=2&prefix={}", "prefix={}&list-type=2", "list-type=2&prefix={}&delimiter=%2F", "list-type=2&&prefix={}&fetch-owner"]


class SpellingsTest(Case):
    """versitygw's folders do not tell `a//b` from `a/b`; that the signature covers the former is what it can judge."""

    def judged(self, folder):
        wanted = {f"{number}/{key}": text.encode() for number, (text, key) in enumerate(SPELLINGS)}
        self.assertEqual({key: self.world.judge.stored(BUCKET, folder + key) for key in wanted}, wanted)

    def test_through_sigv4_proxy(self):
        proxy = self.world.sigv4_proxy
        for number, (text, _) in enumerate(SPELLINGS):
            url = proxy.url(f"/{BUCKET}/spelt/{number}/{text}")
            with self.subTest(text):
                put = curl(url, "--globoff", "-X", "PUT", "--data-binary", "@-", "-H", "x-amz-meta-key: " + text, body=text.encode())
                self.assertEqual(put.status, 200, put.body[:500])
                got = curl(url, "--globoff")
                self.assertEqual((got.status, got.body), (200, text.encode()))
                self.assertIn(f"x-amz-meta-key: {text}\r\n".lower(), got.headers.lower())
        self.judged("spelt/")
        for query in QUERIES:
            found = curl(proxy.url(f"/{BUCKET}?" + query.format(quote("spelt/0/with b", safe=""))))
            self.assertIn(b"<Key>spelt/0/with blank</Key>", found.body, query)

    def test_inside_a_sandbox(self):
        sandbox = self.world.local_for(self.world.judge, label="spellings")
        self.ended_well(sandbox.python(RAW + f"""
spellings, queries = {SPELLINGS!r}, {QUERIES!r}
def ask(method, path, body=b"", query=""):
    # The client's own signature is not looked at: it need not be right for these paths.
    headers = sign(method, "judge.keyward.test:7443", "/", "", "UNSIGNED-PAYLOAD" if body else hashlib.sha256(b"").hexdigest(), {{}})
    if body:
        headers["content-length"] = str(len(body))
    return request("judge.keyward.test", 7443, method, "/{BUCKET}" + path, headers, body, query)
for number, (text, _) in enumerate(spellings):
    status, _, answer = ask("PUT", f"/inside/{{number}}/{{text}}", text.encode())
    assert status == 200, (text, status, answer)
    status, _, answer = ask("GET", f"/inside/{{number}}/{{text}}")
    assert (status, answer) == (200, text.encode()), (text, status, answer)
for query in queries:
    status, _, answer = ask("GET", "", query=query.format("inside%2F0%2Fwith%20b"))
    assert b"<Key>inside/0/with blank</Key>" in answer, (query, status, answer)
""", options=REGION_ENV))
        self.judged("inside/")
