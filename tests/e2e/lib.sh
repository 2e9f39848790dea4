# What all end-to-end scripts share: a directory of their own, a daemon in it, waits and checks. Sourced by them.
# Each check prints a TAP line; a script ends with the number of failed ones as its status (0 or 1).
# shellcheck shell=bash
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 2
BUILD=${BUILD:-build}
fairlead=$(realpath -m "$BUILD/fairlead")
work=$(mktemp -d "${TMPDIR:-/tmp}/fairlead-e2e-XXXXXX")
data=$work/data
log=$work/log
conf=$work/conf/yacht.lua
pid=
failures=0
# Programs under a sanitizer are slow: every wait is that much longer.
export patience=30
case $BUILD in *asan* | *tsan*) patience=90 ;; esac

finish() {
	status=$?
	trap - EXIT
	if [ -n "$pid" ]; then kill -9 "$pid" && wait "$pid"; fi 2>/dev/null
	if [ "$(type -t tidy_up)" = function ]; then tidy_up; fi
	if [ $status -ne 0 ] || [ $failures -gt 0 ]; then
		echo "# the daemon's log ends:"
		tail -n 25 "$log" 2>/dev/null | sed 's/^/# /'
	fi
	if [ -n "${KEEP:-}" ]; then echo "# kept: $work"; else rm -rf "$work"; fi
	[ $status -eq 0 ] && [ $failures -gt 0 ] && status=1
	exit $status
}
trap finish EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

pass() { echo "ok - $1"; }
# fail NAME [WHAT WAS FOUND]
fail() {
	[ -n "${2:-}" ] && sed 's/^/# /' <<<"$2"
	echo "not ok - $1"
	failures=$((failures + 1))
}
# check NAME COMMAND…: passes where the command does; what it printed is shown where not.
check() {
	local name=$1 out
	shift
	if out=$("$@" 2>&1); then pass "$name"; else fail "$name" "status $? of: $*
$out"; fi
}
# status NAME WANTED COMMAND…: the exit status; what was printed stays in $work/out and $work/err.
status() {
	local name=$1 wanted=$2 got=0
	shift 2
	"$@" >"$work/out" 2>"$work/err" </dev/null || got=$?
	if [ "$got" -eq "$wanted" ]; then pass "$name"; else fail "$name" "status $got, not $wanted, of: $*
$(head -c 2000 "$work/err")"; fi
}
has() { grep -qF -- "$2" "$1" || { echo "\"$2\" is not in $1:"; head -c 2000 "$1"; return 1; }; }
has_not() { ! grep -F -- "$2" "$1"; }
equal() { [ "$1" = "$2" ] || { echo "found: $1"; echo "wanted: $2"; return 1; }; }
skip() { echo "ok - $1 # SKIP $2"; }

# wait_for SECONDS COMMAND…: until it succeeds; 1 where it never does.
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.02
	done
}

# A copy of the yacht app whose generator numbers its readings, so that the verifier sees what a restart lost or gave
# twice. yacht BOATS CALLS_A_SECOND
yacht() {
	mkdir -p "$work/conf" "$work/scripts/generators"
	cp -R scripts/. "$work/scripts"
	cp tests/e2e/flood.lua "$work/scripts/generators/"
	sed -E "s|script \"generators/sailboat.lua\" *\\{[^}]*\\}|script \"generators/flood.lua\" { boats = $1, rate = $2 }|; /^web/d; /\"files\"/d" \
		conf/yacht.lua >"$conf"
	grep -q flood.lua "$conf" || { echo "not ok - the yacht app's source was found in conf/yacht.lua"; exit 1; }
	# the same without its source: it ends by itself once everything is processed
	grep -v flood.lua "$conf" >"$work/conf/drain.lua"
	# and its streams alone: enough to look at them, whatever the scripts are at the moment
	grep -E '^app|= stream' "$conf" | sed 's/^local [a-z]* *= //' >"$work/conf/look.lua"
}

# start [OPTION…]: the daemon in the background.
start() {
	"$fairlead" run "$conf" --data "$data" "$@" >>"$work/stdout" 2>>"$log" &
	pid=$!
}
alive() { kill -0 "$pid" 2>/dev/null; }
# stop [SIGNAL]: asks it to end, and checks that it does so with 0. Not within check, whose shell is another one.
stop() {
	local status=0
	kill "-${1:-TERM}" "$pid"
	wait "$pid" || status=$?
	pid=
	check "SIG${1:-TERM} ends it with 0" equal $status 0
}
murder() {
	kill -9 "$pid"
	wait "$pid" 2>/dev/null
	pid=
}
read_stream() { "$fairlead" tail "$work/conf/look.lua" "$@" --data "$data"; }
# count STREAM: how many records it has
count() { read_stream "$1" --from beginning -n 100000000 2>/dev/null | wc -l; }
more_than() { [ "$(count "$1")" -gt "$2" ]; }
last() { read_stream "$1" -n 1; }

# Processes what is left, ends, and compares everything with what the raw records say.
drain() { "$fairlead" run "$work/conf/drain.lua" --data "$data" --until-idle >>"$work/stdout" 2>>"$log"; }
verify() { python3 tests/e2e/verify.py --fairlead "$fairlead" --conf "$conf" --data "$data" "$@"; }
