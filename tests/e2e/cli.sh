#!/usr/bin/env bash
# Every verb: what it prints and where, its --help, its exit status; tail and send beside the daemon; dead letters; the
# lock; how it ends.
. "$(dirname "$0")/lib.sh"

yacht 6 20
F=$fairlead
D=(--data "$data")

# ---- usage
status 'no verb is a usage error' 2 "$F"
status 'an unknown verb is a usage error' 2 "$F" rum
check 'and the nearest one is named' has "$work/err" 'run'
status 'fairlead --help' 0 "$F" --help
status 'fairlead version' 0 "$F" version
for verb in run check plugins pipe tail send dlq new; do
	status "$verb --help" 0 "$F" $verb --help
	check "$verb --help shows how to call it" has "$work/out" "fairlead $verb"
	status "$verb with an unknown option is a usage error" 2 "$F" $verb --no-such-option
done
status 'run without a conf is a usage error' 2 "$F" run
status 'run of a conf that is not there is 2' 2 "$F" run "$work/nowhere.lua" "${D[@]}"
check 'and names it' has "$work/err" nowhere.lua

# ---- check
status 'check of a good conf' 0 "$F" check "$conf"
check 'draws the pipeline' has "$work/out" enrich
status 'check --mermaid' 0 "$F" check "$conf" --mermaid
check 'is a flowchart' grep -qE '^(graph|flowchart) ' "$work/out"
status 'check --json' 0 "$F" check "$conf" --json
check 'is JSON' python3 -m json.tool "$work/out"
sed 's/span = "5s"/spam = "5s"/' "$conf" >"$work/conf/bad.lua"
status 'check of a wrong conf is 2' 2 "$F" check "$work/conf/bad.lua"
check 'names file and line' grep -qE 'bad\.lua:[0-9]+:' "$work/err"
check 'and what was meant' has "$work/err" 'did you mean "span"?'
status 'run of a wrong conf is 2' 2 "$F" run "$work/conf/bad.lua" "${D[@]}"
SECRET_URL=postgres://me:s3cr3t-word@db/yacht status 'a conf may read secrets' 0 "$F" check "$conf"
printf 'app "leak"\nlocal s = stream "s" { key = env "SECRET_NAME" }\npipeline "p" { from = s, plugin(env "SECRET_NAME") {}, to = s }\n' \
	>"$work/conf/leak.lua"
SECRET_NAME=s3cr3t-word status 'a wrong conf with a secret in it is 2' 2 "$F" check "$work/conf/leak.lua"
check 'and the secret is not shown' has_not "$work/err" s3cr3t-word

# ---- plugins
status 'plugins' 0 "$F" plugins
for p in lateness speed sqlite stdout lines; do check "lists $p" has "$work/out" $p; done
status 'plugins speed' 0 "$F" plugins speed
check 'lists its options' has "$work/out" span
status 'plugins of an unknown name is not 0' 1 "$F" plugins sped

# ---- pipe
reading() { echo "{\"id\":1,\"x\":$1,\"y\":52.4,\"timestamp\":$2}"; }
{ reading 21.0 100; reading 21.001 102; reading 21.002 99; reading 21.003 104; } >"$work/in"
pipe() { "$F" pipe "$conf" enrich --now record "$@" <"$work/in"; }
pipe >"$work/out" 2>"$work/err"
check 'pipe ends with 0' equal $? 0
check 'pipe prints what reaches the output' equal "$(grep -c inst_speed "$work/out")" 2
pipe --streams >"$work/out" 2>"$work/err"
check 'pipe --streams prints late ones too' equal "$(cut -f1 "$work/out" | sort | uniq -c | tr -s ' ')" " 2 enriched_data
 1 late_sensor_data"
check 'with their key' equal "$(cut -f2 "$work/out" | sort -u)" 1
check 'and the bytes as they came' equal "$(grep ^late "$work/out" | cut -f3)" "$(reading 21.002 99)"
echo '{"id":1,"x":' >>"$work/in"
pipe >"$work/out" 2>"$work/err"
check 'a dead letter leaves status 0' equal $? 0
check 'and is counted on stderr' grep -qiE '1 .*dead letter' "$work/err"
pipe --strict >"$work/out" 2>"$work/err"
check 'with --strict it is 1' equal $? 1
status 'pipe of an unknown pipeline is not 0' 2 "$F" pipe "$conf" enrihc
check 'and the nearest is named' has "$work/err" enrich

