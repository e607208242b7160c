"""The first code block of an answer, however its writer fenced it."""

from __future__ import annotations

import pytest

from localai.chat.answer_checks import first_code_block


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Here:\n```python\nx = 1\n```\nDone.", "x = 1\n"),
        ("```\na\n```\n```\nb\n```", "a\n"),
        ("~~~ sh\nls\n~~~", "ls\n"),
        ("````md\n```\ninner\n```\n````", "```\ninner\n```\n"),
        ("  ```\n  a\n    b\n  ```", "a\n  b\n"),
        ("1. do\n\n   ```js\n   f()\n   ```", "f()\n"),
        ("```\nnever closed", "never closed\n"),
        ("```\na\n~~~\nb\n```", "a\n~~~\nb\n"),
        ("```\na\n``` not the end\n```", "a\n``` not the end\n"),
        ("```\n```", ""),
        ("```\n\n  x\n\n```", "\n  x\n\n"),
        ("no code, only `inline` and ```three``` in a line", None),
        ("    ```\n    indented four: text\n    ```", None),
        ("", None),
    ],
)
def test_first_code_block(text: str, code: str | None) -> None:
    assert first_code_block(text) == code
