"""Serves a real graphite-web with an empty database on a loopback port, until standard input is closed.

    python3 serve.py FOLDER

FOLDER keeps the installed packages for the next time: the first start installs them with pip (half a minute), later ones take some
seconds. Prints `ready http://127.0.0.1:PORT` on standard output; everything else goes to standard error.
"""

import fcntl
import logging
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import venv

REQUIREMENTS = pathlib.Path(__file__).with_name("requirements.txt")


def install(folder):
    """Makes FOLDER/venv, or makes it anew if other packages are wanted; gives its Python. One process at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    place, python = folder / "venv", folder / "venv/bin/python"
    wanted = REQUIREMENTS.read_text() + sys.version
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = place / "installed"
        if not stamp.is_file() or stamp.read_text() != wanted:
            shutil.rmtree(place, ignore_errors=True)
            venv.create(place, with_pip=True)
            command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", REQUIREMENTS]
            subprocess.run(command, check=True, stdout=sys.stderr)
            stamp.write_text(wanted)
    return python


def application(storage):
    """The WSGI application over a new database in this folder."""
    for name in ("log/webapp", "whisper", "lists", "settings"):
        (storage / name).mkdir(parents=True)
    # graphite.settings reads GRAPHITE_STORAGE_DIR, and wants a secret key beside it. A folder of its own, since that of the storage
    # has one named whisper, which would be taken for the package.
    (storage / "settings/test_settings.py").write_text("from graphite.settings import *\nSECRET_KEY = 'for tests'\nALLOWED_HOSTS = ['*']\n")
    os.environ.update(GRAPHITE_STORAGE_DIR=str(storage), DJANGO_SETTINGS_MODULE="test_settings")
    sys.path.insert(0, str(storage / "settings"))
    import django
    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application

    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)
    return get_wsgi_application()


def serve(storage):
    """Answers until standard input ends."""
    import waitress

    # Four threads: sqlite has one writer anyway. Others wait, and each would be a line.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    server = waitress.create_server(application(storage), host="127.0.0.1", port=0, threads=4)
    threading.Thread(target=server.run, daemon=True).start()
    print(f"ready http://127.0.0.1:{server.effective_port}", flush=True)
    sys.stdin.buffer.read()


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: serve.py FOLDER")
    if not (3, 8) <= sys.version_info[:2] <= (3, 11):
        sys.exit(f"graphite-web 1.1.10 needs Python 3.8 to 3.11; this is {sys.version.split()[0]}")
    folder = pathlib.Path(sys.argv[1]).absolute()
    if sys.prefix == sys.base_prefix:
        python = str(install(folder))
        os.execv(python, [python, __file__, str(folder)])
    with tempfile.TemporaryDirectory(dir=folder, prefix="storage-") as storage:
        serve(pathlib.Path(storage))


main()
