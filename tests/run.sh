#!/usr/bin/env bash
# Runs suites side by side, each with a time limit, counts their TAP lines, and ends with one line of totals.
#   tests/run.sh SUITE…    unit spec lint short e2e fuzz, or all: these and the builds with clang and sanitizers
# BUILD is where the programs are. Where a tool is missing its suite is skipped; with CI=true that is a failure.
set -u
cd "$(dirname "$0")/.." || exit 2

export BUILD=${BUILD:-build} CMOCKA_MESSAGE_OUTPUT=TAP
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS="halt_on_error=1 second_deadlock_stack=1 suppressions=$PWD/tests/lint/tsan.supp"
export LSAN_OPTIONS="suppressions=$PWD/tests/lint/lsan.supp:print_suppressions=0"
JOBS=${JOBS:-$(nproc)}
logs=$BUILD/test-logs
rm -rf "$logs" && mkdir -p "$logs" || exit 2

passed=0 failed=0 skipped=0
declare -A running=() began=() limit_of=() # by pid: name, start, limit
broken=()

# ---- counting ---------------------------------------------------------------------------------------------------

# Reads a finished suite's log and adds what it finds to the totals.
count() {
	local name=$1 status=$2 seconds=$3 limit=$4 log p f s why=''
	log=$logs/${name//\//-}.log
	read -r p f s < <(awk '/^(not )?ok.*# *SKIP/ { s++; next } /^ok/ { p++ } /^not ok/ { f++ } END { print p+0, f+0, s+0 }' "$log")
	if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
		why="killed after $limit s" f=$((f + 1))
	elif [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; then
		why="ended with status $status" f=1
	elif [ $((p + f + s)) -eq 0 ]; then
		why='ran no test' f=1
	fi
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	if [ "$f" -gt 0 ]; then
		broken+=("$name")
		[ -n "$why" ] && echo "not ok - $name: $why" >>"$log"
		printf '  FAIL %-34s %4d passed %d failed %s (%d s)\n' "$name" "$p" "$f" "$why" "$seconds"
	elif [ "$p" -eq 0 ]; then
		printf '  SKIP %-34s %s\n' "$name" "$(sed -n 's/.*# *SKIP *//p' "$log" | head -n 1)"
	else
		printf '  ok   %-34s %4d passed%s (%d s)\n' "$name" "$p" "$([ "$s" -gt 0 ] && echo ", $s skipped")" "$seconds"
	fi
}

# ---- running ----------------------------------------------------------------------------------------------------

reap() {
	local pid status=0
	wait -n -p pid || status=$?
	[ -n "${pid:-}" ] || return 0
	count "${running[$pid]}" "$status" $((SECONDS - began[$pid])) "${limit_of[$pid]}"
	unset "running[$pid]" "began[$pid]" "limit_of[$pid]"
}

# suite NAME LIMIT COMMAND…: starts it as soon as there is a free place.
suite() {
	local name=$1 limit=$2
	shift 2
	while [ ${#running[@]} -ge "$JOBS" ]; do reap; done
	timeout -k 10 "$limit" "$@" >"$logs/${name//\//-}.log" 2>&1 </dev/null &
	running[$!]=$name began[$!]=$SECONDS limit_of[$!]=$limit
}

settle() { while [ ${#running[@]} -gt 0 ]; do reap; done; }

# As a suite of its own: one command that passes or fails.
one() {
	local name=$1 limit=$2
	shift 2
	# shellcheck disable=SC2016 # the inner shell expands it
	suite "$name" "$limit" bash -c 'name=$1; shift; if "$@"; then echo "ok - $name"; else echo "not ok - $name"; exit 1; fi' - "$name" "$@"
}

# need TOOL NAME: whether the suite can run here.
need() {
	command -v "$1" >/dev/null && return
	if [ "${CI:-}" = true ]; then
		one "$2" 10 bash -c "echo '$1 is not installed, and here nothing is skipped'; exit 1"
	else
		suite "$2" 10 echo "ok - $2 # SKIP $1 is not installed"
	fi
	return 1
}

stop() {
	trap - INT TERM
	[ ${#running[@]} -gt 0 ] && kill "${!running[@]}" 2>/dev/null
	wait
	exit 130
}
trap stop INT TERM

# ---- the suites -------------------------------------------------------------------------------------------------

# Programs under the thread sanitizer need addresses where it expects them.
prefix=()
setarch -R true 2>/dev/null && prefix=(setarch -R)

unit() {
	local label=$1 build=$2 t name
	for t in tests/*/test_*.c; do
		name=${t#tests/}
		suite "$label/${name%.c}" 180 "${prefix[@]}" env BUILD="$build" "$build/${t%.c}"
	done
}

e2e() {
	local label=$1 build=$2 limit=$3 script
	shift 3
	need python3 "$label" || return
	for script in "$@"; do
		suite "$label/$script" "$limit" "${prefix[@]}" env BUILD="$build" bash "tests/e2e/$script.sh"
	done
}

spec() {
	need busted spec && suite spec 120 busted -o TAP spec
}

lint() {
	one lint/layers 60 tests/lint/layers.sh
	if need luacheck lint/luacheck; then
		mapfile -t luas < <(git ls-files -co --exclude-standard -- '*.lua')
		one lint/luacheck 60 luacheck -q --no-color "${luas[@]}"
	fi
	if need shellcheck lint/shellcheck; then
		mapfile -t shells < <(git ls-files -co --exclude-standard -- '*.sh' .ci/run)
		one lint/shellcheck 120 shellcheck -x -S warning "${shells[@]}"
	fi
	need clang-tidy lint/clang-tidy && one lint/clang-tidy 600 make --no-print-directory -k -j"$JOBS" tidy BUILD="$BUILD"
}

fuzz() {
	local build=$1 seconds=${FUZZ_SECONDS:-60} t name corpus
	need clang fuzz || return
	for t in tests/fuzz/*.c; do
		name=$(basename "${t%.c}")
		corpus=$build/corpus/$name
		mkdir -p "$corpus" "tests/fuzz/$name.seeds"
		one "fuzz/$name" $((seconds + 120)) "$build/tests/fuzz/$name" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=3000 \
			-artifact_prefix="$build/$name-" -print_final_stats=1 -verbosity=0 "$corpus" "tests/fuzz/$name.seeds"
	done
}

# The builds come first and alone; what does not build fails by name and the rest goes on.
builds() {
	local m=(make --no-print-directory -j"$JOBS")
	one build/asan 900 "${m[@]}" BUILD=build-asan SAN="-fsanitize=address,undefined -fno-sanitize-recover=all" OPT=-O1 all tests
	settle
	one build/tsan 900 "${m[@]}" BUILD=build-tsan SAN="-fsanitize=thread -fexceptions" OPT=-O1 all tests
	settle
	need clang build/clang && one build/clang 900 "${m[@]}" BUILD=build-clang CC=clang CXX=clang++ all tests
	settle
	need clang build/fuzz && one build/fuzz 900 "${m[@]}" BUILD=build-fuzz CC=clang CXX=clang++ \
		SAN="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all" fuzzers
	settle
}

scripts() { for f in tests/e2e/*.sh; do basename "$f" .sh; done | grep -vxE 'lib|short|kill9'; }

everything() {
	builds
	e2e e2e "$BUILD" 900 kill9 # the longest first
	unit unit "$BUILD"
	spec
	lint
	unit asan build-asan
	unit tsan build-tsan
	e2e asan build-asan 240 short
	e2e tsan build-tsan 240 short
	mapfile -t names < <(scripts)
	e2e e2e "$BUILD" 420 "${names[@]}"
	fuzz build-fuzz
}

for what in "$@"; do
	case $what in
	all) everything ;;
	unit) unit unit "$BUILD" ;;
	short) e2e e2e "$BUILD" 240 short ;;
	e2e) mapfile -t names < <(scripts) && e2e e2e "$BUILD" 900 kill9 "${names[@]}" ;;
	fuzz) fuzz "$BUILD" ;;
	spec | lint) "$what" ;;
	*) echo "tests/run.sh: there is no suite \"$what\" (unit spec lint short e2e fuzz all)" >&2; exit 2 ;;
	esac
done
settle

for name in "${broken[@]}"; do
	echo
	echo "---- $name: the end of $logs/${name//\//-}.log"
	grep -a -B 8 -A 4 '^not ok' "$logs/${name//\//-}.log" | tail -n 60
done
grep -ah '# *SKIP' "$logs"/*.log | sed 's/^/  /' | sort -u
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
