"""A finished build: where each function lies, with which layers, and how large it is."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from local.template.model import Function, Template
from local.template.reader import read_template

# What Lambda allows a function with its layers, unzipped.
LIMIT_BYTES = 250 * 1024 * 1024


@dataclass(frozen=True)
class Artifacts:
    """`folder` is what `sam build` made, with its template.yaml."""

    folder: Path
    architecture: str

    @cached_property
    def template(self) -> Template:
        return read_template(self.folder / "template.yaml")

    def task(self, function: Function) -> Path:
        """What Lambda unpacks into /var/task."""
        return self.folder / function.logical_id

    def layers(self, function: Function) -> list[Path]:
        """What Lambda unpacks into /opt."""
        return [self.folder / layer for layer in function.layers]

    def all_layers(self) -> list[Path]:
        names = {layer for function in self.template.functions.values() for layer in function.layers}
        return [self.folder / name for name in sorted(names)]

    def unzipped(self, function: Function) -> int:
        """Bytes that count against LIMIT_BYTES."""
        return sum(map(size, [self.task(function), *self.layers(function)]))


def size(folder: Path) -> int:
    """Bytes of all files in it."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
