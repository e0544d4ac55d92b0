# The compiled core; its documented face is naglass_drv.core, which has types.
from typing import Any

def __getattr__(name: str) -> Any: ...
