/* The plugins lateness and speed and the scripts of the same names: the same bytes and outcomes for the same events. */
#include "stage.h"

#include "script/script.h"

struct twin {
	struct fl_script *script;
	struct fl_script_task *task;
	struct fl_state *state;
	struct fl_fields *fields;
	struct fl_events *ev;
	struct fl_value opts;
};

static uint32_t no_stream(void *arg, struct fl_str name)
{
	(void)arg, (void)name;
	return FL_NO_STREAM;
}

static void twin_new(struct twin *t, const char *name, struct fl_value *opt, uint32_t n)
{
	char path[100], err[FL_ERRLEN];
	struct fl_state_conf state = {.who = "test"};
	struct fl_limits limits = {0};
	t->opts = (struct fl_value){.kind = FL_V_MAP, .n = n, .item = opt};
	snprintf(path, sizeof path, "scripts/transforms/%s.lua", name);
	struct fl_script_conf conf = {.path = path, .name = path + 8, .lib = "scripts", .who = "test", .labels = "", .opts = &t->opts,
		.stores = 1, .stream = no_stream};
	if (!(t->script = fl_script_open(&conf, err)))
		fail_msg("%s", err);
	t->state = fl_state_open(&state, err);
	t->task = fl_script_task_new(t->script, t->state, "flow");
	assert_int_equal(fl_script_migrate(t->task, 0, err), 0);
	t->fields = fl_fields_new();
	t->ev = fl_events_new(t->fields, &fl_codec_json, limits, 0);
}

static void twin_end(struct twin *t)
{
	fl_script_task_free(t->task);
	fl_script_close(t->script);
	fl_events_free(t->ev);
	fl_fields_free(t->fields);
	fl_state_close(t->state);
}

/* The same records as in the plugin's batch, through the script. */
static void twin_process(struct twin *t, const struct fl_batch *b)
{
	char err[FL_ERRLEN];
	fl_events_begin(t->ev, b->stream, b->partition, b->now);
	for (uint32_t i = 0; i < b->n; i++)
		fl_events_add(t->ev, b->offset[i], b->time[i], b->key[i], b->value[i], b->headers[i]);
	fl_events_decode(t->ev);
	assert_int_equal(fl_script_process(t->task, t->ev, err), 0);
	assert_int_equal(fl_script_flush(t->task, err), 0);
}

static void same(struct fl_events *a, struct fl_events *b)
{
	struct fl_buf x = {0}, y = {0};
	char err[FL_ERRLEN];
	for (uint32_t i = 0; i < a->b.n; i++) {
		assert_int_equal(a->b.outcome[i], b->b.outcome[i]);
		if (a->b.outcome[i] != FL_PASS)
			continue;
		x.len = y.len = 0;
		assert_int_equal(fl_events_encode(a, i, &fl_codec_json, &x, err), 0);
		assert_int_equal(fl_events_encode(b, i, &fl_codec_json, &y, err), 0);
		if (x.len != y.len || memcmp(x.p, y.p, x.len))
			fail_msg("event %u: the plugin gives %.*s and the script %.*s", i, (int)x.len, x.p, (int)y.len, y.p);
	}
	fl_buf_free(&x);
	fl_buf_free(&y);
}

