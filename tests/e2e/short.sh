#!/usr/bin/env bash
# A short life of the yacht app: runs, is killed once, drains, and everything is verified. Also run with sanitizers.
. "$(dirname "$0")/lib.sh"

yacht 60 20
start
check 'enriched events come' wait_for $patience more_than enriched_data 500
check 'it lives' alive
murder
start
seen=$(count enriched_data)
check 'more come after a kill' wait_for $patience more_than enriched_data $((seen + 500))
stop
check 'what is left is processed by --until-idle' drain
verify || failures=1
check 'no sanitizer complained' has_not "$log" 'Sanitizer'
check 'no error was logged' has_not "$log" ' error '
