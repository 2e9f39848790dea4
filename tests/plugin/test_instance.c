/* Instances against the host: opening, binding, state, outcomes, records, counters. The plugin is fixtures/worker.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/metric.h"
#include "plugin/plugin.h"

#define FIXTURES BUILD "/tests/plugin/fixtures/"

struct rig {
	struct fl_module *module;
	struct fl_fields *fields;
	struct fl_events *ev;
	struct fl_state *state;
	char err[FL_ERRLEN];
};

static void set_up(struct rig *r)
{
	r->module = fl_module_load_file(FIXTURES "worker.so", r->err);
	if (!r->module)
		fail_msg("%s", r->err);
	r->fields = fl_fields_new();
	r->ev = fl_events_new(r->fields, &fl_codec_json, (struct fl_limits){0}, 0);
	r->state = fl_state_open(&(struct fl_state_conf){.who = "test"}, r->err);
	assert_non_null(r->state);
}

static void tear_down(struct rig *r)
{
	fl_events_free(r->ev);
	fl_state_close(r->state);
	fl_fields_free(r->fields);
	fl_module_unref(r->module);
}

/* do = "what", and one more option where given. */
static struct fl_instance *open_with(struct rig *r, const char *what, const char *option, const char *text, int stores)
{
	struct fl_value items[] = {
		{.kind = FL_V_STRING, .name = (char *)(uintptr_t) "do", .text = (char *)(uintptr_t)what},
		{.kind = FL_V_STRING, .name = (char *)(uintptr_t)option, .text = (char *)(uintptr_t)text},
	};
	struct fl_value opts = {.kind = FL_V_MAP, .n = option ? 2 : 1, .item = items};
	struct fl_instance_conf conf = {.who = "app/flow", .stage = "work", .labels = "app=\"app\",stage=\"work\"", .prefix = "flow",
	                                .data_dir = "/tmp", .opts = &opts, .fields = r->fields, .stores = stores};
	r->err[0] = 0;
	return fl_instance_open(r->module, &conf, r->err);
}

static void load(struct rig *r, const char *const *keys, uint32_t n)
{
	static const char value[] = "{\"n\":1,\"text\":\"a\\nb\",\"big\":12345678901234567890,\"list\":[1,[2]],\"no\":null}"
	                            "                                                                ";
	fl_events_begin(r->ev, "raw", 0, 100);
	for (uint32_t i = 0; i < n; i++)
		fl_events_add(r->ev, i, 50 + i, keys[i] ? fl_str(keys[i]) : (struct fl_str){0}, (struct fl_str){value, sizeof value - 65}, (struct fl_str){0});
	fl_events_decode(r->ev);
}

static const char *const KEYS[] = {"boat-1", "boat-2", "boat-1"};

static struct fl_instance *run(struct rig *r, const char *what)
{
	struct fl_instance *in = open_with(r, what, NULL, NULL, 1);
	if (!in)
		fail_msg("%s", r->err);
	assert_int_equal(fl_instance_bind(in, r->state, r->err), 0);
	load(r, KEYS, 3);
	if (fl_instance_process(in, r->ev, r->err) != 0)
		fail_msg("%s", r->err);
	return in;
}

static void counts_by_key_and_keeps_its_state(void **state)
{
	(void)state;
	struct rig r;
	set_up(&r);
	struct fl_instance *in = run(&r, "count");
	uint32_t n = fl_fields_add(r.fields, fl_str("n"));
	assert_true(r.ev->b.column[n]->num[0] == 1 && r.ev->b.column[n]->num[1] == 1 && r.ev->b.column[n]->num[2] == 2);
	struct fl_instance *next = open_with(&r, "count", NULL, NULL, 1); /* as a reload does: beside the running one */
	assert_non_null(next);
	assert_int_equal(fl_instance_bind(next, r.state, r.err), 0);
	fl_instance_close(in);
	load(&r, KEYS, 3);
	assert_int_equal(fl_instance_process(next, r.ev, r.err), 0);
	assert_true(r.ev->b.column[n]->num[2] == 4);
	fl_instance_close(next);
	uint32_t len;
	struct fl_store *s = fl_state_store(r.state, "flow.work", 0, r.err);
	assert_non_null(fl_store_get(s, fl_str("boat-2"), fl_key_hash(fl_str("boat-2")), &len));
	assert_int_equal(len, 8);
	tear_down(&r);
}

