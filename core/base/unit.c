/* Durations, sizes and nearest names, for confs and the command line. Called while options are read, on any thread. */
#include "unit.h"

#include <ctype.h>
#include <string.h>

struct unit {
	const char *name;
	int64_t times, per; /* one of it is times/per of the base unit */
};

static const struct unit durations[] = {
	{"ns", 1, 1000000000}, {"us", 1, 1000000}, {"ms", 1, 1000}, {"s", 1, 1}, {"m", 60, 1}, {"min", 60, 1},
	{"h", 3600, 1}, {"d", 86400, 1}, {"w", 604800, 1}, {NULL, 0, 0},
};

static const struct unit sizes[] = {
	{"", 1, 1}, {"B", 1, 1}, {"kB", 1000, 1}, {"MB", 1000000, 1}, {"GB", 1000000000, 1}, {"TB", 1000000000000, 1},
	{"KiB", 1 << 10, 1}, {"MiB", 1 << 20, 1}, {"GiB", 1 << 30, 1}, {"TiB", (int64_t)1 << 40, 1}, {NULL, 0, 0},
};

/* "1.5h" as digits 15, of which one stands behind the point, and the unit's row. At most 15 digits, so that the
 * products below are exact. */
static const struct unit *split(const char *text, const struct unit *units, int64_t *digits, int64_t *tenths)
{
	const char *p = text;
	int n = 0;
	*digits = 0;
	*tenths = 1;
	for (; isdigit((unsigned char)*p); p++, n++)
		*digits = n < 15 ? *digits * 10 + (*p - '0') : *digits;
	if (p == text)
		return NULL;
	if (*p == '.' && isdigit((unsigned char)p[1])) {
		for (p++; isdigit((unsigned char)*p); p++, n++)
			if (n < 15) {
				*digits = *digits * 10 + (*p - '0');
				*tenths *= 10;
			}
	}
	for (; n <= 15 && units->name; units++)
		if (strcmp(units->name, p) == 0)
			return units;
	return NULL;
}

int fl_duration(const char *text, double *seconds)
{
	int64_t digits, tenths;
	const struct unit *u = split(text, durations, &digits, &tenths);
	if (!u)
		return -1;
	*seconds = (double)digits * (double)u->times / ((double)tenths * (double)u->per);
	return 0;
}

int fl_size(const char *text, int64_t *bytes)
{
	int64_t digits, tenths, product;
	const struct unit *u = split(text, sizes, &digits, &tenths);
	if (!u || __builtin_mul_overflow(digits, u->times, &product) || product % tenths)
		return -1;
	*bytes = product / tenths;
	return 0;
}

#define LONGEST 64

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* How many letters are to be added, removed, changed or swapped with their neighbour; case costs nothing. */
static uint32_t distance(const char *a, size_t na, const char *b, size_t nb)
{
	uint32_t row[3][LONGEST + 1], *before = row[0], *last = row[1], *now = row[2];
	for (uint32_t j = 0; j <= nb; j++)
		last[j] = j;
	for (uint32_t i = 1; i <= na; i++) {
		now[0] = i;
		for (uint32_t j = 1; j <= nb; j++) {
			int ca = tolower((unsigned char)a[i - 1]), cb = tolower((unsigned char)b[j - 1]);
			now[j] = least(least(last[j], now[j - 1]) + 1, last[j - 1] + (ca != cb));
			if (i > 1 && j > 1 && ca == tolower((unsigned char)b[j - 2]) && tolower((unsigned char)a[i - 2]) == cb)
				now[j] = least(now[j], before[j - 2] + 1);
		}
		uint32_t *spare = before;
		before = last;
		last = now;
		now = spare;
	}
	return last[nb];
}

const char *fl_nearest(const char *found, const char *const *names, uint32_t n)
{
	const char *best = NULL;
	size_t nf = strlen(found);
	uint32_t best_distance = UINT32_MAX;
	for (uint32_t i = 0; i < n && nf <= LONGEST; i++) {
		size_t nn = strlen(names[i]);
		if (nn > LONGEST || nn == 0)
			continue;
		uint32_t d = distance(found, nf, names[i], nn);
		size_t shorter = nf < nn ? nf : nn;
		int starts = shorter >= 3 && strncmp(found, names[i], shorter) == 0; /* "timest" means timestamp */
		if ((d <= (shorter + 2) / 3 || starts) && d < shorter + (size_t)starts * LONGEST && d < best_distance) {
			best = names[i];
			best_distance = d;
		}
	}
	return best;
}
