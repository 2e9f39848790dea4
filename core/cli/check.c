/* `fairlead check`: reads confs as `run` would, says what is wrong with them, and draws them. Main thread. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "common.h"

static const char HELP[] =
	"fairlead check CONF… [--mermaid|--json]\n"
	"\n"
	"Reads confs and checks all of them without starting anything: words, options, types, units, plugins, whether\n"
	"scripts compile. Prints each as a graph on stdout; warnings and errors, with file and line, go to stderr.\n"
	"\n"
	"  --mermaid  as a mermaid flowchart, for documents\n"
	"  --json     as JSON with every field, one object a line\n"
	"\n"
	"Ends with 0 for confs that `run` would take, with 2 for others. Secrets from env are shown as ***.\n"
	"\n"
	"Example: fairlead check conf/yacht.lua\n";

enum form { TEXT, MERMAID, JSON };

static void print(const struct fl_plan *plan, enum form form, int first)
{
	struct fl_buf out = {0};
	if (form == JSON)
		fl_plan_json(plan, &out);
	else if (form == MERMAID)
		fl_plan_mermaid(plan, &out);
	else
		fl_plan_text(plan, &out, isatty(STDOUT_FILENO) && !getenv("NO_COLOR"));
	if (!first && form != JSON)
		putchar('\n');
	fwrite(out.p, 1, out.len, stdout);
	fl_buf_free(&out);
}

int fl_cli_check(int argc, char **argv)
{
	static const struct option options[] = {
		{"mermaid", no_argument, NULL, 'm'}, {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0},
	};
	enum form form = TEXT;
	int status = 0;
	optind = 0;
	for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
		if (c == 'h') {
			fputs(HELP, stdout);
			return 0;
		}
		if (c == '?' || (form != TEXT && form != (c == 'm' ? MERMAID : JSON)))
			return fl_cli_misused("check", "check takes --mermaid or --json");
		form = c == 'm' ? MERMAID : JSON;
	}
	if (optind == argc)
		return fl_cli_misused("check", "check takes one CONF or several, such as conf/yacht.lua");
	struct fl_plan **plans = fl_alloc((size_t)argc * sizeof *plans);
	uint32_t n = 0;
	for (int i = optind; i < argc; i++) {
		plans[n] = fl_cli_plan(argv[i], 1);
		if (!plans[n] || !fl_cli_new_app(plans, n)) {
			fl_plan_free(plans[n]);
			status = 2;
			continue;
		}
		print(plans[n], form, n == 0);
		n++;
	}
	while (n)
		fl_plan_free(plans[--n]);
	free(plans);
	return status;
}
