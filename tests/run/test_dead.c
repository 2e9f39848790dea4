/* The headers of dead letters, and what may not be lost or taken for granted there: run/dead.c. */
#include "app_helper.h"
#include "run/dead.h"

static const char RECORDS[3][100] = {"{\"x\":0}", "{\"x\":1}", "{\"x\":2}"}; /* with padding */

struct bench {
	struct fl_output out;
	struct fl_flow *flow;
	struct fl_line *line;
};

static struct bench begin(struct world *w)
{
	char path[128], err[FL_ERRLEN] = "";
	struct fl_buf warn = {0};
	struct bench b = {0};
	put(w, "conf/t.lua", "app \"t\"\nlocal a = stream \"a\" {}\nlocal b = stream \"b\" {}\npipeline \"p\" { from = a, to = b }\n");
	snprintf(path, sizeof path, "%s/conf/t.lua", w->dir);
	w->plan = fl_plan_read(path, &warn, err);
	fl_buf_free(&warn);
	if (!w->plan)
		fail_msg("%s", err);
	fl_output_open(&b.out, w->plan, NULL);
	b.flow = fl_flow_new(w->plan, fl_plan_flow_find(w->plan, "p"), w->dir);
	b.line = fl_line_new(b.flow, err);
	assert_non_null(b.line);
	return b;
}

static void end(struct bench *b)
{
	fl_output_close(&b->out);
	fl_line_free(b->line);
	fl_flow_free(b->flow);
}

/* What is in the only partition of a stream. To be unref'd. */
static struct fl_segment *written(struct world *w, struct bench *b, const char *stream)
{
	uint32_t s = fl_plan_stream_find(w->plan, fl_str(stream));
	assert_non_null(b->out.part[s]);
	assert_true(b->out.part[s][0].n > 0);
	return fl_segment_take(&b->out.part[s][0].buf, b->out.part[s][0].n);
}

static void expect_text(struct fl_record *r, const char *name, const char *text)
{
	struct fl_str v = fl_header_find(r->headers, fl_str(name));
	assert_int_equal(v.len, strlen(text));
	assert_memory_equal(v.p, text, v.len);
}

static void letters_say_where_they_come_from(void **state)
{
	struct world *w = *state;
	struct bench b = begin(w);
	struct fl_events *ev = b.line->ev[0];
	struct fl_buf h = {0};
	fl_header_add(&h, fl_str("trace"), fl_str("7"));
	fl_header_add(&h, fl_str("fl.error"), fl_str("of an earlier death"));
	fl_events_begin(ev, "a", 3, 1000);
	fl_events_add(ev, 41, 12.5, fl_str("key"), fl_str(RECORDS[1]),
		      (struct fl_str){h.p, (uint32_t)h.len});
	fl_events_decode(ev);
	fl_events_reject(ev, 0, "speed", fl_str("x.lua:3"), fl_str("first line\nsecond"));
	fl_dead_settle(b.line, ev, &ev->why[0], &b.out);
	struct fl_segment *seg = written(w, &b, "t-dlq");
	struct fl_record r;
	size_t at = 0;
	assert_int_equal(fl_segment_next(seg, &at, &r), 1);
	expect_text(&r, "trace", "7");
	expect_text(&r, "fl.stage", "speed");
	expect_text(&r, "fl.at", "x.lua:3");
	expect_text(&r, "fl.error", "first line\nsecond");
	expect_text(&r, "fl.stream", "a");
	expect_text(&r, "fl.partition", "3");
	expect_text(&r, "fl.offset", "41");
	expect_text(&r, "fl.time", "12.5");
	assert_int_equal(r.key.len, 3);
	assert_int_equal(r.value.len, 7);
	assert_true(r.time == 12.5);
	/* one of each name, the new ones */
	struct fl_str name, value;
	int errors = 0;
	for (uint32_t k = 0; fl_header_next(r.headers, &k, &name, &value);)
		errors += name.len == 8 && memcmp(name.p, "fl.error", 8) == 0;
	assert_int_equal(errors, 1);
	fl_segment_unref(seg);
	fl_buf_free(&h);
	end(&b);
}

static void fill(struct fl_events *ev)
{
	fl_events_begin(ev, "a", 0, 1000);
	for (int k = 0; k < 3; k++)
		fl_events_add(ev, k, 10 + k, (struct fl_str){0}, fl_str(RECORDS[k]), (struct fl_str){0});
	fl_events_decode(ev);
}

/* Stages speak one after the other; letters come in the order of the events. */
static void letters_come_in_the_order_of_the_events(void **state)
{
	struct world *w = *state;
	struct bench b = begin(w);
	struct fl_events *ev = b.line->ev[0];
	fill(ev);
	fl_events_reject(ev, 2, "one", (struct fl_str){0}, fl_str("third"));
	fl_events_reject(ev, 0, "two", (struct fl_str){0}, fl_str("first"));
	fl_events_late(ev, 1, "two", FL_NO_STREAM);
	fl_dead_sort(ev);
	for (uint32_t k = 0; k < ev->whys; k++)
		fl_dead_settle(b.line, ev, &ev->why[k], &b.out);
	struct fl_segment *dead = written(w, &b, "t-dlq"), *late = written(w, &b, "t-late");
	struct fl_record r;
	size_t at = 0;
	assert_int_equal(dead->n, 2);
	fl_segment_next(dead, &at, &r);
	expect_text(&r, "fl.offset", "0");
	fl_segment_next(dead, &at, &r);
	expect_text(&r, "fl.offset", "2");
	at = 0;
	assert_int_equal(late->n, 1);
	fl_segment_next(late, &at, &r);
	assert_memory_equal(r.value.p, RECORDS[1], r.value.len);
	assert_true(r.time == 11);
	fl_segment_unref(dead);
	fl_segment_unref(late);
	end(&b);
}

/* A plugin that writes to outcome[] itself has not said why; the event does not vanish. */
static void an_outcome_without_a_word_is_a_letter(void **state)
{
	struct world *w = *state;
	struct bench b = begin(w);
	struct fl_events *ev = b.line->ev[0];
	char err[FL_ERRLEN];
	struct fl_task t = {0};
	struct fl_state *st = fl_state_open(&(struct fl_state_conf){.who = "t"}, err);
	assert_int_equal(fl_task_open(&t, b.line, 0, st, err), 0);
	fill(ev);
	ev->b.outcome[1] = FL_DROP;
	ev->b.outcome[2] = FL_RETRY;
	fl_line_run(b.line, &t, &b.out, err);
	struct fl_segment *dead = written(w, &b, "t-dlq"), *out = written(w, &b, "b");
	assert_int_equal(dead->n, 2);
	assert_int_equal(out->n, 1);
	fl_segment_unref(dead);
	fl_segment_unref(out);
	fl_task_close(&t);
	fl_state_close(st);
	end(&b);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(letters_say_where_they_come_from),
		TEST(letters_come_in_the_order_of_the_events),
		TEST(an_outcome_without_a_word_is_a_letter),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
