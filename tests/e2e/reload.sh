#!/usr/bin/env bash
# What is saved while it runs: a script becomes live; a broken one changes nothing but one logged error with file and
# line; a replaced plugin is really the new one; one that is overwritten in place kills nobody.
. "$(dirname "$0")/lib.sh"

yacht 20 20
mkdir -p "$work/plugins"
script=$work/scripts/transforms/enrich.lua
plugin() { # plugin FILE TEXT: a stage that writes TEXT into the field from
	cat >"$work/mark.c" <<C
#include "fairlead.h"
struct mark { struct fl_ctx *ctx; const struct fl_host *host; uint32_t field; };
static struct mark self_;
static int open_(struct fl_ctx *ctx, const struct fl_host *host, const void *conf, void **self, char *err)
{
	(void)conf; (void)err;
	self_ = (struct mark){ctx, host, host->field(ctx, "from")};
	*self = &self_;
	return 0;
}
static void close_(void *self) { (void)self; }
static int process(void *self, struct fl_batch *b, char *err)
{
	struct mark *m = self;
	(void)err;
	for (uint32_t i = 0; i < b->n; i++)
		if (b->outcome[i] == FL_PASS)
			m->host->set_string(m->ctx, b, m->field, i, (struct fl_str){"$2", sizeof "$2" - 1});
	return 0;
}
const struct fl_plugin fl_plugin = {
	.abi = FL_ABI, .size = sizeof(struct fl_plugin), .kind = FL_TRANSFORM, .name = "mark", .version = "1", .help = "marks",
	.open = open_, .close = close_, .process = process,
};
C
	${CC:-cc} -shared -fPIC -fvisibility=hidden -Icore -o "$1" "$work/mark.c"
}
shows() { last enriched_data | grep -qF "$1"; }
logged() { grep -F "$1" "$log"; }
errors() { grep -c ' error ' "$log"; }

cp "$script" "$work/good.lua"
plugin "$work/plugins/mark.so" first
sed -i 's|^\( *\)script "transforms/enrich.lua",|&\n\1plugin "mark",|' "$conf"
start
check 'a dropped-in plugin works' wait_for $patience shows '"from":"first"'

sed 's|^function transform(e, m)|&\n\te.saved = "yes"|' "$work/good.lua" >"$script"
check 'a saved script becomes live' wait_for $patience shows '"saved":"yes"'

printf 'function transform(e, m)\n\te.saved = = 1\nend\n' >"$script"
check 'a broken one is logged with file and line' wait_for $patience logged 'transforms/enrich.lua:2:'
sleep 0.5
check 'exactly one error is logged' equal "$(errors)" 1
seen=$(count enriched_data)
check 'events go on' wait_for $patience more_than enriched_data "$seen"
check 'through the script from before' shows '"saved":"yes"'

printf 'local nothing = nil\nlocal boom = nothing.field\nfunction transform(e) end\n' >"$script"
check 'one that raises while it is loaded is logged with its line' wait_for $patience logged 'transforms/enrich.lua:2: attempt to index'
check 'and changes nothing' shows '"saved":"yes"'
sed 's|^function transform(e, m)|&\n\te.saved = "again"|' "$work/good.lua" >"$script"
check 'a mended one becomes live' wait_for $patience shows '"saved":"again"'

plugin "$work/plugins/mark.new" second && mv "$work/plugins/mark.new" "$work/plugins/mark.so"
check 'a plugin replaced by rename becomes live' wait_for $patience shows '"from":"second"'
plugin "$work/third.so" third && cat "$work/third.so" >"$work/plugins/mark.so"
check 'a plugin overwritten in place becomes live' wait_for $patience shows '"from":"third"'
head -c 3000 "$work/third.so" >"$work/plugins/mark.so"
check 'half a plugin is logged' wait_for $patience logged 'mark.so'
check 'and kills nobody' alive
seen=$(count enriched_data)
check 'events go on as before' wait_for $patience more_than enriched_data "$seen"
check 'through the plugin from before' shows '"from":"third"'
stop
