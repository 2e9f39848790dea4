#!/usr/bin/env bash
# A hundred saves of a script under load (SAVES), by rename and by rewriting in place, each waited for until an event
# shows it: nothing is lost, doubled or out of order, and no version comes back.
. "$(dirname "$0")/lib.sh"

saves=${SAVES:-100}
yacht 200 25
script=$work/scripts/transforms/enrich.lua
text() {
	printf -- '-- version %d\nfunction transform(e, m)\n\te.time_taken = m.now - e.timestamp\n\te.v = %d\nend\n' "$1" "$1"
}
shows() { last enriched_data | grep -qF "\"v\":$1"; }

text 0 >"$script"
start
check 'enriched events come' wait_for $patience more_than enriched_data 100
missed=
for ((v = 1; v <= saves; v++)); do
	if [ $((v % 2)) -eq 0 ]; then
		text $v >"$script.new" && mv "$script.new" "$script"
	else
		text $v >"$script"
	fi
	wait_for $patience shows $v || { missed="$missed $v"; break; }
done
check "every one of $saves saves became live" equal "$missed" ''
stop
check 'what is left is processed by --until-idle' drain
verify --no-pipe --ignore time_taken,v --versions "$saves" || failures=1
check 'no error was logged' has_not "$log" ' error '
