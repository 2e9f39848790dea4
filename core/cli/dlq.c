/* `fairlead dlq`: the dead letters of an app. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "../event/header.h"
#include "../event/time.h"
#include "cli.h"
#include "common.h"
#include "read.h"

static const char HELP[] =
	"fairlead dlq CONF list [--data DIR]          one line a dead letter: its offset, when, where, why, from where\n"
	"fairlead dlq CONF show OFFSET [--data DIR]   one of them whole: error, traceback, origin, key and bytes\n"
	"\n"
	"Events that a stage rejected, or that no codec could read, wait in the stream <app>-dlq with the bytes they came with.\n"
	"\n"
	"Example: fairlead dlq conf/yacht.lua list\n";

static struct fl_str header(const struct fl_scanned *s, const char *name) { return fl_header_find(s->r.headers, fl_str(name)); }

static struct fl_str first_line(struct fl_str s)
{
	const char *nl = s.len ? memchr(s.p, '\n', s.len) : NULL;
	return nl ? (struct fl_str){s.p, (uint32_t)(nl - s.p)} : s;
}

#define TEXT(s) (int)(s).len, (s).p ? (s).p : ""

static void list_one(const struct fl_scanned *s)
{
	struct fl_str at = header(s, "fl.at"), stage = header(s, "fl.stage"), error = first_line(header(s, "fl.error"));
	struct fl_str stream = header(s, "fl.stream"), part = header(s, "fl.partition"), offset = header(s, "fl.offset");
	char when[40];
	uint32_t n = fl_time_write(when, s->r.time);
	if (at.len) /* the message begins with the place too */
		stage = at;
	printf("%lld\t%.*s\t%.*s\t%.*s\t%.*s[%.*s]@%.*s\n", (long long)s->offset, (int)n, when, TEXT(stage), TEXT(error), TEXT(stream), TEXT(part), TEXT(offset));
}

static void show_one(const struct fl_scanned *s)
{
	struct fl_str name, value;
	for (uint32_t at = 0; fl_header_next(s->r.headers, &at, &name, &value);)
		printf("%-14.*s %.*s\n", TEXT(name), TEXT(value));
	printf("%-14s %.*s\n\n%.*s\n", "key", TEXT(s->r.key), TEXT(s->r.value));
}

static int walk(struct fl_streams *st, const char *stream, long long only)
{
	char err[FL_ERRLEN];
	struct fl_scanned s;
	uint64_t n = 0;
	int rc;
	struct fl_scan *scan = fl_scan_open(st, stream, only, err);
	if (!scan)
		return fl_cli_fail(1, "%s", err);
	while ((rc = fl_scan_next(scan, &s, err)) > 0) {
		if (only >= 0 && s.offset != only)
			break;
		n++;
		if (only >= 0) {
			show_one(&s);
			break;
		}
		list_one(&s);
	}
	if (rc < 0)
		fl_cli_fail(1, "%s", err);
	else if (only >= 0 && !n)
		rc = fl_cli_fail(-1, "there is no dead letter %lld", only);
	else if (only < 0)
		fprintf(stderr, "%llu dead letters\n", (unsigned long long)n);
	fl_scan_close(scan);
	return rc < 0;
}

int fl_cli_dlq(int argc, char **argv)
{
	static const struct option LONG[] = {{"data", 1, 0, 'd'}, {"help", 0, 0, 'h'}, {0}};
	const char *data = "var";
	for (int c; (c = getopt_long(argc, argv, "h", LONG, NULL)) != -1;)
		switch (c) {
		case 'd': data = optarg; break;
		case 'h': fputs(HELP, stdout); return 0;
		default: return fl_cli_misused("dlq", "it was called with what it does not know");
		}
	int n = argc - optind, list = n == 2 && strcmp(argv[optind + 1], "list") == 0, show = n == 3 && strcmp(argv[optind + 1], "show") == 0;
	long long only = show ? fl_cli_number(argv[optind + 2]) : -1;
	if ((!list && !show) || (show && only < 0))
		return fl_cli_misused("dlq", "it takes a CONF and list, or show and the offset that list gives");
	struct fl_plan *plan = fl_cli_look(argv[optind]);
	if (!plan)
		return 2;
	struct fl_streams *st = fl_cli_streams(plan, data, FL_STREAMS_READ);
	int rc = st ? walk(st, plan->stream[plan->dlq].name, only) : 1;
	if (st)
		st->ops->close(st);
	fl_plan_free(plan);
	return rc;
}
