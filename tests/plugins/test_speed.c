/* plugins/speed.c against what is documented, and against a naive model on random events. */
#include "stage.h"

#include <math.h>

static void make(struct stage *s, const char *span, const char *least)
{
	stage_new(s, "speed", &fl_codec_json);
	stage_text(s, "x", "x");
	stage_text(s, "y", "y");
	stage_text(s, "span", span);
	stage_text(s, "least", least);
}

static int send(struct stage *s, double time, const char *key, const char *json)
{
	stage_begin(s, "raw", 0);
	stage_add(s, 0, time, key, json);
	stage_decode(s);
	stage_process(s);
	return stage_outcome(s, 0);
}

static int at(struct stage *s, double time, double x, double y)
{
	char json[100];
	snprintf(json, sizeof json, "{\"x\":%.17g,\"y\":%.17g}", x, y);
	return send(s, time, "a", json);
}

static double speed(struct stage *s)
{
	struct fl_column *c = stage_column(s, "inst_speed");
	return c->type[0] == FL_NUMBER ? c->num[0] : NAN;
}

static void near(double is, double want)
{
	if (!(fabs(is - want) <= 1e-9 * fabs(want)))
		fail_msg("%.17g is not %.17g", is, want);
}

static void test_a_degree_is_so_many_metres(void **arg)
{
	struct stage s;
	const double degree = 6371008.8 * M_PI / 180;
	(void)arg;
	make(&s, "10s", "1s");
	stage_must_open(&s);
	assert_int_equal(at(&s, 0, 10, 0), FL_DROP);
	assert_string_equal(stage_reason(&s, 0), "no reference yet");
	assert_int_equal(at(&s, 2, 11, 0), FL_PASS); /* x is the longitude: along the equator */
	near(speed(&s), degree / 2);
	assert_int_equal(at(&s, 4, 10, 1), FL_PASS); /* from the oldest, up a meridian */
	near(speed(&s), degree / 4);
	stage_end(&s);
}

static void test_longitude_shrinks_with_latitude_and_half_the_world_works(void **arg)
{
	struct stage s;
	(void)arg;
	make(&s, "100s", "1s");
	stage_must_open(&s);
	at(&s, 0, 0, 60);
	assert_int_equal(at(&s, 1, 0.001, 60), FL_PASS);
	near(speed(&s), 6371008.8 * M_PI / 180 * 0.001 * 0.5);
	assert_int_equal(at(&s, 2, 180, -60), FL_PASS); /* the other side of the earth */
	near(speed(&s), 6371008.8 * M_PI / 2);
	stage_end(&s);
}

static void test_reference_is_the_oldest_within_the_span(void **arg)
{
	struct stage s;
	(void)arg;
	make(&s, "5s", "1s");
	stage_text(&s, "metric", "degrees");
	stage_must_open(&s);
	at(&s, 0, 0, 0);
	at(&s, 2, 100, 0);
	assert_int_equal(at(&s, 5, 3, 4), FL_PASS); /* 5 - 0 <= span */
	near(speed(&s), 1);
	assert_int_equal(at(&s, 5.5, 100, 7), FL_PASS); /* now the one of 2 */
	near(speed(&s), 2);
	stage_end(&s);
}

static void test_least_is_the_smallest_difference(void **arg)
{
	struct stage s;
	(void)arg;
	make(&s, "5s", "1s");
	stage_must_open(&s);
	at(&s, 10, 0, 0);
	assert_int_equal(at(&s, 10.5, 1, 0), FL_DROP);
	assert_int_equal(at(&s, 11, 1, 0), FL_PASS);
	assert_int_equal(at(&s, 100, 1, 0), FL_DROP); /* all others are too old */
	assert_int_equal(at(&s, 100, 2, 0), FL_DROP); /* no time between them */
	stage_end(&s);
}

