/* generate: input for the bench, the same bytes for the same arguments. Boats sail about on the lake as those of
 * scripts/generators/sailboat.lua do: in rounds of half a second, each in another order, 5 % of the readings with a
 * time of 5 s ago. JSON lines on stdout. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "event/number.h"

#define BEGIN_US (1732150000LL * 1000000)
#define LATE_US (5LL * 1000000)
#define ROOM (1 << 20)
#define LINE 160 /* at most: two doubles, an id and a time */

static const char HELP[] =
	"generate [RECORDS [BOATS [SEED]]]\n"
	"\n"
	"Writes RECORDS (3000000) readings of BOATS (1000) boats to stdout, as JSON lines in the shape of the yachts' data.\n"
	"The same arguments give the same bytes.\n";

struct boat {
	double x, y, vx, vy;
};

static uint64_t state;

static uint64_t draw(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static double between(double low, double high) { return low + (high - low) * ((double)(draw() >> 11) * 0x1p-53); }

/* One step; what would lie beyond the border turns the boat round. */
static void step(double *at, double *v, double low, double high)
{
	if (draw() % 100 == 0)
		*v = between(-0.00005, 0.00005);
	if (*at + *v < low || *at + *v > high)
		*v = -*v;
	*at += *v;
}

static void shuffle(uint32_t *order, uint32_t n)
{
	for (uint32_t last = n; last > 1; last--) {
		uint32_t other = (uint32_t)(draw() % last), id = order[last - 1];
		order[last - 1] = order[other];
		order[other] = id;
	}
}

static void flush(const char *p, size_t n)
{
	for (ssize_t done; n; p += done, n -= (size_t)done) {
		done = write(1, p, n);
		if (done < 0 && errno == EINTR)
			done = 0;
		if (done < 0) {
			fprintf(stderr, "generate: can't write: %s\n", strerror(errno));
			exit(1);
		}
	}
}

static char *put(char *to, const char *text)
{
	size_t n = strlen(text);
	memcpy(to, text, n);
	return to + n;
}

static char *put_time(char *to, int64_t us)
{
	to += fl_integer_write(to, us / 1000000);
	*to++ = '.';
	us %= 1000000;
	for (int i = 5; i >= 0; i--, us /= 10)
		to[i] = (char)('0' + us % 10);
	return to + 6;
}

static char *put_reading(char *to, uint32_t id, const struct boat *b, int64_t us)
{
	to = put(to, "{\"id\":");
	to += fl_integer_write(to, id);
	to = put(to, ",\"x\":");
	to += fl_number_write(to, b->x);
	to = put(to, ",\"y\":");
	to += fl_number_write(to, b->y);
	to = put(to, ",\"timestamp\":");
	to = put_time(to, us);
	return put(to, "}\n");
}

static void generate(uint64_t records, uint32_t boats)
{
	struct boat *boat = malloc(boats * sizeof *boat);
	uint32_t *order = malloc(boats * sizeof *order), turn = boats;
	char *out = malloc(ROOM + LINE), *to = out;
	double now = 0, pause = 0;
	if (!boat || !order || !out) {
		fprintf(stderr, "generate: no memory for %u boats\n", boats);
		exit(1);
	}
	for (uint32_t i = 0; i < boats; i++) {
		order[i] = i;
		boat[i] = (struct boat){between(21.020602, 21.043111), between(52.439085, 52.456344),
			between(-0.00005, 0.00005), between(-0.00005, 0.00005)};
	}
	for (uint64_t n = 0; n < records; n++) {
		if (turn == boats) {
			turn = 0;
			shuffle(order, boats);
			pause = between(0.5, 0.6) / boats;
		}
		uint32_t id = order[turn++];
		struct boat *b = &boat[id];
		step(&b->x, &b->vx, 21.020602, 21.043111);
		step(&b->y, &b->vy, 52.439085, 52.456344);
		now += pause;
		int64_t us = BEGIN_US + (int64_t)(now * 1e6) - (draw() % 100 < 5 ? LATE_US : 0);
		to = put_reading(to, id + 1, b, us);
		if (to - out >= ROOM) {
			flush(out, (size_t)(to - out));
			to = out;
		}
	}
	flush(out, (size_t)(to - out));
	free(out);
	free(order);
	free(boat);
}

static int number(const char *text, uint64_t least, uint64_t most, uint64_t *n)
{
	char *end;
	errno = 0;
	*n = strtoull(text, &end, 10);
	return *text < '0' || *text > '9' || *end || errno || *n < least || *n > most;
}

int main(int argc, char **argv)
{
	uint64_t records = 3000000, boats = 1000, seed = 1;
	if (argc == 2 && !strcmp(argv[1], "--help")) {
		fputs(HELP, stdout);
		return 0;
	}
	if (argc > 4 || (argc > 1 && number(argv[1], 0, UINT64_MAX, &records)) ||
			(argc > 2 && number(argv[2], 1, 100000000, &boats)) || (argc > 3 && number(argv[3], 0, UINT64_MAX, &seed))) {
		fputs(HELP, stderr);
		return 2;
	}
	state = seed;
	generate(records, (uint32_t)boats);
	return 0;
}