static void keys_that_can_not_be_reject_the_event(void **state)
{
	(void)state;
	struct rig r;
	set_up(&r);
	struct fl_instance *in = open_with(&r, "count", NULL, NULL, 1);
	assert_non_null(in);
	assert_int_equal(fl_instance_bind(in, r.state, r.err), 0);
	char endless[FL_KEY_MAX + 2], longest[FL_KEY_MAX + 1];
	memset(endless, 'k', sizeof endless - 1), endless[sizeof endless - 1] = 0;
	memset(longest, 'k', sizeof longest - 1), longest[sizeof longest - 1] = 0;
	const char *const keys[] = {NULL, endless, longest, ""};
	load(&r, keys, 4);
	assert_int_equal(fl_instance_process(in, r.ev, r.err), 0);
	assert_int_equal(r.ev->b.outcome[0], FL_REJECT);
	assert_int_equal(r.ev->b.outcome[1], FL_REJECT);
	assert_int_equal(r.ev->b.outcome[2], FL_PASS);
	assert_int_equal(r.ev->b.outcome[3], FL_PASS);
	assert_non_null(memmem(r.ev->why[0].text.p, r.ev->why[0].text.len, "no key", 6));
	assert_non_null(memmem(r.ev->why[1].text.p, r.ev->why[1].text.len, "481 bytes", 9));
	assert_string_equal(r.ev->why[0].stage, "work");
	fl_instance_close(in);
	tear_down(&r);
}

static void outcomes(void **state)
{
	(void)state;
	static const struct {
		const char *what;
		uint8_t outcome;
		const char *text;
	} each[] = {
		{"drop", FL_DROP, "not wanted"}, {"reject", FL_REJECT, "event 0 is bad"}, {"late", FL_LATE, ""},
		{"set", FL_REJECT, "the field \"other\" was set to a text that is not JSON: it ends where a value is expected, at byte 3"},
		{"stray", FL_REJECT, "the plugin writes to a field that is not given or was not asked for in open()"},
		{"each", FL_REJECT, "0 n:1:7 text:2:a\nb big:6:12345678901234567890 list:5:[1,[2]] no:4: "
		                    "{\"n\":7,\"text\":\"a\\nb\",\"big\":12345678901234567890,\"list\":[1,[2]],\"no\":null}"},
	};
	for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
		struct rig r;
		set_up(&r);
		struct fl_instance *in = run(&r, each[i].what);
		assert_int_equal(r.ev->b.outcome[0], each[i].outcome);
		assert_int_equal(r.ev->whys, 3);
		assert_string_equal(r.ev->why[0].stage, "work");
		if (!fl_str_eq(r.ev->why[0].text, fl_str(each[i].text)))
			fail_msg("%s: %.*s", each[i].what, (int)r.ev->why[0].text.len, r.ev->why[0].text.p);
		fl_instance_close(in);
		tear_down(&r);
	}
}

static void emits_stand_behind_their_event(void **state)
{
	(void)state;
	struct rig r;
	set_up(&r);
	struct fl_instance *in = run(&r, "emit");
	assert_int_equal(r.ev->emits, 6);
	const struct fl_emitted *e = r.ev->emitted;
	assert_int_equal(e[2].before, 2);
	assert_int_equal(e[2].stream, FL_NO_STREAM);
	assert_null(e[2].key.p);
	assert_true(e[2].time == 51);
	assert_int_equal(e[3].before, 2);
	assert_int_equal(e[3].stream, 3);
	assert_true(fl_str_eq(e[3].key, fl_str("boat-2")));
	assert_true(fl_str_eq(e[3].value, fl_str("{\"made\":1}")));
	fl_events_begin(r.ev, "raw", 0, 777);
	assert_int_equal(fl_instance_tick(in, r.ev, 778, r.err), 0);
	assert_int_equal(r.ev->emits, 1);
	assert_true(fl_str_eq(r.ev->emitted[0].value, fl_str("{\"tick\":778}")));
	assert_true(r.ev->emitted[0].time == 778);
	fl_instance_close(in);
	tear_down(&r);
}

