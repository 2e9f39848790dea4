/* Error texts: a function that can fail returns 0 or -1 and leaves one whole sentence in the caller's err[FL_ERRLEN].
 * Each layer that knows more puts its name before the text of the layer below. */
#ifndef FL_BASE_ERR_H
#define FL_BASE_ERR_H

#include "../fairlead.h"

/* Formats into err and returns -1, so that a failing function ends with `return fl_err(err, "…")`. */
int fl_err(char *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Puts "<prefix>: " before what err says already, and returns -1. */
int fl_err_in(char *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Out of memory is not survived: says so and aborts; what was committed is safe. */
void *fl_alloc(size_t n);            /* zeroed */
void *fl_realloc(void *p, size_t n); /* not zeroed */
char *fl_strdup(const char *s);
char *fl_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* to be freed by the caller */

/* A bug, not an input: stays in release builds, names the place, and ends the process. */
#define FL_ASSERT(x) ((x) ? (void)0 : fl_bug(#x, __FILE__, __LINE__))
void fl_bug(const char *what, const char *file, int line) __attribute__((noreturn));

#endif
