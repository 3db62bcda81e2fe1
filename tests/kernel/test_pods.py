from pathlib import Path

import pytest

from exporter.kernel import pods
from exporter.tcp.pods import Pod

UIDS = [f"01234567-89ab-cdef-0123-{number:012x}" for number in range(10)]


def test_pods_are_told_by_their_uid(tmp_path: Path) -> None:
    for name in (f"shop_web-0_{UIDS[0]}", f"kube-system_etcd_{'0' * 32}", "lost+found"):
        (tmp_path / name).mkdir()

    assert pods.listed(tmp_path) == {UIDS[0]: Pod("shop", "web-0"), "0" * 32: Pod("kube-system", "etcd")}


def test_so_many_entries_are_looked_at_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pods, "MOST", 4)
    for uid in UIDS:
        (tmp_path / f"shop_web_{uid}").mkdir()

    assert len(pods.listed(tmp_path)) == 4


def test_where_there_is_no_kubelet_there_is_no_pod(tmp_path: Path) -> None:
    assert pods.listed(tmp_path / "none") == {}
