"""Writes docs/cli.md from the command line's own help: `python -m tests.docs.cli_page`."""

import argparse
import os
from pathlib import Path
from unittest.mock import patch

from autotune.cli import command as cli

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
WIDTH = 100

HEAD = """# Command line

What each command says with `--help`. This page is made by `.venv/bin/python -m tests.docs.cli_page`,
and a test holds it against the program.
"""


def page() -> str:
    """The page, with a section for each command."""
    with patch.dict(os.environ, COLUMNS=str(WIDTH)):  # which argparse wraps by
        return HEAD + "".join(
            f"\n## {name}\n\n```text\n{parser.format_help()}```\n" for name, parser in parsers().items()
        )


def parsers() -> dict[str, argparse.ArgumentParser]:
    """The program's parser and those of its commands, by what one types."""
    program = cli._parser()
    [commands] = [action for action in program._actions if isinstance(action, argparse._SubParsersAction)]
    return {parser.prog: parser for parser in (program, *commands.choices.values())}


if __name__ == "__main__":
    PAGE.write_text(page())
