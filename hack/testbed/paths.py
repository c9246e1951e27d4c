"""Where everything lives: outside the checkout, so that any checkout can clean up after any other."""

import os
from pathlib import Path

MODULES = Path(__file__).parent / "modules"
TEMPLATES = Path(__file__).parent / "templates"


def cache() -> Path:
    """`RAYFLEET_CACHE`, or `~/.cache/rayfleet`."""
    return Path(os.environ.get("RAYFLEET_CACHE") or Path.home() / ".cache" / "rayfleet").absolute()


def beds() -> Path:
    return cache() / "beds"


def images() -> Path:
    return cache() / "images"
