"""Language tags as callers write them, reduced to what an engine must be able to do.

``auto`` asks for whatever the engine recognises; ``zh-CN+en-US`` names several languages of which any may be spoken.
"""

from __future__ import annotations

from workers.engines.errors import InvalidInput

AUTO = "auto"


def primary_languages(language: str) -> tuple[str, ...]:
    """Return the primary subtags of ``language`` in order: ``"zh-CN+en-US"`` gives ``("zh", "en")``, auto gives none.

    Raises ``InvalidInput`` for a tag that cannot be a language.
    """
    tags = [tag.strip().lower().replace("_", "-") for tag in language.split("+")]
    primary = [tag.split("-")[0] for tag in tags if tag and tag != AUTO]
    for tag in primary:
        if not (tag.isascii() and tag.isalpha() and 2 <= len(tag) <= 3):  # noqa: PLR2004 - ISO 639 codes
            message = f"{language!r} is not a language tag such as 'en', 'zh-CN' or 'zh-CN+en-US'"
            raise InvalidInput(message, code="language_invalid")
    return tuple(dict.fromkeys(primary))
