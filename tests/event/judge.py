"""Reads records (u32 length, bytes) from a file and says of each what Python's parser makes of it: R (no JSON object as
records have to be) or the values of some fields. test_json_judge.c compares that with what the columns hold."""
import json
import struct
import sys

DEPTH = 64
FIELDS = ["x", "y", "", "\u00e9", "id"]


class No(Exception):
    pass


def no_constant(text):
    raise No(text)


def check(value, depth):
    """Depth, and no half surrogate pairs."""
    if isinstance(value, list):
        if depth > DEPTH:
            raise No("depth")
        for v in value:
            check(v, depth + 1)
    elif isinstance(value, Pairs):
        if depth > DEPTH:
            raise No("depth")
        for k, v in value.pairs:
            k.encode("utf-8")
            check(v, depth + 1)
    elif isinstance(value, str):
        value.encode("utf-8")


class Pairs:
    """An object with its doubled keys."""

    def __init__(self, pairs):
        self.pairs = pairs


class Number:
    """As it was written."""

    def __init__(self, text):
        self.text = text


def show_number(text):
    try:
        d = float(text)
    except ValueError:
        raise No(text)
    if d in (float("inf"), float("-inf")):
        raise No(text)
    if not any(c in text for c in ".eE"):
        digits = text.lstrip("-")
        if len(digits) <= 20:
            i = int(text)
            if abs(i) > 1 << 53 and -(1 << 63) <= i < 1 << 64:
                return "i" + text
    return "n" + struct.pack(">d", d).hex()


def show(value):
    if value is None:
        return "z"
    if value is True or value is False:
        return "b1" if value else "b0"
    if isinstance(value, Number):
        return show_number(value.text)
    if isinstance(value, str):
        return "s" + value.encode("utf-8").hex()
    return "o"


def judge(record):
    text = record.decode("utf-8")
    top = json.loads(text, parse_int=Number, parse_float=Number, parse_constant=no_constant, object_pairs_hook=Pairs)
    if not isinstance(top, Pairs):
        raise No("no object")
    check(top, 1)
    found = {}
    for key, value in top.pairs:
        if key in FIELDS:
            found[key] = show(value)
    return "A " + " ".join(found.get(f, "-") for f in FIELDS)


def main():
    data = open(sys.argv[1], "rb").read()
    at = 0
    out = []
    while at < len(data):
        (n,) = struct.unpack_from("<I", data, at)
        try:
            out.append(judge(data[at + 4 : at + 4 + n]))
        except (No, ValueError, RecursionError):
            out.append("R")
        at += 4 + n
    print("\n".join(out))


main()
