"""Writes the dashboards: ``python deploy/grafana/build.py``. The JSON beside it is committed; change it here.

``fleet.py`` and ``host.py`` say what is on them, ``shared.py`` what is on both, ``promql.py`` what is asked,
``panels.py`` how it is drawn, ``page.py`` where.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from fleet import FLEET
from host import HOST
from panels import Json

FOLDER = Path(__file__).parent / "dashboards"

DASHBOARDS: Mapping[str, Json] = {"fleet": FLEET, "host": HOST}


def text(found: Json) -> str:
    return json.dumps(found, indent=2) + "\n"


def main() -> None:
    for name, found in DASHBOARDS.items():
        (FOLDER / f"{name}.json").write_text(text(found))


if __name__ == "__main__":
    main()
