/* What decoding and encoding cost a record: `make build/tests/bench/event` (or by hand) and run; ns a record, the best of
 * seven. Records are 91 bytes with four fields that are read; the encoder appends two numbers. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "event/batch.h"

#define RECORDS 512
#define ROUNDS 400

static double best(double a, double b) { return a < b ? a : b; }

static void add(struct fl_events *ev, const struct fl_buf *text, const uint32_t *at)
{
	fl_events_begin(ev, "bench", 0, 0);
	for (uint32_t i = 0; i < RECORDS; i++)
		fl_events_add(ev, i, 0, (struct fl_str){0}, (struct fl_str){text->p + at[i], at[i + 1] - at[i]}, (struct fl_str){0});
}

int main(void)
{
	static uint32_t at[RECORDS + 1];
	struct fl_buf text = {0}, out = {0};
	struct fl_fields *fields = fl_fields_new();
	const char *names[] = {"id", "x", "y", "timestamp", "speed", "ms"};
	char err[FL_ERRLEN];
	for (size_t k = 0; k < 6; k++)
		fl_fields_add(fields, fl_str(names[k]));
	struct fl_events *ev = fl_events_new(fields, &fl_codec_json, (struct fl_limits){0}, RECORDS);
	srand(1);
	for (uint32_t i = 0; i < RECORDS; i++) {
		at[i] = (uint32_t)text.len;
		fl_buf_printf(&text, "{\"id\":\"sailboat-%04d\",\"x\":%.14f,\"y\":%.14f,\"timestamp\":%.5f}", rand() % 1000,
			21 + rand() / 2147483647.0, 52 + rand() / 2147483647.0, 1715479897 + rand() / 1000.0);
	}
	at[RECORDS] = (uint32_t)text.len;
	fl_buf_room(&text, FL_PAD);
	double decode = 1e9, untouched = 1e9, encode = 1e9;
	for (int run = 0; run < 7; run++) {
		double d = 0, u = 0, e = 0;
		for (int round = 0; round < ROUNDS; round++) {
			add(ev, &text, at);
			double t0 = fl_monotonic();
			fl_events_decode(ev);
			double t1 = fl_monotonic();
			out.len = 0;
			for (uint32_t i = 0; i < RECORDS; i++)
				fl_events_encode(ev, i, ev->codec, &out, err);
			double t2 = fl_monotonic();
			for (uint32_t i = 0; i < RECORDS; i++) {
				fl_events_set_number(ev, 4, i, ev->b.column[1]->num[i] * 1.37);
				fl_events_set_number(ev, 5, i, ev->b.column[3]->num[i] * 1e-9);
			}
			out.len = 0;
			double t3 = fl_monotonic();
			for (uint32_t i = 0; i < RECORDS; i++)
				fl_events_encode(ev, i, ev->codec, &out, err);
			d += t1 - t0, u += t2 - t1, e += fl_monotonic() - t3;
		}
		const double each = 1e9 / RECORDS / ROUNDS;
		decode = best(decode, d * each), untouched = best(untouched, u * each), encode = best(encode, e * each);
	}
	printf("bytes %zu  decode %.1f  copy %.1f  encode with two numbers %.1f ns a record\n", text.len / RECORDS, decode, untouched, encode);
	fl_events_free(ev);
	fl_fields_free(fields);
	fl_buf_free(&text);
	fl_buf_free(&out);
	return 0;
}
