"""PNGs of every format, and damage to them that reaches beyond the first checksum."""

from __future__ import annotations

import struct
import zlib

import numpy as np

from tests.masks.mask_pictures import SAMPLES, SIGNATURE, chunk, write_png

FORMATS = [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16), (3, 1), (3, 2), (3, 4), (3, 8), (4, 8), (4, 16)]
FORMATS += [(6, 8), (6, 16)]


def draw_png(generator):
    """Write a small picture of a random format, most of its pixels like their neighbours, with random filters."""
    colour, depth = generator.choice(FORMATS)
    height, width = generator.randint(1, 20), generator.randint(1, 90)
    random_numbers = np.random.default_rng(generator.getrandbits(32))
    table = random_numbers.integers(0, 2**depth, (generator.randint(1, 6), SAMPLES[colour]))
    labels = random_numbers.integers(0, len(table), (height, width))
    rows, columns = (np.sort(random_numbers.integers(0, side, side)) for side in (height, width))
    labels = labels[rows][:, columns]
    palette = random_numbers.integers(0, 256, (generator.randint(1, 2**depth), 3)) if colour == 3 else None
    filters = [generator.randint(0, 4) for _ in range(generator.randint(1, 5))]
    interlace = int(generator.random() < 0.2)
    return write_png(table[labels], colour=colour, depth=depth, filters=filters, interlace=interlace, palette=palette)


def split_chunks(png):
    """Return a sound PNG's chunks as lists of a name and a body."""
    chunks, start = [], len(SIGNATURE)
    while start < len(png):
        (length,) = struct.unpack_from(">I", png, start)
        chunks.append([png[start + 4 : start + 8], bytearray(png[start + 8 : start + 8 + length])])
        start += 12 + length
    return chunks


def spoil(body, generator):
    """Change, add, drop or repeat a few bytes."""
    for _ in range(generator.randint(1, 4)):
        place = generator.randrange(len(body) + 1)
        kind = generator.randrange(5)
        if kind == 0:
            body[place:place] = generator.randbytes(generator.randint(1, 9))
        elif kind == 1:
            del body[place : place + generator.randint(1, 9)]
        elif kind == 2:
            body[place:place] = body[max(0, place - 20) : place]
        else:
            change(body, generator)


def change(body, generator):
    """Change a byte, if there is one, to a filter type, to an extreme or by one bit."""
    if body:
        place = generator.randrange(len(body))
        body[place] = generator.choice([0, 1, 2, 3, 4, 255, body[place] ^ 1 << generator.randrange(8)])


def mutate(png, generator):
    """Damage a file's bytes, its chunks under right checksums, or its rows under a right zlib stream."""
    kind = generator.randrange(8)
    if kind == 0:
        spoiled = bytearray(png)
        spoil(spoiled, generator)
        return bytes(spoiled)
    chunks = split_chunks(png)
    if kind == 1:
        spoil(generator.choice(chunks)[1], generator)
    elif kind == 2:
        chunks.insert(generator.randrange(len(chunks) + 1), list(generator.choice(chunks)))
    elif kind == 3:
        del chunks[generator.randrange(len(chunks))]
    else:
        body = next(body for name, body in chunks if name == b"IDAT")
        rows = bytearray(zlib.decompress(body))
        if kind == 4:
            spoil(rows, generator)
        for _ in range(generator.randint(0, 30)):
            change(rows, generator)
        body[:] = zlib.compress(rows, generator.randint(0, 9))
        if kind == 5:
            cut = generator.randrange(len(body))
            chunks.insert(-1, [b"IDAT", body[cut:]])
            chunks[-3][1] = body[:cut]
    return SIGNATURE + b"".join(chunk(name, bytes(body)) for name, body in chunks)


def rechecked(png):
    """Give every chunk of a PNG its right checksum; other bytes, and what follows the last whole chunk, as they are."""
    made, start = bytearray(png), len(SIGNATURE)
    if not png.startswith(SIGNATURE):
        return png
    while start + 12 <= len(made):
        (length,) = struct.unpack_from(">I", made, start)
        end = start + 12 + length
        if end > len(made):
            break
        made[end - 4 : end] = struct.pack(">I", zlib.crc32(made[start + 4 : end - 4]))
        start = end
    return bytes(made)
