#!/usr/bin/env python3
"""`make bench`: what Fairlead's speed is, against a program written by hand for the same job on the same records.
Every ratio is the median of pairs of runs, one right after the other, since a machine's speed changes from minute to
minute. Prints a table and writes bench.json. BENCH_RECORDS and BENCH_RUNS make it shorter."""

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

BUILD = os.environ.get("BUILD", "build")
RECORDS = int(os.environ.get("BENCH_RECORDS", 3000000))
RUNS = int(os.environ.get("BENCH_RUNS", 5))
HERE = "tests/bench"
FAIRLEAD = BUILD + "/fairlead"
CORE = ["taskset", "-c", str(max(os.sched_getaffinity(0)))]

work = tempfile.mkdtemp(prefix="fairlead-bench-", dir=os.environ.get("TMPDIR", "/tmp"))
rows = []


def row(what, measured, wanted, good, **more):
    """One line of the table, printed as soon as it is known."""
    rows.append(dict(what=what, measured=measured, wanted=wanted, good=bool(good), **more))
    print("%-62s %22s %12s  %s" % (what, measured, wanted, "ok" if good else "MISSED"), flush=True)


def path(name):
    return os.path.join(work, name)


def generate(boats):
    name = path("in-%d" % boats)
    with open(name, "wb") as out:
        subprocess.run([BUILD + "/tests/bench/generate", str(RECORDS), str(boats), "1"], stdout=out, check=True)
    return name


def timed(command, stdin=None, stdout=subprocess.DEVNULL, pinned=False):
    """Seconds that a command takes."""
    with open(stdin or os.devnull, "rb") as feed:
        begin = time.monotonic()
        done = subprocess.run((CORE if pinned else []) + command, stdin=feed, stdout=stdout, stderr=subprocess.PIPE)
        seconds = time.monotonic() - begin
    if done.returncode:
        sys.exit("%s: status %d: %s" % (" ".join(command), done.returncode, done.stderr.decode()[-1000:]))
    return seconds


def limit(feed):
    return timed([BUILD + "/tests/bench/limit", "--now", "record"], stdin=feed, pinned=True)


def pipe(conf, feed, stdout=subprocess.DEVNULL, now="record"):
    return timed([FAIRLEAD, "pipe", HERE + "/conf/" + conf, "enrich", "--now", now], stdin=feed, stdout=stdout, pinned=True)


def pairs(a, b):
    """Medians of both times and of their ratio a/b, over pairs of runs in turn."""
    a(), b()
    both = [(a(), b()) for _ in range(RUNS)]
    return (statistics.median(x for x, _ in both), statistics.median(y for _, y in both),
            statistics.median(x / y for x, y in both))


def rate(seconds):
    return "%.2f M/s" % (RECORDS / seconds / 1e6)


# ---- pipe ----------------------------------------------------------------------------------------------------------


def same_output(conf, other, feed):
    """A yardstick that does another job measures nothing."""
    outputs = []
    for which in (conf, other):
        name = path("out-" + which)
        with open(name, "wb") as out:
            if which == "limit":
                timed([BUILD + "/tests/bench/limit", "--now", "record"], stdin=feed, stdout=out)
            else:
                pipe(which, feed, stdout=out)
        outputs.append(name)
    if subprocess.run(["cmp", *outputs]).returncode:
        print("note: %s and %s do not write the same bytes" % (conf, other))
    for name in outputs:
        os.unlink(name)


def bench_pipe(feed, many):
    same_output("yacht.lua", "limit", feed)
    ours, theirs, ratio = pairs(lambda: pipe("yacht.lua", feed), lambda: limit(feed))
    row("pipe of the yacht job / the hand-written program, one core", "%.2f x (%s)" % (1 / ratio, rate(ours)), ">= 0.7 x",
        1 / ratio >= 0.7, ratio=1 / ratio, records_per_second=RECORDS / ours, limit_records_per_second=RECORDS / theirs)

    same_output("yacht.lua", "lua.lua", feed)
    lua, c, ratio = pairs(lambda: pipe("lua.lua", feed), lambda: pipe("yacht.lua", feed))
    row("lateness and speed in Lua / the C plugins", "%.2f x (%s)" % (1 / ratio, rate(lua)), ">= 0.5 x", 1 / ratio >= 0.5,
        ratio=1 / ratio, records_per_second=RECORDS / lua)

    both = [(pipe("more.lua", feed), pipe("yacht.lua", feed)) for _ in range(RUNS)]
    cost = statistics.median(a - b for a, b in both) / RECORDS * 1e9
    row("one more Lua stage, two fields read and one written", "%.0f ns an event" % cost, "<= 60 ns", cost <= 60, ns=cost)

    t_many, t_few, ratio = pairs(lambda: pipe("yacht.lua", many), lambda: pipe("yacht.lua", feed))
    row("pipe with 100,000 keys / 1,000 keys", "%.2f x (%s)" % (1 / ratio, rate(t_many)), ">= 0.5 x", 1 / ratio >= 0.5,
        ratio=1 / ratio, records_per_second=RECORDS / t_many)


