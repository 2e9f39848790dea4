/* The metric table: one metric a name and label set, sums, the limit of label sets, threads. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../core/base/metric.h"

static void same_name_and_labels_is_one_metric(void **s)
{
	(void)s;
	struct fl_metric *a = fl_metric_get("fairlead_events_in_total", "app=\"a\"", NULL);
	assert_ptr_equal(a, fl_metric_get("fairlead_events_in_total", "app=\"a\"", NULL));
	assert_ptr_not_equal(a, fl_metric_get("fairlead_events_in_total", "app=\"b\"", NULL));
	assert_ptr_not_equal(a, fl_metric_get("fairlead_events_out_total", "app=\"a\"", NULL));
	assert_true(strlen(a->help) > 0);
	assert_string_equal(fl_metric_get("mine_total", NULL, "of a plugin")->help, "of a plugin");
	assert_string_equal(fl_metric_get("mine_total", NULL, NULL)->labels, "");
}

static void sums_over_labels(void **s)
{
	(void)s;
	fl_metric_add(fl_metric_get("sum_total", "app=\"a\",key=\"1\"", ""), 5);
	fl_metric_add(fl_metric_get("sum_total", "app=\"a\",key=\"2\"", ""), 7);
	fl_metric_add(fl_metric_get("sum_total", "app=\"b\",key=\"2\"", ""), 11);
	assert_int_equal(fl_metric_sum("sum_total", NULL), 23);
	assert_int_equal(fl_metric_sum("sum_total", "app=\"a\""), 12);
	assert_int_equal(fl_metric_sum("sum_total", "app=\"c\""), 0);
	assert_int_equal(fl_metric_sum("no_such_total", NULL), 0);
}

static void label_sets_are_limited(void **s)
{
	(void)s;
	char labels[64];
	struct fl_metric *m = NULL;
	for (int i = 0; i < 1500; i++) {
		snprintf(labels, sizeof labels, "app=\"a\",why=\"=\\\"%d\"", i);
		m = fl_metric_get("many_total", labels, "");
		fl_metric_add(m, 1);
	}
	assert_string_equal(m->labels, "app=\"a\",why=\"other\"");
	assert_int_equal(fl_metric_read(m), 500);
	assert_int_equal(fl_metric_sum("many_total", NULL), 1500);
	snprintf(labels, sizeof labels, "app=\"a\",why=\"=\\\"%d\"", 3);
	assert_string_equal(fl_metric_get("many_total", labels, "")->labels, labels);
}

struct order {
	const char *before, *after;
	int seen;
};

static void see(void *arg, struct fl_metric *m)
{
	struct order *o = arg;
	if (strcmp(m->name, o->before) == 0 && o->seen == 0)
		o->seen = 1;
	if (strcmp(m->name, o->after) == 0 && o->seen == 1)
		o->seen = 2;
}

static void each_in_the_order_they_were_made(void **s)
{
	(void)s;
	fl_metric_get("z_total", NULL, "");
	fl_metric_get("y_total", NULL, "");
	struct order o = {"z_total", "y_total", 0};
	fl_metric_each(see, &o);
	assert_int_equal(o.seen, 2);
}

static void *add(void *arg)
{
	char labels[32];
	for (int i = 0; i < 2000; i++) {
		snprintf(labels, sizeof labels, "n=\"%d\"", i % 50);
		fl_metric_add(fl_metric_get(arg, labels, ""), 1);
	}
	return NULL;
}

static void threads_add_to_the_same(void **s)
{
	(void)s;
	pthread_t t[4];
	char name[] = "threads_total";
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, add, name), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(fl_metric_sum("threads_total", NULL), 8000);
	assert_int_equal(fl_metric_sum("threads_total", "n=\"7\""), 160);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_name_and_labels_is_one_metric),
		cmocka_unit_test(sums_over_labels),
		cmocka_unit_test(label_sets_are_limited),
		cmocka_unit_test(each_in_the_order_they_were_made),
		cmocka_unit_test(threads_add_to_the_same),
	};
	return cmocka_run_group_tests_name("metric", tests, NULL, NULL);
}
