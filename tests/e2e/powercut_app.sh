#!/usr/bin/env bash
# Power cuts over the running yacht app: it is killed at a random moment, and what of its files was not synced is dropped
# (in every other round some of it is kept, by chance). Then all that is left must agree: streams with the raw one, sqlite's
# rows with the enriched one, nothing doubled, nothing different; offsets may jump, but never come again. CUTS, 20 by default.
# shellcheck source=tests/e2e/lib.sh
source "$(dirname "$0")/lib.sh"
here=tests/e2e/powercut
shim=$work/powercut.so
CUTS=${CUTS:-20}
RANDOM=${SEED:-$$}
echo "# SEED=$RANDOM"
# The shim does not sync, so this is what a fast disk would be.
check "the shim builds" ${CC:-gcc} -O2 -g -std=gnu11 -D_GNU_SOURCE -Wall -pthread -shared -fPIC -o "$shim" $here/powercut.c -ldl
case $BUILD in *san*) skip "power cuts over the app" "a preloaded shim and a sanitizer do not go together"; exit 0 ;; esac

# life I SECONDS: one boot, cut after so long
life() {
	local shadow=$data.shadow keep=() of=$conf
	# A sink has the log synced each time before it flushes. Without it there is more to lose.
	if (($1 % 3 == 0)); then of=$work/conf/nosink.lua; fi
	python3 $here/cut.py arm "$data" "$shadow" || exit 1
	FAIRLEAD_BOOT_ID=$1 POWERCUT_DIR=$data POWERCUT_SHADOW=$shadow LD_PRELOAD=$shim \
		"$fairlead" run "$of" --data "$data" >>"$work/stdout" 2>>"$log" &
	pid=$!
	sleep "$2"
	if ! alive; then
		fail "boot $1 ended by itself"
		exit 1
	fi
	murder
	local before=0 after=0
	if [ -e "$data/yacht/streams.db" ]; then before=$(count raw_sensor_data); fi
	if (($1 % 2)); then keep=(--keep "$1"); fi
	python3 $here/cut.py cut "$data" "$shadow" "${keep[@]}" || exit 1
	if [ -e "$data/yacht/streams.db" ]; then after=$(count raw_sensor_data); fi
	lost=$((lost + before - after))
}

# cuts NAME HOW-MANY [durability]
cuts() {
	data=$work/$1
	log=$work/$1.log
	mkdir -p "$data"
	yacht 120 20
	if [ -n "${3:-}" ]; then
		sed -i "s|^app .*|&\noption { durability = \"$3\" }|" "$conf" "$work/conf/drain.lua"
	fi
	grep -v '^sink' "$conf" >"$work/conf/nosink.lua"
	local i lost=0
	for ((i = 0; i < $2; i++)); do
		# every fifth boot lasts long enough for a state checkpoint
		if ((i % 5 == 4)); then life "$i" "$((6 + RANDOM % 2)).$((RANDOM % 10))"; else life "$i" "$((RANDOM % 2)).$((RANDOM % 9 + 1))"; fi
	done
	pass "$1: $2 cuts, which took $lost readings"
	export FAIRLEAD_BOOT_ID=after
	start
	local seen
	seen=$(count enriched_data)
	check "$1: it goes on after the last" wait_for $patience more_than enriched_data "$seen"
	stop
	check "$1: what is left is processed by --until-idle" drain
	verify --jumps || failures=1
	check "$1: no error was logged" has_not "$log" ' error '
	took=$lost
}

cuts normal "$CUTS"
# Without a single lost reading the shim would have dropped nothing, and this would prove nothing.
check "the cuts were some" test "$took" -gt 0
unset FAIRLEAD_BOOT_ID
cuts power $((CUTS / 4)) power
[ "$failures" -eq 0 ]
