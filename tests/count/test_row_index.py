"""The index finds what a dict would find."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.count import row_index
from exporter.count.row_index import RowIndex

HASHES = st.one_of(st.integers(-(1 << 63), (1 << 63) - 1), st.sampled_from([0, -1, 1, -(1 << 63), (1 << 63) - 1]))
CHANGES = st.lists(st.tuples(st.booleans(), HASHES), max_size=80)


@pytest.mark.parametrize("lately", [0, 3, 1000])
@given(changes=CHANGES, others=st.lists(HASHES, max_size=5))
def test_whatever_is_added_and_removed_is_found_as_in_a_dict(
    lately: int, changes: list[tuple[bool, int]], others: list[int]
) -> None:
    index, plain = RowIndex(), dict[int, int]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_index, "LATELY", lately)
        for slot, (adds, key) in enumerate(changes):
            if key in plain and not adds:
                index.remove(key)
                del plain[key]
            elif key not in plain:
                index.add(key, slot)
                plain[key] = slot

            sought = [*plain, *others]
            assert index.slots(sought) == [plain.get(one) for one in sought]
            assert len(index) == len(plain)


def test_a_row_that_comes_again_is_found_in_its_new_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_index, "LATELY", 2)
    index = RowIndex()
    for slot, key in enumerate([7, -7, 9]):
        index.add(key, slot)
    index.remove(7)
    index.add(7, 5)

    assert index.slots([7, 8, -7]) == [5, None, 1]
    assert 7 in index
    assert 8 not in index
