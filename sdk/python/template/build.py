"""Makes my-sink.wasm: python3 build.py"""

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
sys.exit(subprocess.call([tool, *flags, *paths, "webhook", "--output", here / "my-sink.wasm"]))
