/* The table of codecs. Called while a plan is read and a task is made, on any thread. */
#include "codec.h"

static const struct fl_codec *const CODEC[] = {&fl_codec_json, &fl_codec_text, &fl_codec_bytes};
#define CODECS (sizeof CODEC / sizeof *CODEC)

const struct fl_codec *fl_codec_find(const char *name)
{
	for (size_t k = 0; k < CODECS; k++)
		if (strcmp(CODEC[k]->name, name) == 0)
			return CODEC[k];
	return NULL;
}

const char *const *fl_codec_names(uint32_t *n)
{
	static const char *const NAME[] = {"json", "text", "bytes"};
	_Static_assert(sizeof NAME / sizeof *NAME == CODECS, "a name for each codec");
	*n = CODECS;
	return NAME;
}
