"""python3 -m unittest: where the sink, the SDK and the contract's types are."""

import sys
from pathlib import Path

here = Path(__file__).parent.parent
sys.path[:0] = [str(here / "src"), str(here / "sdk"), str(here / "sdk" / "bindings")]
