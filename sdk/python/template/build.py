"""Makes my-sink.wasm: python3 build.py"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

here = Path(__file__).parent
tool = Path(sys.executable).parent / "componentize-py"
if not tool.exists():
    tool = shutil.which("componentize-py") or sys.exit("componentize-py is missing: pip install -r requirements.txt")
flags = ["--quiet", "--wit-path", here / "sdk" / "wit", "--world", "sink", "componentize"]
paths = ["--python-path", here / "src", "--python-path", here / "sdk"]
# Packages are those of the Python that runs this, not those of another one on the PATH.
environment = os.environ | {"VIRTUAL_ENV": sys.prefix, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
ended = subprocess.call([tool, *flags, *paths, "webhook", "--output", here / "my-sink.wasm"], env=environment)
if ended == 0:
    print(f"my-sink.wasm: {(here / 'my-sink.wasm').stat().st_size} bytes")
sys.exit(ended)