# ---- run, tail, send
start
check 'enriched events come' wait_for "$patience" more_than enriched_data 50
check 'tail prints 10' equal "$(read_stream enriched_data | wc -l)" 10
check 'tail -n 3' equal "$(read_stream enriched_data -n 3 | wc -l)" 3
check 'tail --from beginning begins there' equal "$(read_stream raw_sensor_data --from beginning -n 1 --meta | grep -c '"offset":0,')" 1
read_stream raw_sensor_data --from beginning -n 5 --meta >"$work/out"
check 'tail --meta is JSON with all members' python3 -c '
import json, sys
for line in open(sys.argv[1]):
    m = json.loads(line)
    assert list(m) == ["stream", "partition", "offset", "time", "key", "headers", "value"], m
    assert m["stream"] == "raw_sensor_data" and isinstance(m["value"], (dict, str)), m' "$work/out"
"$F" tail "$conf" enriched_data "${D[@]}" --from end --follow >"$work/followed" 2>/dev/null &
follower=$!
check 'tail --follow shows what comes' wait_for "$patience" test -s "$work/followed"
kill $follower
wait $follower 2>/dev/null
status 'tail of an unknown stream is 2' 2 "$F" tail "$conf" enriched_dta "${D[@]}"
check 'and the nearest is named' has "$work/err" enriched_data

printf '%s\n' '{"id":99,"x":21,"y":52,"timestamp":1,"seq":-1}' '{"id":99,"x":21,"y":52,"timestamp":0,"seq":-2}' |
	"$F" send "$conf" raw_sensor_data "${D[@]}" >"$work/out" 2>"$work/err"
check 'send beside the daemon ends with 0' equal $? 0
sent() { read_stream late_sensor_data --from beginning -n 100000000 | grep -F '"seq":-2'; }
check 'and its records go through the pipeline' wait_for "$patience" sent

status 'a second daemon is refused' 1 "$F" run "$conf" "${D[@]}"
check 'with the pid of the first' has "$work/err" "$pid"

# ---- dead letters
poison='{"id":7,"x":"east","y":1,"timestamp":9}'
"$F" send "$conf" raw_sensor_data "${D[@]}" <<<"$poison" >"$work/out" 2>"$work/err"
check 'send takes any JSON object' equal $? 0
"$F" send "$conf" raw_sensor_data "${D[@]}" <<<'{"id":7,"x":' >"$work/out" 2>"$work/err"
check 'send refuses what is none' equal $? 1
dead() { [ "$("$F" dlq "$conf" list "${D[@]}" 2>/dev/null | wc -l)" -gt 0 ]; }
check 'a poisoned record becomes a dead letter' wait_for "$patience" dead
status 'dlq list' 0 "$F" dlq "$conf" list "${D[@]}"
check 'names the stream it came from' has "$work/out" raw_sensor_data
status 'dlq show' 0 "$F" dlq "$conf" show "$(head -n 1 "$work/out" | cut -f1)" "${D[@]}"
check 'shows the bytes as they came' has "$work/out" "$poison"

stop
start
check 'it starts again' wait_for "$patience" more_than raw_sensor_data "$(count raw_sensor_data)"
stop INT

# ---- --until-idle, --log-format
status '--until-idle is refused with an endless source' 2 "$F" run "$conf" "${D[@]}" --until-idle
status '--until-idle ends by itself where the sources end' 0 "$F" run "$work/conf/drain.lua" "${D[@]}" --until-idle --log-format json
check 'its log is JSON' python3 -c '
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
assert all({"time", "level", "who", "message"} <= set(line) for line in lines), lines' "$work/err"
check 'nothing but data goes to stdout' equal "$(wc -c <"$work/out")" 0

# ---- new
export PATH=$PATH:${F%/*}
cd "$work" || exit 1
for what in plugin script; do
	status "new $what" 0 "$F" new $what "shiny_$what"
	check "new $what: builds and passes its own test" make -C "shiny_$what" test
	status "new $what does not overwrite" 1 "$F" new $what "shiny_$what"
done
cd - >/dev/null || exit 1
