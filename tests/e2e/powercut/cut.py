#!/usr/bin/env python3
"""Cuts the power of a process that runs with powercut.so.

    cut.py arm DIR SHADOW            before it starts: what is below DIR is on the disk
    cut.py cut DIR SHADOW            after it was killed: every write that was not synced is gone
    cut.py cut DIR SHADOW --keep N   some of them are there, block by block (4 KiB), by chance from the seed N: a disk
                                     writes what it was not asked to sync when it likes, in any order
"""
import argparse
import os
import random
import shutil

BLOCK = 4096


def read(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except FileNotFoundError:
        return None


def mixed(kept, now, chance):
    """Each block as it was synced or as it is now; a length that is one of the two."""
    size = len(chance.choice((kept, now)))
    out = bytearray()
    for at in range(0, size, BLOCK):
        a, b = kept[at:at + BLOCK], now[at:at + BLOCK]
        out += (a if chance.random() < 0.5 else b).ljust(min(BLOCK, size - at), b"\0")[:size - at]
    return bytes(out)


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("what", choices=("arm", "cut"))
    args.add_argument("dir")
    args.add_argument("shadow")
    args.add_argument("--keep", type=int)
    args = args.parse_args()
    if args.what == "arm":
        shutil.rmtree(args.shadow, ignore_errors=True)
        shutil.copytree(args.dir, args.shadow)
        return
    chance = random.Random(args.keep)
    for folder, _, names in sorted(os.walk(args.dir)):
        for name in sorted(names):
            path = os.path.join(folder, name)
            kept = read(os.path.join(args.shadow, os.path.relpath(path, args.dir)))
            if args.keep is not None:
                if kept is None and chance.random() < 0.5:
                    kept = b""
                if kept is not None:
                    kept = mixed(kept, read(path), chance)
            if kept is None:
                os.unlink(path)
                continue
            with open(path, "wb") as f:
                f.write(kept)


main()
