#!/usr/bin/env bash
# The rules about files that no compiler knows: includes point only from lower layers to higher ones, plugins include
# only fairlead.h, no file is over 800 lines. Prints what breaks them and ends with 1.
set -u
cd "$(dirname "$0")/../.." || exit 2

order=(base event stream state script plugin plan run web cli)
bad=0
say() { echo "$1"; bad=1; }
rank() {
	for i in "${!order[@]}"; do
		[ "${order[$i]}" = "$1" ] && { echo "$i"; return; }
	done
	echo -1
}

# file:line of each include in quotes, with the path resolved against the file's directory
includes() {
	grep -nHE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "$@" /dev/null | sed -E 's/^([^:]+):([0-9]+):[^"]*"([^"]+)".*/\1 \2 \3/'
}

while read -r file line target; do
	path=$(realpath -m --relative-to=. "$(dirname "$file")/$target")
	[ "$path" = core/fairlead.h ] && continue
	[[ $target == core/*.lua.h ]] && continue # Lua that is compiled in
	case $path in
	core/*/*) ;;
	*) say "$file:$line: includes \"$target\", which is no header of core/"; continue ;;
	esac
	from=$(rank "$(cut -d/ -f2 <<<"$file")") to=$(rank "$(cut -d/ -f2 <<<"$path")")
	[ "$from" -ge 0 ] || say "$file:$line: its directory is no layer (${order[*]})"
	[ "$to" -le "$from" ] || say "$file:$line: includes \"$target\": ${order[$to]} lies above ${order[$from]}"
	[ -f "$path" ] || say "$file:$line: includes \"$target\", which does not exist"
done < <(find core -mindepth 2 \( -name '*.c' -o -name '*.h' -o -name '*.cc' \) -print0 | xargs -0 -r -n 50 grep -l include |
	while read -r f; do includes "$f"; done)

while read -r file line target; do
	case $target in
	fairlead.h | ../core/fairlead.h) ;;
	*) say "$file:$line: a plugin includes only fairlead.h, not \"$target\"" ;;
	esac
done < <(for f in plugins/*.c; do [ -f "$f" ] && includes "$f"; done)

while read -r n file; do
	if [ "$n" -gt 800 ]; then
		say "$file: $n lines; 800 are the most, cut it by subject"
	elif [ "$n" -gt 600 ]; then
		echo "$file: $n lines; a warning from 600 on"
	fi
done < <(git ls-files -co --exclude-standard -- '*.c' '*.h' '*.cc' '*.lua' '*.sh' '*.py' | xargs -r wc -l | grep -v ' total$')

exit $bad
