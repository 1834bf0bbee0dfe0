"""What a reader says when a delivery cannot be read: which fault, where, and what the department must do."""

from __future__ import annotations

from typing import Any


class ReadError(Exception):
    """A delivery that cannot be read (further).

    code: word for programs. zh, en: what is wrong and what the department must do. row: physical line, row or record
    counted from 1, where known. field: heading or column, where it is about one. Messages hold no cell values.
    """

    def __init__(self, code: str, zh: str, en: str, *, row: int | None = None, field: str | None = None) -> None:
        super().__init__(f"{code}: {en}")
        self.code, self.zh, self.en, self.row, self.field = code, zh, en, row, field

    def reason(self) -> dict[str, Any]:
        """As an entry of ops.batch.reasons."""
        return reason(self.code, self.zh, self.en, row=self.row, field=self.field)


def reason(code: str, zh: str, en: str, *, row: int | None = None, field: str | None = None) -> dict[str, Any]:
    """One entry of ops.batch.reasons; row and field only where they are known."""
    entry: dict[str, Any] = {"code": code, "zh": zh, "en": en}
    if row is not None:
        entry["row"] = row
    if field is not None:
        entry["field"] = field
    return entry
