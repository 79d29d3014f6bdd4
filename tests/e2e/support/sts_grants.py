"""AWS keys by a sandbox's own JWT-SVID: an STS and a store that believe nobody, SeaweedFS, which is both, an agent, and a gateway of their own."""
import collections
import json
import os

from e2e.support.keyward import SIGNING, Gateway, endpoint, policy
from e2e.support.machine import wait_until
from e2e.support.s3_servers import REGION, SeaweedSts
from e2e.support.spiffe import ID, Agent
from e2e.support.token_grants import Place, Server

STS = ("sts.keyward.test", 8460)
AUDIENCE = "sts.amazonaws.com"
READER, STORE, OTHERS = (f"arn:aws:iam::123456789012:role/{name}" for name in ("reader", "store", "others"))
OUTSIDE = "agreed:with/the-bank"
STORE_PLACE = collections.namedtuple("Place", "name port")("store.keyward.test", 8462)


class StsPlace(Place):
    """Keys for the store: by one role, or by a second one that the first may assume."""
    provider_type, label = "store", "sts"

    def __init__(self, world, port=17870):  # all of it another place's
        machine = self.machine = world.machine
        self.pki, self.address = world.pki, machine.network().there
        self.hosts = (STS[0], STORE_PLACE.name)
        self.agent = Agent(machine, "sts-agent")
        self.bundle, self.clients, self.record, self.mood_file = (
            os.path.join(machine.secrets, f"sts-{name}") for name in ("bundle", "clients", "record", "mood"))
        self.refresh_bundle()
        self.mood()
        self.sts = Server(machine, self.pki.issue(STS[0], STORE_PLACE.name), os.path.join(os.path.dirname(os.path.abspath(__file__)), "sts_server.py"), "sts-server", STS,
                          store_port=STORE_PLACE.port, bundle=self.bundle, audience=AUDIENCE, store=STORE, mood=self.mood_file, record=self.record,
                          roles={READER: {"subjects": [ID]}, OTHERS: {"subjects": [ID + "/other"]},
                                 STORE: {"subjects": [ID], "callers": [READER], "external_id": OUTSIDE}}).start()
        self.gateway = Gateway(machine, "sts-gateway", port).start()
        self.import_roles()
        self.policy = machine.write("sts-policy.yaml", policy([endpoint(*STORE_PLACE, self.address, **SIGNING)]), 0o644)

    def mood(self, **settings):
        self.machine.write(self.mood_file, json.dumps(settings))

    def import_roles(self, *roles):
        """Those of the provider; without any, the one that the store knows."""
        self.import_grant(STORE_PLACE, STS, roles or [{"roleArn": STORE}])

    def import_grant(self, store, sts, roles):
        place = {"host": store.name, "port": store.port, "protocol": "rest", "access": "full", "credentialSigning": "sigv4",
                 "signingService": "s3", "signingRegion": REGION}
        grant = {"grantType": "aws_web_identity", "tokenEndpoint": f"https://{sts[0]}:{sts[1]}", "jwtSvidAudience": AUDIENCE,
                 "aws": {"region": REGION, "roles": list(roles)}}
        profile = {"id": self.provider_type, "endpoints": [place], "credentials": [{"name": "keys", "tokenGrant": grant}]}
        self.must("profile", "import", self.machine.write(f"{self.label}-profile.json", json.dumps(profile), 0o644))

    def servers(self):
        return (self.sts,)


class WeedPlace(StsPlace):
    """Another hand's STS, which fetches the keys of the JWT-SVIDs' issuer by http."""
    provider_type, label, keys_port = "weed", "weed", 8461

    def __init__(self, world, port=17871):  # all of it another place's
        machine = self.machine = world.machine
        self.pki, self.address = world.pki, machine.network().there
        issuer = f"http://{self.address}:{self.keys_port}"
        self.agent = Agent(machine, "weed-agent")
        self.agent.say(do="claims", set={"iss": issuer})
        folder = machine.folder("weed-keys")
        self.bundle = machine.write("weed-keys/keys.json", json.dumps(self.agent.say(do="bundle")["keys"]), 0o644)
        machine.start("weed-keys", ["/usr/bin/python3", "-m", "http.server", str(self.keys_port), "--bind", self.address, "--directory", folder], inside=True)
        wait_until(lambda: machine.network().listens(self.keys_port), 20, "the issuer's keys")
        self.store = SeaweedSts(machine, self.pki, issuer, AUDIENCE)
        self.hosts = (self.store.name,)
        self.gateway = Gateway(machine, "weed-gateway", port).start()
        self.import_grant(self.store, (self.store.name, self.store.port), [{"roleArn": self.store.role}])
        self.policy = machine.write("weed-policy.yaml", policy([endpoint(self.store.name, self.store.port, self.address, **SIGNING)]), 0o644)
