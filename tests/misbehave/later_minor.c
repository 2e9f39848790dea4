/* later_minor.*1\.99.*1\.0 */
#include "fairlead.h"

static int open_it(struct fl_ctx *ctx, const struct fl_host *host, const void *conf, void **self, char *err)
{
	(void)ctx, (void)host, (void)conf, (void)self, (void)err;
	return 0;
}

static void close_it(void *self) { (void)self; }

static int process(void *self, struct fl_batch *b, char *err)
{
	(void)self, (void)b, (void)err;
	return 0;
}

const struct fl_plugin fl_plugin = {
	.abi = FL_ABI_MAJOR << 16 | 99,
	.size = sizeof(struct fl_plugin),
	.kind = FL_TRANSFORM,
	.name = "later_minor",
	.version = "1",
	.help = "misbehaves",
	.open = open_it,
	.close = close_it,
	.process = process,
};
