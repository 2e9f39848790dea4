/* `fairlead new`: a directory with a plugin or a script, a conf, a test and a Makefile. */
#include "new.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/buf.h"
#include "cli.h"
#include "common.h"

static const char HELP[] =
	"fairlead new plugin NAME    a C plugin in plugins/NAME.c\n"
	"fairlead new script NAME    a Lua script in scripts/transforms/NAME.lua\n"
	"\n"
	"Makes a directory NAME with it, a conf, a test and a Makefile:\n"
	"\n"
	"  cd NAME && make test      runs the test's input through it\n"
	"  make run                  runs it in a daemon, and prints what came out\n"
	"\n"
	"NAME is made of small letters, digits and _.\n";

static int good_name(const char *s)
{
	if (!islower((unsigned char)*s) || strlen(s) > 60)
		return 0;
	for (; *s; s++)
		if (!islower((unsigned char)*s) && !isdigit((unsigned char)*s) && *s != '_')
			return 0;
	return 1;
}

/* @ becomes the name, but $@ of make stays. */
static void fill_in(struct fl_buf *out, const char *text, const char *name)
{
	for (const char *p = text; *p; p++)
		if (*p == '@' && (p == text || p[-1] != '$'))
			fl_buf_add(out, name, strlen(name));
		else
			fl_buf_byte(out, *p);
	fl_buf_byte(out, 0);
	out->len--;
}

static int make_parents(const char *path)
{
	char *p = fl_strdup(path);
	int rc = 0;
	for (char *c = strchr(p, '/'); c && rc == 0; c = strchr(c + 1, '/')) {
		*c = 0;
		if (mkdir(p, 0777) < 0 && errno != EEXIST)
			rc = fl_cli_fail(1, "the directory %s can't be made: %s", p, strerror(errno));
		*c = '/';
	}
	free(p);
	return rc;
}

static int write_file(const char *dir, const struct fl_new_file *f, const char *name)
{
	struct fl_buf path = {0}, text = {0};
	fl_buf_printf(&path, "%s/", dir);
	fill_in(&path, f->path, name);
	fill_in(&text, f->text, name);
	int rc = make_parents(path.p);
	FILE *to = rc ? NULL : fopen(path.p, "wx");
	if (!to || fwrite(text.p, 1, text.len, to) != text.len || fclose(to) != 0)
		rc = rc ? rc : fl_cli_fail(1, "%s can't be written: %s", path.p, strerror(errno));
	else
		printf("  %s\n", path.p);
	fl_buf_free(&path);
	fl_buf_free(&text);
	return rc;
}

int fl_cli_new(int argc, char **argv)
{
	if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		fputs(HELP, stdout);
		return 0;
	}
	if (argc != 3)
		return fl_cli_misused("new", "it takes plugin or script, and a NAME");
	const char *name = argv[2];
	const struct fl_new_file *f = strcmp(argv[1], "plugin") == 0 ? fl_new_plugin : strcmp(argv[1], "script") == 0 ? fl_new_script : NULL;
	if (!f)
		return fl_cli_misused("new", "\"%s\" is nothing that it makes; it makes plugin and script", argv[1]);
	if (!good_name(name))
		return fl_cli_misused("new", "\"%s\" is no name: it is made of small letters, digits and _, and begins with a letter", name);
	if (access(name, F_OK) == 0)
		return fl_cli_fail(1, "%s is there already; choose another name, or remove it", name);
	for (; f->path; f++) {
		int rc = write_file(name, f, name);
		if (rc)
			return rc;
	}
	printf("next: cd %s && make test\n", name);
	return 0;
}
