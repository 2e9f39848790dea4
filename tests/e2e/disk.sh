#!/usr/bin/env bash
# A full disk: the daemon says so, stays alive, damages nothing, and goes on by itself when there is room again.
. "$(dirname "$0")/lib.sh"

if [ "$(id -u)" -ne 0 ] || ! { mkdir -p "$data" && mount -t tmpfs -o size=200m tmpfs "$data" 2>/dev/null; }; then
	skip 'a full disk' 'needs the right to mount a small tmpfs'
	exit 0
fi
tidy_up() { umount -l "$data"; }
logged() { grep -iE 'no room|full|no space' "$log"; }

yacht 100 20
start
check 'enriched events come' wait_for $patience more_than enriched_data 500
head -c 300M /dev/zero >"$data/ballast" 2>/dev/null
check 'a full disk is logged' wait_for $patience logged
sleep 1
check 'the daemon lives' alive
rm "$data/ballast"
seen=$(count enriched_data)
check 'it goes on when there is room again' wait_for $patience more_than enriched_data $((seen + 500))

# a start on a full disk is a sentence and status 1, or waits; never a damaged file
head -c 300M /dev/zero >"$data/ballast" 2>/dev/null
murder
start
sleep 1
rm "$data/ballast"
if alive; then
	pass 'a start on a full disk waits'
else
	check 'a start on a full disk says why' logged
	start
fi
seen=$(count enriched_data)
check 'it goes on after that' wait_for $patience more_than enriched_data $((seen + 500))
stop
check 'what is left is processed by --until-idle' drain
verify || failures=1
