"""Run in a network namespace of its own: start the app, fetch its page, run the command line."""

import fcntl
import os
import socket
import struct
import subprocess
import sys
import time
import urllib.request

PORT = 7861
SIOCSIFFLAGS, IFF_UP, IFF_RUNNING = 0x8914, 0x1, 0x40


def raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh", b"lo", IFF_UP | IFF_RUNNING))


def assert_no_network() -> None:
    try:
        socket.create_connection(("192.0.2.1", 80), timeout=2).close()
    except OSError:
        return
    raise SystemExit("this namespace has a network")


def page_seconds(app: "subprocess.Popen[bytes]", begin: float) -> float:
    while True:
        if app.poll() is not None:
            raise SystemExit("the app ended")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/", timeout=5) as response:
                assert b"PALR Studio" in response.read()
            return time.monotonic() - begin
        except OSError:
            time.sleep(0.1)


if __name__ == "__main__":
    raise_loopback()
    assert_no_network()
    environment = {**os.environ, "PALR_HOST": "127.0.0.1", "PALR_PORT": str(PORT)}
    begin = time.monotonic()
    app = subprocess.Popen([sys.executable, "app.py"], env=environment)
    try:
        print(f"page after {page_seconds(app, begin):.1f} s", flush=True)
    finally:
        app.terminate()
        app.wait(30)
    palr = [sys.executable, "-m", "palr", "recommend", "--pick", "Alien", "--pick", "Blade Runner"]
    subprocess.run(palr, check=True)
