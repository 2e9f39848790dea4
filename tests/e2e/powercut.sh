#!/usr/bin/env bash
# Power cuts over the streams alone: a writer is killed at a random moment, what it had not synced is dropped (in every
# other round some of it is kept, by chance), and then nothing may be damaged, given twice, or there in part.
# shellcheck source=tests/e2e/lib.sh
source "$(dirname "$0")/lib.sh"
here=tests/e2e/powercut
shim=$work/powercut.so
streams=$work/streams
CUTS=${CUTS:-50}
flags="-O2 -g -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -pthread"

# shellcheck disable=SC2086
check "the shim builds" ${CC:-gcc} $flags -shared -fPIC -o "$shim" $here/powercut.c -ldl
# shellcheck disable=SC2086
check "the writer builds" ${CC:-gcc} $flags -o "$streams" $here/streams.c "$BUILD/libfairlead.a" -lsqlite3 -lstdc++ -lm

# cuts NAME POWER HOW-MANY
cuts() {
	local name=$1 power=$2 dir=$work/$1 shadow=$work/$1.shadow seen=$work/$1.seen i keep gone=0
	mkdir -p "$dir"
	: >"$seen"
	for ((i = 0; i < $3; i++)); do
		python3 $here/cut.py arm "$dir" "$shadow" || return 1
		FAIRLEAD_BOOT_ID=$i POWERCUT_DIR=$dir POWERCUT_SHADOW=$shadow LD_PRELOAD=$shim \
			"$streams" write "$dir" "$power" >>"$seen" 2>>"$log" &
		pid=$!
		sleep "0.$(printf %03d $((RANDOM % 300 + 20)))"
		kill -9 $pid
		wait $pid 2>/dev/null
		pid=
		keep=()
		if ((i % 2)); then keep=(--keep "$i"); fi
		python3 $here/cut.py cut "$dir" "$shadow" "${keep[@]}" || return 1
		FAIRLEAD_BOOT_ID=$i-after "$streams" check "$dir" "$power" <"$seen" >"$work/out" 2>>"$log" || {
			echo "after cut $i (${keep[*]:-all dropped}):"
			tail -n 5 "$log"
			return 1
		}
	done
	echo "$(cat "$work/out"), $(wc -l <"$seen") acknowledged, after $3 cuts" | tee "$work/$1.result"
	gone=$(sed -n 's/.* \([0-9]*\) gone.*/\1/p' "$work/out")
	# Without a single lost step the shim would have dropped nothing, and this would prove nothing.
	[ "$power" -eq 1 ] || [ "$gone" -gt 0 ]
}

check "$CUTS cuts: whole steps are lost, at the end only; no offset twice" cuts normal 0 "$CUTS"
check "$((CUTS * 2 / 5)) cuts with durability = \"power\": nothing that was acknowledged is lost" cuts power 1 $((CUTS * 2 / 5))
sed 's/^/# /' "$work"/*.result
[ "$failures" -eq 0 ]
