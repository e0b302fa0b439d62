"""Makes a virtual environment with the stand-in of Stripe: stripe_install.py DIRECTORY

The package asks for Python 3.14. On 3.13 the installed copy runs after two mechanical edits: `except A, B:` becomes
`except (A, B):`, and annotations are not evaluated. What is printed says so."""

import re
import subprocess
import sys
import venv
from pathlib import Path

PACKAGES = ["seahaven-stripe-world==0.3.0", "seahaven==0.6.0", "starlette==1.10.0", "uvicorn==0.54.0"]


def main():
    directory = Path(sys.argv[1])
    marker = directory / "stand-in-of-stripe"
    if marker.exists() and marker.read_text() == str(PACKAGES):
        return
    venv.create(directory, clear=True, with_pip=True)
    python = directory / "bin" / "python"
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--ignore-requires-python"]
    subprocess.run([*pip, *PACKAGES], check=True)
    if sys.version_info < (3, 14):
        patch(next((directory / "lib").glob("python3*")) / "site-packages")
        print("the stand-in of Stripe is a patched copy: Python is older than 3.14")
    marker.write_text(str(PACKAGES))


def patch(packages):
    for path in packages.glob("seahaven*/**/*.py"):
        text = path.read_text(encoding="utf-8")
        edited = re.sub(r"^(\s*except) ([\w.]+(?:, [\w.]+)+)( as \w+)?:", r"\1 (\2)\3:", text, flags=re.M)
        if "from __future__ import annotations" not in edited:
            edited = insert_future(edited)
        if edited != text:
            path.write_text(edited, encoding="utf-8")


def insert_future(text):
    """After the docstring, if there is one."""
    found = re.match(r'\A(?:\s*#[^\n]*\n)*\s*(?:[rR]?"""(?:.|\n)*?"""\s*\n)?', text)
    at = found.end() if found else 0
    return text[:at] + "from __future__ import annotations\n" + text[at:]


main()
