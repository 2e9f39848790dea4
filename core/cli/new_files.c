/* What a new plugin or script begins as: small, whole, and with a test that passes. Read by new.c. */
#include "new.h"

#include <stddef.h>

static const char PLUGIN_C[] =
	"/* @: multiplies a field. Begin here: change process(), then `make test`.\n"
	" * fairlead.h says what a plugin can do and how long each pointer is valid. */\n"
	"#include <fairlead.h>\n"
	"#include <stdlib.h>\n"
	"\n"
	"struct conf { /* filled from the options before open() */\n"
	"\tuint32_t field;\n"
	"\tdouble by;\n"
	"};\n"
	"\n"
	"static const struct fl_option OPTIONS[] = {\n"
	"\t{\"field\", FL_OPT_FIELD, \"value\", \"the field to multiply\", offsetof(struct conf, field), NULL},\n"
	"\t{\"by\", FL_OPT_NUMBER, \"2\", \"what to multiply it by\", offsetof(struct conf, by), NULL},\n"
	"\t{0},\n"
	"};\n"
	"\n"
	"struct self {\n"
	"\tstruct fl_ctx *ctx;\n"
	"\tconst struct fl_host *host;\n"
	"\tconst struct conf *conf;\n"
	"};\n"
	"\n"
	"static int open_(struct fl_ctx *ctx, const struct fl_host *host, const void *conf, void **self, char *err)\n"
	"{\n"
	"\tstruct self *s = malloc(sizeof *s);\n"
	"\t(void)err;\n"
	"\tif (!s)\n"
	"\t\tabort();\n"
	"\t*s = (struct self){ctx, host, conf};\n"
	"\t*self = s;\n"
	"\treturn 0;\n"
	"}\n"
	"\n"
	"static void close_(void *self) { free(self); }\n"
	"\n"
	"static int process(void *self, struct fl_batch *b, char *err)\n"
	"{\n"
	"\tstruct self *s = self;\n"
	"\tconst struct fl_column *c = b->column[s->conf->field];\n"
	"\t(void)err;\n"
	"\tfor (uint32_t i = 0; i < b->n; i++) {\n"
	"\t\tif (b->outcome[i] != FL_PASS)\n"
	"\t\t\tcontinue; /* an earlier stage has decided */\n"
	"\t\tif (c->type[i] != FL_NUMBER)\n"
	"\t\t\ts->host->drop(s->ctx, b, i, \"no number to multiply\");\n"
	"\t\telse\n"
	"\t\t\ts->host->set_number(s->ctx, b, s->conf->field, i, c->num[i] * s->conf->by);\n"
	"\t}\n"
	"\treturn 0;\n"
	"}\n"
	"\n"
	"const struct fl_plugin fl_plugin = {\n"
	"\t.abi = FL_ABI,\n"
	"\t.size = sizeof(struct fl_plugin),\n"
	"\t.kind = FL_TRANSFORM,\n"
	"\t.name = \"@\",\n"
	"\t.version = \"1\",\n"
	"\t.help = \"multiplies a field\",\n"
	"\t.options = OPTIONS,\n"
	"\t.conf_size = sizeof(struct conf),\n"
	"\t.open = open_,\n"
	"\t.close = close_,\n"
	"\t.process = process,\n"
	"};\n";

static const char SCRIPT_LUA[] =
	"-- @: doubles the field value. Begin here: change transform(), then `make test`.\n"
	"-- While the daemon runs, a saved script is live at once.\n"
	"\n"
	"function transform(e, m)\n"
	"  if type(e.value) ~= \"number\" then\n"
	"    return drop \"no number to double\"\n"
	"  end\n"
	"  e.value = e.value * 2\n"
	"end\n";

#define CONF_HEAD \
	"-- conf/@.lua: lines from stdin, through one stage, into a stream.\n" \
	"app \"@\"\n" \
	"\n" \
	"local input  = stream \"@_in\" {}\n" \
	"local output = stream \"@_out\" {}\n" \
	"\n" \
	"source \"stdin\" { plugin \"lines\" { file = \"-\" }, to = input }\n" \
	"\n" \
	"pipeline \"main\" {\n" \
	"  from = input,\n"

static const char PLUGIN_CONF[] = CONF_HEAD
	"  plugin \"@\" { field = \"value\", by = 2 },\n"
	"  to = output,\n"
	"}\n";

static const char SCRIPT_CONF[] = CONF_HEAD
	"  script \"transforms/@.lua\",\n"
	"  to = output,\n"
	"}\n";

static const char IN[] = "{\"id\":1,\"value\":21}\n{\"id\":2,\"value\":\"none\"}\n{\"id\":3,\"value\":0.5,\"more\":[]}\n";
static const char OUT[] = "{\"id\":1,\"value\":42}\n{\"id\":3,\"value\":1,\"more\":[]}\n";

#define MAKE_TEST \
	"\n" \
	"# The input through the pipeline, compared with what is expected.\n" \
	"test: all\n" \
	"\t$(FAIRLEAD) pipe conf/@.lua main < test/in.jsonl | diff test/out.jsonl - && echo passed\n" \
	"\n" \
	"# The same in a daemon: committed to var/, then printed.\n" \
	"run: all\n" \
	"\t$(FAIRLEAD) run conf/@.lua --until-idle < test/in.jsonl\n" \
	"\t$(FAIRLEAD) tail conf/@.lua @_out\n" \
	"\n" \
	".PHONY: all test run\n"

static const char PLUGIN_MAKE[] =
	"FAIRLEAD ?= fairlead\n"
	"CFLAGS   ?= -O2 -g -Wall -Wextra\n"
	"\n"
	"all: plugins/@.so\n"
	"\n"
	"plugins/@.so: plugins/@.c\n"
	"\t$(CC) -std=gnu11 $(CFLAGS) -fPIC -fvisibility=hidden -shared -I$$($(FAIRLEAD) version --include) -o $@.new $<\n"
	"\tmv $@.new $@\n"
	MAKE_TEST;

static const char SCRIPT_MAKE[] =
	"FAIRLEAD ?= fairlead\n"
	"\n"
	"all:\n"
	"\t$(FAIRLEAD) check conf/@.lua\n"
	MAKE_TEST;

const struct fl_new_file fl_new_plugin[] = {
	{"plugins/@.c", PLUGIN_C}, {"conf/@.lua", PLUGIN_CONF}, {"test/in.jsonl", IN}, {"test/out.jsonl", OUT}, {"Makefile", PLUGIN_MAKE}, {0}};
const struct fl_new_file fl_new_script[] = {
	{"scripts/transforms/@.lua", SCRIPT_LUA}, {"conf/@.lua", SCRIPT_CONF}, {"test/in.jsonl", IN}, {"test/out.jsonl", OUT}, {"Makefile", SCRIPT_MAKE}, {0}};
