"""Fold numbers as people write them."""

import pytest

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.bundles.fold_numbers import parse_folds


@pytest.mark.parametrize(
    ("text", "folds"), [(None, None), ("", None), (" ", None), ("0", (0,)), ("2, 0,2", (0, 2))]
)
def test_each_fold_once_and_ascending(text, folds):
    assert parse_folds(text) == folds


@pytest.mark.parametrize("text", ["a", "0,", "1;2", "0-2"])
def test_what_is_no_list_is_refused_with_an_example(text):
    with pytest.raises(UsageError, match="write for example 0,1"):
        parse_folds(text)