# ---- the embedded store --------------------------------------------------------------------------------------------


def run(conf, data, *more):
    return timed([FAIRLEAD, "run", HERE + "/conf/" + conf, "--data", data, "--until-idle", *more])


def fresh(name):
    shutil.rmtree(path(name), ignore_errors=True)
    return path(name)


def embedded(feed):
    """Source to committed output: a file of lines into a stream, through the pipeline, into another."""
    os.environ["BENCH_FILE"] = feed
    return run("embedded.lua", fresh("embedded"), "--workers", "1")


def bench_embedded(feed):
    # The daemon has the wall clock, so its time_taken has 17 digits where the records' own clock gives a 0.
    ours, through, ratio = pairs(lambda: embedded(feed), lambda: pipe("yacht.lua", feed, now="wall"))
    row("embedded run, source to committed output, one worker / pipe", "%.2f x (%s)" % (1 / ratio, rate(ours)), ">= 0.4 x",
        1 / ratio >= 0.4, ratio=1 / ratio, records_per_second=RECORDS / ours)


def bench_workers(feed):
    os.environ["BENCH_FILE"] = feed
    run("fill.lua", fresh("filled"))

    def drain(workers):
        data = fresh("drained")
        shutil.copytree(path("filled"), data)
        os.sync()
        return run("drain.lua", data, "--workers", str(workers))

    one, two, ratio = pairs(lambda: drain(1), lambda: drain(2))
    row("two workers / one, from a pre-filled stream", "%.2f x (%s)" % (ratio, rate(two)), ">= 1.3 x", ratio >= 1.3, ratio=ratio,
        one=RECORDS / one, two=RECORDS / two)


class Daemon:
    def __init__(self, conf, data, *more):
        self.begin = time.monotonic()
        self.process = subprocess.Popen([FAIRLEAD, "run", conf, "--data", data, *more],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def anonymous(self):
        with open("/proc/%d/status" % self.process.pid) as status:
            return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) / 1024

    def stop(self):
        self.process.terminate()
        _, err = self.process.communicate()
        if self.process.returncode:
            sys.exit("the daemon ended with %d: %s" % (self.process.returncode, err.decode()[-1000:]))


def bench_latency():
    """A generator writes its wall time into 1,000 records a second; the probe looks at the store as any reader does and
    takes the time at which a record of the pipeline's output can be read."""
    daemon = Daemon(HERE + "/conf/latency.lua", fresh("latency"), "--workers", "1")
    time.sleep(2)
    probe = subprocess.run([BUILD + "/tests/bench/latency", path("latency"), "latency", "out", "20"], stdout=subprocess.PIPE)
    daemon.stop()
    found = json.loads(probe.stdout)
    row("embedded latency at 1,000 events/s into a committed stream, p99", "%.1f ms" % (found["p99"] * 1e3), "<= 5 ms",
        found["p99"] <= 0.005, **found)


def bench_yacht():
    peak = 0.0
    daemon = Daemon("conf/yacht.lua", fresh("yacht"))
    for _ in range(300):
        time.sleep(0.1)
        peak = max(peak, daemon.anonymous())
    daemon.stop()
    row("the yacht app's memory (anonymous, peak of 30 s)", "%.1f MiB" % peak, "<= 32 MiB", peak <= 32, mib=peak)


def bench_start(feed):
    """From exec to the first committed output: the probe waits for the file, then for a record."""
    with open(feed, "rb") as whole, open(path("few"), "wb") as few:
        few.writelines(whole.readline() for _ in range(20000))
    os.environ["BENCH_FILE"] = path("few")
    took = []
    for _ in range(RUNS):
        data = fresh("start")
        daemon = Daemon(HERE + "/conf/embedded.lua", data)
        subprocess.run([BUILD + "/tests/bench/latency", data, "bench", "enriched_data", "first"], stdout=subprocess.DEVNULL, check=True)
        took.append(time.monotonic() - daemon.begin)
        daemon.stop()
    seconds = statistics.median(took)
    row("cold start to the first committed output", "%.2f s" % seconds, "<= 0.3 s", seconds <= 0.3, seconds=seconds)


def main():
    print("%d records, medians of %d pairs, %d processors" % (RECORDS, RUNS, len(os.sched_getaffinity(0))))
    feed, many = generate(1000), generate(100000)
    bench_pipe(feed, many)
    os.unlink(many)
    bench_embedded(feed)
    bench_workers(feed)
    bench_latency()
    bench_yacht()
    bench_start(feed)
    with open("bench.json", "w") as out:
        json.dump({"records": RECORDS, "runs": RUNS, "processors": len(os.sched_getaffinity(0)), "machine": platform.machine(),
                   "rows": rows}, out, indent=2)
        out.write("\n")
    sys.exit(not all(r["good"] for r in rows))


try:
    main()
finally:
    shutil.rmtree(work, ignore_errors=True)
