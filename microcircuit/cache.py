"""Where compiled programs are kept between runs."""

import os
from pathlib import Path

from platformdirs import user_cache_path

from microcircuit.provenance import DISTRIBUTION


def cache_folder() -> Path:
    """Return where compiled programs are kept: ``MICROCIRCUIT_CACHE`` or the user's cache."""
    given = os.environ.get("MICROCIRCUIT_CACHE")
    return Path(given) if given else user_cache_path(DISTRIBUTION)
