"""Messages between naglass and a worker: a JSON header and float64 arrays, little-endian, with their sizes before them.

A message is the 8 bytes of MAGIC, the header's length (8 bytes), the header, then the arrays that it lists as
``[name, shape]``. Nothing is executed or unpickled by reading one.
"""

import json
import struct

import numpy as np

MAGIC = b"naglass1"
MOST_HEADER, MOST_VALUES = 1 << 22, 1 << 27


class BadMessage(Exception):
    """What was read is not a message, such as a line that a library printed."""


def send(stream, header, arrays=None):
    """Write one message to a binary stream; `header` is a dictionary for JSON, `arrays` are named."""
    arrays = {name: np.ascontiguousarray(values, dtype="<f8") for name, values in (arrays or {}).items()}
    table = [[name, list(values.shape)] for name, values in arrays.items()]
    text = json.dumps(dict(header, arrays=table)).encode()
    stream.write(MAGIC + struct.pack("<Q", len(text)) + text)
    for values in arrays.values():
        stream.write(values.tobytes())
    stream.flush()


def receive(stream):
    """The next message as (header, arrays); EOFError where the stream ends."""
    start = _exactly(stream, 16)
    size = struct.unpack("<Q", start[8:])[0]
    if start[:8] != MAGIC or size > MOST_HEADER:
        raise BadMessage(repr(start))
    text, arrays = _exactly(stream, size), {}
    try:
        header = json.loads(text)
        table = [(str(name), [int(length) for length in shape]) for name, shape in header.pop("arrays")]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadMessage(repr(text[:80])) from error
    for name, shape in table:
        count = int(np.prod(shape, dtype=object))
        if min(shape, default=0) < 0 or count > MOST_VALUES:
            raise BadMessage(f"{name} of shape {shape}")
        arrays[name] = np.frombuffer(_exactly(stream, 8 * count), "<f8").reshape(shape)
    return header, arrays


def _exactly(stream, size):
    parts, left = [], size
    while left:
        part = stream.read(left)
        if not part:
            raise EOFError("the stream has ended")
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
