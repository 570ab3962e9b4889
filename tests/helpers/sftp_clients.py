"""Real SFTP clients that hand files over, a wire between that cuts, and the system that reads the answers."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import asyncssh

from gateway.cli.demo_letter import sample_pdf

CPR = "0101011234"
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no wait: closing sends RST."""


class System:
    """An administrative system with an account, and a folder for what it hands over."""

    def __init__(self, demo, work: Path, *, port: int | None = None, user: str = "") -> None:
        self.demo, self.work = demo, work
        self.at = demo.endpoints["sftp"]
        self.user, self.key = user or self.at["user"], self.at["key"]
        self.port = str(port or self.at["port"])
        known = Path(self.at["known_hosts"]).read_text(encoding="ascii")
        self.known_hosts = work / f"known_hosts.{self.port}"
        self.known_hosts.write_text(known.replace(f"]:{self.at['port']} ", f"]:{self.port} "), encoding="ascii")
        self.options = ["-i", self.key, "-o", f"UserKnownHostsFile={self.known_hosts}", "-o", "StrictHostKeyChecking=yes"]

    def host_key(self) -> str:
        """Of the server, as in a public key file."""
        return self.known_hosts.read_text(encoding="ascii").splitlines()[0].split(maxsplit=1)[1]

    def through(self, port: int) -> System:
        """The same account, reached by another port."""
        return System(self.demo, self.work, port=port, user=self.user)

    def pair(self, base: str, *, content: bytes | None = None, reference: str | None = None, described: bool = True, **more) -> list[Path]:
        """A letter and its sidecar, described to the byte or named only."""
        document, sidecar = self.work / f"{base}.pdf", self.work / f"{base}.meta.json"
        whole = sample_pdf(base.encode("ascii", "replace").decode()) if content is None else content
        document.write_bytes(whole)
        named = {"fil": document.name}
        if described:
            named |= {"bytes": len(whole), "sha256": hashlib.sha256(whole).hexdigest()}
        fields = {"modtager": {"type": "cpr", "id": CPR}, "emne": f"Brev {base}", "dokumenter": [named], **more}
        if reference:
            fields["forsendelses_id"] = reference
        sidecar.write_text(json.dumps(fields), encoding="utf-8")
        return [document, sidecar]

    def sftp(self, *lines: str) -> subprocess.CompletedProcess[str]:
        command = ["sftp", "-q", "-P", self.port, *self.options, "-b", "-", f"{self.user}@127.0.0.1"]
        return run(command, self.work, "\n".join(lines) + "\n")

    def all_answers(self, bases: Mapping[str, object] | list[str]) -> dict[str, dict[str, dict]]:
        """The JSON answers so far by base and stage, with one listing for all of them."""
        shown = [line.rpartition("/")[2].strip() for line in self.sftp("ls -1 kvittering").stdout.splitlines()]
        names = {name: base for name in shown for base in bases if name.startswith(f"{base}.") and name.endswith(".json")}
        missing = [name for name in names if not (self.work / name).exists()]
        if missing:
            self.sftp(*(f'get "kvittering/{name}"' for name in missing))
        found: dict[str, dict[str, dict]] = {base: {} for base in bases}
        for name, base in names.items():
            one = json.loads((self.work / name).read_text(encoding="utf-8"))
            found[base][one["trin"]] = one
        return found

    def answers(self, base: str) -> dict[str, dict]:
        """The JSON answers to a drop so far, by their stage."""
        return self.all_answers([base])[base]

    def wait_for(self, base: str, stage: str, seconds: float = 30) -> dict:
        return self.wait_for_all([base], stage, seconds)[base]

    def wait_for_all(self, bases: list[str], stage: str, seconds: float = 60) -> dict[str, dict]:
        """The answer of *stage* to each of *bases*."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = self.all_answers(bases)
            if all(stage in answers for answers in found.values()):
                return {base: answers[stage] for base, answers in found.items()}
            time.sleep(0.3)
        shown = {base: [(name, [fault["kode"] for fault in one["fejl"]]) for name, one in answers.items()] for base, answers in found.items()}
        raise AssertionError(f"no {stage} in {seconds} s; there is {shown}")

    def waiting(self) -> list[str]:
        return [line.split()[-1] for line in self.sftp("ls -l ind").stdout.splitlines() if line.startswith("-")]


class Wire:
    """A port that leads to the server, and goes wrong after some bytes of its first connection."""

    def __init__(self, port: int, *, after: int, then: str) -> None:
        """
        Args:
            then: ``reset`` ends both sides with RST; ``stall`` carries nothing more until it is told to end, as a
                dead line does.
        """
        self._to, self._after, self._then = port, after, then
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.stalled = threading.Event()
        self._over = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        client, _ = self._listener.accept()
        self._listener.close()  # whoever tries again is refused
        server = socket.create_connection(("127.0.0.1", self._to))
        back = threading.Thread(target=self._carry, args=(server, client), daemon=True)
        back.start()
        carried = 0
        while carried < self._after:
            block = client.recv(32768)
            if not block:
                return
            carried += len(block)
            server.sendall(block)
        self.stalled.set()
        if self._then == "stall":
            self._over.wait(60)
        for end in (client, server):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        # Whoever reads there keeps it open; reading ends, and nothing is said on the line.
        server.shutdown(socket.SHUT_RD)
        back.join()
        for end in (client, server):
            end.close()

    @staticmethod
    def _carry(source: socket.socket, to: socket.socket) -> None:
        try:
            while block := source.recv(32768):
                to.sendall(block)
        except OSError:
            return

    def end(self) -> None:
        self._over.set()
        self._listener.close()


@contextmanager
def wire(system: System, *, after: int, then: str) -> Iterator[tuple[Wire, System]]:
    between = Wire(int(system.port), after=after, then=then)
    try:
        yield between, system.through(between.port)
    finally:
        between.end()


def run(command: list[str], work: Path, said: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, input=said, capture_output=True, text=True, timeout=120, cwd=work, check=False)


# ── how each client is called ───────────────────────────────────────────────

Call = tuple[list[str], str]
"""A command, and what is typed into it."""


def _openssh(system: System, *lines: str) -> Call:
    return ["sftp", "-q", "-P", system.port, *system.options, "-b", "-", f"{system.user}@127.0.0.1"], "".join(f"{line}\n" for line in lines)


def _lftp(system: System, *lines: str) -> Call:
    connect = shlex.join(["ssh", "-a", "-x", "-p", system.port, *system.options])
    patience = "set net:max-retries 1; set net:reconnect-interval-base 1; set net:timeout 20; set cmd:fail-exit yes; set sftp:charset utf-8; set file:charset utf-8"
    script = f'{patience}; set sftp:connect-program "{connect}"; open sftp://{system.user}:@127.0.0.1; {"; ".join(lines)}'
    return ["lftp", "-c", script], ""


def _psftp(system: System, *lines: str) -> Call:
    key = system.work / "key.ppk"
    if not key.exists():
        run(["puttygen", system.key, "-o", str(key)], system.work)
    shown = asyncssh.import_public_key(system.host_key()).get_fingerprint()
    typed = "".join(f"{line}\n" for line in (*lines, "quit"))
    return ["psftp", "-P", system.port, "-batch", "-hostkey", shown, "-i", str(key), f"{system.user}@127.0.0.1"], typed


def _rclone(system: System, verb: str, *paths: str) -> Call:
    config = system.work / "rclone.conf"
    config.touch()
    account = ["--sftp-host", "127.0.0.1", "--sftp-port", system.port, "--sftp-user", system.user, "--sftp-key-file", system.key]
    return ["rclone", "--config", str(config), *account, "--retries", "1", "--low-level-retries", "1", verb, *paths], ""


def _curl(system: System, *options: str) -> Call:
    public = system.work / "key.pub"
    if not public.exists():
        public.write_text(run(["ssh-keygen", "-y", "-f", system.key], system.work).stdout, encoding="ascii")
    # libssh2 of Debian 12 does not read Ed25519 keys from known_hosts; the server is shown by the other clients.
    return ["curl", "-sS", "-k", "--key", system.key, "--pubkey", str(public), "-u", f"{system.user}:", *options], ""


def _curl_url(system: System, path: str) -> str:
    from urllib.parse import quote

    return f"sftp://127.0.0.1:{system.port}/{quote(path)}"


_PARAMIKO = """
import sys, paramiko
port, user, key, verb, local, remote = sys.argv[1:7]
transport = paramiko.Transport(("127.0.0.1", int(port)))
transport.connect(username=user, pkey=paramiko.Ed25519Key.from_private_key_file(key))
client = paramiko.SFTPClient.from_transport(transport)
if verb == "put":
    client.put(local, remote)
