"""The sink's environment: what the operator's grant gives, nothing else."""

import os
from typing import Optional

from .outcomes import Misconfigured


def get(name: str) -> Optional[str]:
    """The value of a variable; None where it is unset or empty."""
    return os.environ.get(name) or None


def require(name: str) -> str:
    """As `get`, for a variable that must be there; raises `Misconfigured`: `the variable NAME is not set`."""
    value = get(name)
    if value is None:
        raise Misconfigured(f"the variable {name} is not set")
    return value
