"""Environments in which distributions are installed as strangers install them: from wheels, by pip."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ACME = HERE / "acme"
ACME_FRAMEWORK = HERE / "acme_framework"


def ran(command, **options):
    """Return what a command has printed; its errors are those of the test."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def pip(*arguments):
    """Run the pip of the environment of the tests, which is spared to all others."""
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *map(str, arguments)]
    ran(command, env=_environ({}))


def build(source, wheels):
    """Build the wheel of a distribution into a directory."""
    ran([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(wheels), str(source)])


class Environment:
    """An environment of its own, with embedonce installed from its wheel.

    Third-party packages are those of the environment of the tests: no registry is needed, and nothing is downloaded
    or copied. embedonce is installed before they become visible, since pip would otherwise be content with the editable
    install among them. From then on pip resolves dependencies as for anybody.

    Args:
        home: Where it is.
    """

    def __init__(self, home):
        self.home = home
        self._python = str(home / ("Scripts" if os.name == "nt" else "bin") / "python")

    @classmethod
    def make(cls, home, wheels):
        """Make one, with the three distributions that are in a directory of wheels."""
        ran([sys.executable, "-m", "venv", "--without-pip", str(home)])
        made = cls(home)
        (embedonce,) = wheels.glob("embedonce-*.whl")
        pip("--python", made._python, "install", "--no-index", "--no-deps", embedonce)
        (site_packages,) = home.rglob("site-packages")
        others = dict.fromkeys(path for path in sys.path if Path(path).name in ("site-packages", "dist-packages"))
        (site_packages / "of_the_tests.pth").write_text("\n".join(others), encoding="utf-8")
        made.install("embedonce-acme", "acme-framework", wheels=wheels)
        return made

    def copy(self, home):
        """Return a copy of it, which takes a tenth of the time of another one."""
        shutil.copytree(self.home, home, symlinks=True)
        return Environment(home)

    def install(self, *distributions, wheels):
        """Install distributions and what they depend on, from a directory of wheels."""
        pip("--python", self._python, "install", "--no-index", "--find-links", wheels, "--upgrade", *distributions)

    def uninstall(self, distribution):
        """Remove a distribution."""
        pip("--python", self._python, "uninstall", "--yes", distribution)

    def run(self, code, *arguments, **variables):
        """Return the values that a program hands to `show`, which takes anything that JSON can hold."""
        code = f"import json\ndef show(value): print('shown:' + json.dumps(value))\n{textwrap.dedent(code)}"
        printed = ran(
            [self._python, "-W", "error", "-c", code, *map(str, arguments)], env=_environ(variables), cwd=self.home
        )
        return [json.loads(line.removeprefix("shown:")) for line in printed.splitlines() if line.startswith("shown:")]

    def failures(self, programs, **variables):
        """Return class and message of the error that each of some programs of one line ends with, by name.

        The class is a public one, as users would catch it.
        """
        code = """
            import sys, embedonce
            for name, program in json.loads(sys.argv[1]).items():
                try:
                    exec(program, {"embedonce": embedonce, "store": embedonce.MemoryStore()})
                except Exception as error:
                    public = ("builtins", "embedonce.errors")
                    kind = next(each.__name__ for each in type(error).__mro__ if each.__module__ in public)
                    show([name, kind, str(error)])
        """
        return {name: (kind, said) for name, kind, said in self.run(code, json.dumps(programs), **variables)}

    def plugins(self, **variables):
        """Return the exit code of `embedonce plugins --json` and what it says."""
        done = self.command("plugins", "--json", **variables)
        return done.returncode, json.loads(done.stdout)

    def command(self, *arguments, **variables):
        """Run the command `embedonce`; its script would lead from a copy to the environment that was copied."""
        command = [self._python, "-c", "from embedonce.cli import main; main()", *arguments]
        environ = _environ({"COLUMNS": "200", **variables})
        return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, env=environ)

    def pytest(self, folder, *arguments):
        """Run pytest there, without the plugins that the environment of the tests happens to have."""
        environ = _environ({"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"})
        command = [self._python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
        return ran(command, cwd=folder, env=environ)


def _environ(variables):
    """Return the variables of this process but those that would show another embedonce, or another cache.

    pip has compiled what it has installed; nobody else writes into an environment that may be copied just now.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "EMBEDONCE"))}
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1", **variables}


@contextmanager
def one_at_a_time(path):
    """Let one process in after the other; one that dies lets go. No other lock of the library is on all systems."""
    connection = sqlite3.connect(path, timeout=300, isolation_level=None)
    try:
        connection.execute("BEGIN EXCLUSIVE")
        yield
    finally:
        connection.close()
