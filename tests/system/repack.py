#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""repack.py BZIMAGE OUT COMMAND...: the same kernel with its xz payload packed anew by COMMAND (a filter)."""
import lzma
import struct
import subprocess
import sys

SETUP_SECTS, PAYLOAD_OFFSET, PAYLOAD_LENGTH = 0x1f1, 0x248, 0x24c


def main():
    """What boots such an image without running its own unpacker needs the two payload fields only."""
    with open(sys.argv[1], "rb") as f:
        image = bytearray(f.read())
    offset, length = struct.unpack_from("<II", image, PAYLOAD_OFFSET)
    start = (image[SETUP_SECTS] + 1) * 512 + offset
    raw = lzma.LZMADecompressor().decompress(bytes(image[start:start + length]))
    packed = subprocess.run(sys.argv[3:], input=raw, stdout=subprocess.PIPE, check=True).stdout
    packed += struct.pack("<I", len(raw))
    struct.pack_into("<I", image, PAYLOAD_LENGTH, len(packed))
    with open(sys.argv[2], "wb") as f:
        f.write(image[:start] + packed)


if __name__ == "__main__":
    main()
