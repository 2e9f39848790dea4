/* Event time: texts to seconds and back, and where a stream's records carry it. Called once a batch, on its thread. */
#include "time.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

#include "number.h"

#define DAY 86400

/* Days since 1970-01-01 of a date of the Gregorian calendar, by eras of 400 years that begin in March. */
static int64_t days_of(int64_t y, unsigned m, unsigned d)
{
	y -= m <= 2;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	unsigned year = (unsigned)(y - era * 400);
	unsigned day = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
	return era * 146097 + (int64_t)(year * 365 + year / 4 - year / 100 + day) - 719468;
}

static void date_of(int64_t days, int64_t *y, unsigned *m, unsigned *d)
{
	days += 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	unsigned in_era = (unsigned)(days - era * 146097);
	unsigned year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	unsigned day = in_era - (365 * year + year / 4 - year / 100);
	unsigned month = (5 * day + 2) / 153;
	*d = day - (153 * month + 2) / 5 + 1;
	*m = month < 10 ? month + 3 : month - 9;
	*y = (int64_t)year + era * 400 + (*m <= 2);
}

static unsigned month_length(int64_t y, unsigned m)
{
	static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	return days[m - 1] + (m == 2 && y % 4 == 0 && (y % 100 != 0 || y % 400 == 0));
}

/* ---- texts to times ---- */

struct cursor {
	const char *p, *end;
};

/* Exactly n digits. */
static int take(struct cursor *c, unsigned n, unsigned *v)
{
	if (c->end - c->p < (ptrdiff_t)n)
		return 0;
	*v = 0;
	for (; n; n--, c->p++) {
		if (*c->p < '0' || *c->p > '9')
			return 0;
		*v = *v * 10 + (unsigned)(*c->p - '0');
	}
	return 1;
}

static int take_char(struct cursor *c, const char *any)
{
	if (c->p == c->end || !strchr(any, *c->p) || !*c->p)
		return 0;
	c->p++;
	return 1;
}

/* The digits of a fraction; more than 18 say nothing. */
static int take_fraction(struct cursor *c, uint64_t *v, unsigned *n)
{
	*v = 0;
	*n = 0;
	const char *start = c->p;
	for (; c->p < c->end && *c->p >= '0' && *c->p <= '9'; c->p++)
		if (*n < 18) {
			*v = *v * 10 + (uint64_t)(*c->p - '0');
			++*n;
		}
	return c->p > start;
}

/* The double nearest to whole + fraction / 10^n. */
static double exact(int64_t whole, uint64_t fraction, unsigned n)
{
	char text[64];
	const char *sign = "";
	int64_t i;
	double t;
	int is_unsigned;
	if (fraction == 0)
		return (double)whole;
	if (whole < 0) { /* -5 + 0.25 is -(4 + 0.75) */
		uint64_t one = 1;
		for (unsigned k = 0; k < n; k++)
			one *= 10;
		fraction = one - fraction;
		whole = -whole - 1;
		sign = "-";
	}
	int len = snprintf(text, sizeof text, "%s%lld.%0*llu", sign, (long long)whole, (int)n, (unsigned long long)fraction);
	return fl_number_read(text, (uint32_t)len, &t, &i, &is_unsigned) == 1 ? t : (double)whole;
}

/* Z, +02:00, +0200, +02, or nothing, which is UTC. */
static int take_zone(struct cursor *c, int64_t *seconds)
{
	unsigned h = 0, m = 0;
	*seconds = 0;
	if (c->p == c->end || take_char(c, "Zz"))
		return 1;
	int west = *c->p == '-';
	if (!take_char(c, "+-") || !take(c, 2, &h))
		return 0;
	if (c->p < c->end) {
		take_char(c, ":");
		if (!take(c, 2, &m))
			return 0;
	}
	*seconds = (int64_t)(h * 3600 + m * 60) * (west ? -1 : 1);
	return h < 24 && m < 60;
}

static int parse_iso(struct fl_str text, double *t)
{
	struct cursor c = {text.p, text.p + text.len};
	unsigned y, mon, d, h = 0, m = 0, s = 0, digits = 0;
	uint64_t fraction = 0;
	int64_t zone = 0;
	if (!take(&c, 4, &y) || !take_char(&c, "-") || !take(&c, 2, &mon) || !take_char(&c, "-") || !take(&c, 2, &d))
		return -1;
	if (mon < 1 || mon > 12 || d < 1 || d > month_length(y, mon))
		return -1;
	if (c.p < c.end) {
		if (!take_char(&c, "Tt ") || !take(&c, 2, &h) || !take_char(&c, ":") || !take(&c, 2, &m))
			return -1;
		if (take_char(&c, ":") && (!take(&c, 2, &s) || (take_char(&c, ".,") && !take_fraction(&c, &fraction, &digits))))
			return -1;
		/* 24:00 is the end of a day, 23:59:60 a leap second, which is the next one here as everywhere in POSIX */
		if (h > 24 || m > 59 || s > 60 || (h == 24 && (m || s || fraction)) || !take_zone(&c, &zone))
			return -1;
	}
	if (c.p != c.end)
		return -1;
	*t = exact(days_of(y, mon, d) * DAY + h * 3600 + m * 60 + s - zone, fraction, digits);
	return 0;
}