elif verb == "again":
    with open(local, "rb") as source, client.open(remote, "r+b") as target:
        begun = target.stat().st_size
        source.seek(begun); target.seek(begun)
        target.write(source.read())
else:
    client.put(local, remote + ".tmp")
    client.rename(remote + ".tmp", remote)
transport.close()
"""


def _paramiko(system: System, verb: str, file: Path, to: str) -> Call:
    import sys

    return [sys.executable, "-c", _PARAMIKO, system.port, system.user, system.key, verb, str(file), f"{to}/{file.name}"], ""


class Client:
    """One program, and how it uploads, goes on with an upload, and uploads under another name first."""

    def __init__(self, name: str, put: Callable[[System, Path, str], Call], again: Callable[[System, Path, str], Call],
                 by_rename: Callable[[System, Path, str], list[Call]] | None) -> None:  # fmt: skip
        self.name, self._put, self._again, self._by_rename = name, put, again, by_rename

    @property
    def can_rename(self) -> bool:
        return self._by_rename is not None

    def put(self, system: System, file: Path, to: str = "ind") -> str:
        """What went wrong; empty: nothing."""
        return _wrong(system, self._put(system, file, to))

    def again(self, system: System, file: Path, to: str = "ind") -> str:
        """Go on where the upload was cut, or send the whole file if the program cannot."""
        return _wrong(system, self._again(system, file, to))

    def by_rename(self, system: System, file: Path, to: str = "ind") -> str:
        assert self._by_rename is not None
        return "".join(_wrong(system, call) for call in self._by_rename(system, file, to))

    def interrupted(self, system: System, file: Path, between: Wire, to: str = "ind") -> None:
        """Upload until the line stands still, then Ctrl-C, as from a terminal: to the whole process group."""
        command, typed = self._put(system, file, to)
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=system.work,
                              start_new_session=True) as client:  # fmt: skip
            assert client.stdin is not None
            client.stdin.write(typed.encode())
            client.stdin.flush()
            assert between.stalled.wait(60)
            os.killpg(client.pid, signal.SIGINT)
            time.sleep(0.3)
            try:
                client.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(client.pid, signal.SIGKILL)


def _wrong(system: System, call: Call) -> str:
    done = run(call[0], system.work, call[1])
    return f"{done.returncode}: {(done.stderr or done.stdout)[-400:]}" if done.returncode else ""


def _scp(system: System, file: Path, to: str) -> Call:
    return ["scp", "-q", "-P", system.port, *system.options, file.name, f"{system.user}@127.0.0.1:{to}/"], ""


CLIENTS = [
    Client("openssh", lambda s, f, to: _openssh(s, f'put "{f.name}" {to}/'), lambda s, f, to: _openssh(s, f'reput "{f.name}" "{to}/{f.name}"'),
           lambda s, f, to: [_openssh(s, f'put "{f.name}" "{to}/{f.name}.part"', f'rename "{to}/{f.name}.part" "{to}/{f.name}"')]),
    Client("scp", _scp, _scp, None),
    Client("lftp", lambda s, f, to: _lftp(s, f'put -O {to} "{f.name}"'), lambda s, f, to: _lftp(s, f'put -c -O {to} "{f.name}"'),
           lambda s, f, to: [_lftp(s, f'put -O {to} "{f.name}" -o "{f.name}.part"', f'mv "{to}/{f.name}.part" "{to}/{f.name}"')]),
    Client("psftp", lambda s, f, to: _psftp(s, f'put "{f.name}" "{to}/{f.name}"'), lambda s, f, to: _psftp(s, f'reput "{f.name}" "{to}/{f.name}"'),
           lambda s, f, to: [_psftp(s, f'put "{f.name}" "{to}/{f.name}.filepart"', f'mv "{to}/{f.name}.filepart" "{to}/{f.name}"')]),
    Client("rclone", lambda s, f, to: _rclone(s, "copy", str(f), f":sftp:{to}"), lambda s, f, to: _rclone(s, "copy", str(f), f":sftp:{to}"),
           lambda s, f, to: [_rclone(s, "copyto", str(f), f":sftp:{to}/{f.name}.tmp"), _rclone(s, "moveto", f":sftp:{to}/{f.name}.tmp", f":sftp:{to}/{f.name}")]),
    Client("curl", lambda s, f, to: _curl(s, "-T", f.name, _curl_url(s, f"{to}/{f.name}")),
           lambda s, f, to: _curl(s, "-C", "-", "-T", f.name, _curl_url(s, f"{to}/{f.name}")),
           lambda s, f, to: [_curl(s, "-T", f.name, "-Q", f'-rename "/{to}/{f.name}.tmp" "/{to}/{f.name}"', _curl_url(s, f"{to}/{f.name}.tmp"))]),
    Client("paramiko", lambda s, f, to: _paramiko(s, "put", f, to), lambda s, f, to: _paramiko(s, "again", f, to),
           lambda s, f, to: [_paramiko(s, "rename", f, to)]),
]  # fmt: skip
