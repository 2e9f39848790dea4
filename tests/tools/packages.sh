#!/usr/bin/env bash
# Installs the Debian packages among its arguments that are missing, and says so. Called by `make run` and `make test`;
# does nothing, and needs no rights, where all are there.
set -u

missing() {
	for p in "$@"; do
		dpkg-query -W -f '${db:Status-Status}\n' "$p" 2>/dev/null | grep -qx installed || echo "$p"
	done
}

give_up() {
	echo "fairlead: $1; install by hand what is missing: apt-get install ${want[*]}" >&2
	# Tests that lack a tool say so themselves, one by one.
	[ "${PACKAGES:-}" = optional ] && exit 0
	exit 1
}

command -v dpkg-query >/dev/null || { echo "fairlead: this is no Debian; the packages are not checked" >&2; exit 0; }
mapfile -t want < <(missing "$@")
[ ${#want[@]} -eq 0 ] && exit 0

sudo=()
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || give_up "packages are missing, and without root or sudo they can't be installed"
	sudo=(sudo)
fi
echo "  APT  installs what is missing: ${want[*]}"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() {
	"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${want[@]}" >"$log" 2>&1
}
# The lists of a fresh system are empty or old: only then are they fetched.
if ! install; then
	echo "  APT  updates its lists"
	"${sudo[@]}" apt-get update -q >"$log" 2>&1 || { cat "$log" >&2; give_up "apt-get update failed"; }
	install || { cat "$log" >&2; give_up "apt-get install failed"; }
fi
