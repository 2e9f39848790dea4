#!/usr/bin/env bash
# kill -9 at random instants over the running yacht app (KILLS, 200 by default), each followed by a restart; then the
# verifier. A life lasts from nothing to 0.6 s, so that starts, restores, commits, checkpoints and sinks are all hit.
. "$(dirname "$0")/lib.sh"

kills=${KILLS:-200}
RANDOM=${SEED:-$$}
echo "# SEED=$RANDOM"
yacht 120 20
for ((i = 1; i <= kills; i++)); do
	start
	ms=$((RANDOM % 600))
	# every tenth life is long enough for a state checkpoint
	[ $((i % 10)) -eq 0 ] && ms=$((2000 + RANDOM % 2000))
	sleep "$(printf '%d.%03d' $((ms / 1000)) $((ms % 1000)))"
	if ! alive; then
		fail "life $i ended by itself"
		exit 1
	fi
	murder
done
pass "$kills kills, each at a random instant"
start
seen=$(count enriched_data)
check 'it goes on after the last' wait_for $patience more_than enriched_data "$seen"
stop
check 'what is left is processed by --until-idle' drain
verify || failures=1
check 'no error was logged' has_not "$log" ' error '
