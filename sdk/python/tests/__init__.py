"""python3 -m unittest discover -s tests -t ., in sdk/python: where the SDK and the contract's types are."""

import sys
from pathlib import Path

here = Path(__file__).parent.parent
sys.path[:0] = [str(here), str(here / "bindings")]
