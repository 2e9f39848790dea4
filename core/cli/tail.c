/* `fairlead tail`: prints the records of a stream, beside the running daemon. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli.h"
#include "common.h"
#include "read.h"

static const char HELP[] =
	"fairlead tail CONF STREAM [--from beginning|end|OFFSET] [-n N] [--follow] [--meta] [--data DIR]\n"
	"\n"
	"Prints the last 10 records of a stream in the order they were appended, one a line.\n"
	"\n"
	"  -n N          the last N; with --from: the first N from there on\n"
	"  --from WHERE  from the beginning, the end, or an offset (of each partition) on\n"
	"  --follow      goes on with what comes, until Ctrl-C\n"
	"  --meta        prints {\"stream\",\"partition\",\"offset\",\"time\",\"key\",\"headers\",\"value\"}\n"
	"  --data DIR    where the daemon keeps its data (default ./var)\n"
	"\n"
	"Example: fairlead tail conf/yacht.lua enriched_data --follow\n";

struct tail {
	const char *data, *stream;
	int64_t from; /* -1: not given */
	int from_given, follow, meta;
	uint64_t n;
	int n_given;
	struct fl_scan *scan;
	struct fl_buf out;
};

static int write_out(struct fl_buf *b)
{
	for (size_t at = 0; at < b->len;) {
		ssize_t n = write(STDOUT_FILENO, b->p + at, b->len - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EPIPE ? 1 : fl_cli_fail(-1, "writing the output: %s", strerror(errno));
		at += (size_t)n;
	}
	b->len = 0;
	return 0;
}

static void print_to(struct tail *t, const struct fl_scanned *s, struct fl_buf *b)
{
	if (t->meta) {
		fl_scan_meta(t->stream, s, b);
		return;
	}
	fl_buf_add(b, s->r.value.p, s->r.value.len);
	fl_buf_byte(b, '\n');
}

/* The texts of the last n records, in a ring. */
struct ring {
	struct fl_buf *text;
	uint64_t seen, cap;
};

static int fill_ring(struct tail *t, struct ring *r, char *err)
{
	struct fl_scanned s;
	int rc;
	r->seen = 0;
	while ((rc = fl_scan_next(t->scan, &s, err)) > 0) {
		uint64_t k = r->seen++ % t->n;
		if (k >= r->cap) {
			uint64_t more = r->cap ? r->cap * 2 : 16;
			r->text = fl_realloc(r->text, more * sizeof *r->text);
			memset(r->text + r->cap, 0, (more - r->cap) * sizeof *r->text);
			r->cap = more;
		}
		r->text[k].len = 0;
		print_to(t, &s, &r->text[k]);
	}
	return rc;
}

/* The last n over all partitions; looks further back where gaps hid some. */
static int print_last(struct tail *t, char *err)
{
	struct ring r = {0};
	int rc = 0, whole;
	uint64_t back = t->n;
	if (t->n == 0)
		return 0;
	do {
		whole = fl_scan_last(t->scan, back);
		rc = fill_ring(t, &r, err);
		back = back < UINT64_MAX / 16 ? back * 16 : UINT64_MAX;
	} while (rc == 0 && r.seen < t->n && !whole);
	uint64_t have = r.seen < t->n ? r.seen : t->n;
	for (uint64_t k = 0; rc == 0 && k < have; k++) {
		const struct fl_buf *b = &r.text[(r.seen - have + k) % t->n];
		fl_buf_add(&t->out, b->p, b->len);
		if (t->out.len > (64 << 10) && write_out(&t->out))
			break;
	}
	for (uint64_t k = 0; k < r.cap; k++)
		fl_buf_free(&r.text[k]);
	free(r.text);
	return rc;
}

/* All from where the scan stands, at most n. */
static int print_from(struct tail *t, uint64_t n, char *err)
{
	struct fl_scanned s;
	int rc = 0;
	for (; n && (rc = fl_scan_next(t->scan, &s, err)) > 0; n--) {
		print_to(t, &s, &t->out);
		if (t->out.len > (64 << 10) && (rc = write_out(&t->out)))
			return rc;
	}
	return n ? rc : 2; /* 2: as many as were asked for */
}

static int print(struct tail *t, char *err)
{
	int rc = t->from_given ? print_from(t, t->n_given ? t->n : UINT64_MAX, err) : print_last(t, err);
	if (rc >= 0 && t->out.len)
		rc = write_out(&t->out) ? 1 : rc;
	while (rc == 0 && t->follow) {
		fl_scan_wait(t->scan, 1);
		rc = print_from(t, UINT64_MAX, err);
		if (rc == 0 && t->out.len)
			rc = write_out(&t->out);
	}
	return rc;
}

static int parse(int argc, char **argv, struct tail *t)
{
	static const struct option LONG[] = {{"from", 1, 0, 'f'}, {"follow", 0, 0, 'F'}, {"meta", 0, 0, 'm'}, {"data", 1, 0, 'd'}, {"help", 0, 0, 'h'}, {0}};
	*t = (struct tail){.data = "var", .from = -1, .n = 10};
	for (int c; (c = getopt_long(argc, argv, "n:fh", LONG, NULL)) != -1;) {
		long long n;
		switch (c) {
		case 'f':
			t->from_given = 1;
			if (!optarg)
				return fl_cli_misused("tail", "-f is not an option; did you mean --follow?");
			if (strcmp(optarg, "beginning") == 0)
				t->from = -1;
			else if (strcmp(optarg, "end") == 0)
				t->from = INT64_MAX;
			else if ((t->from = fl_cli_number(optarg)) < 0)
				return fl_cli_misused("tail", "--from %s: it is beginning, end or an offset", optarg);
			break;
		case 'n':
			if ((n = fl_cli_number(optarg)) < 0)
				return fl_cli_misused("tail", "-n %s: it takes a number", optarg);
			t->n = (uint64_t)n;
			t->n_given = 1;
			break;
		case 'F': t->follow = 1; break;
		case 'm': t->meta = 1; break;
		case 'd': t->data = optarg; break;
		case 'h': fputs(HELP, stdout); return -1;
		default: return fl_cli_misused("tail", "it was called with what it does not know");
		}
	}
	return argc - optind == 2 ? 0 : fl_cli_misused("tail", "it takes a CONF and a STREAM");
}

static int run(struct tail *t, const struct fl_plan *plan)
{
	char err[FL_ERRLEN];
	int rc = 1;
	struct fl_streams *st = NULL;
	if (fl_cli_stream(plan, t->stream) == FL_NO_STREAM)
		return 2;
	if (!(st = fl_cli_streams(plan, t->data, FL_STREAMS_READ)))
		return 1;
	t->scan = fl_scan_open(st, t->stream, t->from, err);
	if (!t->scan) {
		fl_cli_fail(1, "%s", err);
		goto out;
	}
	rc = print(t, err);
	if (rc < 0)
		fl_cli_fail(1, "%s", err);
	rc = rc < 0;
out:
	if (t->scan)
		fl_scan_close(t->scan);
	st->ops->close(st);
	fl_buf_free(&t->out);
	return rc;
}

int fl_cli_tail(int argc, char **argv)
{
	struct tail t;
	int rc = parse(argc, argv, &t);
	if (rc)
		return rc < 0 ? 0 : rc;
	struct fl_plan *plan = fl_cli_look(argv[optind]);
	if (!plan)
		return 2;
	t.stream = argv[optind + 1];
	rc = run(&t, plan);
	fl_plan_free(plan);
	return rc;
}
