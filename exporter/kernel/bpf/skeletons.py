"""The programs that the exporter brings along, and loading them."""

import errno
import sys
from importlib import resources

from exporter.decode import light_skeleton
from exporter.decode.light_skeleton import Made, Skeleton
from exporter.errors import SourceUnavailable
from exporter.kernel.bpf import calls
from exporter.kernel.bpf.calls import BpfError
from exporter.kernel.bpf.refusals import refusal

TYPED, PROBE, HOLDERS = "walk_typed.blob", "walk_probe.blob", "holders.blob"
"""The first is faster, and runs from Linux 6.2 on; the others do from 5.17 on."""


def named(name: str) -> Skeleton:
    """The skeleton in the file by that name."""
    return light_skeleton.skeleton(resources.files(__package__).joinpath(name).read_bytes())


def load(*names: str) -> Made:
    """The first of these that the kernel takes. Raises SourceUnavailable, which says why it takes none."""
    if sys.byteorder != "little":
        raise SourceUnavailable("no program for big-endian machines")
    for name in names:
        try:
            return calls.load(named(name))[0]
        except BpfError as error:
            refused = error
            if not _may_another_do(error):
                break
    raise SourceUnavailable(refusal(refused)) from refused


def _may_another_do(error: BpfError) -> bool:
    return error.step == calls.LOADING and error.number not in {errno.EPERM, errno.EACCES}
