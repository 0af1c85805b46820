from xml.etree import ElementTree as ET

import pytest

from tests.support.pictures import FOLDER, READERS, draw


@pytest.mark.parametrize("name", READERS)
def test_what_a_channel_sends_can_be_drawn(name):
    """`python -m tests.support.pictures` draws them anew; what is in docs/ may be older than the wording."""
    texts = [element.text for element in ET.fromstring(draw(name)).iter("{http://www.w3.org/2000/svg}text")]
    assert "Training failed" in texts[0]
    assert any("llama-3-8b-sft ran out of GPU memory" in text for text in texts)
    assert any("torch.OutOfMemoryError: CUDA out of memory." in text for text in texts)
    assert any("View details" in text or "https://runs.example.com" in text for text in texts)
    assert (FOLDER / f"channel-{name}.svg").stat().st_size < 60_000
