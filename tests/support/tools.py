"""Calls programs and scripts outside the package: the build tools, which in a bare environment come with its Python
packages, and the scripts of examples."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType


def call(*command) -> subprocess.CompletedProcess:
    """Runs a command with the environment's own programs found too; output as text."""
    path = f"{Path(sys.prefix, 'bin')}{os.pathsep}{os.environ.get('PATH', '')}"
    words = [str(word) for word in command]
    return subprocess.run(words, env=os.environ | {"PATH": path}, capture_output=True, text=True)


def script(path: Path) -> ModuleType:
    """A script as a module, whose functions can be called."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
