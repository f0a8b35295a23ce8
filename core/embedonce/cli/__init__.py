"""The command line of embedonce."""

import sys


def main() -> None:
    """Run the command.

    Raises:
        SystemExit: Always: 0 for success, 1 if a check failed, 2 for bad input or a fault, 130 after Ctrl-C.
    """
    try:
        import rich
        import typer
    except ImportError as error:
        sys.stderr.write(f'The embedonce command needs {error.name}; run: pip install "embedonce[cli]"\n')
        raise SystemExit(2) from None
    del rich, typer
    from embedonce.cli.app import app

    app()
