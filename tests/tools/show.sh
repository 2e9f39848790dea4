#!/usr/bin/env bash
# Runs a conf and shows, on the same terminal, the records that reach its last pipeline's stream. `make run` calls it.
# Ctrl-C ends the daemon cleanly. The daemon has a session of its own, so that it gets one signal and not two; its log
# goes through a pipe, so that its lines and the records do not tear each other.
set -u
conf=$1
fairlead=${BUILD:-build}/fairlead
[ -f "$conf" ] || { echo "there is no $conf; conf/ has: $(cd conf && echo -- *.lua)" >&2; exit 2; }
app=$(sed -n 's/^app "\([^"]*\)".*/\1/p' "$conf")
stream=${STREAM:-$("$fairlead" check "$conf" --json | luajit -e '
	local plan, to = require("cjson").decode(io.read("*a"))
	for _, flow in ipairs(plan.flows) do to = flow.kind == "pipeline" and flow.to or to end
	print(to)')}

ended=0
trap 'ended=1' INT TERM
setsid "$fairlead" run "$conf" 2> >(exec cat >&2) &
daemon=$!
echo "fairlead runs $conf and keeps its streams in var/$app; here come the records of $stream. Ctrl-C ends it." >&2
# Until the daemon has made its files there is nothing to follow.
while [ $ended -eq 0 ] && kill -0 $daemon 2>/dev/null; do
	if "$fairlead" tail "$conf" "$stream" -n 0 >/dev/null 2>&1; then
		"$fairlead" tail "$conf" "$stream" --from end --follow &
		tail=$!
		while [ $ended -eq 0 ] && kill -0 $daemon 2>/dev/null && kill -0 $tail 2>/dev/null; do
			wait -n $daemon $tail
		done
		kill $tail 2>/dev/null
		break
	fi
	sleep 0.1
done
[ $ended -eq 1 ] && kill -TERM $daemon 2>/dev/null
wait $daemon
status=$?
# A second Ctrl-C during the drain interrupts the wait, not the drain.
while kill -0 $daemon 2>/dev/null; do
	wait $daemon
	status=$?
done
exit $status
