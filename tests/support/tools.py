"""Calls the build tools, which in a bare environment come with its Python packages."""

import os
import subprocess
import sys
from pathlib import Path


def call(*command) -> subprocess.CompletedProcess:
    """Runs a command with the environment's own programs found too; output as text."""
    path = f"{Path(sys.prefix, 'bin')}{os.pathsep}{os.environ.get('PATH', '')}"
    words = [str(word) for word in command]
    return subprocess.run(words, env=os.environ | {"PATH": path}, capture_output=True, text=True)
