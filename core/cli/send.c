/* `fairlead send`: JSON lines from stdin into a stream, beside the running daemon or without one. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../run/output.h"
#include "cli.h"
#include "common.h"

static const char HELP[] =
	"fairlead send CONF STREAM [--data DIR]\n"
	"\n"
	"Puts lines from stdin into a stream, one record a line, keyed and timed by the stream's fields. A line that the\n"
	"stream's codec can't read is named and left out, and the status is 1. Works beside the running daemon.\n"
	"\n"
	"  --data DIR    where the daemon keeps its data (default ./var)\n"
	"\n"
	"Example: echo '{\"id\":7,\"x\":21.03,\"y\":52.44,\"timestamp\":1732150000}' | fairlead send conf/yacht.lua raw_sensor_data\n";

struct send {
	const struct fl_plan *plan;
	struct fl_streams *st;
	uint32_t stream;
	int stream_of;
	struct fl_reader *reader;
	struct fl_fields *fields;
	struct fl_events *ev; /* the lines, to be checked */
	struct fl_output out;
	struct fl_buf text;
	size_t *at; /* [lines] where each begins in text */
	uint32_t lines;
	uint64_t line, sent, bad;
};

/* One atomic step with all that was collected, waited for. */
static void commit(struct send *s)
{
	uint32_t parts = fl_output_parts(&s->out);
	if (!parts)
		return;
	struct fl_txn *txn = fl_alloc(sizeof *txn);
	txn->append = fl_alloc(parts * sizeof *txn->append);
	int *map = fl_alloc(s->plan->streams * sizeof *map);
	map[s->stream] = s->stream_of;
	fl_output_take(&s->out, txn, map);
	free(map);
	s->st->ops->commit(s->st, txn);
	while (!atomic_load_explicit(&txn->done, memory_order_acquire))
		s->st->ops->wait(s->reader, 0.01);
	fl_txn_free(txn);
}

static void check_and_collect(struct send *s)
{
	struct fl_events *ev = s->ev;
	double now = fl_now();
	fl_buf_room(&s->text, FL_PAD);
	fl_events_begin(ev, s->plan->stream[s->stream].name, 0, now);
	for (uint32_t k = 0; k < s->lines; k++) {
		size_t end = k + 1 < s->lines ? s->at[k + 1] : s->text.len;
		fl_events_add(ev, (int64_t)(s->line + k), now, (struct fl_str){0}, (struct fl_str){s->text.p + s->at[k], (uint32_t)(end - s->at[k])}, (struct fl_str){0});
	}
	fl_events_decode(ev);
	for (uint32_t k = 0; k < ev->whys; k++, s->bad++)
		fl_cli_fail(1, "line %llu is not sent: %.*s", (unsigned long long)(ev->b.offset[ev->why[k].i] + 1), (int)ev->why[k].text.len, ev->why[k].text.p);
	for (uint32_t i = 0; i < ev->b.n; i++)
		if (ev->b.outcome[i] == FL_PASS) {
			s->out.turn++;
			fl_output_raw(&s->out, s->stream, (struct fl_record){now, {0}, {0}, ev->b.value[i]});
			s->sent++;
		}
	s->line += s->lines;
	s->lines = 0;
	s->text.len = 0;
}

static int read_lines(struct send *s)
{
	char *line = NULL;
	size_t cap = 0;
	/* What is piped in slowly goes out at once: a line waits only while more are there already. */
	for (ssize_t n; (n = getline(&line, &cap, stdin)) != -1;) {
		if (n && line[n - 1] == '\n')
			n--;
		if (n > (ssize_t)UINT32_MAX / 2)
			n = UINT32_MAX / 2;
		s->at[s->lines++] = s->text.len;
		fl_buf_add(&s->text, line, (size_t)n);
		if (s->lines < s->ev->capacity && s->text.len < ((size_t)1 << 20) && isatty(STDIN_FILENO) == 0)
			continue;
		check_and_collect(s);
		if (s->out.bytes > ((size_t)4 << 20) || isatty(STDIN_FILENO))
			commit(s);
	}
	free(line);
	if (s->lines)
		check_and_collect(s);
	commit(s);
	return ferror(stdin) ? fl_cli_fail(1, "reading the input failed after line %llu", (unsigned long long)s->line) : 0;
}

static int run(struct send *s, const char *data)
{
	char err[FL_ERRLEN];
	const struct fl_plan_stream *ps = &s->plan->stream[s->stream];
	if (!(s->st = fl_cli_streams(s->plan, data, FL_STREAMS_SEND)))
		return 1;
	int rc = 1;
	s->stream_of = s->st->ops->declare(s->st, &(struct fl_stream_def){.name = ps->name, .partitions = ps->partitions}, err);
	if (s->stream_of < 0 || !(s->reader = s->st->ops->reader(s->st, err))) {
		fl_cli_fail(1, "%s", err);
		goto out;
	}
	s->fields = fl_fields_new();
	s->ev = fl_events_new(s->fields, ps->codec, ps->limits, 0);
	s->at = fl_alloc((s->ev->capacity + 1) * sizeof *s->at);
	fl_output_open(&s->out, s->plan, NULL);
	rc = read_lines(s);
	fprintf(stderr, "%llu records sent to %s\n", (unsigned long long)s->sent, ps->name);
	if (s->bad)
		rc = 1;
	fl_output_close(&s->out);
	fl_events_free(s->ev);
	fl_fields_free(s->fields);
	s->st->ops->reader_close(s->reader);
	free(s->at);
	fl_buf_free(&s->text);
out:
	s->st->ops->close(s->st);
	return rc;
}

int fl_cli_send(int argc, char **argv)
{
	static const struct option LONG[] = {{"data", 1, 0, 'd'}, {"help", 0, 0, 'h'}, {0}};
	const char *data = "var";
	for (int c; (c = getopt_long(argc, argv, "h", LONG, NULL)) != -1;)
		switch (c) {
		case 'd': data = optarg; break;
		case 'h': fputs(HELP, stdout); return 0;
		default: return fl_cli_misused("send", "it was called with what it does not know");
		}
	if (argc - optind != 2)
		return fl_cli_misused("send", "it takes a CONF and a STREAM");
	struct fl_plan *plan = fl_cli_look(argv[optind]);
	if (!plan)
		return 2;
	struct send s = {.plan = plan, .stream = fl_cli_stream(plan, argv[optind + 1])};
	int rc = s.stream == FL_NO_STREAM ? 2 : run(&s, data);
	fl_plan_free(plan);
	return rc;
}