static void compare(struct stage *s, struct twin *t, double disorder)
{
	static const char *const odd[] = {"{}", "{\"x\":1}", "{\"x\":\"1\",\"y\":2}", "{\"x\":1,\"y\":null}", "{\"x\":-1e308,\"y\":1e308}"};
	uint32_t outcomes[8] = {0};
	double clock = 1.7e9;
	stage_must_open(s);
	for (int round = 0; round < 40; round++) {
		stage_begin(s, "raw", 0);
		for (int i = 0; i < STAGE_EVENTS; i++) {
			char key[8], json[120];
			snprintf(key, sizeof key, "%u", stage_random(11));
			snprintf(json, sizeof json, "{\"x\":%.17g,\"inst_speed\":7,\"y\":%.17g}", 21 + stage_random(100000) * 1e-5, 52 + stage_random(100000) * 1e-7);
			clock += stage_random(8) / 64.0 + (stage_random(500) ? 0 : 30);
			double time = clock - (disorder > 0 ? stage_random(64) / 64.0 * disorder : 0);
			stage_add(s, i, time, stage_random(100) ? key : NULL, stage_random(50) ? json : odd[stage_random(5)]);
		}
		stage_decode(s);
		twin_process(t, &s->ev->b);
		stage_process(s);
		same(s->ev, t->ev);
		for (uint32_t i = 0; i < STAGE_EVENTS; i++)
			outcomes[stage_outcome(s, i)]++;
	}
	assert_true(outcomes[FL_PASS] > 1000);
	assert_true(outcomes[FL_REJECT] > 100);
}

static void speeds(const char *metric, const char *span, double seconds, int keep, double disorder)
{
	struct stage s;
	struct twin t;
	struct fl_value opt[] = {
		{.kind = FL_V_BOOL, .name = (char *)"keep", .number = keep},
		{.kind = FL_V_STRING, .name = (char *)"metric", .text = (char *)metric},
		{.kind = FL_V_NUMBER, .name = (char *)"most", .number = 64},
		{.kind = FL_V_NUMBER, .name = (char *)"span", .number = seconds},
	};
	stage_new(&s, "speed", &fl_codec_json);
	stage_text(&s, "x", "x");
	stage_text(&s, "y", "y");
	stage_text(&s, "span", span);
	stage_text(&s, "metric", metric);
	stage_bool(&s, "keep", keep);
	stage_number(&s, "most", 64);
	twin_new(&t, "speed", opt, 4);
	compare(&s, &t, disorder);
	twin_end(&t);
	stage_end(&s);
}

static void test_speed_in_order(void **arg)
{
	(void)arg;
	speeds("earth", "5s", 5, 0, 0);
	speeds("degrees", "5s", 5, 1, 0);
}

static void test_speed_out_of_order(void **arg)
{
	(void)arg;
	speeds("earth", "5s", 5, 1, 12);
	speeds("degrees", "2500ms", 2.5, 0, 2);
}

static void test_speed_with_full_rings(void **arg)
{
	(void)arg;
	speeds("earth", "1h", 3600, 0, 3);
}

static void lates(const char *by, const char *allow, double seconds)
{
	struct stage s;
	struct twin t;
	struct fl_value opt[] = {
		{.kind = FL_V_NUMBER, .name = (char *)"allow", .number = seconds},
		{.kind = FL_V_STRING, .name = (char *)"by", .text = (char *)by},
	};
	stage_new(&s, "lateness", &fl_codec_json);
	stage_text(&s, "by", by);
	stage_text(&s, "allow", allow);
	twin_new(&t, "lateness", opt, 2);
	if (strcmp(by, "key") == 0) {
		compare(&s, &t, 2);
	} else { /* rejects nothing */
		stage_must_open(&s);
		for (int round = 0; round < 20; round++) {
			stage_begin(&s, "raw", 0);
			for (int i = 0; i < STAGE_EVENTS; i++)
				stage_add(&s, i, round + stage_random(256) / 64.0, stage_random(5) ? "a" : NULL, "{}");
			stage_decode(&s);
			twin_process(&t, &s.ev->b);
			stage_process(&s);
			same(s.ev, t.ev);
		}
	}
	twin_end(&t);
	stage_end(&s);
}

static void test_lateness(void **arg)
{
	(void)arg;
	lates("key", "0s", 0);
	lates("key", "1500ms", 1.5);
	lates("partition", "0s", 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_speed_in_order),
		cmocka_unit_test(test_speed_out_of_order),
		cmocka_unit_test(test_speed_with_full_rings),
		cmocka_unit_test(test_lateness),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
