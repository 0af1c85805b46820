"""A file system in user space that stops answering on command, as a dead server's mount does.

Speaks the kernel's protocol on /dev/fuse itself (linux/fuse.h, version 7.31): one folder with one file, `train.log`.
It runs as a process of its own, so that whoever waits for it is never the one who has to answer. Needs root.
"""

import ctypes
import errno
import json
import os
import selectors
import stat
import struct
import subprocess
import sys
import time
from pathlib import Path

_IN = struct.Struct("<IIQQIIII")
_OUT = struct.Struct("<IiQ")
_ATTR = struct.Struct("<QQQQQQIIIIIIIIII")
_BLOCKS = 1 << 20
ROOT, LOG = 1, 2
LOOKUP, GETATTR, OPEN, READ, STATFS, INIT, OPENDIR, READDIR = 1, 3, 14, 15, 17, 26, 27, 28
SILENT = {2, 36, 42}
"""FORGET, INTERRUPT and BATCH_FORGET are never answered."""
DONE = {18, 25, 29, 34}
"""RELEASE, FLUSH, RELEASEDIR and ACCESS only want to hear that all is well."""


def possible():
    """Whether such a mount can be made here."""
    return os.geteuid() == 0 and os.access("/dev/fuse", os.R_OK | os.W_OK)


class FuseMount:
    """A mount in `folder`; `hang` lets it fall silent, `answer` lets it speak again."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True)
        self._process = subprocess.Popen(
            [sys.executable, __file__, self.folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        if self._process.stdout.readline().strip() != "mounted":
            self._process.wait(10)
            raise OSError("the file system could not be mounted")

    @property
    def log(self):
        return self.folder / "train.log"

    def append(self, text):
        self._say(append=text)

    def hang(self):
        self._say(hang=True)

    def answer(self):
        self._say(hang=False)

    def close(self):
        """Abort the connection, which ends every wait, and take the mount away."""
        self._process.kill()
        self._process.communicate(timeout=10)
        subprocess.run(["umount", "-l", self.folder], check=False, capture_output=True)

    def _say(self, **command):
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline().strip() == "ok"


class _Server:
    def __init__(self, folder):
        self.device = os.open("/dev/fuse", os.O_RDWR)
        self.content, self.silent, self.waiting = b"", False, []
        options = f"fd={self.device},rootmode=40755,user_id=0,group_id=0,allow_other"
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"test", os.fsencode(folder), b"fuse.test", 6, options.encode()):
            raise OSError(ctypes.get_errno(), "mount")

    def serve(self):
        print("mounted", flush=True)
        selector = selectors.DefaultSelector()
        selector.register(self.device, selectors.EVENT_READ)
        selector.register(sys.stdin, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd == self.device:
                    self.request(os.read(self.device, 1 << 20))
                else:
                    self.command(sys.stdin.readline())

    def command(self, line):
        if not line:
            sys.exit()
        command = json.loads(line)
        self.content += command.get("append", "").encode()
        self.silent = command.get("hang", self.silent)
        if not self.silent:
            waiting, self.waiting = self.waiting, []
            for request in waiting:
                self.request(request)
        print("ok", flush=True)

    def request(self, request):
        _, opcode, unique, node, *_ = _IN.unpack_from(request)
        if opcode in SILENT:
            return
        if self.silent:
            self.waiting.append(request)
            return
        answer = self.act(opcode, node, request[_IN.size :])
        error, body = (answer, b"") if isinstance(answer, int) else (0, answer)
        try:
            os.write(self.device, _OUT.pack(_OUT.size + len(body), -error, unique) + body)
        except OSError:  # whoever asked is gone
            return

    def act(self, opcode, node, body):
        if opcode == INIT:
            return struct.pack("<IIIIHHIIHHI28x", 7, 31, 65_536, 0, 8, 8, 65_536, 1, 0, 0, 0)
        if opcode == GETATTR:
            return struct.pack("<QII", 0, 0, 0) + self.attributes(node)
        if opcode == LOOKUP:
            known = body.rstrip(b"\0") == b"train.log"
            return struct.pack("<QQQQII", LOG, 0, 0, 0, 0, 0) + self.attributes(LOG) if known else errno.ENOENT
        if opcode in (OPEN, OPENDIR):
            return struct.pack("<QII", node, 1, 0)
        if opcode == READ:
            _, offset, size = struct.unpack_from("<QQI", body)
            return self.content[offset : offset + size]
        if opcode == READDIR:
            _, offset = struct.unpack_from("<QQ", body)
            return b"" if offset else struct.pack("<QQII", LOG, 1, 9, 8) + b"train.log".ljust(16, b"\0")
        if opcode == STATFS:
            return struct.pack("<QQQQQIIII24x", _BLOCKS, _BLOCKS // 2, _BLOCKS // 2, 1000, 500, 4096, 255, 4096, 0)
        return b"" if opcode in DONE else errno.ENOSYS

    def attributes(self, node):
        kind = stat.S_IFDIR | 0o755 if node == ROOT else stat.S_IFREG | 0o644
        size = 0 if node == ROOT else len(self.content)
        now = int(time.time())
        return _ATTR.pack(node, size, size // 512, now, now, now, 0, 0, 0, kind, 1, 0, 0, 0, 4096, 0)


if __name__ == "__main__":
    _Server(sys.argv[1]).serve()