static int parse_format(const char *format, struct fl_str text, double *t)
{
	char buf[256];
	struct tm tm = {.tm_mday = 1, .tm_year = 70};
	uint64_t fraction = 0;
	unsigned digits = 0;
	if (text.len >= sizeof buf || memchr(text.p, 0, text.len))
		return -1;
	memcpy(buf, text.p, text.len);
	buf[text.len] = 0;
	const char *rest = strptime(buf, format, &tm);
	if (!rest)
		return -1;
	struct cursor c = {rest, buf + text.len};
	if (take_char(&c, ".,") && !take_fraction(&c, &fraction, &digits)) /* strptime has no word for it */
		return -1;
	if (c.p != c.end || (unsigned)tm.tm_mday > month_length(tm.tm_year + 1900LL, (unsigned)tm.tm_mon + 1))
		return -1;
	long zone = tm.tm_gmtoff;
	*t = exact(timegm(&tm) - zone, fraction, digits);
	return 0;
}

int fl_time_parse(const char *format, struct fl_str text, double *t)
{
	return format ? parse_format(format, text, t) : parse_iso(text, t);
}

/* ---- times to texts ---- */

uint32_t fl_time_write(char *to, double t)
{
	char text[400];
	const double first = -62167219200.0, end = 253402300800.0; /* the years 0000 to 9999 */
	if (!isfinite(t))
		return (uint32_t)snprintf(to, 40, "%s", isnan(t) ? "nan" : t < 0 ? "-inf" : "inf");
	if (t < first || t >= end)
		return fl_number_write(to, t);
	int64_t whole = (int64_t)floor(t);
	uint64_t fraction = 0, one = 1;
	unsigned digits = 0;
	uint32_t n = fl_fixed_write(text, sizeof text, t);
	const char *point = memchr(text, '.', n);
	if (point) {
		struct cursor c = {point + 1, text + n};
		take_fraction(&c, &fraction, &digits);
		for (unsigned k = 0; k < digits; k++)
			one *= 10;
		if (t < 0 && fraction)
			fraction = one - fraction;
		whole += t < 0 && fraction == 0 && (double)whole < t; /* less than 18 digits can say */
	}
	int64_t days = (whole >= 0 ? whole : whole - (DAY - 1)) / DAY, y;
	unsigned mon, d, s = (unsigned)(whole - days * DAY);
	date_of(days, &y, &mon, &d);
	int len = snprintf(to, 40, "%04d-%02u-%02uT%02u:%02u:%02u", (int)y, mon, d, s / 3600, s / 60 % 60, s % 60);
	if (fraction)
		len += snprintf(to + len, 40 - (size_t)len, ".%0*llu", (int)digits, (unsigned long long)fraction);
	to[len++] = 'Z';
	return (uint32_t)len;
}

/* ---- the times of events ---- */

int fl_time_of_cell(struct fl_events *ev, const struct fl_time_spec *spec, uint32_t col, uint32_t i, double *t)
{
	const struct fl_column *c = ev->b.column[col];
	double v;
	switch ((enum fl_type)c->type[i]) {
	case FL_NUMBER:
	case FL_BIGINT:
		/* 1e-3 is no double, 1e3 is: dividing rounds once */
		v = spec->unit < 1 ? c->num[i] / round(1 / spec->unit) : c->num[i] * spec->unit;
		break;
	case FL_STRING:
		if (fl_time_parse(spec->format, c->str[i], &v) < 0)
			return -1;
		break;
	default:
		return -1;
	}
	*t = v;
	return 0;
}

static void say_why(struct fl_events *ev, const struct fl_time_spec *spec, const struct fl_column *c, uint32_t i)
{
	char err[FL_ERRLEN], form[128] = "ISO 8601";
	const char *field = spec->field, *stream = ev->b.stream;
	struct fl_str s = c->type[i] == FL_STRING ? c->str[i] : (struct fl_str){0};
	if (spec->format)
		snprintf(form, sizeof form, "of the format %s", spec->format);
	if (c->type[i] == FL_ABSENT)
		fl_err(err, "the stream \"%s\" takes its time from the field \"%s\", which the event lacks", stream, field);
	else if (s.p)
		fl_err(err, "the field \"%s\" of the stream \"%s\" is no time: \"%.*s\" is not %s", field, stream,
			(int)(s.len < 64 ? s.len : 64), s.p, form);
	else
		fl_err(err, "the field \"%s\" of the stream \"%s\" is no time: it must be a number or a string", field, stream);
	fl_events_reject(ev, i, "time", (struct fl_str){0}, fl_str(err));
}

void fl_time_of_events(struct fl_events *ev, const struct fl_time_spec *spec, uint32_t col)
{
	const struct fl_column *c = ev->b.column[col];
	double unit = spec->unit;
	for (uint32_t i = 0; i < ev->b.n; i++)
		if (ev->b.outcome[i] != FL_PASS)
			continue;
		else if (c->type[i] == FL_NUMBER && unit >= 1) /* nearly all */
			ev->b.time[i] = c->num[i] * unit;
		else if (fl_time_of_cell(ev, spec, col, i, &ev->b.time[i]) < 0)
			say_why(ev, spec, c, i);
}