static void test_least_zero_divides_by_no_zero(void **arg)
{
	struct stage s;
	(void)arg;
	make(&s, "5s", "0s");
	stage_text(&s, "metric", "degrees");
	stage_must_open(&s);
	assert_int_equal(at(&s, 1, 0, 0), FL_DROP);
	assert_int_equal(at(&s, 1, 5, 0), FL_DROP);
	assert_int_equal(at(&s, 1.25, 1, 0), FL_PASS);
	near(speed(&s), 4);
	stage_end(&s);
}

static void test_keep_passes_without_a_speed(void **arg)
{
	struct stage s;
	(void)arg;
	make(&s, "5s", "1s");
	stage_bool(&s, "keep", 1);
	stage_must_open(&s);
	assert_int_equal(send(&s, 0, "a", "{\"x\":1,\"y\":2}"), FL_PASS);
	assert_int_equal(stage_column(&s, "inst_speed")->type[0], FL_ABSENT);
	assert_int_equal(send(&s, 0.5, "a", "{\"x\":1,\"inst_speed\":99,\"y\":2}"), FL_PASS); /* nor somebody else's */
	assert_int_equal(stage_column(&s, "inst_speed")->type[0], FL_ABSENT);
	assert_int_equal(send(&s, 1, "a", "{\"x\":1,\"inst_speed\":99,\"y\":2}"), FL_PASS);
	assert_true(speed(&s) == 0);
	stage_end(&s);
}

static void test_no_number_is_rejected(void **arg)
{
	static const struct {
		const char *json, *words;
	} cases[] = {
		{"{\"y\":1}", "field \"x\" is missing"},
		{"{\"x\":1}", "field \"y\" is missing"},
		{"{\"x\":\"1\",\"y\":1}", "field \"x\" is a string"},
		{"{\"x\":1,\"y\":null}", "field \"y\" is null"},
		{"{\"x\":true,\"y\":1}", "field \"x\" is a bool"},
		{"{\"x\":1,\"y\":[1]}", "field \"y\" is an object or array"},
	};
	struct stage s;
	(void)arg;
	make(&s, "5s", "1s");
	stage_must_open(&s);
	for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
		assert_int_equal(send(&s, 0, "a", cases[k].json), FL_REJECT);
		if (!strstr(stage_reason(&s, 0), cases[k].words))
			fail_msg("\"%s\" does not say \"%s\"", stage_reason(&s, 0), cases[k].words);
	}
	assert_int_equal(send(&s, 0, NULL, "{\"x\":1,\"y\":1}"), FL_REJECT);
	assert_non_null(strstr(stage_reason(&s, 0), "no key"));
	stage_end(&s);
}

static void test_huge_values_do_no_harm(void **arg)
{
	struct stage s;
	(void)arg;
	make(&s, "5s", "1s");
	stage_text(&s, "metric", "degrees");
	stage_must_open(&s);
	assert_int_equal(at(&s, -1e300, 0, 0), FL_DROP);
	assert_int_equal(at(&s, 1e300, 0, 0), FL_DROP);
	assert_int_equal(send(&s, 0, "b", "{\"x\":-1e308,\"y\":0}"), FL_DROP);
	assert_int_equal(send(&s, 2, "b", "{\"x\":1e308,\"y\":1e308}"), FL_REJECT); /* its speed is no finite number */
	assert_int_equal(send(&s, 8, "b", "{\"x\":9223372036854775807,\"y\":0}"), FL_DROP);
	assert_int_equal(send(&s, 9, "b", "{\"x\":9223372036854775807,\"y\":1}"), FL_PASS);
	assert_true(speed(&s) == 1);
	stage_end(&s);
}

static void test_rings_outlive_the_instance(void **arg)
{
	struct stage s;
	(void)arg;
	make(&s, "50s", "1s");
	stage_text(&s, "metric", "degrees");
	stage_must_open(&s);
	for (int k = 0; k < 40; k++) /* larger than the first ring */
		at(&s, k, k * 3, 0);
	stage_shut(&s);
	stage_must_open(&s);
	assert_int_equal(at(&s, 50, 200, 0), FL_PASS);
	near(speed(&s), 4);
	stage_end(&s);
}

