"""What the tests share: started when the first test asks for it, ended when the run ends."""
import functools

from e2e.support.keyward import SIGNING, Gateway, Local, endpoint
from e2e.support.machine import Machine
from e2e.support.pki import Pki
from e2e.support.s3_scenario import Scenario
from e2e.support.s3_servers import SeaweedFs, Versity
from e2e.support.sigv4_proxy import Proxy

BUCKET = "demo"


class World:
    def __init__(self):
        self.machine = Machine()

    @functools.cached_property
    def pki(self):
        return Pki(self.machine.folder("pki"))

    @functools.cached_property
    def seaweedfs(self):
        return SeaweedFs(self.machine, self.pki)

    @functools.cached_property
    def judge(self):
        server = Versity(self.machine, self.pki)
        server.make_bucket(BUCKET)
        return server

    @functools.cached_property
    def scenario(self):
        return Scenario(self.machine, self.judge, BUCKET)

    def local_for(self, *servers, label="local", **keys):
        """`supervisor run` in local mode, allowed to sign for these servers."""
        address = self.machine.network().there
        return Local(self.machine, self.pki, names=[server.name for server in servers],
                     endpoints=[endpoint(server.name, server.port, address, **{**SIGNING, **keys}) for server in servers],
                     bind=[f"{server.name}:{server.port}" for server in servers], label=label)

    @functools.cached_property
    def gateway(self):
        return Gateway(self.machine).start()

    @functools.cached_property
    def sigv4_proxy(self):
        """Between callers on loopback and the judge."""
        alias = f"{self.judge.plain_name}={self.machine.network().there}"
        return Proxy(self.machine, f"http://{self.judge.plain_name}:{self.judge.plain_port}", "--host-alias", alias).wait_ready()

    def close(self):
        self.machine.close()
