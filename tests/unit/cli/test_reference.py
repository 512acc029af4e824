"""The reference of the command line is what the commands say of themselves."""

from pathlib import Path

from meetingtasks.cli.reference import render

FILE = Path(__file__).parents[3] / "docs" / "reference" / "cli.md"


def test_the_reference_is_up_to_date() -> None:
    command = "python -m meetingtasks.cli.reference docs/reference/cli.md"
    assert FILE.read_text(encoding="utf-8") == render(), f"write it anew: {command}"


def test_the_reference_names_every_option_of_every_command() -> None:
    text = render()
    for option in ("--payload", "--from", "--services", "--chaos", "--max-retries", "--queues", "-Q", "--keep"):
        assert f"{option}" in text