static uint32_t kept(struct stage *s)
{
	uint32_t len = 0;
	struct fl_store *store = fl_state_store(s->state, "flow.speed", 0, s->err);
	fl_store_get(store, fl_str("a"), fl_key_hash(fl_str("a")), &len);
	return len;
}

static void test_a_burst_does_not_stay_in_the_state(void **arg)
{
	struct stage s;
	(void)arg;
	make(&s, "1s", "0s");
	stage_must_open(&s);
	at(&s, 0, 0, 0);
	uint32_t small = kept(&s);
	for (int k = 0; k < 3000; k++)
		at(&s, 1 + k * 1e-4, 0, 0);
	assert_true(kept(&s) > 50000);
	for (int k = 0; k < 20; k++)
		at(&s, 100 + 10 * k, 0, 0);
	assert_int_equal(kept(&s), small);
	stage_end(&s);
}

static void test_most_bounds_the_ring_and_shortens_the_span(void **arg)
{
	struct stage s;
	(void)arg;
	make(&s, "1000s", "1s");
	stage_number(&s, "most", 16);
	stage_text(&s, "metric", "degrees");
	stage_must_open(&s);
	for (int k = 0; k < 100; k++)
		at(&s, k, k < 90 ? 0 : k, 0);
	assert_int_equal(kept(&s), 16 + 16 * 32);
	near(speed(&s), 99.0 / 15); /* from the event of 84 */
	stage_end(&s);
}

static void test_state_of_another_version_is_an_error(void **arg)
{
	struct stage s;
	uint32_t strange[40] = {77};
	(void)arg;
	make(&s, "5s", "1s");
	stage_must_open(&s);
	struct fl_store *store = fl_state_store(s.state, "flow.speed", 0, s.err);
	for (uint32_t version = 77;; version = 1) { /* a version 1 with senseless numbers behind it is no better */
		strange[0] = version;
		strange[1] = 3;
		fl_store_put(store, fl_str("a"), fl_key_hash(fl_str("a")), strange, sizeof strange);
		stage_begin(&s, "raw", 0);
		stage_add(&s, 0, 1, "a", "{\"x\":1,\"y\":1}");
		stage_decode(&s);
		assert_int_equal(fl_instance_process(s.in, s.ev, s.err), -1);
		assert_non_null(strstr(s.err, "version"));
		if (version == 1)
			break;
	}
	stage_end(&s);
}

static void test_senseless_options_are_refused(void **arg)
{
	static const char *const cases[][2] = {{"0s", "0s"}, {"5s", "6s"}};
	struct stage s;
	(void)arg;
	for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
		make(&s, cases[k][0], cases[k][1]);
		assert_int_equal(stage_open(&s), -1);
		assert_non_null(strstr(s.err, "span"));
		stage_end(&s);
	}
	make(&s, "5s", "1s");
	stage_number(&s, "most", 2);
	assert_int_equal(stage_open(&s), -1);
	assert_non_null(strstr(s.err, "most"));
	stage_end(&s);
}

/* ---- the naive model: all events of a key that are not too old, in the order of their times ---- */

#define KEYS 11
#define MOST 4000
struct naive {
	double t[MOST], x[MOST], y[MOST];
	int n;
};

static double naive_distance(int earth, double x1, double y1, double x2, double y2)
{
	const double r = M_PI / 180;
	if (!earth)
		return sqrt((x2 - x1) * (x2 - x1) + (y2 - y1) * (y2 - y1));
	double a = pow(sin((y2 - y1) * r / 2), 2) + cos(y1 * r) * cos(y2 * r) * pow(sin((x2 - x1) * r / 2), 2);
	return 2 * 6371008.8 * asin(sqrt(a));
}

