#!/usr/bin/env bash
# Does what the README's first lines tell a newcomer, in a new Debian 12 root: a copy of what is committed, `make run`
# until yachts are printed, and with FRESH=test also `make test`. Needs root and debootstrap. The root is made once and
# kept beside the build (FRESH_DIR, default build-fresh); each run works in a copy of it that is taken away again.
# The mirror and its settings (a proxy, keys) are those of this machine.
set -eu
cd "$(dirname "$0")/../.."
[ "$(id -u)" -eq 0 ] || { echo "make fresh needs root, for debootstrap and chroot" >&2; exit 1; }
tests/tools/packages.sh debootstrap git

kept=$(realpath -m "${FRESH_DIR:-build-fresh}")
base=$kept/base
root=$(mktemp -d "$kept.XXXXXX")
clean() {
	umount "$root/proc" 2>/dev/null || umount -l "$root/proc" 2>/dev/null || true
	rm -rf --one-file-system "$root"
}
trap clean EXIT
trap 'exit 130' INT TERM

# Where this machine's packages come from: the first archive in its sources, in either of their two formats.
mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
	sed -nE 's/^deb (\[[^]]*\] *)?([^ ]+) .*/\2/p; s/^URIs: *([^ ]+).*/\1/p' | head -n 1)
[ -n "$mirror" ] || { echo "no package source is configured on this machine (/etc/apt/sources.list)" >&2; exit 1; }
# shellcheck disable=SC2046 # one word a setting
eval "$(apt-config shell http_proxy Acquire::http::Proxy https_proxy Acquire::https::Proxy)"
export http_proxy=${http_proxy:-} https_proxy=${https_proxy:-}

if [ ! -f "$base/etc/debian_version" ]; then
	echo "  ROOT  debootstrap makes a Debian 12 (once)"
	mkdir -p "$kept"
	rm -rf "$base.part"
	debootstrap --variant=minbase --include=ca-certificates,git,make bookworm "$base.part" "$mirror" >"$kept/debootstrap.log" 2>&1 ||
		{ tail -n 20 "$kept/debootstrap.log" >&2; exit 1; }
	mv "$base.part" "$base"
fi

echo "  ROOT  a copy of it, and of the checkout"
cp -a "$base/." "$root"
cp -L /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
cp -a /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d" 2>/dev/null || true
[ ! -f /etc/apt/apt.conf ] || cp /etc/apt/apt.conf "$root/etc/apt/"
mount -t proc proc "$root/proc"
git clone -q . "$root/root/fairlead"

inside() { chroot "$root" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 http_proxy="$http_proxy" https_proxy="$https_proxy" "$@"; }

echo "  RUN   make run"
out=$root/root/run.out
inside setsid sh -c 'echo $$ >/root/run.pid; cd /root/fairlead && exec make run' >"$out" 2>&1 &
run=$!
trap 'kill -TERM -- "-$(cat "$root/root/run.pid")" 2>/dev/null || true; clean' EXIT
boats=0
for _ in $(seq 600); do
	boats=$(grep -ao '"id":"\?[^,"]*' "$out" | sort -u | wc -l)
	if [ "$boats" -ge 6 ] || ! kill -0 $run 2>/dev/null; then break; fi
	sleep 1
done
if [ "$boats" -lt 6 ]; then
	tail -n 40 "$out" >&2
	echo "make run showed $boats boats, not six" >&2
	exit 1
fi
grep -a APT "$out" || true
echo "  RUN   six boats:"
grep -a '"id"' "$out" | head -n 6
kill -TERM -- "-$(cat "$root/root/run.pid")"
wait $run || true
trap clean EXIT

if [ "${FRESH:-}" = test ]; then
	echo "  TEST  make test"
	inside sh -c 'cd /root/fairlead && CI=true make test'
fi
