"""A real Dovecot on a port of its own, with TLS, one user and Maildirs that a test may reach into."""

from __future__ import annotations

import getpass
import grp
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from gateway.sandbox.authority import Authority

USER, PASSWORD = "virkpost", "hemmelig"

CONFIG = """\
base_dir = {run}
state_dir = {base}/state
log_path = {base}/log
protocols = imap
listen = 127.0.0.1
ssl = required
ssl_cert = <{cert}
ssl_key = <{key}
ssl_min_protocol = TLSv1.2
default_internal_user = {inside}
default_internal_group = {inside_group}
default_login_user = {login}
mail_uid = {me}
mail_gid = {group}
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:{run}/mail:LAYOUT=fs
disable_plaintext_auth = yes
mail_plugins = $mail_plugins quota
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={me} gid={group} home={run}/home
}}
namespace inbox {{
  inbox = yes
}}
protocol imap {{
  mail_plugins = $mail_plugins imap_quota
}}
plugin {{
  quota = count:User quota
  quota_vsizes = yes
  quota_rule = *:storage=1G
  {quota}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""


class Dovecot:
    """Runs in *folder*."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self.folder = folder
        self.port, self.tls_port = free_port(), free_port()
        self.ca = authority.ca.cert
        cert, key = folder / "imap.crt", folder / "imap.key"
        authority.server_certificate(cert, key)
        root = os.getuid() == 0
        # Its login processes are nobody's, and must get through to their sockets.
        self._run = Path(tempfile.mkdtemp(prefix="dovecot-", dir="/tmp"))
        self._run.chmod(0o755)
        me, group = ("nobody", "nogroup") if root else (getpass.getuser(), grp.getgrgid(os.getgid()).gr_name)
        for name in ("mail", "home"):
            (self._run / name).mkdir()
            shutil.chown(self._run / name, me, group)
        self._told = {
            "base": folder, "run": self._run, "cert": cert, "key": key, "me": me, "group": group,
            "inside": "dovecot" if root else me, "inside_group": "dovecot" if root else group, "login": "dovenull" if root else me,
        }  # fmt: skip
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def maildir(self) -> Path:
        return self._run / "mail"

    def start(self, *, quota: str = "") -> None:
        told = {**self._told, "password": PASSWORD, "port": self.port, "tls_port": self.tls_port, "quota": quota}
        (self.folder / "dovecot.conf").write_text(CONFIG.format(**told))
        program = shutil.which("dovecot", path=os.environ["PATH"] + ":/usr/sbin")
        assert program is not None
        # No pipes: its processes would hold them open.
        self.process = subprocess.Popen(
            [program, "-F", "-c", str(self.folder / "dovecot.conf")], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + 20
        while time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.tls_port)) == 0:
                    return
            assert self.process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.05)
        raise AssertionError("dovecot did not answer")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None

    def remove(self) -> None:
        """Stop, and leave nothing behind."""
        self.stop()
        shutil.rmtree(self._run, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
