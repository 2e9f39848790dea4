/* What a script costs an event: `make build/tests/bench/script && build/tests/bench/script`; ns an event of a batch of
 * 512, decoding excluded, the median of the later batches. 1,000 boats send a reading each 0.55 s of event time. With
 * arguments: scripts below scripts/ instead. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "script/script.h"

#define RECORDS 512
#define BATCHES 4000
#define BOATS 1000
#define RECORD_MAX 128

static char records[RECORDS][RECORD_MAX], keys[RECORDS][16];

static void load(struct fl_events *ev, uint64_t *n)
{
	fl_events_begin(ev, "bench", 0, 1715480000);
	for (uint32_t i = 0; i < RECORDS; i++, ++*n) {
		double t = 1715479897 + (double)(*n / BOATS) * 0.55 + (double)(*n % BOATS) * 0.0005;
		int boat = (int)(*n % BOATS);
		memset(records[i], ' ', RECORD_MAX);
		int len = snprintf(records[i], RECORD_MAX - FL_PAD / 2, "{\"id\":%d,\"x\":%.7f,\"y\":%.7f,\"timestamp\":%.5f}", boat,
			21 + (double)(*n % 977) * 1e-6, 52 + (double)(*n % 991) * 1e-6, t);
		records[i][len] = ' ';
		int k = snprintf(keys[i], sizeof keys[i], "%d", boat);
		fl_events_add(ev, (int64_t)*n, t, (struct fl_str){keys[i], (uint32_t)k}, (struct fl_str){records[i], (uint32_t)len},
			(struct fl_str){0});
	}
	fl_events_decode(ev);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static uint32_t any_stream(void *arg, struct fl_str name)
{
	(void)arg;
	(void)name;
	return 0;
}

/* Runs the script at path; prints its median, and what a flush costs an event, with one in 100 batches. */
static void run(const char *path, const char *what)
{
	static double spent[BATCHES];
	char err[FL_ERRLEN];
	double flushes = 0;
	uint64_t n = 0;
	struct fl_script_conf conf = {.path = path, .name = what, .lib = "scripts", .who = "bench", .stores = 1,
		.stream = any_stream};
	struct fl_script *sc = fl_script_open(&conf, err);
	if (!sc) {
		fprintf(stderr, "%s\n", err);
		exit(1);
	}
	struct fl_fields *fields = fl_fields_new();
	struct fl_events *ev = fl_events_new(fields, &fl_codec_json, (struct fl_limits){0}, RECORDS);
	struct fl_state *st = fl_state_open(&(struct fl_state_conf){.who = "bench"}, err);
	struct fl_script_task *t = fl_script_task_new(sc, st, "bench");
	for (int k = 0; k < BATCHES; k++) {
		load(ev, &n);
		double from = fl_monotonic();
		if (fl_script_process(t, ev, err) < 0)
			exit(fprintf(stderr, "%s\n", err));
		spent[k] = fl_monotonic() - from;
		if (k % 100 == 99 && k > BATCHES / 2) {
			from = fl_monotonic();
			fl_script_flush(t, err);
			flushes += fl_monotonic() - from;
		}
	}
	if (ev->whys)
		fprintf(stderr, "%.*s\n", (int)ev->why[0].text.len, ev->why[0].text.p);
	double *late = spent + BATCHES / 2;
	qsort(late, BATCHES / 2, sizeof *late, by_value);
	printf("%-36s %8.1f ns, least %.1f; flush %.1f ns an event\n", what, late[BATCHES / 4] * 1e9 / RECORDS,
		late[0] * 1e9 / RECORDS,
		flushes * 1e9 / RECORDS / (BATCHES / 2));
	fl_script_task_free(t);
	fl_script_close(sc);
	fl_state_close(st);
	fl_events_free(ev);
	fl_fields_free(fields);
}

static void run_text(const char *what, const char *text)
{
	char path[] = "/tmp/fl-bench-XXXXXX";
	int fd = mkstemp(path);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		exit(1);
	close(fd);
	run(path, what);
	unlink(path);
}

int main(int argc, char **argv)
{
	char path[512];
	for (int k = 1; k < argc; k++) {
		snprintf(path, sizeof path, "scripts/%s", argv[k]);
		run(path, argv[k]);
	}
	if (argc > 1)
		return 0;
	run_text("nothing", "function transform(e, m) end");
	run_text("read one", "function transform(e, m) if e.x > 1e9 then return false end end");
	run_text("read two, write one", "function transform(e, m)\nif e.x > 1e9 then return false end\ne.t = m.now - e.timestamp\nend");
	run_text("drop half", "function transform(e, m) if m.offset % 2 == 0 then drop 'even' end end");
	run_text("write a text", "function transform(e, m) e.text = 'some text' end");
	run_text("key", "local n = 0 function transform(e, m) if m.key == 'x' then n = n + 1 end end");
	run_text("chance", "function transform(e, m) if m.random() > 1 then return false end end");
	run_text("state: get and put a number", "local s = state 's'\nfunction transform(e, m) s:put(m.key, (s:get(m.key) or 0) + 1) end");
	run_text("state: get and put 30 numbers", "local s = state 's'\nfunction transform(e, m)\nlocal t = s:get(m.key) or {}\n"
		"if #t == 0 then for k = 1, 30 do t[k] = k end end\nt[1] = m.time\ns:put(m.key, t)\nend");
	run_text("state: get and put an object", "local s = state 's'\nfunction transform(e, m)\nlocal t = s:get(m.key) or { n = 0, sum = 0 }\n"
		"t.n, t.sum = t.n + 1, t.sum + e.x\ns:put(m.key, t)\nend");
	run_text("emit a table", "function transform(e, m) emit { a = 1 } return false end");
	return 0;
}
