/* `fairlead plugins`: what is installed, with every option. Main thread. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "common.h"

static const char HELP[] =
	"fairlead plugins [NAME]\n"
	"\n"
	"Lists the plugins that confs can use, with their options: name, what it takes, its default, and what it does.\n"
	"With a NAME only that one, and where its file is. They are looked up in ./plugins, beside the binary and where\n"
	"fairlead is installed; confs find those in their own ../plugins too.\n"
	"\n"
	"Example: fairlead plugins speed\n";

static const char *takes(const struct fl_option *o)
{
	switch (o->type) {
	case FL_OPT_STRING: return "string";
	case FL_OPT_INT: return "whole number";
	case FL_OPT_NUMBER: return "number";
	case FL_OPT_BOOL: return "true|false";
	case FL_OPT_DURATION: return "duration";
	case FL_OPT_SIZE: return "size";
	case FL_OPT_FIELD: return "field";
	case FL_OPT_STREAM: return "stream";
	case FL_OPT_CHOICE: return o->choices;
	case FL_OPT_MAP: return "fields";
	}
	return "";
}

static void style(int colour, const char *code)
{
	if (colour)
		printf("\033[%sm", code);
}

static void print_options(const struct fl_option *options)
{
	int wide = 0, type_wide = 0;
	for (const struct fl_option *o = options; o && o->name; o++) {
		int n = (int)strlen(o->name), t = (int)strlen(takes(o));
		wide = n > wide ? n : wide;
		type_wide = t > type_wide ? t : type_wide;
	}
	for (const struct fl_option *o = options; o && o->name; o++) {
		printf("    %-*s  %-*s  %s", wide, o->name, type_wide, takes(o), o->help);
		if (o->standard && strcmp(o->standard, "!") == 0)
			printf(" (must be given)");
		else if (o->standard)
			printf(" (default %s)", o->standard[0] ? o->standard : "\"\"");
		putchar('\n');
	}
}

static void print(const struct fl_module *m, int with_path)
{
	static const char *const kind[] = {"", "transform", "sink", "source"};
	const struct fl_plugin *pl = m->plugin;
	int colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	style(colour, "1");
	printf("%s", pl->name);
	style(colour, "0");
	printf(" %s, a %s: %s\n", pl->version, kind[pl->kind], pl->help);
	print_options(pl->options);
	if (with_path)
		printf("  from %s, for plugin ABI %u.%u\n", m->path, pl->abi >> 16, pl->abi & 0xffff);
}

static int print_one(const char *name, int with_path)
{
	char err[FL_ERRLEN];
	struct fl_module *m = fl_module_load(name, err);
	if (!m)
		return fl_cli_fail(1, "%s", err);
	print(m, with_path);
	fl_module_unref(m);
	return 0;
}

static int print_all(void)
{
	uint32_t n;
	int status = 0;
	char **names = fl_plugin_names(&n);
	for (uint32_t i = 0; i < n; i++)
		if (print_one(names[i], 0) != 0)
			status = 1;
	free(names);
	if (!n)
		return fl_cli_fail(
			1, "no plugin is installed: `make` builds them into build/plugins, `make install` installs them");
	return status;
}

int fl_cli_plugins(int argc, char **argv)
{
	static const struct option options[] = {{"help", no_argument, NULL, 'h'}, {0}};
	optind = 0;
	for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
		if (c != 'h')
			return fl_cli_misused("plugins", "plugins takes a NAME or nothing");
		fputs(HELP, stdout);
		return 0;
	}
	if (argc - optind > 1)
		return fl_cli_misused("plugins", "plugins takes one NAME or none");
	fl_cli_dirs(NULL);
	return optind < argc ? print_one(argv[optind], 1) : print_all();
}
