/* The command: finds the verb and calls it. */
#include <stdio.h>
#include <string.h>

#include "../base/unit.h"
#include "cli.h"
#include "common.h"

static const struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} VERB[] = {
	{"run", fl_cli_run, "run the pipelines of one or several confs"},
	{"check", fl_cli_check, "read a conf, say what is wrong with it, show it as a graph"},
	{"plugins", fl_cli_plugins, "list the plugins and their options"},
	{"pipe", fl_cli_pipe, "run one pipeline on stdin and stdout, without a daemon"},
	{"tail", fl_cli_tail, "print the records of a stream"},
	{"send", fl_cli_send, "put JSON lines from stdin into a stream"},
	{"dlq", fl_cli_dlq, "look at the dead letters"},
	{"new", fl_cli_new, "start a plugin or a script"},
	{"version", fl_cli_version, "print the version"},
};
#define VERBS (sizeof VERB / sizeof *VERB)

static void help(FILE *to)
{
	fputs("fairlead: streaming pipelines of Lua scripts and C plugins, in one process\n\nusage: fairlead VERB …\n\n", to);
	for (size_t k = 0; k < VERBS; k++)
		fprintf(to, "  %-8s  %s\n", VERB[k].name, VERB[k].help);
	fputs("\n`fairlead VERB --help` tells more. First steps: fairlead check conf/yacht.lua && fairlead run conf/yacht.lua\n", to);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		help(stderr);
		return 2;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
		help(stdout);
		return 0;
	}
	if (strcmp(argv[1], "--version") == 0)
		return fl_cli_version(1, argv);
	const char *names[VERBS];
	for (size_t k = 0; k < VERBS; k++) {
		if (strcmp(argv[1], VERB[k].name) == 0) {
			int rc = VERB[k].run(argc - 1, argv + 1);
			if (fflush(stdout) != 0 && rc == 0)
				rc = fl_cli_fail(1, "writing the output failed");
			return rc;
		}
		names[k] = VERB[k].name;
	}
	const char *near = fl_nearest(argv[1], names, VERBS);
	fl_cli_fail(2, "it has no verb \"%s\"%s%s%s", argv[1], near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	help(stderr);
	return 2;
}
