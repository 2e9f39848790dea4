#!/usr/bin/env bash
# One script and one plugin for each way to misbehave (tests/misbehave). A script that does it in transform costs its
# events, which become dead letters with script and line, and nothing else; one that does it while it is loaded, and a
# plugin that can't be opened, are refused with a sentence.
. "$(dirname "$0")/lib.sh"

mkdir -p "$work/conf" "$work/scripts" "$work/plugins"
cp tests/misbehave/*.lua "$work/scripts/"
cp "$BUILD"/tests/misbehave/*.so "$work/plugins/"
for i in $(seq 20); do echo "{\"id\":$i,\"bad\":$([ "$i" -eq 7 ] && echo true || echo false)}"; done >"$work/in"

# app STAGE: a conf with that one stage
app() {
	cat >"$work/conf/app.lua" <<-LUA
		app "misbehave"
		local from = stream "from" { key = "id" }
		local to = stream "to" { key = "id" }
		pipeline "p" { from = from, $1, to = to }
	LUA
}
pipe() { timeout 60 "$fairlead" pipe "$work/conf/app.lua" p --streams <"$work/in" >"$work/out" 2>"$work/err"; }
to() { awk -F'\t' -v s="$1" '$1 == s' "$work/out"; }

# Scripts whose transform misbehaves for the event with bad = true: the other 19 pass. The comment in their first line
# is what the error must say.
for script in "$work"/scripts/event_*.lua; do
	name=$(basename "$script" .lua)
	app "script \"$name.lua\" { memory = \"16MiB\", fuel = 1000000 }"
	pipe
	check "$name: the daemon lives" equal $? 0
	check "$name: the other 19 pass" equal "$(to to | wc -l)" 19
	check "$name: one dead letter with the bytes as they came" equal "$(to misbehave-dlq | cut -f3)" '{"id":7,"bad":true}'
	check "$name: says where and what" grep -qE "$(sed -n '1s/^-- *//p' "$script")" "$work/err"
done

# Scripts that can't be loaded, and plugins that can't be used.
for script in "$work"/scripts/load_*.lua; do
	name=$(basename "$script" .lua)
	app "script \"$name.lua\" { memory = \"16MiB\", fuel = 1000000 }"
	pipe
	check "$name: is refused" test $? -gt 0 -a $? -lt 124
	check "$name: says where and what" grep -qE "$(sed -n '1s/^-- *//p' "$script")" "$work/err"
done
for c in tests/misbehave/*.c; do
	name=$(basename "$c" .c)
	app "plugin \"$name\" {}"
	pipe
	got=$?
	if grep -q 'works' <(head -n 1 "$c"); then
		check "$name: works all the same" equal "$got $(to to | wc -l)" '0 20'
	else
		check "$name: is refused" test $got -gt 0 -a $got -lt 124
		check "$name: says why" grep -qE "$(sed -n '1s|^/\* *\(.*\) \*/|\1|p' "$c")" "$work/err"
	fi
done
app 'plugin "speed" { x = "x", y = "y", span = true }'
pipe
check 'an option of the wrong type: is refused' equal $? 2
check 'an option of the wrong type: says file, line and name' grep -qE 'app\.lua:4: .*span' "$work/err"
