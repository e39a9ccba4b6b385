"""What a sink is given."""

from typing import Optional

from wit_world.exports.event_sink import Batch
from wit_world.imports import raw_event as host
from wit_world.imports.types import Event, ObjectReference, Timestamp

__all__ = ["Batch", "Event", "ObjectReference", "Timestamp", "raw_event"]


def raw_event(index: int) -> Optional[str]:
    """The event at this place of the batch that is being saved as Kubernetes' own JSON (core/v1, without managedFields).

    None beyond the end of the batch, and outside `save`.
    """
    return host.get(index)
