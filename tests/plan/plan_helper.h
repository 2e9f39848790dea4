/* A directory with conf/, scripts/ and plugins, for tests that read confs. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plan/plan.h"

static char dir[64], conf[96];

static inline void put(const char *name, const char *text)
{
	char path[160];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static inline int make_dir(void **state)
{
	static const char *const sub[] = {"conf", "scripts", "scripts/transforms", "scripts/generators"};
	static const char *const plugins[] = {BUILD "/plugins"};
	char path[160];
	(void)state;
	strcpy(dir, "/tmp/fl-plan-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	for (size_t i = 0; i < sizeof sub / sizeof *sub; i++) {
		snprintf(path, sizeof path, "%s/%s", dir, sub[i]);
		if (mkdir(path, 0700) != 0)
			return -1;
	}
	snprintf(conf, sizeof conf, "%s/conf/yacht.lua", dir);
	put("scripts/transforms/enrich.lua", "function transform(e, m)\n  return true\nend\n");
	put("scripts/transforms/broken.lua", "function transform(e, m)\n  return x x\nend\n");
	put("scripts/transforms/routes.lua", "#!/usr/bin/env lua\nfunction route(e, m) return 'alerts' end\n");
	put("scripts/generators/sailboat.lua", "function generate(t) end\n");
	fl_plugin_dirs(plugins, 1);
	fl_plan_dirs(NULL, 0);
	return 0;
}

static inline int remove_dir(void **state)
{
	char command[128];
	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

/* Reads a conf's text from conf/yacht.lua; warnings and errors have the directory's name cut away. */
static inline struct fl_plan *read_conf(const char *text, char *warnings, size_t room, char *err)
{
	struct fl_buf warn = {0};
	put("conf/yacht.lua", text);
	err[0] = 0;
	struct fl_plan *plan = fl_plan_read(conf, &warn, err);
	fl_buf_byte(&warn, 0);
	if (warnings)
		snprintf(warnings, room, "%s", warn.p);
	fl_buf_free(&warn);
	char *texts[] = {err, warnings ? warnings : err};
	for (int i = 0; i < 2; i++)
		for (char *at; (at = strstr(texts[i], dir)); )
			memmove(at, at + strlen(dir) + 1, strlen(at + strlen(dir) + 1) + 1);
	return plan;
}
