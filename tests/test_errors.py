"""Errors that a user is meant to read."""

from __future__ import annotations

import pytest
from torch.utils.data import DataLoader, Dataset

from haa.errors import InputError


class Refuses(Dataset):
    """A data set whose second sample is at fault."""

    def __len__(self):
        return 4

    def __getitem__(self, index):
        if index == 1:
            raise InputError("b.png cannot be decoded: fetch the file again")
        return index


def test_an_error_in_a_loaders_worker_stays_one_line():
    with pytest.raises(InputError) as error:
        list(DataLoader(Refuses(), num_workers=1))
    assert str(error.value) == "b.png cannot be decoded: fetch the file again"
