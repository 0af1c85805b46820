"""The command `gpuwarden`, also as `python -m agent`."""

from agent.cli.main import gpuwarden


def main() -> None:
    """Run the command line and exit with its code."""
    gpuwarden(prog_name="gpuwarden")


if __name__ == "__main__":
    main()
