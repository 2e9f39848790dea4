/* `fairlead pipe`: one pipeline on stdin and stdout. */
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "../base/log.h"
#include "../run/pipe.h"
#include "cli.h"
#include "common.h"

static const char HELP[] =
	"fairlead pipe CONF PIPELINE [--streams] [--now wall|record] [--strict]\n"
	"\n"
	"Runs one pipeline on JSON lines from stdin, without a daemon and without keeping anything: prints the values that\n"
	"reach the pipeline's `to`, one a line, and at the end a line of counts on stderr.\n"
	"\n"
	"  --streams     print every record that it writes to any stream, as stream<TAB>key<TAB>value\n"
	"  --now record  scripts see each record's own time as m.now, so that the same input gives the same bytes\n"
	"  --strict      status 1 when there were dead letters\n"
	"\n"
	"Example: head -100 readings.jsonl | fairlead pipe conf/yacht.lua enrich --now record\n";

static int find_pipeline(const struct fl_plan *plan, const char *name, const struct fl_plan_flow **flow)
{
	*flow = fl_plan_flow_find(plan, name);
	if (*flow && (*flow)->kind == FL_FLOW_PIPELINE)
		return 0;
	struct fl_buf all = {0};
	for (uint32_t k = 0; k < plan->flows; k++)
		if (plan->flow[k].kind == FL_FLOW_PIPELINE)
			fl_buf_printf(&all, "%s%s", all.len ? ", " : "", plan->flow[k].name);
	int rc = all.len ? fl_cli_fail(2, "%s has no pipeline \"%s\" (it has %.*s)", plan->file, name, (int)all.len, all.p)
			 : fl_cli_fail(2, "%s has no pipeline", plan->file);
	fl_buf_free(&all);
	return rc;
}

static int run(struct fl_pipe_conf *conf, const char *name, int strict)
{
	struct fl_pipe_counts n = {0};
	char err[FL_ERRLEN];
	int rc = find_pipeline(conf->plan, name, &conf->flow);
	if (rc)
		return rc;
	if (fl_pipe_run(conf, &n, err) < 0)
		return fl_cli_fail(1, "%s", err);
	fprintf(stderr, "%llu in, %llu out, %llu late, %llu dropped, %llu dead letters\n", (unsigned long long)n.in, (unsigned long long)n.out,
		(unsigned long long)n.late, (unsigned long long)fl_metric_sum("fairlead_events_dropped_total", NULL), (unsigned long long)n.dead);
	return strict && n.dead ? 1 : 0;
}

int fl_cli_pipe(int argc, char **argv)
{
	static const struct option LONG[] = {{"streams", 0, 0, 's'}, {"now", 1, 0, 'n'}, {"strict", 0, 0, 'x'}, {"help", 0, 0, 'h'}, {0}};
	struct fl_pipe_conf conf = {.in = STDIN_FILENO, .out = STDOUT_FILENO};
	int strict = 0;
	for (int c; (c = getopt_long(argc, argv, "h", LONG, NULL)) != -1;)
		switch (c) {
		case 's': conf.streams = 1; break;
		case 'x': strict = 1; break;
		case 'n':
			conf.record_now = strcmp(optarg, "record") == 0;
			if (!conf.record_now && strcmp(optarg, "wall") != 0)
				return fl_cli_misused("pipe", "--now %s: it is wall or record", optarg);
			break;
		case 'h': fputs(HELP, stdout); return 0;
		default: return fl_cli_misused("pipe", "it was called with what it does not know");
		}
	if (argc - optind != 2)
		return fl_cli_misused("pipe", "it takes a CONF and a PIPELINE");
	fl_log_setup(0, FL_WARN);
	struct fl_plan *plan = fl_cli_plan(argv[optind], 0);
	if (!plan)
		return 2;
	conf.plan = plan;
	int rc = run(&conf, argv[optind + 1], strict);
	fl_plan_free(plan);
	return rc;
}