/* NAN: no speed. */
static double naive_speed(struct naive *k, int earth, double span, double least, double t, double x, double y)
{
	double newest = t, from = INFINITY, speed = NAN;
	int n = 0, at;
	for (int i = 0; i < k->n; i++)
		newest = k->t[i] > newest ? k->t[i] : newest;
	for (int i = 0; i < k->n; i++)
		if (newest - k->t[i] <= span) {
			k->t[n] = k->t[i], k->x[n] = k->x[i], k->y[n] = k->y[i];
			n++;
		}
	k->n = n;
	for (int i = 0; i < n; i++)
		if (t - k->t[i] <= span && k->t[i] < from) { /* of equals the first that came */
			from = k->t[i];
			double dt = t - from;
			speed = dt > 0 && dt >= least ? naive_distance(earth, k->x[i], k->y[i], x, y) / dt : NAN;
		}
	if (newest - t > span)
		return speed;
	at = k->n++;
	assert_true(k->n < MOST);
	k->t[at] = t, k->x[at] = x, k->y[at] = y;
	return speed;
}

static void random_events(int earth, double disorder)
{
	static struct naive model[KEYS];
	struct stage s;
	int speeds = 0, drops = 0;
	memset(model, 0, sizeof model);
	make(&s, "5s", "750ms");
	stage_text(&s, "metric", earth ? "earth" : "degrees");
	stage_must_open(&s);
	double clock = 1.7e9;
	for (int round = 0; round < 60; round++) {
		double want[STAGE_EVENTS];
		stage_begin(&s, "raw", 0);
		for (int i = 0; i < STAGE_EVENTS; i++) {
			char key[8], json[120];
			uint32_t k = stage_random(KEYS);
			double x = 21 + stage_random(1000) * 1e-5, y = 52 + stage_random(1000) * 1e-5;
			clock += stage_random(8) / 64.0; /* often none: equal times */
			if (stage_random(500) == 0)
				clock += 30;
			double t = clock - (disorder > 0 ? stage_random(64) / 64.0 * disorder : 0);
			snprintf(key, sizeof key, "%u", k);
			snprintf(json, sizeof json, "{\"x\":%.17g,\"y\":%.17g}", x, y);
			stage_add(&s, i, t, key, json);
			want[i] = naive_speed(&model[k], earth, 5, 0.75, t, x, y);
		}
		stage_decode(&s);
		stage_process(&s);
		struct fl_column *c = stage_column(&s, "inst_speed");
		for (uint32_t i = 0; i < STAGE_EVENTS; i++) {
			assert_int_equal(stage_outcome(&s, i), isnan(want[i]) ? FL_DROP : FL_PASS);
			if (isnan(want[i]))
				drops++;
			else if (++speeds && fabs(c->num[i] - want[i]) > 1e-7 * want[i])
				fail_msg("speed %.17g is not %.17g", c->num[i], want[i]);
		}
		if (round % 20 == 19) {
			stage_shut(&s);
			stage_must_open(&s);
		}
	}
	assert_true(speeds > 1000);
	assert_true(drops > 30);
	stage_end(&s);
}

static void test_random_in_order(void **arg)
{
	(void)arg;
	random_events(1, 0);
	random_events(0, 0);
}

static void test_random_out_of_order(void **arg)
{
	(void)arg;
	random_events(1, 2);
	random_events(0, 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_degree_is_so_many_metres),
		cmocka_unit_test(test_longitude_shrinks_with_latitude_and_half_the_world_works),
		cmocka_unit_test(test_reference_is_the_oldest_within_the_span),
		cmocka_unit_test(test_least_is_the_smallest_difference),
		cmocka_unit_test(test_least_zero_divides_by_no_zero),
		cmocka_unit_test(test_keep_passes_without_a_speed),
		cmocka_unit_test(test_no_number_is_rejected),
		cmocka_unit_test(test_huge_values_do_no_harm),
		cmocka_unit_test(test_rings_outlive_the_instance),
		cmocka_unit_test(test_a_burst_does_not_stay_in_the_state),
		cmocka_unit_test(test_most_bounds_the_ring_and_shortens_the_span),
		cmocka_unit_test(test_state_of_another_version_is_an_error),
		cmocka_unit_test(test_senseless_options_are_refused),
		cmocka_unit_test(test_random_in_order),
		cmocka_unit_test(test_random_out_of_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
