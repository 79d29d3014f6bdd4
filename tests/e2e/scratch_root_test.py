"""The supervisor needs nothing of an image: it runs in a root that holds one static program and no library."""
import os
import shutil
import subprocess

from e2e.suite import Case
from e2e.support.keyward import SUPERVISOR, endpoint, policy

BUSYBOX = "/bin/busybox"


class ScratchRootTest(Case):
    def root(self, name):
        """As an engine lays it out: /proc, /dev, /tmp, /run and /etc exist, and nothing is in them."""
        root = self.world.machine.folder(name)
        for folder in ("proc", "dev", "tmp", "run", "etc", "sys", "var/log"):
            os.makedirs(os.path.join(root, folder), exist_ok=True)
        shutil.copy(SUPERVISOR, os.path.join(root, "supervisor"))
        shutil.copy(BUSYBOX, os.path.join(root, "busybox"))
        with open(os.path.join(root, "policy.yaml"), "w", encoding="utf-8") as file:
            file.write(policy([endpoint("a.keyward.test", 443, self.world.machine.network().there)]))
        return root

    def run_in(self, root, *command):
        """chroot in a mount namespace of its own; the root is a mount point, as it is in a container."""
        script = ('mount --bind "$1" "$1" && mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && mount -t tmpfs t "$1/tmp" && '
                  'mount -t tmpfs t "$1/run" && cd "$1" && mkdir -p old && pivot_root . old && /busybox umount -l /old && shift && exec "$@"')
        return subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", root, *command],
                              capture_output=True, text=True, timeout=60, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})

    def test_help_in_an_empty_root(self):
        self.assertIn("supervisor", self.ended_well(self.run_in(self.root("scratch-help"), "/supervisor", "--help")))

    def test_a_sandbox_in_an_empty_root(self):
        root = self.root("scratch-run")
        done = self.run_in(root, "/supervisor", "run", "--policy", "/policy.yaml", "--audit-log", "-", "--", "/busybox", "sh", "-c",
                           "/busybox id -u; /busybox env; /busybox ls /etc/openshell-tls")
        out = self.ended_well(done)
        self.assertEqual(out.splitlines()[0], "59123")
        self.assertIn("HTTPS_PROXY=http://127.0.0.1:3128", out)

    def test_it_has_no_dependency(self):
        self.assertNotIn("NEEDED", subprocess.check_output(["readelf", "-d", SUPERVISOR], text=True))