static void open_that_fails_says_why(void **state)
{
	(void)state;
	struct rig r;
	set_up(&r);
	assert_null(open_with(&r, "fail", NULL, NULL, 1));
	assert_string_equal(r.err, "work: the weather is bad");
	assert_null(open_with(&r, "mute", NULL, NULL, 1));
	assert_string_equal(r.err, "work: it failed and did not say why");
	assert_null(open_with(&r, "no_store", NULL, NULL, 1));
	assert_string_equal(r.err, "work: it asks for the store \"a/b\": a store's name has letters, digits, . _ - only and no _ in front");
	assert_null(open_with(&r, "count", NULL, NULL, 0));
	assert_string_equal(r.err, "work: it asks for the store \"work\", but there is no state here: only pipelines and sources have it");
	assert_null(open_with(&r, "count", "spam", "x", 1));
	assert_string_equal(r.err, "unknown option \"spam\" of plugin \"worker\" (it has do, field, file, ttl)");
	fl_instance_close(NULL);
	tear_down(&r);
}

static void migrates_once(void **state)
{
	(void)state;
	struct rig r;
	set_up(&r);
	uint32_t len;
	struct fl_str key = fl_str("boat-9");
	for (int turn = 0; turn < 2; turn++) {
		struct fl_instance *in = open_with(&r, "count", NULL, NULL, 1);
		assert_non_null(in);
		assert_int_equal(fl_instance_bind(in, r.state, r.err), 0);
		struct fl_store *s = fl_state_store(r.state, "flow.work", 0, r.err);
		const void *kept = fl_store_get(s, key, fl_key_hash(key), &len);
		assert_true((kept != NULL) == (turn == 0)); /* what migrate() put; deleted below, and not put again */
		fl_store_del(s, key, fl_key_hash(key));
		fl_instance_close(in);
	}
	tear_down(&r);
}

static void a_migration_that_fails_changes_nothing(void **state)
{
	(void)state;
	struct rig r;
	set_up(&r);
	uint32_t len;
	struct fl_instance *in = open_with(&r, "count", "file", "refuse", 1);
	assert_non_null(in);
	assert_int_equal(fl_instance_bind(in, r.state, r.err), -1);
	assert_string_equal(r.err, "state of version 0 can't be migrated to 2: work: it is too old");
	struct fl_store *s = fl_state_store(r.state, "flow.work", 0, r.err);
	assert_null(fl_store_get(s, fl_str("boat-1"), fl_key_hash(fl_str("boat-1")), &len));
	fl_instance_close(in);
	tear_down(&r);
}

static void counters_have_labels(void **state)
{
	(void)state;
	struct rig r;
	set_up(&r);
	uint64_t before = fl_metric_sum("fairlead_worked_total", NULL), boats = fl_metric_sum("fairlead_worked_by_key_total", "key=\"boat-1\"");
	struct fl_instance *in = run(&r, "drop");
	fl_instance_settle(in);
	assert_int_equal(fl_metric_sum("fairlead_worked_total", "app=\"app\",stage=\"work\"") - before, 3);
	assert_int_equal(fl_metric_sum("fairlead_worked_by_key_total", "key=\"boat-1\"") - boats, 2);
	const char *const odd[] = {"a\"b\\c\nd"};
	load(&r, odd, 1);
	assert_int_equal(fl_instance_process(in, r.ev, r.err), 0);
	fl_instance_settle(in);
	assert_int_equal(fl_metric_sum("fairlead_worked_by_key_total", "key=\"a\\\"b\\\\c\\nd\""), 1);
	fl_instance_close(in);
	tear_down(&r);
}

static void counters_of_too_many_keys_count_as_other(void **state)
{
	(void)state;
	struct rig r;
	set_up(&r);
	struct fl_instance *in = run(&r, "drop");
	char key[32];
	const char *const keys[] = {key};
	for (int i = 0; i < 1500; i++) {
		snprintf(key, sizeof key, "many-%d", i);
		load(&r, keys, 1);
		assert_int_equal(fl_instance_process(in, r.ev, r.err), 0);
	}
	fl_instance_settle(in);
	assert_true(fl_metric_sum("fairlead_worked_by_key_total", "key=\"other\"") >= 500);
	assert_int_equal(fl_metric_sum("fairlead_worked_by_key_total", "key=\"many-1499\""), 0);
	fl_instance_close(in);
	tear_down(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_by_key_and_keeps_its_state), cmocka_unit_test(keys_that_can_not_be_reject_the_event), cmocka_unit_test(outcomes),
		cmocka_unit_test(emits_stand_behind_their_event), cmocka_unit_test(open_that_fails_says_why), cmocka_unit_test(migrates_once),
		cmocka_unit_test(a_migration_that_fails_changes_nothing), cmocka_unit_test(counters_have_labels),
		cmocka_unit_test(counters_of_too_many_keys_count_as_other),
	};
	return cmocka_run_group_tests_name("instance", tests, NULL, NULL);
}
