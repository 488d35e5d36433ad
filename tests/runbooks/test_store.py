"""Raw output at rest: every byte comes back, and each content is written once."""

from __future__ import annotations

import random

import pytest

from runbooks.execution.store import keep, read_output
from runbooks.models import Output

NOISE = random.Random(7).randbytes(100_000)


@pytest.mark.django_db
@pytest.mark.parametrize("size", [0, 1, 255, 256, 511, 512, 513, 4096, 32_768, 100_000])
def test_it_gives_back_every_byte(size: int) -> None:
    texts = [NOISE[:size], (b"eth0 mtu 1500\n" * 8000)[:size] + b"."]
    assert [read_output(Output.objects.get(pk=digest)) for digest in keep(texts)] == texts


@pytest.mark.django_db
def test_it_writes_equal_outputs_once() -> None:
    first = keep([b"one\n", b"two\n", b"one\n"])
    written = dict(Output.objects.values_list("sha256", "created_at"))
    again = keep([b"two\n", b"three\n"])
    assert first[0] == first[2]
    assert again[0] == first[1]
    assert Output.objects.count() == 3
    assert all(Output.objects.get(pk=digest).created_at == at for digest, at in written.items())
