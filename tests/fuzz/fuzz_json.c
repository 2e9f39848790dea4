/* Fuzzes the JSON codec: a record is decoded, written to at random, encoded, and decoded again; both must agree. The
 * input is a record, and behind its last byte 0xFE (which no JSON has) what is written: pairs of bytes, a column and a
 * value. `make fuzz` builds and runs it; the seeds are in fuzz_json.seeds. */
#include <stdlib.h>

#include "event/batch.h"
#include "event/json.h"

#define COLUMNS 8
#define NAMED 5 /* columns from the beginning; the rest is first used when the record is in */
static const char *const NAME[COLUMNS] = {"x", "y", "", "id", "a\"\n", "\xC3\xA9", "value", "new"};
static const char *const WRITE[] = {"1", "-0.0", "1e-7", "9007199254740993", "\"text\"", "\"\\u0000\\\"\"", "null", "true", "[]", "{\"k\":[1, 2]}", "\"\"", "0.1"};
#define WRITES (sizeof WRITE / sizeof *WRITE)

/* Batches are kept: a warm one must not remember the record before. */
static struct fl_fields *fields;
static struct fl_events *loose, *strict, *again;

static void start(void)
{
	fields = fl_fields_new();
	for (int k = 0; k < COLUMNS; k++)
		fl_fields_add(fields, fl_str(NAME[k]));
	loose = fl_events_new(fields, &fl_codec_json, (struct fl_limits){0}, 1);
	strict = fl_events_new(fields, &fl_codec_json, (struct fl_limits){.full = 1}, 1);
	again = fl_events_new(fields, &fl_codec_json, (struct fl_limits){0}, 1);
}

/* In memory of its own length, so that a byte too far is seen. */
static char *load(struct fl_events *ev, const char *p, size_t n)
{
	char *copy = fl_alloc(n + FL_PAD);
	if (n)
		memcpy(copy, p, n);
	fl_events_begin(ev, "fuzz", 0, 0);
	fl_events_add(ev, 0, 0, (struct fl_str){0}, (struct fl_str){copy, (uint32_t)n}, (struct fl_str){0});
	fl_events_decode(ev);
	return copy;
}

static int same_cell(const struct fl_column *a, const struct fl_column *b)
{
	if (a->type[0] != b->type[0])
		return 0;
	switch (a->type[0]) {
	case FL_NUMBER:
	case FL_BOOL:
		return memcmp(&a->num[0], &b->num[0], sizeof(double)) == 0;
	case FL_STRING:
	case FL_NESTED:
	case FL_BIGINT:
		return fl_str_eq(a->str[0], b->str[0]);
	default:
		return 1;
	}
}

static void compare(const struct fl_events *a, const struct fl_events *b)
{
	for (uint32_t c = 0; c < COLUMNS; c++)
		FL_ASSERT(same_cell(a->b.column[c], b->b.column[c]));
}

/* The strict walk, the two ways to decode, and columns that come later say the same of a record. */
static void judge(const char *p, size_t n)
{
	char err[FL_ERRLEN];
	int valid = fl_json_check((struct fl_str){p, (uint32_t)n}, 64, err) == 0;
	size_t first = 0;
	while (valid && memchr(" \n\r\t", p[first], 4))
		first++;
	int object = valid && p[first] == '{';
	char *copy = load(strict, p, n);
	FL_ASSERT(object || strict->b.outcome[0] != FL_PASS);
	FL_ASSERT(!object || strict->b.outcome[0] == loose->b.outcome[0]);
	if (strict->b.outcome[0] == FL_PASS)
		compare(strict, loose);
	free(copy);

	struct fl_fields *f = fl_fields_new();
	for (int k = 0; k < NAMED; k++)
		fl_fields_add(f, fl_str(NAME[k]));
	struct fl_events *ev = fl_events_new(f, &fl_codec_json, (struct fl_limits){0}, 1);
	copy = load(ev, p, n);
	for (int k = NAMED; k < COLUMNS; k++)
		FL_ASSERT(fl_events_column(ev, fl_str(NAME[k])) == (uint32_t)k);
	FL_ASSERT(ev->b.outcome[0] == loose->b.outcome[0]);
	if (ev->b.outcome[0] == FL_PASS)
		compare(ev, loose);
	free(copy);
	fl_events_free(ev);
	fl_fields_free(f);
}

static void write_some(const uint8_t *p, size_t n)
{
	for (; n >= 2 && loose->b.touched[0] < COLUMNS + 1; p += 2, n -= 2) {
		uint32_t col = p[0] % COLUMNS, k = p[1] % (WRITES + 2);
		if (k < WRITES)
			FL_ASSERT(fl_events_set_json(loose, col, 0, fl_str(WRITE[k])) == 0);
		else if (k == WRITES)
			fl_events_remove(loose, col, 0);
		else
			fl_events_set_number(loose, col, 0, p[1] * 1.1e-3);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fl_buf out = {0};
	char err[FL_ERRLEN];
	if (!fields)
		start();
	const uint8_t *end = memrchr(data, 0xFE, size);
	size_t n = end ? (size_t)(end - data) : size;
	char *record = load(loose, (const char *)data, n);
	judge(record, n);
	if (loose->b.outcome[0] == FL_PASS) {
		FL_ASSERT(fl_events_encode(loose, 0, &fl_codec_json, &out, err) == 0);
		FL_ASSERT(out.len == n && memcmp(out.p, record, n) == 0);
		if (end)
			write_some(end + 1, size - n - 1);
		int was_valid = fl_json_check((struct fl_str){record, (uint32_t)n}, 64, err) == 0;
		out.len = 0;
		FL_ASSERT(fl_events_encode(loose, 0, &fl_codec_json, &out, err) == 0);
		FL_ASSERT(!was_valid || fl_json_check((struct fl_str){out.p, (uint32_t)out.len}, 64, err) == 0);
		char *copy = load(again, out.p, out.len);
		FL_ASSERT(again->b.outcome[0] == FL_PASS);
		compare(loose, again);
		free(copy);
	}
	fl_buf_free(&out);
	free(record);
	return 0;
}
