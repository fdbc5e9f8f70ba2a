"""The simulator's control plane, and two small files that it can recognise."""

import json
import struct
import urllib.request
import zlib


def _chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


# An image of 8 by 8 black pixels, one bit each.
PNG = (
    b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 1, 0, 0, 0, 0))
    + _chunk(b"IDAT", zlib.compress(b"\x00\x00" * 8))
    + _chunk(b"IEND", b"")
)
PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 72 72]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
)


def _control(method, address, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"{address}/__simulator/faults", data, {"content-type": "application/json"}, method=method
    )
    with urllib.request.urlopen(request) as answer:
        answer.read()


def faults(address, wanted):
    """The simulator answers the next requests with these faults."""
    _control("POST", address, wanted)


def no_faults(address):
    """The simulator forgets the faults that were asked for."""
    _control("DELETE", address)
