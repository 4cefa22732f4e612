"""What every record in the store has in common."""

from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field


class Frozen(BaseModel):
    """An immutable value; a change is a new value."""

    # Deferred: a command builds only the validators it uses: 20 ms and 4 MiB less at start.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Part(Frozen):
    """A value within something that is kept. Unknown fields are kept with it, as those of a `Record` are."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)


class Record(BaseModel):
    """One znode. `id`, `version` and `order` are the store's and are not part of the stored JSON.

    Unknown fields are kept, so that an older reader does not lose what a newer writer said.
    """

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False, defer_build=True)

    SCHEMA: ClassVar[int] = 1
    """What `schema_version` says in records of this kind that are written now.

    It grows when those who know the last one would misread a record: a new state, or a field that means something else.
    A field that they may overlook needs no new version.
    """

    id: str = Field(default="", exclude=True)
    """The znode's path below its kind, e.g. `0000000042` or `debian-12/0000000001`."""
    version: int = Field(default=-1, exclude=True)
    """The version that was read, and that a write must still find; -1 for a record not stored yet."""
    order: int = Field(default=0, exclude=True)
    """The transaction that created the record: server-side, so it orders records made on several hosts."""
    schema_version: int = 1

    @classmethod
    def read(cls, data: bytes, *, record_id: str, version: int, order: int) -> Self:
        """Return the record that the stored JSON holds, with what the store knows of it; raises ValidationError."""
        record = cls.model_validate_json(data)
        known = {"id": record_id, "version": version, "order": order}
        # What `model_copy` does, on the spot: nobody else has this record yet, and thousands are read at a time.
        record.__dict__.update(known)
        record.__pydantic_fields_set__.update(known)
        return record

    def but(self, **changes: object) -> Self:
        """Return a copy with `changes`; the version stays, so a write is still compared with what was read."""
        return self.model_copy(update=changes)


class Event(Part):
    """One line of a life: when (epoch seconds), which state was entered, and why."""

    time: float
    state: str
    reason: str
