/* Error texts, allocation that cannot fail, assertions. Called by everybody, on any thread. */
#include "err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int fl_err(char *err, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(err, FL_ERRLEN, fmt, ap);
	va_end(ap);
	return -1;
}

int fl_err_in(char *err, const char *fmt, ...)
{
	char below[FL_ERRLEN];
	memcpy(below, err, FL_ERRLEN);
	below[FL_ERRLEN - 1] = 0;
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(err, FL_ERRLEN, fmt, ap);
	va_end(ap);
	if (n >= 0 && n < FL_ERRLEN - 3) /* what is below is cut where it does not fit */
		snprintf(err + n, (size_t)(FL_ERRLEN - n), ": %.*s", FL_ERRLEN - n - 3, below);
	return -1;
}

static void *checked(void *p, size_t n)
{
	if (!p && n) {
		fprintf(stderr, "fairlead: out of memory (%zu bytes); what was committed is safe\n", n);
		abort();
	}
	return p;
}

void *fl_alloc(size_t n) { return checked(calloc(1, n), n); }

void *fl_realloc(void *p, size_t n) { return checked(realloc(p, n), n); }

char *fl_strdup(const char *s)
{
	size_t n = strlen(s) + 1;
	return memcpy(fl_alloc(n), s, n);
}

char *fl_printf(const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;
	va_start(ap, fmt);
	int n = vasprintf(&s, fmt, ap);
	va_end(ap);
	return checked(n < 0 ? NULL : s, 1);
}

void fl_bug(const char *what, const char *file, int line)
{
	fprintf(stderr, "fairlead: bug at %s:%d: %s is not so; please report it. What was committed is safe\n", file, line, what);
	abort();
}
