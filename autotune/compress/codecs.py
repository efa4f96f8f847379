"""What a file weighs when it is downloaded."""

import gzip
import lzma

import brotli
import zstandard

LARGE = 16_000_000
"""Bytes from which on a file is left out of brotli's highest quality, which takes 3 s for each MB."""


def sizes(file: bytes) -> dict[str, int]:
    """A file's bytes under each of metric.CODECS, at its highest level as its command line tool has it.

    That is gzip -9, brotli -q 11 (-q 9 from LARGE bytes on), zstd --ultra -22 and xz -9e.
    """
    return {
        "gzip": len(gzip.compress(file, 9, mtime=0)),
        "brotli": len(brotli.compress(file, quality=11 if len(file) < LARGE else 9, lgwin=24)),
        "zstd": len(zstandard.ZstdCompressor(level=22).compress(file)),
        "xz": len(lzma.compress(file, preset=9 | lzma.PRESET_EXTREME)),
    }
