"""What hatchling does before it packs: the package is told its version and revision."""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Stamp(BuildHookInterface[Any]):
    """Packs a stamped copy of ``exporter/__init__.py`` in place of the file, which stays as it is."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Before the package is made."""
        del version
        self._folder = TemporaryDirectory()
        copy = Path(self._folder.name) / "__init__.py"
        command = [sys.executable, str(Path(self.root) / "deploy/version.py"), str(copy)]
        subprocess.run(command, check=True)  # noqa: S603 - nothing from outside
        build_data["force_include"][str(copy)] = "exporter/__init__.py"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """When it has been made."""
        del version, build_data, artifact_path
        self._folder.cleanup()
