"""What people note of a run's photos: ticks and words, in a file beside the run."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seewhy.errors import OptionError, OutputError
from seewhy.files import parse_json, write_whole
from seewhy.serving.questions import RELOAD_MESSAGE

ENDING = ".notes.json"

NOTE_LETTERS = 1000
"""Of a note."""


@dataclass(frozen=True)
class Note:
    """What was noted of one photo.

    Attributes:
        ticked: done, seen, agreed: whatever the person means by it.
        note: words.
    """

    ticked: bool = False
    note: str = ""

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Note:
        """Read what the page sends.

        Raises:
            OptionError: it is not a tick and a text.
        """
        ticked, note = body.get("ticked", False), body.get("note", "")
        is_text = isinstance(note, str) and len(note) <= NOTE_LETTERS
        if set(body) - {"ticked", "note"} or not isinstance(ticked, bool) or not is_text:
            raise OptionError(
                f"A note is a tick and at most {NOTE_LETTERS} letters. {RELOAD_MESSAGE}"
            )
        return cls(ticked, note)


@dataclass(eq=False)
class Notes:
    """The notes of a run, by the paths of its photos; written after each change.

    Attributes:
        file: beside the run's folder, which stays as it is.
        by_path: the notes.

    Raises:
        OutputError: the file is there, and is not one of ours.
    """

    file: Path
    by_path: dict[str, Note] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def beside(cls, folder: Path) -> Notes:
        """Read the notes of the run in a folder; none where there is no file yet."""
        place = folder.resolve()
        file = place.with_name(place.name + ENDING)
        if not file.is_symlink() and not file.is_file():
            return cls(file)
        try:
            if file.is_symlink():
                raise ValueError("it is a link")
            stored = parse_json(file.read_bytes())
            notes = {str(path): Note.of(note) for path, note in stored["notes"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise OutputError(
                f"'{file}' is damaged, or not a file of notes: {error}. Move it away, and start "
                "again."
            ) from error
        return cls(file, notes)

    def of(self, path: str) -> Note:
        """Return what was noted of a photo."""
        return self.by_path.get(path, Note())

    def keep(self, path: str, note: Note) -> None:
        """Note something of a photo, and write the file.

        Raises:
            OutputError: it cannot be written.
        """
        with self._lock:
            self.by_path = {**self.by_path, path: note}
            kept = {name: vars(note) for name, note in self.by_path.items() if note != Note()}
            text = json.dumps({"notes": kept}, indent=2, ensure_ascii=True)
            write_whole(self.file, (text + "\n").encode())
