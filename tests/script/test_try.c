#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>
#include "../../core/script/script.h"
#include "../../core/base/clock.h"
static uint32_t stream(void *a, struct fl_str s) { (void)a; return s.len==4 && !memcmp(s.p,"late",4) ? 3 : FL_NO_STREAM; }
int main(int argc, char **argv)
{
	char err[FL_ERRLEN];
	struct fl_script_conf conf = {.path = argv[1], .name = "transforms/x.lua", .stores = 1, .stream = stream};
	struct fl_script *sc = fl_script_open(&conf, err);
	if (!sc) { printf("open: %s\n", err); return 1; }
	struct fl_fields *f = fl_fields_new();
	struct fl_events *ev = fl_events_new(f, &fl_codec_json, (struct fl_limits){0}, 0);
	struct fl_state *st = fl_state_open(&(struct fl_state_conf){.who = "x"}, err);
	struct fl_script_task *t = fl_script_task_new(sc, st, "x");
	char buf[64][512];
	int rounds = argc > 2 ? atoi(argv[2]) : 1;
	double t0 = 0, spent = 0; 
	for (int r = 0; r < rounds; r++) {
	fl_events_begin(ev, "raw", 0, 1700000000.5);
	int n = rounds > 1 ? 512 : 5;
	for (int i = 0; i < n; i++) {
		char *p = buf[i % 64];
		sprintf(p, "{\"id\":\"b%d\",\"x\":%d.5,\"timestamp\":1700000000.25,\"pos\":{\"x\":[1,2]},\"big\":9223372036854775807}", i % 16, i % 64);
		fl_events_add(ev, i, 1700000000.25, fl_str("k"), fl_str(p), (struct fl_str){0});
	}
	fl_events_decode(ev);
	t0 = fl_now();
	int rc = fl_script_process(t, ev, err);
	spent += r > rounds / 2 ? fl_now() - t0 : 0;
	if (rc) { printf("process: %s\n", err); return 1; }
	}
	printf("%.2f ns an event\n", spent * 1e9 / (rounds / 2) / 512);
	struct fl_buf out = {0};
	for (uint32_t i = 0; i < ev->b.n && i < 5; i++) { out.len = 0; if (fl_events_encode(ev, i, &fl_codec_json, &out, err)) printf("enc %s\n", err); else printf("%d route %d %.*s\n", ev->b.outcome[i], ev->b.route[i], (int)out.len, out.p); }
	for (uint32_t k = 0; k < ev->whys && k < 10; k++) printf("why %u %s at=%.*s: %.*s\n", ev->why[k].i, ev->why[k].stage, (int)ev->why[k].at.len, ev->why[k].at.p, (int)ev->why[k].text.len, ev->why[k].text.p);
	for (uint32_t k = 0; k < ev->emits && k < 10; k++) printf("emit before %u stream %d key %.*s: %.*s\n", ev->emitted[k].before, (int)ev->emitted[k].stream, (int)ev->emitted[k].key.len, ev->emitted[k].key.p ? ev->emitted[k].key.p : "-", (int)ev->emitted[k].value.len, ev->emitted[k].value.p);
	if (fl_script_flush(t, err)) printf("flush %s\n", err);
	fl_script_task_free(t);
	fl_script_close(sc);
	fl_state_close(st);
	fl_events_free(ev);
	return 0;
}
