#!/usr/bin/env python3
"""Recomputes what the yacht app must have written from what its raw stream holds, and compares: nothing lost, nothing
doubled, nothing out of order, no byte different. Twice: by a model of lateness and speed written here, and by feeding
the raw bytes to `fairlead pipe`. Prints TAP; needs only the standard library."""

import argparse
import collections
import json
import math
import os
import re
import sqlite3
import subprocess
import sys

EARTH, DEGREE = 6371008.8, math.pi / 180
SPAN, LEAST, ALLOW = 5.0, 1.0, 0.0
ALL = "1000000000"

failed = 0


def result(name, problems):
    """One TAP line; problems is a list of sentences, of which the first few are shown."""
    global failed
    for text in problems[:5]:
        print("# " + text)
    if len(problems) > 5:
        print("# and %d more" % (len(problems) - 5))
    print(("not ok - " if problems else "ok - ") + name)
    failed += bool(problems)


def run(args, *command, stdin=None):
    done = subprocess.run([args.fairlead, *command], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode:
        sys.exit("not ok - fairlead %s: status %d: %s" % (" ".join(command), done.returncode, done.stderr.decode()[-2000:]))
    return done.stdout


Record = collections.namedtuple("Record", "partition offset key time bytes fields")


def read(args, stream):
    """The records of a stream by partition: positions from --meta, the very bytes from a plain tail."""
    meta = run(args, "tail", args.conf, stream, "--from", "beginning", "-n", ALL, "--meta", "--data", args.data).splitlines()
    plain = run(args, "tail", args.conf, stream, "--from", "beginning", "-n", ALL, "--data", args.data).splitlines()
    if len(meta) != len(plain):
        sys.exit("not ok - tail of %s gives %d records with --meta and %d without" % (stream, len(meta), len(plain)))
    out = collections.defaultdict(list)
    for m, raw in zip(meta, plain):
        m = json.loads(m)
        out[m["partition"]].append(Record(m["partition"], m["offset"], m["key"], m["time"], raw, json.loads(raw)))
    return out


def offsets(args, stream, records):
    bad, jumps = [], 0
    for p, of in sorted(records.items()):
        want = of[0].offset
        for r in of:
            if r.offset < want or (r.offset > want and not args.jumps):
                bad.append("%s/%d: offset %d where %d was due" % (stream, p, r.offset, want))
                break
            jumps += r.offset > want
            want = r.offset + 1
    result("%s: offsets follow one another%s" % (stream, ", with %d jumps" % jumps if args.jumps else ""), bad)


def numbered(raw):
    seen = collections.Counter(r.fields["seq"] for of in raw.values() for r in of)
    bad = ["seq %d is there %d times" % (s, n) for s, n in seen.items() if n > 1]
    bad += ["seq %d of %d is missing" % (s, max(seen)) for s in range(max(seen, default=-1) + 1) if s not in seen]
    result("the source lost and doubled nothing through the restarts (%d readings)" % len(seen), bad)


def earth(a, b):
    s = math.sin((b["y"] - a["y"]) * DEGREE / 2)
    u = math.sin((b["x"] - a["x"]) * DEGREE / 2)
    h = s * s + math.cos(a["y"] * DEGREE) * math.cos(b["y"] * DEGREE) * (u * u)
    return 2 * EARTH * math.asin(math.sqrt(min(h, 1.0)))


def model(of):
    """(late, enriched with the speed that is due) of one partition."""
    highest, tracks = {}, collections.defaultdict(collections.deque)
    late, out = [], []
    for r in of:
        f, t = r.fields, r.fields["timestamp"]
        if f["id"] in highest and t <= highest[f["id"]] - ALLOW:
            late.append(r)
            continue
        highest[f["id"]] = t
        track = tracks[f["id"]]
        while track and t - track[0]["timestamp"] > SPAN:
            track.popleft()
        if track and t - track[0]["timestamp"] >= LEAST:
            out.append((r, earth(track[0], f) / (t - track[0]["timestamp"])))
        track.append(f)
    return late, out


def different(stream, p, want, got):
    """Sentences about the first place where two lists of bytes part."""
    for i, (a, b) in enumerate(zip(want, got)):
        if a != b:
            return ["%s/%d: record %d is %r, not %r" % (stream, p, i, b[:300], a[:300])]
    if len(want) != len(got):
        return ["%s/%d: %d records, %d were due" % (stream, p, len(got), len(want))]
    return []


def masked(args, text):
    for name in args.ignore:
        text = re.sub(rb',"%s":[^,}]*' % name.encode(), b"", text)
    return text


def against_model(raw, enriched, late):
    bad, fields, late_of, late_got = [], [], collections.defaultdict(list), collections.defaultdict(list)
    for p in sorted(set(raw) | set(enriched)):
        due_late, due = model(raw.get(p, []))
        for r in due_late:
            late_of[r.fields["id"]].append(r.bytes)
        got = enriched.get(p, [])
        if [r.fields["seq"] for r, _ in due] != [r.fields["seq"] for r in got]:
            bad += different("enriched_data seq", p, [b"%d" % r.fields["seq"] for r, _ in due],
                             [b"%d" % r.fields["seq"] for r in got])
            continue
        for (r, speed), g in zip(due, got):
            if not math.isclose(g.fields["inst_speed"], speed, rel_tol=1e-9, abs_tol=1e-9):
                fields.append("enriched_data/%d/%d: inst_speed %r, not %r" % (p, g.offset, g.fields["inst_speed"], speed))
            if not g.bytes.startswith(r.bytes[:-1]):
                fields.append("enriched_data/%d/%d: the fields that came have changed: %r" % (p, g.offset, g.bytes))
    for of in late.values(): # its partitions are its own, so the order is by boat
        for r in of:
            late_got[r.fields["id"]].append(r.bytes)
    bad_late = [b for boat in sorted(set(late_of) | set(late_got)) for b in
                different("late_sensor_data, boat", boat, late_of[boat], late_got[boat])]
    result("late events: the right ones, in order, byte for byte", bad_late)
    result("enriched events: the right ones, each once, in order", bad)
    result("enriched events: speeds are right, fields that came are as they came", fields)


def against_pipe(args, raw, enriched):
    bad = []
    for p, of in sorted(raw.items()):
        lines = run(args, "pipe", args.conf, "enrich", "--now", "record", stdin=b"".join(r.bytes + b"\n" for r in of))
        bad += different("enriched_data", p, [masked(args, x) for x in lines.splitlines()],
                         [masked(args, r.bytes) for r in enriched.get(p, [])])
    result("enriched events: the same bytes as `fairlead pipe` makes", bad)


def rows(args, enriched):
    db = sqlite3.connect("file:%s?mode=ro" % os.path.join(args.data, "yacht", "yacht.db"), uri=True)
    db.row_factory = sqlite3.Row
    got = collections.defaultdict(list)
    for row in db.execute("select * from readings order by rowid"):
        got[row["id"]].append(row)
    want = collections.defaultdict(list)
    for of in enriched.values():
        for r in of:
            want[r.fields["id"]].append(r.fields)
    bad = []
    for boat in sorted(set(want) | set(got)):
        w, g = want[boat], got[boat]
        if len(w) != len(g):
            bad.append("boat %r has %d rows, %d were due" % (boat, len(g), len(w)))
            continue
        for a, b in zip(w, g):
            for name in ("x", "y", "timestamp", "inst_speed", "seq"):
                if name in b.keys() and a[name] != b[name]:
                    bad.append("boat %r, seq %d: %s is %r, not %r" % (boat, a["seq"], name, b[name], a[name]))
    result("sqlite: one row for each enriched event, in order, with its values (%d)" % sum(map(len, got.values())), bad)


def stepwise(args, enriched):
    """Each version of the script was seen, and once a partition has seen one it never sees an older one again."""
    bad, seen = [], set()
    for p, of in sorted(enriched.items()):
        at = 0
        for r in of:
            v = r.fields.get("v", 0)
            seen.add(v)
            if v < at:
                bad.append("enriched_data/%d/%d: version %d after %d" % (p, r.offset, v, at))
            at = v
    bad += ["version %d made no record" % v for v in range(1, args.versions + 1) if v not in seen]
    result("each of %d versions is seen, and none after a later one" % args.versions, bad)


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("--fairlead", required=True)
    parse.add_argument("--conf", required=True)
    parse.add_argument("--data", required=True)
    parse.add_argument("--ignore", default=["time_taken"], type=lambda s: s.split(","), help="fields that depend on the clock")
    parse.add_argument("--no-pipe", action="store_true", help="the script is not the one that made the records")
    parse.add_argument("--versions", default=0, type=int, help="how many versions the script had; the field v says which")
    parse.add_argument("--jumps", action="store_true", help="offsets may leave gaps, as power cuts do; never go back")
    args = parse.parse_args()

    raw, enriched, late = (read(args, s) for s in ("raw_sensor_data", "enriched_data", "late_sensor_data"))
    result("there is something to verify", [] if enriched and late else ["no enriched or no late records"])
    for name, of in (("raw_sensor_data", raw), ("enriched_data", enriched), ("late_sensor_data", late)):
        offsets(args, name, of)
    numbered(raw)
    against_model(raw, enriched, late)
    if not args.no_pipe:
        against_pipe(args, raw, enriched)
    rows(args, enriched)
    if args.versions:
        stepwise(args, enriched)
    sys.exit(failed > 0)


main()
